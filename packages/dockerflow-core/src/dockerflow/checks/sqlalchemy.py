"""Whether the database of a SQLAlchemy engine answers, sync and async.

A check connects for itself, as the engine's pool would, and closes the connection afterwards. So it
sees the database rather than the pool: an idle connection that a restart has cut is no failure, and
a pool that the application has used up is not waited for. A :class:`sqlalchemy.pool.StaticPool`,
as SQLite in memory has it, is asked for its one connection.

Where the driver is psycopg, psycopg2 or asyncpg, and the application has set no limit, the check
gives up connecting after four seconds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dockerflow.health import ERROR_DB_API_EXCEPTION, ERROR_SQLALCHEMY_EXCEPTION

from ._database import (
    async_connection_to,
    connection_to,
    engine_of,
    failure_text,
    is_async_engine,
    require_sqlalchemy,
)
from .messages import CheckMessage, Error

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = [
    "check_database_connected",
    "check_database_connected_async",
    "database_check",
]


def database_check(database: Any) -> Callable[[], Any]:
    """Return the check that fits a database: a sync or an async callable without arguments.

    :param database: what :func:`check_database_connected` or
        :func:`check_database_connected_async` takes.
    :raises ModuleNotFoundError: SQLAlchemy is not installed.
    """
    require_sqlalchemy()
    if is_async_engine(database):
        return functools.partial(check_database_connected_async, database)
    return functools.partial(check_database_connected, database)


def check_database_connected(database: Any) -> list[CheckMessage]:
    """Say whether the database answers ``SELECT 1``.

    :param database: a :class:`sqlalchemy.Engine`, or an extension whose ``engine`` is one, such as
        Flask-SQLAlchemy's, of which the default bind is asked, in an application context.
    :return: nothing, or one error: ``dockerflow.health.E008`` (the database or its driver) or
        ``E009`` (any other error of SQLAlchemy's).
    :raises ModuleNotFoundError: SQLAlchemy is not installed.
    :raises TypeError: the engine is an async one.
    """
    require_sqlalchemy()
    from sqlalchemy import select

    engine: Any = None
    try:
        engine = engine_of(database)
        with connection_to(engine) as connection:
            connection.scalar(select(1))
    except Exception as error:
        return [_failure(error, engine)]
    return []


async def check_database_connected_async(engine: AsyncEngine) -> list[CheckMessage]:
    """Say whether the database answers ``SELECT 1``.

    :param engine: a :class:`sqlalchemy.ext.asyncio.AsyncEngine`; the running event loop is the one
        its connections belong to.
    :return: as for :func:`check_database_connected`.
    :raises ModuleNotFoundError: SQLAlchemy is not installed.
    """
    require_sqlalchemy()
    from sqlalchemy import select

    try:
        async with async_connection_to(engine) as connection:
            await connection.scalar(select(1))
    except Exception as error:
        return [_failure(error, engine)]
    return []


def _failure(error: Exception, engine: Any) -> CheckMessage:
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    text = failure_text(error, engine)
    if text is None:
        raise error
    if isinstance(error, SQLAlchemyError) and not isinstance(error, DBAPIError):
        return Error(f'Database misconfigured: "{text}"', id=ERROR_SQLALCHEMY_EXCEPTION)
    return Error(f"DB-API error: {text}", id=ERROR_DB_API_EXCEPTION)
