"""The configuration of Hypercorn in docs/tools/servers.md: its lines use the root handler."""

from __future__ import annotations

import logging

errorlog = logging.getLogger("hypercorn.error")
