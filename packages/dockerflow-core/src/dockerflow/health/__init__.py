"""The ids of the messages that the built-in health checks return.

They are stable: dashboards and ``silenced_checks`` settings use them.
"""

from __future__ import annotations

from typing import Final

INFO_CANT_CHECK_MIGRATIONS: Final = "dockerflow.health.I001"
"""The migrations can't be checked."""

WARNING_UNAPPLIED_MIGRATION: Final = "dockerflow.health.W001"
"""Migrations have not been applied, or the database is ahead of the code."""

ERROR_CANNOT_CONNECT_DATABASE: Final = "dockerflow.health.E001"
"""Django's database can't be reached."""

ERROR_UNUSABLE_DATABASE: Final = "dockerflow.health.E002"
"""The connection to Django's database is not usable."""

ERROR_MISCONFIGURED_DATABASE: Final = "dockerflow.health.E003"
"""Django's database is misconfigured."""

ERROR_CANNOT_CONNECT_REDIS: Final = "dockerflow.health.E004"
"""Redis can't be reached, does not answer, or denies access."""

ERROR_MISSING_REDIS_CLIENT: Final = "dockerflow.health.E005"
"""There is no client for the Redis of Django's cache."""

ERROR_MISCONFIGURED_REDIS: Final = "dockerflow.health.E006"
"""The Redis of Django's cache is misconfigured."""

ERROR_REDIS_PING_FAILED: Final = "dockerflow.health.E007"
"""Redis gives a wrong answer to a ``PING``."""

ERROR_DB_API_EXCEPTION: Final = "dockerflow.health.E008"
"""The database of SQLAlchemy, or its driver, reports an error."""

ERROR_SQLALCHEMY_EXCEPTION: Final = "dockerflow.health.E009"
"""SQLAlchemy itself reports an error."""

ERROR_REDIS_EXCEPTION: Final = "dockerflow.health.E010"
"""Redis or its client reports an error other than a failed connection."""

ERROR_CHECK_RAISED: Final = "dockerflow.health.E011"
"""A check raised, or could not be started; the message is the exception's type."""

ERROR_CHECK_RESULT: Final = "dockerflow.health.E012"
"""A check returned something other than messages."""

ERROR_CHECK_TIMEOUT: Final = "dockerflow.health.E013"
"""A check takes longer than its time limit."""

ERROR_CHECK_UNKNOWN: Final = "dockerflow.health.E014"
"""A group of the heartbeat names a check that does not exist."""
