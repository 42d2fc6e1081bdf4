"""Whether the databases answer, and whether their migrations have been applied."""

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
    """Return what is wrong with the connections to the databases.

    A connection that the calling thread has open already, and that a restart of the database has
    cut, is no failure: it is replaced.

    :param app_configs: what Django gives a system check; not looked at, like ``kwargs``.
    :param databases: the aliases of the databases, by default the one called ``default``.
    :returns: for each that doesn't answer one error: ``dockerflow.health.E001`` (no connection),
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

    Like ``makemigrations``, it looks at databases other than ``default`` only where database
    routers are in use, and there at the apps that may migrate to them. The heartbeat keeps a result
    without any message for a minute, since reading hundreds of migrations is slow.

    :param app_configs: the applications whose migrations are meant, by default all.
    :param databases: the aliases of the databases, by default the one called ``default``.
    :param kwargs: what Django may give a system check some day; not looked at.
    :returns: one warning ``dockerflow.health.W001`` for each migration, or
        ``dockerflow.health.I001`` for a database that can't be asked.
    """
    labels = {config.label for config in app_configs or ()}
    return [message for alias in _aliases(databases) for message in _unapplied(alias, labels)]


# As Django tags its own: these need a database, see heartbeat.py.
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
    make = migration_loader.MigrationLoader  # looked up now, since applications' tests patch it
    try:
        return make(connection, ignore_no_migrations=True)
    except DatabaseError:
        if connection.connection is None or connection.in_atomic_block:
            raise
        _discard(connection)
        return make(connection, ignore_no_migrations=True)


def _discard(connection: Any) -> None:
    """Close a connection that a restart of the database may have cut, and others in its pool."""
    connection.close()
    pool: Any = getattr(connection, "pool", None)  # from Django 5.1 on
    if hasattr(pool, "check"):  # psycopg's; that of Oracle looks after its connections itself
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
