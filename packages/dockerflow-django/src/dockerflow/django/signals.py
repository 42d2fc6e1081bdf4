"""The heartbeat's signals. The sender is ``views.heartbeat``; ``level`` is the worst level found.

Each heartbeat sends one; for the heartbeat of a group, ``group`` is its name. Receivers may use the
ORM, also under ASGI. If a receiver raises, Django logs it on ``django.dispatch``, and the response
stays the same.
"""

from __future__ import annotations

from django.dispatch import Signal

heartbeat_passed = Signal()
"""Sent if every check is below :data:`~dockerflow.checks.ERROR`."""

heartbeat_failed = Signal()
"""Sent if a check is at :data:`~dockerflow.checks.ERROR` or worse."""
