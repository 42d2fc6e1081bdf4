"""The checks of an application's backing services, and the names that your own checks need."""

from __future__ import annotations

from dockerflow import checks, health
from dockerflow.checks import *
from dockerflow.checks import messages
from dockerflow.checks.awaitable import check_database_connected, check_migrations_applied

from .services import check_redis_connected

__all__ = [
    "check_database_connected",
    "check_migrations_applied",
    "check_redis_connected",
    "health",
    "messages",
]
__all__ += checks.__all__
