"""The checks of an application's backing services, and the names that your own checks need."""

from __future__ import annotations

from dockerflow import checks, health
from dockerflow.checks import *
from dockerflow.checks.alembic import check_migrations_applied
from dockerflow.checks.redis import check_redis_connected
from dockerflow.checks.sqlalchemy import check_database_connected

from . import messages

__all__ = [
    "check_database_connected",
    "check_migrations_applied",
    "check_redis_connected",
    "health",
    "messages",
]
__all__ += checks.__all__
