"""The Django application ``dockerflow``."""

from __future__ import annotations

from django.apps import AppConfig


class DockerFlowAppConfig(AppConfig):
    """Registers the system checks."""

    name = "dockerflow.django"
    label = "dockerflow"
    verbose_name = "Dockerflow"

    def ready(self) -> None:
        """Register the system checks with Django."""
        from .checks import register

        register()
