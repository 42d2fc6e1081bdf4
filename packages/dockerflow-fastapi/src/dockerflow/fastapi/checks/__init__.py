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
from dockerflow.checks.alembic import migrations_check
from dockerflow.checks.redis import redis_check
from dockerflow.checks.sqlalchemy import database_check

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

Found = list[CheckMessage] | Awaitable[list[CheckMessage]]
"""What a check returns: to be awaited where its client, or engine, is an async one."""


def check_redis_connected(client: Any) -> Found:
    """Check that Redis answers a ``PING``.

    :param client: a client of redis-py, sync or asyncio.
    :returns: the messages of :func:`dockerflow.checks.redis.check_redis_connected`.
    :raises ModuleNotFoundError: if redis-py is not installed.
    """
    found: Found = redis_check(client)()
    return found


def check_database_connected(database: Any) -> Found:
    """Check that the database answers ``SELECT 1``.

    :param database: a SQLAlchemy engine, sync or async.
    :returns: the messages of :func:`dockerflow.checks.sqlalchemy.check_database_connected`.
    :raises ModuleNotFoundError: if SQLAlchemy is not installed.
    """
    found: Found = database_check(database)()
    return found


def check_migrations_applied(migrate: Config | str | os.PathLike[str], database: Any) -> Found:
    """Check that the database has all migrations.

    :param migrate: an Alembic ``Config``, or the path of an ``alembic.ini``.
    :param database: a SQLAlchemy engine, sync or async.
    :returns: the messages of :func:`dockerflow.checks.alembic.check_migrations_applied`.
    :raises ModuleNotFoundError: if Alembic or SQLAlchemy is not installed.
    """
    found: Found = migrations_check(migrate, database)()
    return found
