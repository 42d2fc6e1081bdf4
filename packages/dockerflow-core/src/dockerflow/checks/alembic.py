"""Whether the database has all the migrations of an Alembic directory, sync and async.

The heads of the scripts are compared with the revisions in the database's version table. Nothing of
the application is run for that: not ``env.py``, which may log, connect or migrate, and the scripts
only as far as Alembic imports them, once for each state of the directory. The version table is read
over a connection of the check's own, as in :mod:`dockerflow.checks.sqlalchemy`, and never created.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dockerflow.health import INFO_CANT_CHECK_MIGRATIONS, WARNING_UNAPPLIED_MIGRATION

from ._database import (
    async_connection_to,
    connection_to,
    engine_of,
    failure_text,
    is_async_engine,
    require_sqlalchemy,
)
from ._migrations import NoScripts, Revisions, read_revisions, read_revisions_async
from ._services import needed
from .messages import CheckMessage, Info, Warning

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = [
    "check_migrations_applied",
    "check_migrations_applied_async",
    "migrations_check",
]


def migrations_check(
    migrate: Any,
    database: Any = None,
    *,
    version_table: str | None = None,
    version_table_schema: str | None = None,
) -> Callable[[], Any]:
    """Return the check that fits a database: a sync or an async callable without arguments.

    :param migrate: as for :func:`check_migrations_applied`.
    :param database: as there, or as for :func:`check_migrations_applied_async`.
    :param version_table: as there.
    :param version_table_schema: as there.
    :raises ModuleNotFoundError: Alembic or SQLAlchemy is not installed.
    :raises TypeError: there is no database to look at.
    """
    _require()
    table = {"version_table": version_table, "version_table_schema": version_table_schema}
    if is_async_engine(database):
        return functools.partial(check_migrations_applied_async, migrate, database, **table)
    if database is None and not hasattr(migrate, "db"):
        raise TypeError(_NO_DATABASE)
    return functools.partial(check_migrations_applied, migrate, database, **table)


def check_migrations_applied(
    migrate: Any,
    database: Any = None,
    *,
    version_table: str | None = None,
    version_table_schema: str | None = None,
) -> list[CheckMessage]:
    """Say whether the database has all migrations.

    :param migrate: a :class:`flask_migrate.Migrate`, an :class:`alembic.config.Config` or the path
        of an ``alembic.ini``. For Flask-Migrate an application context is needed.
    :param database: what :func:`dockerflow.checks.sqlalchemy.check_database_connected` takes; by
        default the ``db`` of Flask-Migrate.
    :param version_table: the version table's name, by default the one Flask-Migrate was given, and
        otherwise Alembic's ``alembic_version``; what ``env.py`` itself sets can't be seen here.
    :param version_table_schema: its schema, likewise; by default the connection's own.
    :return: nothing, or one message: ``dockerflow.health.W001`` (unapplied migrations, or a
        database ahead of the code) or ``I001`` (the database or the migrations can't be read).
    :raises ModuleNotFoundError: Alembic or SQLAlchemy is not installed.
    :raises TypeError: there is no database to look at, or it is an async engine.
    """
    _require()
    source = migrate
    if hasattr(migrate, "get_config"):
        options = getattr(migrate, "alembic_ctx_kwargs", {})
        version_table = version_table or options.get("version_table")
        version_table_schema = version_table_schema or options.get("version_table_schema")
        database = migrate.db if database is None else database
        source = migrate.get_config()
    if database is None:
        raise TypeError(_NO_DATABASE)
    engine: Any = None
    try:
        revisions = read_revisions(source)
        engine = engine_of(database)
        with connection_to(engine) as connection:
            applied = _applied(connection, version_table, version_table_schema)
    except Exception as error:
        return [_failure(error, engine)]
    return _judge(revisions, applied)


async def check_migrations_applied_async(
    migrate: Config | str | os.PathLike[str],
    engine: AsyncEngine,
    *,
    version_table: str | None = None,
    version_table_schema: str | None = None,
) -> list[CheckMessage]:
    """Say whether the database has all migrations, as :func:`check_migrations_applied` does.

    :param migrate: an :class:`alembic.config.Config` or the path of an ``alembic.ini``. Its scripts
        are read in a thread.
    :param engine: a :class:`sqlalchemy.ext.asyncio.AsyncEngine`; the running event loop is the one
        its connections belong to.
    :param version_table: as there.
    :param version_table_schema: as there.
    :return: as there.
    :raises ModuleNotFoundError: Alembic or SQLAlchemy is not installed.
    """
    _require()
    try:
        revisions = await read_revisions_async(migrate)
        async with async_connection_to(engine) as connection:
            applied = await connection.run_sync(_applied, version_table, version_table_schema)
    except Exception as error:
        return [_failure(error, engine)]
    return _judge(revisions, applied)


_NO_DATABASE = (
    "check_migrations_applied needs the database as well: pass the engine as its second argument"
)


def _require() -> None:
    needed("alembic", "alembic", "migrate")
    require_sqlalchemy()


def _applied(connection: Connection, name: str | None, schema: str | None) -> list[str]:
    """Read the version table, of https://alembic.sqlalchemy.org/en/latest/tutorial.html.

    Alembic's own ``MigrationContext`` would do, and log two lines at INFO for each heartbeat.
    """
    from sqlalchemy import String, column, inspect, select, table

    name = name or "alembic_version"
    if not inspect(connection).has_table(name, schema=schema):
        return []
    version = column("version_num", String)
    return list(
        connection.scalars(select(version).select_from(table(name, version, schema=schema)))
    )


def _judge(revisions: Revisions, applied: list[str]) -> list[CheckMessage]:
    if unknown := revisions.unknown(applied):
        text = f"Database is ahead of the code: no script has its revisions {', '.join(unknown)}"
    elif missing := revisions.missing_heads(applied):
        text = f"Unapplied migrations found: {', '.join(missing)}"
    else:
        return []
    return [Warning(text, id=WARNING_UNAPPLIED_MIGRATION)]


def _failure(error: Exception, engine: Any) -> CheckMessage:
    if isinstance(error, NoScripts):
        return Info(f"Can't check migrations: {error}", id=INFO_CANT_CHECK_MIGRATIONS)
    text = failure_text(error, engine)
    if text is None:
        raise error
    return Info(
        f"Can't connect to database to check migrations: {text}", id=INFO_CANT_CHECK_MIGRATIONS
    )
