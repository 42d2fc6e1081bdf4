"""How requests to FastAPI and Starlette end: well, badly, early, and long after their response."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import pathlib
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any
from unittest import mock

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.types import Message, Receive, Scope, Send

from dockerflow.checks import CheckRegistry
from dockerflow.fastapi import Dockerflow
from dockerflow.fastapi.middleware import MozlogRequestSummaryLogger, RequestIdMiddleware
from dockerflow.logging import request_id_context
from tests.adapters.asgi import (
    START,
    Serve,
    create_app,
    hello,
    http_scope,
    seen,
    serving,
    stacked,
)
from tests.adapters.conftest import Log


@pytest.fixture
def app() -> FastAPI:
    """An application without any extension."""
    return create_app()


@pytest.fixture
def registry() -> CheckRegistry:
    """An empty registry."""
    return CheckRegistry()


@pytest.fixture
def dockerflow(app: FastAPI, registry: CheckRegistry) -> Dockerflow:
    """The extension of the application."""
    return Dockerflow(app, registry=registry)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an application as a server does."""
    with serving() as serve:
        yield serve


@pytest.mark.parametrize("wrap", [stacked, MozlogRequestSummaryLogger])
def test_cancelled(wrap: Callable[[Any], Any], log: Log) -> None:
    """A cancelled request stays cancelled and is 499; after the last byte it has its code."""

    async def main(*messages: Message) -> None:
        answered = asyncio.Event()

        async def hang(scope: Scope, receive: Receive, send: Send) -> None:
            for message in messages:
                await send(message)
            answered.set()
            await asyncio.Event().wait()

        scope = http_scope()
        task = asyncio.create_task(wrap(hang)(scope, mock.AsyncMock(), mock.AsyncMock()))
        await answered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    asyncio.run(main(START))
    asyncio.run(main(START, {"type": "http.response.body"}))
    assert seen(log, "code", "errno", "msg") == [(499, 0, ""), (499, 0, ""), (200, 0, "")]


@pytest.mark.parametrize("reply", [True, False])
def test_disconnect_while_a_body_is_read(
    app: FastAPI, dockerflow: Dockerflow, log: Log, reply: bool
) -> None:
    """A client that goes away while it uploads is 499, whatever the application makes of it."""

    @app.post("/upload")
    async def upload(request: Request) -> Response:
        try:
            await request.body()
        except Exception:
            if reply:
                return Response(status_code=400)
            raise
        raise AssertionError

    messages = [
        {"type": "http.request", "body": b"x", "more_body": True},
        {"type": "http.disconnect"},
    ]
    scope = http_scope(method="POST", path="/upload")
    with contextlib.suppress(Exception):
        asyncio.run(app(scope, mock.AsyncMock(side_effect=messages), mock.AsyncMock()))
    assert (log.summary["code"], log.summary["errno"]) == (499, 0)


@pytest.mark.parametrize(
    ("method", "length", "code"), [("GET", None, 499), ("GET", 3, 200), ("HEAD", None, 200)]
)
@pytest.mark.parametrize("version", ["2.0", "2.4"])
def test_disconnect_after_the_last_byte(
    app: FastAPI,
    dockerflow: Dockerflow,
    log: Log,
    method: str,
    length: int | None,
    code: int,
    version: str,
) -> None:
    """A client that has all it is to get, and leaves before the stream's formal end, is no 499."""

    async def main() -> None:
        gone = asyncio.Event()

        @app.api_route("/stream", methods=["GET", "HEAD"])
        async def stream() -> Response:
            async def chunks() -> AsyncIterator[bytes]:
                yield b"abc"
                gone.set()
                if version == "2.0":
                    await asyncio.Event().wait()
                yield b""

            headers = {} if length is None else {"content-length": str(length)}
            return StreamingResponse(chunks(), headers=headers)

        async def receive() -> Message:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if gone.is_set():
                raise OSError

        scope = http_scope(method=method, path="/stream", asgi={"spec_version": version})
        with contextlib.suppress(Exception):
            await app(scope, receive, send)

    asyncio.run(main())
    assert (log.summary["code"], log.summary["errno"]) == (code, 0)


