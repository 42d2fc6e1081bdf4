"""The heartbeat's signals. The sender is the application; ``level`` is the worst level found.

For the heartbeat of a group, ``group`` is its name.
"""

from __future__ import annotations

from blinker import Namespace

dockerflow_signals = Namespace()

heartbeat_passed = dockerflow_signals.signal("heartbeat-passed")
"""Sent if every check is below :data:`~dockerflow.checks.ERROR`."""

heartbeat_failed = dockerflow_signals.signal("heartbeat-failed")
"""Sent if a check is at :data:`~dockerflow.checks.ERROR` or worse."""
