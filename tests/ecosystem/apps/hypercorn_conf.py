"""The configuration of Hypercorn in docs/tools/fastapi.md: its lines go where all others go."""

from __future__ import annotations

import logging

errorlog = logging.getLogger("hypercorn.error")
