"""The ids of the messages that the built-in health checks give.

They are stable: dashboards and ``silenced_checks`` settings name them.
"""

from __future__ import annotations

from typing import Final

INFO_CANT_CHECK_MIGRATIONS: Final = "dockerflow.health.I001"
WARNING_UNAPPLIED_MIGRATION: Final = "dockerflow.health.W001"
ERROR_CANNOT_CONNECT_DATABASE: Final = "dockerflow.health.E001"
ERROR_UNUSABLE_DATABASE: Final = "dockerflow.health.E002"
ERROR_MISCONFIGURED_DATABASE: Final = "dockerflow.health.E003"
ERROR_CANNOT_CONNECT_REDIS: Final = "dockerflow.health.E004"
ERROR_MISSING_REDIS_CLIENT: Final = "dockerflow.health.E005"
ERROR_MISCONFIGURED_REDIS: Final = "dockerflow.health.E006"
ERROR_REDIS_PING_FAILED: Final = "dockerflow.health.E007"
ERROR_DB_API_EXCEPTION: Final = "dockerflow.health.E008"
ERROR_SQLALCHEMY_EXCEPTION: Final = "dockerflow.health.E009"
ERROR_REDIS_EXCEPTION: Final = "dockerflow.health.E010"
ERROR_CHECK_RAISED: Final = "dockerflow.health.E011"
ERROR_CHECK_RESULT: Final = "dockerflow.health.E012"
ERROR_CHECK_TIMEOUT: Final = "dockerflow.health.E013"
