"""The checks of Flask's backing services, and all that a check of one's own needs."""

from __future__ import annotations

from dockerflow import health
from dockerflow.checks import (
    get_checks,
    register,
    register_partial,
    run_checks,
    run_checks_async,
)

from . import messages
from .messages import (
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
    level_to_text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dockerflow.checks.alembic import check_migrations_applied
    from dockerflow.checks.redis import check_redis_connected
    from dockerflow.checks.sqlalchemy import check_database_connected
else:

    def __getattr__(name: str) -> object:
        """Import the checks of backing services on use: a millisecond for those who have none."""
        if name == "check_database_connected":
            from dockerflow.checks import sqlalchemy as module
        elif name == "check_migrations_applied":
            from dockerflow.checks import alembic as module
        elif name == "check_redis_connected":
            from dockerflow.checks import redis as module
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(module, name)


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


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
