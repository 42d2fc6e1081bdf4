"""A check of the project."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.core.checks import CheckMessage, Error


async def has_users() -> CheckMessage | None:
    """Return an error if there are no users."""
    return None if await User.objects.aexists() else Error("Nobody.", id="shop.health.E001")
