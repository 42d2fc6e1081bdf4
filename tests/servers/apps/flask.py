"""Flask's application for gunicorn."""

from __future__ import annotations

from tests.adapters.apps.flask import create_app
from tests.servers.apps import OPTIONS, log_to_stdout

log_to_stdout()
app = create_app(OPTIONS)
