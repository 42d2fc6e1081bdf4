"""Checks that the databases answer and that their migrations have been applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections, router
from django.db import Error as DatabaseError
from django.db.migrations import loader as migration_loader
from django.db.models.signals import post_migrate

from dockerflow import health
from dockerflow.checks import default_registry
from dockerflow.checks.services import misplaced_parts, public_text
from dockerflow.endpoints.checks import MIGRATIONS_KEEP


def check_database_connected(
    app_configs: object = None, *, databases: Iterable[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return an error for each database that can't be used.

    If a restart of the database has cut a connection of the calling thread, the check replaces the
    connection and reports nothing.

    :param app_configs: passed by Django to system checks; ignored, like ``kwargs``.
    :param databases: the aliases of the databases, by default only ``default``.
    :returns: one error for each failing database: ``dockerflow.health.E001`` (no connection),
        ``E002`` (the connection is not usable) or ``E003`` (misconfigured).
    """
    return [message for alias in _aliases(databases) for message in _connected(alias)]


def check_migrations_applied(
    app_configs: Iterable[Any] | None = None,
    *,
    databases: Iterable[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Return the migrations that have not been applied.

    Like ``makemigrations``, it checks databases other than ``default`` only if database routers
    are configured, and then only the apps that may migrate to them. The heartbeat keeps a result
    without messages for a minute, because reading hundreds of migrations is slow.

    :param app_configs: the applications to check, by default all.
    :param databases: the aliases of the databases, by default only ``default``.
    :param kwargs: ignored; later versions of Django may pass more arguments.
    :returns: one warning ``dockerflow.health.W001`` for each unapplied migration, or
        ``dockerflow.health.I001`` for each database that can't be queried.
    """
    labels = {config.label for config in app_configs or ()}
    return [message for alias in _aliases(databases) for message in _unapplied(alias, labels)]


# Django's tag for checks that need a database; heartbeat.py reads it.
check_database_connected.tags = check_migrations_applied.tags = (Tags.database,)  # type: ignore[attr-defined] # of functions

check_migrations_applied.keep = MIGRATIONS_KEEP  # type: ignore[attr-defined] # see heartbeat.py


def _connected(alias: str) -> Iterator[CheckMessage]:
    which = _named(alias)
    secrets = list(_passwords(connections.settings[alias]))
    try:
        connection = connections[alias]
        connection.ensure_connection()
        if not connection.is_usable() and not connection.in_atomic_block:
            _discard(connection)
            connection.ensure_connection()
        if not connection.is_usable():
            text = f"Database connection is not usable{which}"
            yield Error(text, id=health.ERROR_UNUSABLE_DATABASE)
    except DatabaseError as error:
        text = f"Could not connect to database: {public_text(error, secrets)}{which}"
        yield Error(text, id=health.ERROR_CANNOT_CONNECT_DATABASE)
    except ImproperlyConfigured as error:
        text = f'Database misconfigured: "{public_text(error, secrets)}"{which}'
        yield Error(text, id=health.ERROR_MISCONFIGURED_DATABASE)


def _passwords(database: Any) -> Iterator[object]:
    options: Any = database.get("OPTIONS") or {}
    yield from (database.get("PASSWORD"), options.get("password"), options.get("passwd"))
    yield from misplaced_parts(database.get("HOST"), database.get("NAME"))


def _unapplied(alias: str, labels: set[str]) -> Iterator[CheckMessage]:
    if alias != DEFAULT_DB_ALIAS and not settings.DATABASE_ROUTERS:
        return
    which = _named(alias)
    try:
        connection = connections[alias]
        loader = _load(connection)
    except (ImproperlyConfigured, DatabaseError):
        text = f"Can't connect to database to check migrations{which}"
        yield Info(text, id=health.INFO_CANT_CHECK_MIGRATIONS)
        return
    unapplied = [
        migration
        for node, migration in sorted(loader.graph.nodes.items(), key=lambda pair: pair[0])
        if node not in loader.applied_migrations
        and migration.app_label in (labels or loader.migrated_apps)
        and _may_migrate(alias, migration.app_label)
    ]
    for migration in unapplied:
        text = f"Unapplied migration {migration}{which}"
        yield Warning(text, id=health.WARNING_UNAPPLIED_MIGRATION)


def _load(connection: Any) -> Any:
    make = migration_loader.MigrationLoader  # looked up here because applications' tests patch it
    try:
        return make(connection, ignore_no_migrations=True)
    except DatabaseError:
        if connection.connection is None or connection.in_atomic_block:
            raise
        _discard(connection)
        return make(connection, ignore_no_migrations=True)


def _discard(connection: Any) -> None:
    """Close a connection that a database restart may have cut, and the dead ones in its pool."""
    connection.close()
    pool: Any = getattr(connection, "pool", None)  # from Django 5.1 on
    if hasattr(pool, "check"):  # psycopg's pool; Oracle's checks its connections itself
        pool.check()


def _may_migrate(alias: str, app_label: str) -> bool:
    if not settings.DATABASE_ROUTERS:
        return True
    names = [model._meta.model_name for model in apps.get_app_config(app_label).get_models()]
    return any(router.allow_migrate(alias, app_label, model_name=name) for name in names or [None])


def _forget(**kwargs: Any) -> None:
    default_registry.forget_results()


# https://docs.djangoproject.com/en/stable/ref/signals/#post-migrate
post_migrate.connect(_forget, dispatch_uid="dockerflow")


def _aliases(databases: Iterable[str] | None) -> Iterable[str]:
    return [DEFAULT_DB_ALIAS] if databases is None else databases


def _named(alias: str) -> str:
    return "" if alias == DEFAULT_DB_ALIAS else f' (database "{alias}")'
