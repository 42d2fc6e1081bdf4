"""What is built and shipped: wheels, sdists, and each distribution alone in an environment."""
