"""A probe for containers: ``python -m dockerflow.probe`` asks a service whether it lives."""
