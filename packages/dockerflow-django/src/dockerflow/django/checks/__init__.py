"""The checks of Django's backing services, and their registration with Django's check framework.

Each takes the arguments of a Django system check and returns Django's own messages.
"""

from __future__ import annotations

from dockerflow import health

from .cache import check_redis_connected
from .database import check_database_connected, check_migrations_applied
from .system import register

__all__ = [
    "check_database_connected",
    "check_migrations_applied",
    "check_redis_connected",
    "health",
    "register",
]
