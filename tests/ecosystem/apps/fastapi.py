"""A FastAPI service with mozlog, checks, streams and server-sent events, for any ASGI server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from logging.config import dictConfig

import anyio
import anyio.lowlevel
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from sse_starlette import EventSourceResponse

from dockerflow.fastapi import Dockerflow
from dockerflow.logging import request_id_context

# As in docs/tools/fastapi.md.
dictConfig(
    {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": "dockerflow.logging.RequestIdLogFilter"}},
        "handlers": {
            "mozlog": {"class": "dockerflow.logging.MozlogHandler", "filters": ["request_id"]}
        },
        "root": {"level": "INFO", "handlers": ["mozlog"]},
        "loggers": {
            "uvicorn": {"handlers": [], "propagate": True},
            "uvicorn.access": {"handlers": [], "propagate": False},
            "_granian": {"handlers": [], "propagate": True},
        },
    }
)
app = FastAPI()
dockerflow = Dockerflow(app)
dockerflow.check(list, name="sync")
log = logging.getLogger("shop")


@dockerflow.check
async def awaited() -> None:
    await anyio.lowlevel.checkpoint()


@app.get("/")
async def index() -> str:
    log.info("asked")
    return "hello"


@app.get("/boom")
async def boom() -> None:
    raise ValueError("boom")


@app.get("/stream")
async def stream() -> StreamingResponse:
    return StreamingResponse(numbers(3))


@app.get("/events")
async def events(count: int = 10**9) -> EventSourceResponse:
    return EventSourceResponse(numbers(count))


@app.get("/hang")
async def hang() -> None:
    log.info("hanging")
    await asyncio.Event().wait()


async def numbers(count: int) -> AsyncIterator[str]:
    for number in range(count):
        yield f"{number} of {request_id_context.get()};"
        await anyio.sleep(0.01)
