"""A FastAPI application that configures no logging, as uvicorn gets it."""

from __future__ import annotations

import logging

from fastapi import BackgroundTasks, FastAPI, Request, WebSocket

from dockerflow.fastapi import Dockerflow
from dockerflow.logging import request_id_context

app = FastAPI()
dockerflow = Dockerflow(app)
log = logging.getLogger("uvicorn.error")


@app.get("/")
def hello() -> str:
    return "hello"


@app.post("/upload")
async def upload(request: Request) -> int:
    log.info("upload begun")
    return len(await request.body())


@app.get("/task")
def task(background: BackgroundTasks) -> str:
    background.add_task(lambda: log.info("task of %s", request_id_context.get()))
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
