"""A script that calls ``app.run()``: its words are the port, the start method, and the workers."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from sanic import Request, Sanic
from sqlalchemy import create_engine

from dockerflow.sanic import Dockerflow
from tests.servers.apps import log_to_stdout

log_to_stdout()
words: list[Any] = sys.argv[1:]
port, Sanic.start_method, workers = words
app: Sanic[Any, Any] = Sanic("script", configure_logging=False)
app.config.MOTD = False
app.config.GRACEFUL_SHUTDOWN_TIMEOUT = 0.1
dockerflow = Dockerflow(app, db=create_engine("sqlite://"))
dockerflow.check(lambda: None, name="local")


@app.get("/slow")
async def slow(request: Request[Any, Any]) -> None:
    await asyncio.Event().wait()


if __name__ == "__main__":
    app.run(port=int(port), workers=int(workers), single_process=workers == "0")
