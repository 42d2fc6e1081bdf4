"""The checks of an application's backing services, and all that a check of one's own needs."""

from __future__ import annotations

import os
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from dockerflow import health
from dockerflow.checks import (
    CRITICAL,
    DEBUG,
    ERROR,
    INFO,
    STATUSES,
    WARNING,
    CheckMessage,
    Critical,
    Debug,
    Error,
    Info,
    Warning,
    get_checks,
    level_to_text,
    messages,
    register,
    register_partial,
    run_checks,
    run_checks_async,
)

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "INFO",
    "STATUSES",
    "WARNING",
    "CheckMessage",
    "Critical",
    "Debug",
    "Error",
    "Info",
    "Warning",
    "check_database_connected",
    "check_migrations_applied",
    "check_redis_connected",
    "get_checks",
    "health",
    "level_to_text",
    "messages",
    "register",
    "register_partial",
    "run_checks",
    "run_checks_async",
]

Said = list[CheckMessage] | Awaitable[list[CheckMessage]]
"""What a check says: to be awaited where its client, or engine, is an async one."""

# The modules of the checks are imported where one is asked for: a millisecond for those who don't.


def check_redis_connected(client: Any) -> Said:
    """Say whether Redis answers a ``PING``.

    :param client: a client of redis-py, sync or asyncio.
    :return: as :func:`dockerflow.checks.redis.check_redis_connected` and its async twin.
    :raises ModuleNotFoundError: redis-py is not installed.
    """
    from dockerflow.checks.redis import redis_check

    said: Said = redis_check(client)()
    return said


def check_database_connected(database: Any) -> Said:
    """Say whether the database answers ``SELECT 1``.

    :param database: a SQLAlchemy engine, sync or async.
    :return: as :func:`dockerflow.checks.sqlalchemy.check_database_connected` and its async twin.
    :raises ModuleNotFoundError: SQLAlchemy is not installed.
    """
    from dockerflow.checks.sqlalchemy import database_check

    said: Said = database_check(database)()
    return said


def check_migrations_applied(migrate: Config | str | os.PathLike[str], database: Any) -> Said:
    """Say whether the database has all migrations.

    :param migrate: an Alembic ``Config``, or the path of an ``alembic.ini``.
    :param database: a SQLAlchemy engine, sync or async.
    :return: as :func:`dockerflow.checks.alembic.check_migrations_applied` and its async twin.
    :raises ModuleNotFoundError: Alembic or SQLAlchemy is not installed.
    """
    from dockerflow.checks.alembic import migrations_check

    said: Said = migrations_check(migrate, database)()
    return said
