"""Whether the databases answer, and whether their migrations have been applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, NotSupportedError, connections, router
from django.db import Error as DatabaseError

from dockerflow import health


def check_database_connected(
    app_configs: object = None, *, databases: Iterable[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Say whether the databases answer.

    A connection that the calling thread has open already, and that a restart of the database has
    cut, is no failure: it is replaced.

    :param app_configs: what Django gives a system check; not looked at.
    :param databases: the aliases of the databases, by default the one called ``default``.
    :param kwargs: what Django may give a system check some day; not looked at.
    :return: for each that doesn't answer one error: ``dockerflow.health.E001`` (no connection),
        ``E002`` (the connection is not usable) or ``E003`` (misconfigured).
    """
    return [message for alias in _aliases(databases) for message in _connected(alias)]


def check_migrations_applied(
    app_configs: object = None, *, databases: Iterable[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Say which migrations have not been applied.

    Like ``makemigrations``, it looks at databases other than ``default`` only where database
    routers are in use, and there at the apps that may migrate to them.

    :param app_configs: what Django gives a system check; not looked at.
    :param databases: the aliases of the databases, by default the one called ``default``.
    :param kwargs: what Django may give a system check some day; not looked at.
    :return: one warning ``dockerflow.health.W001`` for each migration, or
        ``dockerflow.health.I001`` for a database that can't be asked.
    """
    return [message for alias in _aliases(databases) for message in _unapplied(alias)]


# As Django tags its own: these need a database, see heartbeat.py.
check_database_connected.tags = check_migrations_applied.tags = (Tags.database,)  # type: ignore[attr-defined]


def _aliases(databases: Iterable[str] | None) -> Sequence[str]:
    return [DEFAULT_DB_ALIAS] if databases is None else list(databases)


def _connected(alias: str) -> Iterator[CheckMessage]:
    obj = _obj(alias)
    try:
        if not _is_usable(alias):
            yield Error(
                "Database connection is not usable", obj=obj, id=health.ERROR_UNUSABLE_DATABASE
            )
    except (ImproperlyConfigured, NotSupportedError) as error:
        text = f'Database misconfigured: "{_one_line(error)}"'
        yield Error(text, obj=obj, id=health.ERROR_MISCONFIGURED_DATABASE)
    except (DatabaseError, OSError) as error:
        text = f"Could not connect to database: {_one_line(error)}"
        yield Error(text, obj=obj, id=health.ERROR_CANNOT_CONNECT_DATABASE)


def _is_usable(alias: str) -> bool:
    """Connect, and replace a connection of this thread that has been cut."""
    connection = connections[alias]
    connection.ensure_connection()
    if not connection.is_usable() and not connection.in_atomic_block:
        connection.close()
        connection.ensure_connection()
    return bool(connection.is_usable())


def _unapplied(alias: str) -> Iterator[CheckMessage]:
    # Imported when used, since applications' tests patch it.
    from django.db.migrations.loader import MigrationLoader

    obj = _obj(alias)
    if alias != DEFAULT_DB_ALIAS and not settings.DATABASE_ROUTERS:
        return
    try:
        _is_usable(alias)
        loader = MigrationLoader(connections[alias], ignore_no_migrations=True)
    except (ImproperlyConfigured, DatabaseError, OSError):
        text = "Can't connect to database to check migrations"
        yield Info(text, obj=obj, id=health.INFO_CANT_CHECK_MIGRATIONS)
        return
    for node, migration in sorted(loader.graph.nodes.items(), key=lambda each: str(each[0])):
        label = migration.app_label
        if (
            label in loader.migrated_apps
            and node not in loader.applied_migrations
            and _may_migrate(alias, label)
        ):
            text = f"Unapplied migration {migration}"
            yield Warning(text, obj=obj, id=health.WARNING_UNAPPLIED_MIGRATION)


def _may_migrate(alias: str, app_label: str) -> bool:
    if not settings.DATABASE_ROUTERS:
        return True
    try:
        models = list(apps.get_app_config(app_label).get_models())
    except LookupError:
        return True
    if not models:
        return router.allow_migrate(alias, app_label)
    return any(
        router.allow_migrate(alias, app_label, model_name=model._meta.model_name)
        for model in models
    )


def _obj(alias: str) -> str | None:
    # The texts are known; `manage.py check` shows the object in front of them.
    return None if alias == DEFAULT_DB_ALIAS else alias


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
