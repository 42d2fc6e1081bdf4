"""The built wheels and sdists, and each distribution alone in an environment."""