def test_disconnect_after_the_response(log: Log) -> None:
    """A disconnect that the application receives after its response is of no account."""

    async def listen(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        assert (await receive())["type"] == "http.disconnect"

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    scope = http_scope()
    asyncio.run(stacked(listen)(scope, receive, mock.AsyncMock()))
    assert log.summary["code"] == 200


def test_failure_after_the_response(log: Log) -> None:
    """What fails after the response is recorded, though the disconnect has been received."""

    async def listen(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await receive()
        raise RuntimeError("late")

    receive = mock.AsyncMock(return_value={"type": "http.disconnect"})
    with pytest.raises(RuntimeError, match="late"):
        asyncio.run(stacked(listen)(http_scope(), receive, mock.AsyncMock()))
    assert seen(log, "code", "errno", "msg") == [(200, 500, "late")]


def test_disconnect_while_the_last_byte_is_taken(log: Log) -> None:
    """A disconnect that comes while the server takes the last byte is of no account."""

    async def main() -> None:
        ending, noticed = asyncio.Event(), asyncio.Event()

        async def listen(scope: Scope, receive: Receive, send: Send) -> None:
            async def listener() -> None:
                await receive()
                noticed.set()

            task = asyncio.create_task(listener())
            await hello(scope, receive, send)
            await task

        async def receive() -> Message:
            await ending.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                ending.set()
                await noticed.wait()

        await stacked(listen)(http_scope(), receive, send)

    asyncio.run(main())
    assert (log.summary["code"], log.summary["errno"]) == (200, 0)


def test_cancelled_while_the_last_byte_is_taken(log: Log) -> None:
    """A request that is cancelled while the server takes the last byte is 499, like any other."""

    async def main() -> None:
        taking = asyncio.Event()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                taking.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(stacked(hello)(http_scope(), mock.AsyncMock(), send))
        await taking.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen(log, "code", "errno", "msg") == [(499, 0, "")]


@pytest.mark.parametrize("error", [OSError, RuntimeError])
def test_second_last_message(log: Log, error: type[Exception]) -> None:
    """The first last message ends the response, whatever is sent after it, and how that ends."""
    now = 0
    clock = mock.Mock(monotonic_ns=lambda: now)
    taken: list[Message] = []

    async def send(message: Message) -> None:
        nonlocal now
        now += 1_000_000
        taken.append(message)
        if len(taken) == 4:
            raise error

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await send({"type": "http.response.body", "body": b"more"})
        with contextlib.suppress(error):
            await send({"type": "http.response.body", "body": b"yet more"})

    with mock.patch("dockerflow.logging.summary.time", clock):
        asyncio.run(stacked(app)(http_scope(), mock.AsyncMock(), send))
    assert [message.get("body") for message in taken[1:]] == [b"hello", b"more", b"yet more"]
    assert seen(log, "code", "errno", "t") == [(200, 0, 2)]


@pytest.mark.parametrize("failing", ["http.response.start", "http.response.body"])
@pytest.mark.parametrize(("error", "code", "errno"), [(OSError, 499, 0), (RuntimeError, None, 500)])
def test_send_that_fails(
    log: Log, failing: str, error: type[Exception], code: int | None, errno: int
) -> None:
    """A client that is found gone by any message, the last one too, is a 499; no fault of ours."""

    async def send(message: Message) -> None:
        if message["type"] == failing:
            raise error("sent")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"hello"})

    with pytest.raises(error, match="sent"):
        asyncio.run(stacked(app)(http_scope(), mock.AsyncMock(), send))
    if code is None:
        code = 500 if failing == "http.response.start" else 200
    assert seen(log, "code", "errno") == [(code, errno)]


def test_body_without_a_start(log: Log) -> None:
    """An application that sends a body alone is recorded as failed, and not stopped here."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.body", "body": b"hello"})

    asyncio.run(stacked(app)(http_scope(), mock.AsyncMock(), mock.AsyncMock()))
    assert seen(log, "code", "errno") == [(500, 500)]


def test_failure_to_take_the_last_byte(log: Log) -> None:
    """A last message that the server has not taken has not ended the response."""

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            raise RuntimeError("no")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(RuntimeError):
            await hello(scope, receive, send)

    asyncio.run(stacked(app)(http_scope(), mock.AsyncMock(), send))
    assert seen(log, "code", "errno") == [(200, 500)]


def test_exception_in_a_task_group(log: Log) -> None:
    """The summary tells the lone exception of a task group, and groups of several as they are."""

    def fail(error: Exception) -> None:
        async def failing(scope: Scope, receive: Receive, send: Send) -> None:
            raise error

        with pytest.raises(type(error)) as raised:
            asyncio.run(stacked(failing)(http_scope(), mock.AsyncMock(), mock.AsyncMock()))
        assert raised.value is error

    fail(ExceptionGroup("outer", [ExceptionGroup("inner", [ValueError("lone")])]))
    fail(ExceptionGroup("two", [ValueError("one"), ValueError("other")]))
    assert seen(log, "msg") == [("lone",), ("two (2 sub-exceptions)",)]


def test_server_that_refuses_a_response(log: Log) -> None:
    """A status that the server did not take was not handed over."""
    refused = RuntimeError("no such status")
    scope = http_scope()
    with pytest.raises(RuntimeError, match="no such status"):
        asyncio.run(stacked(hello)(scope, mock.AsyncMock(), mock.AsyncMock(side_effect=refused)))
    assert seen(log, "code", "errno", "msg") == [(500, 500, "no such status")]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_exits(log: Log, error: BaseException) -> None:
    """What ends a process passes through, and the request is recorded as failed."""

    async def leave(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    scope = http_scope()
    with pytest.raises(type(error)) as raised:
        stacked(leave)(scope, mock.AsyncMock(), mock.AsyncMock()).send(None)
    assert raised.value is error
    assert (log.summary["code"], log.summary["errno"]) == (500, 500)


class Forever:
    """What no event loop is needed to wait for."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def test_abandoned(log: Log) -> None:
    """A request that is given up with its event loop ends in silence, and is 499."""

    async def hang(scope: Scope, receive: Receive, send: Send) -> None:
        await Forever()

    call = stacked(hang)(http_scope(), mock.AsyncMock(), mock.AsyncMock())
    contextvars.copy_context().run(call.send, None)
    call.close()
    assert (log.summary["code"], log.summary["errno"]) == (499, 0)


