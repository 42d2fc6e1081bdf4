"""FastAPI's application for uvicorn."""

from __future__ import annotations

from tests.adapters.apps.fastapi import create_fastapi
from tests.servers.apps import OPTIONS, log_to_stdout

log_to_stdout()
app = create_fastapi(OPTIONS)
