"""Applications that servers of these tests run."""
