"""A probe for containers: ``python -m dockerflow.probe`` checks that a service is alive."""
