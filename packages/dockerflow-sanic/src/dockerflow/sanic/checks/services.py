"""The checks of :mod:`dockerflow.checks` for the clients that Sanic applications have.

Whether a client is a sync or an async one, the check of it has one name here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from sanic import Request, Sanic
from sanic.exceptions import SanicException

from dockerflow.checks import CheckMessage, Error
from dockerflow.health import ERROR_CANNOT_CONNECT_REDIS

# The modules of the checks are imported where one is asked for: most applications have some.


def redis_check(redis: Any) -> Callable[[], Any]:
    """Return the check that fits: a sync or an async callable without arguments.

    :param redis: a :class:`sanic_redis.SanicRedis`, a :class:`redis.asyncio.Redis`, a
        :class:`redis.Redis`, or anything that has their ``ping()``.
    :raises ModuleNotFoundError: redis-py is not installed.
    """
    if any(cls.__module__.partition(".")[0] == "sanic_redis" for cls in type(redis).__mro__):
        return functools.partial(_check_extension, redis)
    from dockerflow.checks.redis import redis_check as check_of_client

    return check_of_client(redis)


def check_redis_connected(redis: Any) -> Any:
    """Say whether Redis answers a ``PING``.

    :param redis: what :func:`redis_check` takes.
    :return: for a :class:`redis.Redis` what
        :func:`dockerflow.checks.redis.check_redis_connected` returns; otherwise an awaitable of it.
    :raises ModuleNotFoundError: redis-py is not installed.
    """
    return redis_check(redis)()


def check_database_connected(database: Any) -> Any:
    """Say whether the database answers ``SELECT 1``.

    :param database: a :class:`sqlalchemy.Engine` or :class:`sqlalchemy.ext.asyncio.AsyncEngine`.
    :return: for an ``Engine`` what :func:`dockerflow.checks.sqlalchemy.check_database_connected`
        returns, for an ``AsyncEngine`` an awaitable of it.
    :raises ModuleNotFoundError: SQLAlchemy is not installed.
    """
    return database_check(database)()


def database_check(database: Any) -> Callable[[], Any]:
    """Return the check that fits: a sync or an async callable without arguments.

    :param database: what :func:`check_database_connected` takes.
    :raises ModuleNotFoundError: SQLAlchemy is not installed.
    """
    from dockerflow.checks.sqlalchemy import database_check as check_of_engine

    return check_of_engine(database)


def check_migrations_applied(migrate: Any, database: Any) -> Any:
    """Say whether the database has all migrations.

    :param migrate: an :class:`alembic.config.Config` or the path of an ``alembic.ini``.
    :param database: what :func:`check_database_connected` takes.
    :return: for an ``Engine`` what :func:`dockerflow.checks.alembic.check_migrations_applied`
        returns, for an ``AsyncEngine`` an awaitable of it.
    :raises ModuleNotFoundError: Alembic or SQLAlchemy is not installed.
    """
    return migrations_check(migrate, database)()


def migrations_check(migrate: Any, database: Any) -> Callable[[], Any]:
    """Return the check that fits: a sync or an async callable without arguments.

    :param migrate: what :func:`check_migrations_applied` takes.
    :param database: likewise.
    :raises ModuleNotFoundError: Alembic or SQLAlchemy is not installed.
    """
    from dockerflow.checks.alembic import migrations_check as check_of_migrations

    return check_of_migrations(migrate, database)


async def _check_extension(extension: Any) -> list[CheckMessage]:
    client = _client_of(extension)
    if client is None:
        text = (
            "Could not connect to redis: SanicRedis has no client in "
            f"app.ctx.{_name_of(extension)}; it puts one there when the server starts, "
            "under the name that it was constructed with"
        )
        return [Error(text, id=ERROR_CANNOT_CONNECT_REDIS)]
    from dockerflow.checks.redis import check_redis_connected_async

    return await check_redis_connected_async(client)


def _client_of(extension: Any) -> Any:
    """Return the client that the extension has made, which it keeps in the application's ``ctx``.

    Until release 0.6 it was kept as ``extension.conn`` as well, which names no application.
    """
    sanic: Any = Sanic
    app: Any
    try:
        app = Request.get_current().app
    except SanicException:  # not in a request, but in a test or a task
        app = sanic.get_app()
    return getattr(app.ctx, _name_of(extension), None) or getattr(extension, "conn", None)


def _name_of(extension: Any) -> str:
    return str(getattr(extension, "ctx_name", None) or extension.config_name.lower())
