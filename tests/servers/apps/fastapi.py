"""FastAPI's application, as uvicorn gets it."""

from __future__ import annotations

from tests.adapters.apps.fastapi import create_fastapi
from tests.adapters.harness import Options
from tests.servers.apps import CHECKS, SETTINGS, log_to_stdout

log_to_stdout()
app = create_fastapi(Options(settings=SETTINGS, checks=CHECKS))
