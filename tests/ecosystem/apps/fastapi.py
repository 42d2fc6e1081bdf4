"""A FastAPI service with mozlog, checks, streams and server-sent events, for any ASGI server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from sse_starlette import EventSourceResponse

from dockerflow.fastapi import Dockerflow
from dockerflow.logging import configure, request_id_context

configure("service", queue="QUEUE" in os.environ)


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    logging.shutdown()  # uvicorn's processes end by the signal that they receive


app = FastAPI(lifespan=lifespan)
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
