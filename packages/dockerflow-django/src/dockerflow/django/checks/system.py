"""What ``manage.py`` is told when it checks the project, as most of its commands do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks

from dockerflow.django.conf import problems

from .database import check_database_connected, check_migrations_applied


def register() -> None:
    """Register the system checks with Django; done when the application is loaded.

    The database and its migrations are looked at only where a command was given databases, as in
    ``manage.py check --database default``.
    """
    checks.register()(settings_make_sense)
    for check in (database_connected, migrations_applied):
        checks.register(checks.Tags.database)(check)


def settings_make_sense(**kwargs: Any) -> list[checks.CheckMessage]:
    """Say which ``DOCKERFLOW_`` settings make no sense."""
    return [checks.Error(problem, id="dockerflow.E001") for problem in problems()]


def database_connected(
    *, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Do as :func:`check_database_connected` does, for databases that were asked for."""
    return check_database_connected(databases=databases) if databases else []


def migrations_applied(
    *, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Do as :func:`check_migrations_applied` does, for databases that were asked for."""
    return check_migrations_applied(databases=databases) if databases else []
