"""The smallest application of each framework, all with the same routes."""
