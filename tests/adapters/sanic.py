"""Small Sanic applications, and what serves them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import threading
from collections.abc import Callable, Generator
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.response import text

from dockerflow.logging import request_id_context
from tests.adapters.apps.sanic import SanicASGIApp, SanicServer, names, served
from tests.adapters.harness import RunningApp

AnySanic = Sanic[Any, Any]
AnyRequest = Request[Any, Any]
Serve = Callable[[AnySanic], SanicServer]
Run = Callable[[AnySanic], RunningApp]

log_of_app = logging.getLogger("app")


def new_app(name: str | None = None, **options: Any) -> AnySanic:
    """Build an application with pages that answer, break, break off, and never end."""
    app: AnySanic = Sanic(name or next(names), configure_logging=False, **options)
    app.config.MOTD = False

    @app.get("/")
    async def hello(request: AnyRequest) -> HTTPResponse:
        return text("hello")

    @app.get("/boom")
    async def boom(request: AnyRequest) -> HTTPResponse:
        raise RuntimeError("boom")

    @app.get("/cut")
    async def cut(request: AnyRequest) -> None:
        response: Any = await request.respond()
        await response.send("one")
        raise RuntimeError("cut")

    @app.get("/slow")
    async def slow(request: AnyRequest) -> HTTPResponse:
        await asyncio.Event().wait()
        raise AssertionError

    return app


@contextlib.contextmanager
def serving() -> Generator[Serve]:
    """Serve applications with Sanic's own server, until the end."""
    with contextlib.ExitStack() as stack:

        def serve(app: AnySanic) -> SanicServer:
            return stack.enter_context(contextlib.closing(SanicServer(app)))

        yield serve


@contextlib.contextmanager
def running(kind: str) -> Generator[Run]:
    """Serve applications with Sanic's own server (``native``) or under ASGI (``asgi``)."""
    with contextlib.ExitStack() as stack:

        def run(app: AnySanic) -> RunningApp:
            server = SanicServer(app) if kind == "native" else SanicASGIApp(app)
            return stack.enter_context(contextlib.closing(server))

        yield run


def exchange(server: SanicServer, data: bytes) -> bytes:
    """Send bytes, and return what comes back until the server closes the connection."""
    with socket.create_connection(server.address, 30) as sock:
        sock.sendall(data)
        chunks: list[bytes] = []
        while chunk := sock.recv(65536):
            chunks.append(chunk)
    server.submit(served()).result(30)
    return b"".join(chunks)


def hang_up(server: SanicServer, data: bytes, ready: threading.Event) -> None:
    """Send bytes, wait for an event, and reset the connection."""
    with socket.create_connection(server.address, 30) as sock:
        sock.sendall(data)
        assert ready.wait(30)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.submit(served()).result(30)


def get(path: str, *headers: str, method: str = "GET", last: bool = True) -> bytes:
    """Write a request without a body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    return "\r\n".join([*lines, *(["Connection: close"] if last else []), "", ""]).encode()


def add_echo(app: AnySanic) -> None:
    """Add a websocket that sends its request's id, as the request has it and as the context."""

    async def echo(request: AnyRequest, ws: Any) -> None:
        await ws.send(f"{request.ctx.id} {request_id_context.get()}")

    app.add_websocket_route(echo, "/ws")


def websocket_scope(path: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    """Build the scope of a websocket."""
    return {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": ("localhost", 80),
        "subprotocols": [],
    }
