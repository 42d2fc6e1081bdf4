"""Check that the database has all the migrations of an Alembic directory.

This compares the heads of the migration scripts with the revisions in the database's version table.
It does not run ``env.py``, and never creates the version table.
"""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dockerflow.health import INFO_CANT_CHECK_MIGRATIONS, WARNING_UNAPPLIED_MIGRATION

from .messages import CheckMessage, Info, Warning
from .services import import_extra, is_instance_with, public_text, wrong_type
from .sqlalchemy import (
    engines_of,
    failure_text,
    is_async_engine,
    require_database,
    use_connection,
    use_connection_async,
)

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

    Source = Config | str | os.PathLike[str]

__all__ = ["check_migrations_applied", "check_migrations_applied_async", "migrations_check"]


def migrations_check(
    migrate: Any,
    database: Any = None,
    *,
    version_table: str | None = None,
    version_table_schema: str | None = None,
) -> Callable[[], Any]:
    """Return the right check for a database: a sync or async callable without arguments.

    The parameters are those of :func:`check_migrations_applied` or
    :func:`check_migrations_applied_async`, which also list the exceptions.
    """
    _require(migrate, database)
    table = {"version_table": version_table, "version_table_schema": version_table_schema}
    if is_async_engine(database):
        return functools.partial(check_migrations_applied_async, migrate, database, **table)
    return functools.partial(check_migrations_applied, migrate, database, **table)


def check_migrations_applied(
    migrate: Any,
    database: Any = None,
    *,
    version_table: str | None = None,
    version_table_schema: str | None = None,
) -> list[CheckMessage]:
    """Check that the database has all migrations.

    :param migrate: a :class:`flask_migrate.Migrate` (in an application context), an
        :class:`alembic.config.Config` or the path of an ``alembic.ini``.
    :param database: as for :func:`dockerflow.checks.sqlalchemy.check_database_connected`; by
        default the ``db`` of Flask-Migrate.
    :param version_table: the version table's name, by default that of Flask-Migrate or Alembic. A
        name that is set in ``env.py`` must be given here too.
    :param version_table_schema: its schema, by default that of Flask-Migrate or the connection.
    :returns: a message if something is wrong: ``dockerflow.health.W001`` (unapplied migrations, or
        a database ahead of the code) or ``I001`` (the database or the migrations can't be read).
    :raises ModuleNotFoundError: if Alembic or SQLAlchemy is not installed.
    :raises TypeError: if an argument has the wrong type, or there is no database.
    """
    _require(migrate, database)
    source = migrate
    if _is_extension(migrate):
        options = getattr(migrate, "alembic_ctx_kwargs", {})
        version_table = version_table or options.get("version_table")
        version_table_schema = version_table_schema or options.get("version_table_schema")
        database = migrate.db if database is None else database
        source = migrate.get_config()
    read = _reader(version_table, version_table_schema)
    messages: list[CheckMessage] = []
    engines = engines_of(database)
    if None in engines:  # the default bind, which Flask-Migrate migrates
        engines = {None: engines[None]}
    for bind, engine in engines.items():
        try:
            applied = use_connection(engine, read)
        except Exception as error:
            messages.append(_no_connection(error, engine, bind))
        else:
            messages += _compare(source, applied, bind)
    return messages


async def check_migrations_applied_async(
    migrate: Source,
    engine: AsyncEngine,
    *,
    version_table: str | None = None,
    version_table_schema: str | None = None,
) -> list[CheckMessage]:
    """Check that the database has all migrations, like :func:`check_migrations_applied`.

    The other parameters are those of that function.

    :param migrate: an :class:`alembic.config.Config` or the path of an ``alembic.ini``. Its scripts
        are read in a thread.
    :param engine: a :class:`sqlalchemy.ext.asyncio.AsyncEngine` whose connections belong to the
        running event loop.
    """
    _require(migrate, engine)
    try:
        applied = await use_connection_async(engine, _reader(version_table, version_table_schema))
    except Exception as error:
        return [_no_connection(error, engine)]
    return await asyncio.to_thread(_compare, migrate, applied)


