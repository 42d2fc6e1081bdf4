"""The Django application ``dockerflow``."""

from __future__ import annotations

from django.apps import AppConfig

from .checks import register


class DockerFlowAppConfig(AppConfig):
    """Registers the system checks."""

    name = "dockerflow.django"
    label = "dockerflow"
    verbose_name = "Dockerflow"

    def ready(self) -> None:
        """Register the system checks with Django."""
        register()
