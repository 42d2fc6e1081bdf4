"""The signals of the heartbeat: the sender is ``views.heartbeat``, ``level`` the worst level found.

Each heartbeat sends one; for the heartbeat of a group, ``group`` is its name. Receivers may use the
ORM, under ASGI as well; one that raises is logged by Django, on ``django.dispatch``, and changes
nothing.
"""

from __future__ import annotations

from django.dispatch import Signal

heartbeat_passed = Signal()
"""Sent where every check is below :data:`~dockerflow.checks.ERROR`."""

heartbeat_failed = Signal()
"""Sent where a check is at :data:`~dockerflow.checks.ERROR` or worse."""