def _require(migrate: Any, database: Any) -> None:
    """Import what the check needs, and raise a TypeError for arguments that it can't use."""
    for module in ("alembic.config", "alembic.migration", "alembic.script"):
        import_extra(module, "alembic", "migrate")
    from alembic.config import Config

    if not isinstance(migrate, Config | str | os.PathLike) and not _is_extension(migrate):
        remedy = "a Flask-Migrate extension, an alembic.config.Config or the path of an alembic.ini"
        raise wrong_type("migrate=", migrate, remedy)
    if database is not None:
        require_database(database)
    elif not _is_extension(migrate):
        raise TypeError("db= is missing; set it to the engine of the database that is migrated")


def _is_extension(migrate: Any) -> bool:
    return is_instance_with(migrate, "get_config")


def _reader(table: str | None, schema: str | None) -> Callable[[Connection], set[str]]:
    """Return a function that reads the revisions of a database."""
    from alembic.migration import MigrationContext

    options = {"version_table": table or "alembic_version", "version_table_schema": schema}
    return lambda connection: set(
        MigrationContext.configure(connection, opts=options).get_current_heads()
    )


def _compare(source: Source, applied: set[str], bind: str | None = None) -> list[CheckMessage]:
    """Compare the database's revisions with the heads of the scripts."""
    place = "" if bind is None else f"bind {bind!r}: "
    try:
        scripts = _read_scripts(source)
        heads = set(scripts.get_heads())
        if heads == applied:
            return []
        revisions = {script.revision for script in scripts.walk_revisions()}
        if unknown := applied - revisions:
            text = "Database is ahead of the code: no script has its revisions "
            return [_unapplied(place + text, unknown)]
        # The version table does not list the revisions that an applied one depends on.
        reached = {script.revision for script in scripts.get_all_current(tuple(applied))}
    except Exception as error:
        text = f"Can't check migrations: {type(error).__name__}"
        if _raised_by_alembic(error):
            return [Info(public_text(f"{text}: {error}"), id=INFO_CANT_CHECK_MIGRATIONS)]
        # Scripts are the application's code. Their exceptions may hold secrets, so only log them.
        return [Info(text, obj=error, id=INFO_CANT_CHECK_MIGRATIONS)]
    missing = heads - reached
    return [_unapplied(f"{place}Unapplied migrations found: ", missing)] if missing else []


def _raised_by_alembic(error: Exception) -> bool:
    """Return whether Alembic raised an exception, its own or a KeyError for a missing parent."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    modules = (type(error).__module__, frames[-1].f_globals.get("__name__", ""))
    return any(module.partition(".")[0] == "alembic" for module in modules)


def _unapplied(text: str, revisions: set[str]) -> CheckMessage:
    return Warning(text + ", ".join(sorted(revisions)), id=WARNING_UNAPPLIED_MIGRATION)


# Alembic has to import every script, and scripts don't change while a service runs. So keep what
# was read for a minute, by the places that a configuration names.
_KEPT_SECONDS = 60.0
_PLACES = ("script_location", "version_locations", "recursive_version_locations")
_kept: dict[tuple[object, ...], tuple[float, ScriptDirectory]] = {}


def _read_scripts(source: Source) -> ScriptDirectory:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = source if isinstance(source, Config) else Config(os.fspath(source))
    place = (config.config_file_name, *map(config.get_main_option, _PLACES))
    kept = _kept.get(place)
    if kept is None or time.monotonic() - kept[0] > _KEPT_SECONDS:
        path = list(sys.path)
        try:
            scripts = ScriptDirectory.from_config(config)
            scripts.get_heads()
        finally:
            sys.path[:] = path  # Alembic's prepend_sys_path makes it longer each time
        kept = _kept[place] = (time.monotonic(), scripts)
    return kept[1]


def _no_connection(error: Exception, engine: Any, bind: str | None = None) -> CheckMessage:
    text = f"Can't connect to database to check migrations: {failure_text(error, engine, bind)}"
    return Info(text, id=INFO_CANT_CHECK_MIGRATIONS)
