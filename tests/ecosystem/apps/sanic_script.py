"""A script that calls ``app.run()``; its arguments are the port and the workers' start method."""

from __future__ import annotations

import os
import sys
from typing import Any

from sanic import Sanic

from tests.ecosystem.apps.sanic_service import create_app

app = create_app()

if __name__ == "__main__":
    words: list[Any] = sys.argv[1:]
    port, Sanic.start_method = words
    app.run(port=int(port), workers=int(os.environ["WORKERS"]))