def test_background_tasks(app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log) -> None:
    """Background tasks have the id, and don't count as time of the response."""

    class Clock:
        now = 0

        def monotonic_ns(self) -> int:
            return self.now

    clock = Clock()
    ids: list[str | None] = []

    def later() -> None:
        ids.append(request_id_context.get())
        clock.now += 60_000_000_000

    async def and_then() -> None:
        ids.append(request_id_context.get())

    @app.get("/tasks")
    async def tasks(background: BackgroundTasks) -> str:
        clock.now += 7_000_000
        background.add_task(later)
        background.add_task(and_then)
        return "begun"

    with mock.patch("dockerflow.logging.summary.time", clock):
        serve(app).request("/tasks", headers={"X-Request-ID": "abc"})
    assert ids == ["abc", "abc"]
    assert seen(log, "code", "errno", "t") == [(200, 0, 7)]


def test_background_task_that_fails(
    app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """A background task that fails is an unhandled exception; the response keeps its code."""

    def fail() -> None:
        raise RuntimeError("mail server")

    @app.get("/tasks")
    async def tasks(background: BackgroundTasks) -> str:
        background.add_task(fail)
        return "begun"

    answer = serve(app).request("/tasks")
    assert (answer.status, answer.body) == (200, b'"begun"')
    assert str(answer.error) == "mail server"
    assert seen(log, "code", "errno", "msg") == [(200, 500, "mail server")]


def test_exception_handlers(app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log) -> None:
    """The application's handler of all exceptions answers, with the id; the crash is recorded."""

    @app.exception_handler(Exception)
    async def sorry(request: Request, error: Exception) -> Response:
        return PlainTextResponse(f"sorry {request_id_context.get()}", 503)

    answer = serve(app).request("/boom", headers={"X-Request-ID": "abc"})
    assert (answer.status, answer.body) == (503, b"sorry abc")
    assert answer.header("X-Request-ID") == "abc"
    assert seen(log, "code", "errno", "msg") == [(503, 500, "boom")]


def test_debug_page(app: FastAPI, dockerflow: Dockerflow, serve: Serve) -> None:
    """The page of a crash in debug mode is Starlette's own, and has the id."""
    app.debug = True
    answer = serve(app).request("/boom", headers={"X-Request-ID": "abc"})
    assert b"Traceback" in answer.body
    assert answer.header("X-Request-ID") == "abc"


def test_dependency_with_yield(app: FastAPI, dockerflow: Dockerflow, serve: Serve) -> None:
    """A dependency has the id before and after its yield, in threads and on the loop."""
    ids: list[str | None] = []

    def sync() -> Iterator[None]:
        ids.append(request_id_context.get())
        yield
        ids.append(request_id_context.get())

    async def asynchronous() -> AsyncIterator[None]:
        ids.append(request_id_context.get())
        yield
        ids.append(request_id_context.get())

    app.add_api_route("/d", lambda: 1, dependencies=[Depends(sync), Depends(asynchronous)])
    serve(app).request("/d", headers={"X-Request-ID": "abc"})
    assert ids == ["abc"] * 4


@pytest.mark.parametrize("inside", [True, False])
def test_base_http_middleware(
    app: FastAPI, registry: CheckRegistry, serve: Serve, log: Log, inside: bool
) -> None:
    """Starlette's BaseHTTPMiddleware, inside or outside of ours, hides neither id nor crash."""
    ids: list[str | None] = []

    async def dispatch(request: Request, call_next: Callable[[Request], Any]) -> Any:
        ids.append(request_id_context.get())
        return await call_next(request)

    if inside:
        Dockerflow(app, registry=registry)
    else:
        app.add_middleware(RequestIdMiddleware)
        app.add_middleware(MozlogRequestSummaryLogger)
    app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
    server = serve(app)
    assert server.request("/id", headers={"X-Request-ID": "abc"}).body == b'"abc"'
    answer = server.request("/boom", headers={"X-Request-ID": "abc"})
    assert answer.error is not None
    assert ids == ["abc" if inside else None] * 2
    assert seen(log, "code", "errno", "rid", "msg") == [
        (200, 0, "abc", ""),
        (500, 500, "abc", "boom"),
    ]


def test_file_response(
    app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log, tmp_path: pathlib.Path
) -> None:
    """A file arrives whole, on HEAD not at all, and is recorded."""
    file = tmp_path / "file"
    file.write_bytes(b"x" * 200_000)
    app.add_api_route("/file", lambda: FileResponse(file), methods=["GET", "HEAD"])
    server = serve(app)
    assert server.request("/file").body == file.read_bytes()
    assert server.request("/file", "HEAD").header("content-length") == "200000"
    assert seen(log, "code", "errno") == [(200, 0), (200, 0)]
