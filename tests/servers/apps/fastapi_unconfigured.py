"""A FastAPI application for uvicorn that configures no logging."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio.lowlevel
from fastapi import BackgroundTasks, FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse

from dockerflow.fastapi import Dockerflow
from dockerflow.logging import request_id_context

app = FastAPI()
dockerflow = Dockerflow(app)
dockerflow.check(list, name="sync")


@app.get("/")
def hello() -> str:
    return "hello"


@app.post("/upload")
async def upload(request: Request) -> int:
    print("upload begun")
    return len(await request.body())


@dockerflow.check
async def awaited() -> None: ...


@dockerflow.heartbeat_passed
async def passed(level: int) -> None:
    await anyio.lowlevel.checkpoint()


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def chunks() -> AsyncIterator[str]:
        for chunk in ("one", "two"):
            await anyio.lowlevel.checkpoint()
            yield chunk

    return StreamingResponse(chunks())


@app.get("/task")
def task(background: BackgroundTasks) -> str:
    background.add_task(lambda: print("task of", request_id_context.get()))
    return "begun"


@app.websocket("/ws")
async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(str(request_id_context.get()))
    await socket.close()


@app.get("/wait")
async def wait(request: Request) -> str:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return "nobody is there"
