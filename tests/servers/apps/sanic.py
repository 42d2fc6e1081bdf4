"""Sanic's application, as its server gets it: ``python -m tests.servers.apps.sanic <port>``."""

from __future__ import annotations

import sys
from typing import Any

from sanic import Sanic
from sanic.worker.loader import AppLoader

from tests.adapters.apps import sanic
from tests.adapters.harness import Options
from tests.servers.apps import CHECKS, SETTINGS, log_to_stdout

Sanic.test_mode = False


def create_app() -> Sanic[Any, Any]:
    """Build the application, in each of Sanic's processes."""
    log_to_stdout()
    return sanic.create_app(Options(settings=SETTINGS, checks=CHECKS))


if __name__ == "__main__":
    loader = AppLoader(factory=create_app)
    main = loader.load()
    main.prepare(port=int(sys.argv[1]), backlog=4096, motd=False)
    Sanic.serve(primary=main, app_loader=loader)
