"""The signals of the heartbeat; the sender is the application, ``level`` the worst level found.

For the heartbeat of a group, ``group`` is its name.
"""

from __future__ import annotations

from blinker import Namespace

dockerflow_signals = Namespace()

heartbeat_passed = dockerflow_signals.signal("heartbeat-passed")
"""Sent where every check is below :data:`~dockerflow.checks.ERROR`."""

heartbeat_failed = dockerflow_signals.signal("heartbeat-failed")
"""Sent where a check is at :data:`~dockerflow.checks.ERROR` or worse."""
