"""The checks of Flask's backing services, and what you need to write your own."""

from __future__ import annotations

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
    register,
    register_partial,
    run_checks,
    run_checks_async,
)
from dockerflow.checks.alembic import check_migrations_applied
from dockerflow.checks.redis import check_redis_connected
from dockerflow.checks.sqlalchemy import check_database_connected

from . import messages

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
