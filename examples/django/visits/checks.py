"""The service's own checks."""

from __future__ import annotations

import os
from typing import Any

from django.core.checks import CheckMessage, Warning


def enough_disk(**kwargs: Any) -> list[CheckMessage]:
    """Warn if there is little disk space left."""
    disk = os.statvfs(".")
    free = disk.f_bavail * disk.f_frsize
    if free < 10_000_000:
        return [Warning(f"{free} bytes left on the disk", id="visits.health.W001")]
    return []
