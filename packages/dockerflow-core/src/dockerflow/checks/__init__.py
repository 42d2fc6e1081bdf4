"""Register and run health checks, and make the messages that they return.

A check is any callable that returns messages. Register it, and the heartbeat runs it::

    from dockerflow import checks

    @checks.register
    def storage_reachable():
        if not storage.ping():
            return [checks.Error("The storage does not answer.", id="acme.health.E001")]
"""

from __future__ import annotations

from .environment import Check, CheckEnvironment
from .findings import CheckDetails, ChecksResults
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
from .registry import (
    CheckRegistry,
    clear_checks,
    default_registry,
    get_checks,
    register,
    register_partial,
    run_checks,
    run_checks_async,
)

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "INFO",
    "STATUSES",
    "WARNING",
    "Check",
    "CheckDetails",
    "CheckEnvironment",
    "CheckMessage",
    "CheckRegistry",
    "ChecksResults",
    "Critical",
    "Debug",
    "Error",
    "Info",
    "Warning",
    "clear_checks",
    "default_registry",
    "get_checks",
    "level_to_text",
    "register",
    "register_partial",
    "run_checks",
    "run_checks_async",
]
