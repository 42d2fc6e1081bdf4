"""Sanic's application of the conformance suite, on Sanic's own server and as ASGI application."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from sanic import HTTPResponse, Request, Sanic
from sanic.exceptions import SanicException
from sanic.response import redirect, text

from dockerflow.logging import request_id_context
from dockerflow.sanic import Dockerflow
from tests.adapters.harness import Answer, ASGIApp, Framework, Options, RunningApp, Teapot

T = TypeVar("T")
AnySanic = Sanic[Any, Any]
AnyRequest = Request[Any, Any]

log = logging.getLogger("app")
names = (f"conformance-{number}" for number in itertools.count())

# Sanic rewrites its classes for the application that starts; in test mode it first undoes what it
# has done for the one before.
Sanic.test_mode = True


def create_app(options: Options) -> AnySanic:
    """Build the application."""
    app: AnySanic = Sanic(next(names), configure_logging=False)
    app.config.update({"MOTD": False, **options.settings})
    # None, or the number of chunks after which a stream waits for its client to go away.
    app.ctx.chunks = None
    version_path = options.version_path
    dockerflow = Dockerflow(
        app,
        registry=options.registry(),
        silenced_checks=options.silenced_checks,
        **({} if version_path is None else {"version_path": version_path}),
    )
    if options.version_callback is not None:
        dockerflow.version_callback(options.version_callback)

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
        # To a HEAD Sanic's own server refuses a second chunk.
        chunks = ("one", "two", "three") if request.method == "GET" else ()
        for number, chunk in enumerate(chunks):
            if number == app.ctx.chunks:
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


class SanicServer:
    """An application on Sanic's own server, on a loop and a port of its own."""

    def __init__(self, app: AnySanic) -> None:
        self.app = app
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.address = listener.getsockname()
        self._server = self.submit(self._start(listener)).result(30)

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the application's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    async def _start(self, listener: socket.socket) -> Any:
        server: Any = await self.app.create_server(sock=listener, return_asyncio_server=True)
        await server.startup()
        await server.before_start()
        await server.after_start()
        await server.start_serving()
        return server

    def request(
        self,
        path: str,
        method: str = "GET",
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        read: int | None = None,
    ) -> Answer:
        """Send a request over a socket; a client that goes away resets its connection."""
        if read is not None:
            self.app.ctx.chunks = read
        lines = [f"{method} {path}{'?' + query if query else ''} HTTP/1.1"]
        for name, value in {
            "Host": "localhost",
            "Connection": "close",
            **({"Content-Length": str(len(body))} if body else {}),
            **(headers or {}),
        }.items():
            lines.append(f"{name}: {value}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "surrogateescape")
        with socket.create_connection(self.address, 30) as sock:
            sock.sendall(head + body)
            with sock.makefile("rb") as answers:
                answer = read_answer(answers, method, read)
            if read is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.submit(served()).result(30)
        return answer

    def close(self) -> None:
        """End the server and its loop."""
        self.submit(self._stop()).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(30)
        self.loop.close()
        Sanic.unregister_app(self.app)

    async def _stop(self) -> None:
        await self._server.before_stop()
        await self._server.close()
        await self._server.after_stop()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def served() -> None:
    """Wait until all connections of the running loop's server have been served."""
    tasks = [
        task
        for task in asyncio.all_tasks()
        if getattr(task.get_coro(), "__qualname__", "").endswith("connection_task")
    ]
    if tasks:
        await asyncio.wait(tasks)


def read_answer(answers: Any, method: str, read: int | None = None) -> Answer:
    """Read a response from a binary file, or so many chunks of its body."""
    status = int(answers.readline().split()[1])
    headers: list[tuple[str, str]] = []
    while line := answers.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers.append((name, value.strip()))
    given = {name.lower(): value for name, value in headers}
    chunks: list[bytes] = []
    if method != "HEAD" and given.get("transfer-encoding") == "chunked":
        while read is None or len(chunks) < read:
            size = int(answers.readline() or b"0", 16)
            if not size:
                break
            chunks.append(answers.read(size))
            answers.readline()
    elif method != "HEAD":
        chunks.append(answers.read(int(given.get("content-length", "0"))))
    return Answer(status, headers, b"".join(chunks))


class SanicASGIApp(ASGIApp):
    """An application under an ASGI server."""

    def __init__(self, app: AnySanic) -> None:
        self.sanic = app
        super().__init__(app, lifespan=True)

    def close(self) -> None:
        """End the application and its loop."""
        super().close()
        Sanic.unregister_app(self.sanic)


def start(options: Options) -> RunningApp:
    """Build the application and answer requests with it, on Sanic's server."""
    return SanicServer(create_app(options))


def start_asgi(options: Options) -> RunningApp:
    """Build the application and answer requests with it, under ASGI."""
    return SanicASGIApp(create_app(options))


def framework(name: str, start: Callable[[Options], RunningApp], header: int) -> Framework:
    """Describe Sanic behind one kind of server."""
    return Framework(
        name=name,
        start=start,
        logger="dockerflow.sanic",
        trailing_slash=True,
        is_async=True,
        decoded_path=False,
        longest_header=header,
    )


FRAMEWORK = framework("sanic", start, 8000)
FRAMEWORKS = (FRAMEWORK, framework("sanic-asgi", start_asgi, 100_000))
