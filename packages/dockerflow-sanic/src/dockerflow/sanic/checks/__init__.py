"""The checks of Sanic's backing services, and all that a check of one's own needs."""

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
    messages,
    register,
    register_partial,
    run_checks,
    run_checks_async,
)
from dockerflow.checks.awaitable import check_database_connected, check_migrations_applied

from .services import check_redis_connected

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
