"""The checks of backing services, with one function each for sync and async clients.

For the adapters of async frameworks.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from . import alembic, redis, sqlalchemy
from .messages import CheckMessage

if TYPE_CHECKING:
    from alembic.config import Config

Found = list[CheckMessage] | Awaitable[list[CheckMessage]]
"""What a check returns; it must be awaited if the client or engine is async."""


def check_redis_connected(client: Any) -> Found:
    """Check that Redis answers a ``PING``.

    :param client: a client of redis-py, sync or asyncio.
    :returns: the messages of :func:`dockerflow.checks.redis.check_redis_connected`.
    :raises ModuleNotFoundError: if redis-py is not installed.
    """
    found: Found = redis.redis_check(client)()
    return found


def check_database_connected(database: Any) -> Found:
    """Check that the database answers ``SELECT 1``.

    :param database: a SQLAlchemy engine, sync or async.
    :returns: the messages of :func:`dockerflow.checks.sqlalchemy.check_database_connected`.
    :raises ModuleNotFoundError: if SQLAlchemy is not installed.
    """
    found: Found = sqlalchemy.database_check(database)()
    return found


def check_migrations_applied(migrate: Config | str | os.PathLike[str], database: Any) -> Found:
    """Check that the database has all migrations.

    :param migrate: an Alembic ``Config``, or the path of an ``alembic.ini``.
    :param database: a SQLAlchemy engine, sync or async.
    :returns: the messages of :func:`dockerflow.checks.alembic.check_migrations_applied`.
    :raises ModuleNotFoundError: if Alembic or SQLAlchemy is not installed.
    """
    found: Found = alembic.migrations_check(migrate, database)()
    return found
