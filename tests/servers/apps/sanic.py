"""Sanic's application for its own server: ``python -m tests.servers.apps.sanic <port>``."""

from __future__ import annotations

import sys

from sanic import Sanic

from tests.adapters.apps.sanic import create_app
from tests.servers.apps import OPTIONS, log_to_stdout

if __name__ == "__main__":
    log_to_stdout()
    Sanic.test_mode = False
    Sanic.start_method = "fork"  # the application's handlers are not module-level functions
    app = create_app(OPTIONS)
    app.run(port=int(sys.argv[1]), backlog=4096)
