"""The checker of the Dockerflow specification."""
