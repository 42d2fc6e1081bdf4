"""Check whether a service, in any language, keeps the Dockerflow specification.

The command is ``dockerflow-check``; ``python -m dockerflow.check`` is the same.
"""


class DockerflowWarning(UserWarning):
    """A service breaks a clause that is no MUST: the warning of the pytest plugin."""
