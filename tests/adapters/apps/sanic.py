"""Sanic's application of the conformance suite, on Sanic's own server and under ASGI."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
import socket
import struct
from dataclasses import replace
from http.client import HTTPConnection, IncompleteRead
from typing import Any, Unpack

from sanic import HTTPResponse, Request, Sanic
from sanic.exceptions import SanicException
from sanic.response import redirect, text

from dockerflow.logging import request_id_context
from dockerflow.sanic import Dockerflow
from tests.adapters.harness import (
    Answer,
    ASGIApp,
    Framework,
    Options,
    RequestOptions,
    RunningApp,
    Teapot,
)

AnySanic = Sanic[Any, Any]
AnyRequest = Request[Any, Any]

SanicASGIApp = functools.partial(ASGIApp, lifespan=True)
log = logging.getLogger("app")

# Sanic rewrites its classes for the application that starts; in test mode it first undoes this for
# the previous one, and accepts several applications of one name.
Sanic.test_mode = True
names = itertools.repeat("tests")


def new_app(**options: Any) -> AnySanic:
    """Build the application without the extension."""
    app: AnySanic = Sanic(next(names), configure_logging=False, **options)
    app.config.MOTD = False

    @app.route("/", methods=["GET", "HEAD"])
    async def hello(request: AnyRequest) -> HTTPResponse:
        return text("hello")

    @app.get("/id")
    async def id(request: AnyRequest) -> HTTPResponse:
        log.info("in handler")
        return text(request_id_context.get() or "")

    @app.get("/own-id")
    async def own_id(request: AnyRequest) -> HTTPResponse:
        return text("hello", headers={"x-request-id": "mine", "X-Trace": "mine"})

    @app.get("/status/<code:int>")
    async def status(request: AnyRequest, code: int) -> HTTPResponse:
        return HTTPResponse("" if code == 204 else "hello", code)

    @app.get("/abort/<code:int>")
    async def aborted(request: AnyRequest, code: int) -> HTTPResponse:
        raise SanicException("aborted", status_code=code)

    @app.get("/boom")
    async def boom(request: AnyRequest) -> HTTPResponse:
        raise RuntimeError("boom")

    @app.get("/handled")
    async def handled(request: AnyRequest) -> HTTPResponse:
        raise Teapot

    async def brew(request: AnyRequest, error: Teapot) -> HTTPResponse:
        return text("short and stout", 418)

    app.error_handler.add(Teapot, brew)

    @app.get("/redirect")
    async def redirected(request: AnyRequest) -> HTTPResponse:
        return redirect("/")

    @app.route("/stream", methods=["GET", "HEAD"])
    async def stream(request: AnyRequest) -> None:
        response: Any = await request.respond(content_type="text/plain")
        # In answer to HEAD, Sanic's own server refuses a second chunk.
        chunks = ("one", "two", "three") if request.method == "GET" else ()
        for number, chunk in enumerate(chunks):
            if str(number) == request.headers.get("X-Chunks"):
                await asyncio.Event().wait()
            log.info(chunk)
            await response.send(chunk)
        await response.eof()

    @app.get("/stream-fails")
    async def stream_fails(request: AnyRequest) -> None:
        response: Any = await request.respond(content_type="text/plain")
        await response.send("one")
        raise RuntimeError("cut")

    @app.get("/endless")
    async def endless(request: AnyRequest) -> None:
        response: Any = await request.respond(content_type="text/plain")
        while True:
            await response.send("more" * 16_384)

    @app.route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def echo(request: AnyRequest) -> HTTPResponse:
        return HTTPResponse(request.method.encode() + b" " + request.body)

    @app.get("/cached")
    async def cached(request: AnyRequest) -> HTTPResponse:
        return text("hello", headers={"Cache-Control": "public, max-age=60"})

    return app


def create_app(options: Options) -> AnySanic:
    """Build the application."""
    app = new_app()
    app.config.update(options.settings)
    dockerflow = Dockerflow(
        app,
        registry=options.registry(),
        silenced_checks=options.silenced_checks,
        version_path=options.version_path or ".",
    )
    if options.version_callback is not None:
        dockerflow.version_callback(options.version_callback)
    return app


class SanicServer(ASGIApp):
    """An application on its own Sanic server and port."""

    def __init__(self, app: AnySanic) -> None:
        super().__init__(app)
        listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.address = listener.getsockname()
        self._server = self.submit(self._start(app, listener)).result(30)

    async def _start(self, app: AnySanic, listener: socket.socket) -> Any:
        server: Any = await app.create_server(sock=listener, return_asyncio_server=True)
        await server.startup()
        await server.before_start()
        await server.after_start()
        await server.start_serving()
        return server

    def request(self, path: str, method: str = "GET", **options: Unpack[RequestOptions]) -> Answer:
        """Send a request over a socket; a client that disconnects resets the connection."""
        query, read = options.get("query"), options.get("read")
        sent = {"Connection": "close", **(options.get("headers") or {})}
        host, port = self.address
        with contextlib.closing(HTTPConnection(host, port, timeout=30)) as connection:
            connection.connect()
            if read is not None:
                sent["X-Chunks"] = str(read)
                reset_at_close(connection.sock)
            connection.request(
                method,
                f"{path}?{query}" if query else path,
                options.get("body"),
                {name: value.encode("latin-1", "surrogateescape") for name, value in sent.items()},
            )
            with connection.getresponse() as response:
                try:
                    chunks = [response.read1() for _ in range(read or 0)]
                    received = response.read() if read is None else b"".join(chunks)
                except IncompleteRead as cut_off:
                    received = cut_off.partial
        self.wait_until_served()
        return Answer(response.status, response.getheaders(), received)

    def wait_until_served(self) -> None:
        """Wait until all connections are done."""
        self.submit(_served()).result(30)

    def close(self) -> None:
        """Stop the server and its loop."""
        self.submit(self._stop_server()).result(30)
        super().close()

    async def _stop_server(self) -> None:
        await self._server.before_stop()
        await self._server.close()
        await self._server.after_stop()


def reset_at_close(sock: socket.socket) -> None:
    """Make a socket close with a reset, like that of a client that crashes."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _served() -> None:
    tasks = [
        task
        for task in asyncio.all_tasks()
        if getattr(task.get_coro(), "__qualname__", "").endswith("connection_task")
    ]
    if tasks:
        await asyncio.wait(tasks)


def start(options: Options) -> RunningApp:
    """Build the application and answer requests with it, on Sanic's server."""
    return SanicServer(create_app(options))


def start_asgi(options: Options) -> RunningApp:
    """Build the application and answer requests with it, under ASGI."""
    return SanicASGIApp(create_app(options))


FRAMEWORK = Framework(
    name="sanic",
    start=start,
    logger="dockerflow.sanic",
    trailing_slash=True,
    decoded_path=False,
    longest_header=8000,
)
FRAMEWORKS = (
    FRAMEWORK,
    replace(FRAMEWORK, name="sanic-asgi", start=start_asgi, longest_header=100_000),
)
