"""Health checks: what they say, where they are registered, and how they are run.

A check is any callable that returns messages. Register it, and the heartbeat runs it::

    from dockerflow import checks

    @checks.register
    def storage_reachable():
        if not storage.ping():
            return [checks.Error("The storage does not answer.", id="acme.health.E001")]
"""

from __future__ import annotations

from . import messages, registry
from .extension import ChecksOfExtension
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .results import CheckDetails, ChecksResults
    from .surroundings import Check, Surroundings
else:

    def __getattr__(name: str) -> object:
        """Import on use what only heartbeats need."""
        # With dataclasses and typing, five milliseconds.
        if name in ("CheckDetails", "ChecksResults"):
            from . import results

            return getattr(results, name)
        if name in ("Check", "Surroundings"):
            from . import surroundings

            return getattr(surroundings, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "INFO",
    "STATUSES",
    "WARNING",
    "Check",
    "CheckDetails",
    "CheckMessage",
    "CheckRegistry",
    "ChecksOfExtension",
    "ChecksResults",
    "Critical",
    "Debug",
    "Error",
    "Info",
    "Surroundings",
    "Warning",
    "clear_checks",
    "default_registry",
    "get_checks",
    "level_to_text",
    "messages",
    "register",
    "register_partial",
    "registry",
    "run_checks",
    "run_checks_async",
]
