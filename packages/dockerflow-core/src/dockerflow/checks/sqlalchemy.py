"""Check that databases answer ``SELECT 1``, with the application's own SQLAlchemy engines."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from dockerflow.health import ERROR_DB_API_EXCEPTION, ERROR_SQLALCHEMY_EXCEPTION

from .messages import CheckMessage, Error
from .services import import_extra, is_instance_with, misplaced_parts, public_text, wrong_type

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["check_database_connected", "check_database_connected_async", "database_check"]

T = TypeVar("T")


def database_check(database: Any) -> Callable[[], Any]:
    """Return the right check for a database: a sync or async callable without arguments.

    :param database: an argument of :func:`check_database_connected` or
        :func:`check_database_connected_async`.
    :raises ModuleNotFoundError: if SQLAlchemy is not installed.
    :raises TypeError: if it is not a database.
    """
    require_database(database)
    if is_async_engine(database):
        return functools.partial(check_database_connected_async, database)
    return functools.partial(check_database_connected, database)


def check_database_connected(database: Any) -> list[CheckMessage]:
    """Check that the database answers ``SELECT 1``.

    :param database: a :class:`sqlalchemy.Engine`, or Flask-SQLAlchemy's extension, whose binds are
        all checked; the extension needs an application context.
    :returns: an error for each engine that fails: ``dockerflow.health.E008`` (an error of the
        database or its driver) or ``E009`` (any other error of SQLAlchemy).
    :raises ModuleNotFoundError: if SQLAlchemy is not installed.
    :raises TypeError: if it is an async engine, or not a database.
    """
    messages: list[CheckMessage] = []
    for bind, engine in engines_of(database).items():
        try:
            use_connection(engine, _select_1)
        except Exception as error:
            messages.append(_failure(error, engine, bind))
    return messages


async def check_database_connected_async(engine: AsyncEngine) -> list[CheckMessage]:
    """Check that the database answers ``SELECT 1``, like :func:`check_database_connected`.

    :param engine: a :class:`sqlalchemy.ext.asyncio.AsyncEngine` whose connections belong to the
        running event loop.
    """
    require_database(engine)
    try:
        await use_connection_async(engine, _select_1)
    except Exception as error:
        return [_failure(error, engine)]
    return []


# ---------------------------------------------------------------------- also for migrations


def require_database(database: Any) -> None:
    """Raise a TypeError for anything but an engine or an extension that has engines."""
    import_extra("sqlalchemy.exc", "sqlalchemy", "db")
    if not _is_extension(database) and not is_instance_with(database, "connect"):
        remedy = "an engine, such as sqlalchemy.create_engine(...), or Flask-SQLAlchemy's extension"
        raise wrong_type("db=", database, remedy)


def is_async_engine(database: object) -> bool:
    """Return whether the database is a :class:`sqlalchemy.ext.asyncio.AsyncEngine`."""
    # Don't import that module: it may need greenlet, which SQLAlchemy 2.1 does not install.
    modules = [cls.__module__ for cls in type(database).__mro__]
    return any(module.startswith("sqlalchemy.ext.asyncio") for module in modules)


def engines_of(database: Any) -> Mapping[str | None, Engine]:
    """Return the engines of a database by bind name; the default's name is ``None``."""
    require_database(database)
    if is_async_engine(database):
        kind = type(database).__name__
        raise TypeError(f"{kind} is an async engine: use the check that ends in _async")
    if not _is_extension(database):
        return {None: database}
    # Flask-SQLAlchemy has `engines` since 3.0. The `engine` of a sqlalchemy.Engine is itself.
    engines: Any = getattr(database, "engines", None)
    return {None: database.engine} if engines is None else engines


def use_connection(engine: Engine, use: Callable[[Connection], T]) -> T:
    """Call a function with a connection from the engine's pool, and return its result."""
    from sqlalchemy.exc import DBAPIError

    try:
        with engine.connect() as connection:
            return use(connection)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    # A restart of the database broke the pooled connection; by now the pool has dropped it.
    with engine.connect() as connection:
        return use(connection)


async def use_connection_async(engine: AsyncEngine, use: Callable[[Connection], T]) -> T:
    """Do the same as :func:`use_connection`, for an async engine."""
    from sqlalchemy.exc import DBAPIError

    try:
        async with engine.connect() as connection:
            return await connection.run_sync(use)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    async with engine.connect() as connection:
        return await connection.run_sync(use)


def failure_text(error: Exception, engine: Any, bind: str | None) -> str:
    """Return the text of a failure on one line, with the bind's name and without passwords.

    :raises Exception: the error itself, if neither SQLAlchemy, the driver nor the network is its
        source.
    """
    from sqlalchemy.exc import SQLAlchemyError

    # SQLAlchemy does not wrap the exceptions that asyncpg raises while it connects.
    driver = getattr(getattr(engine, "dialect", None), "driver", None)
    packages = [cls.__module__.partition(".")[0] for cls in type(error).__mro__]
    if isinstance(error, SQLAlchemyError):
        # str(error) would add the statement and a link to SQLAlchemy's manual.
        text = str(error.args[0]) if error.args else ""
    elif isinstance(error, OSError) or driver in packages:
        text = f"({type(error).__name__}) {error}"
    else:
        raise error
    text = public_text(text, _passwords(engine)) or type(error).__name__
    return text if bind is None else f"bind {bind!r}: {text}"


def _is_extension(database: object) -> bool:
    # Look at the class, because reading the property may need an application context.
    return hasattr(type(database), "engine")


def _select_1(connection: Connection) -> None:
    from sqlalchemy import select

    connection.execute(select(1))


def _failure(error: Exception, engine: Any, bind: str | None = None) -> CheckMessage:
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    text = failure_text(error, engine, bind)
    if isinstance(error, SQLAlchemyError) and not isinstance(error, DBAPIError):
        return Error(f'Database misconfigured: "{text}"', id=ERROR_SQLALCHEMY_EXCEPTION)
    return Error(f"DB-API error: {text}", id=ERROR_DB_API_EXCEPTION)


def _passwords(engine: Any) -> Iterator[object]:
    from sqlalchemy.engine import URL

    url = getattr(engine, "url", None)
    if isinstance(url, URL):
        yield from (url.password, url.query.get("password"))
        yield from misplaced_parts(url.host, url.database)
