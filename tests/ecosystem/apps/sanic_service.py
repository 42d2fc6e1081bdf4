"""A Sanic service with a factory, as the ``sanic`` command and uvicorn need it."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.response import text
from sqlalchemy import create_engine

from dockerflow.checks import CheckRegistry
from dockerflow.logging import dict_config
from dockerflow.sanic import Dockerflow

log = logging.getLogger("service")


def create_app() -> Sanic[Any, Any]:
    """Build the application."""
    app: Sanic[Any, Any] = Sanic(
        "service", log_config=dict_config("service", queue="QUEUE" in os.environ)
    )
    app.config.MOTD = False
    app.config.GRACEFUL_SHUTDOWN_TIMEOUT = 0.2
    dockerflow = Dockerflow(app, db=create_engine("sqlite://"), registry=CheckRegistry())
    dockerflow.check(lambda: None, name="local")

    @app.signal("dockerflow.heartbeat.passed")
    async def passed(level: int) -> None:
        log.info("passed", extra={"level": level})

    @app.get("/")
    async def hello(request: Request[Any, Any]) -> HTTPResponse:
        log.info("in view")
        return text("hello")

    @app.get("/boom")
    async def boom(request: Request[Any, Any]) -> HTTPResponse:
        raise RuntimeError("boom")

    @app.get("/hung")
    async def hung(request: Request[Any, Any]) -> None:
        log.info("in view")
        await asyncio.Event().wait()

    @app.get("/stream")
    async def stream(request: Request[Any, Any]) -> None:
        response: Any = await request.respond()
        await response.send("one")
        log.info("in view")
        await asyncio.Event().wait()

    stopping = asyncio.Event()

    @app.get("/in-time")
    async def in_time(request: Request[Any, Any]) -> HTTPResponse:
        log.info("in view")
        await stopping.wait()
        return text("hello")

    @app.before_server_stop
    async def stops(app: Sanic[Any, Any]) -> None:
        stopping.set()

    @app.after_server_start
    async def started(app: Sanic[Any, Any]) -> None:
        # Sanic's manager may hang if it is stopped before all of its workers have started. It
        # answers this command with a line when they have.
        if "SANIC_WORKER_NAME" in os.environ:
            app.m.scale(int(os.environ["WORKERS"]))

    return app
