"""The middlewares of FastAPI and Starlette: any order, any ASGI application, any message."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, WebSocket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount
from starlette.types import Message, Receive, Scope, Send

from dockerflow.checks import CheckRegistry
from dockerflow.fastapi import Dockerflow, router, routes
from dockerflow.fastapi.middleware import MozlogRequestSummaryLogger, RequestIdMiddleware
from dockerflow.logging import request_id_context
from tests.adapters.asgi import (
    START,
    Application,
    Serve,
    create_app,
    hello,
    http_scope,
    seen,
    serving,
    stacked,
)
from tests.adapters.conftest import Log

MIDDLEWARES = (RequestIdMiddleware, MozlogRequestSummaryLogger)


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


# ---------------------------------------------------------------------- the parts


def test_parts(app: FastAPI, serve: Serve, log: Log) -> None:
    """The router and the two middlewares work without the extension."""
    app.include_router(router)
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(MozlogRequestSummaryLogger)
    server = serve(app)
    for path in ("/__lbheartbeat__", "/__heartbeat__", "/id", "/missing"):
        answer = server.request(path, headers={"X-Request-ID": path})
        assert answer.header("X-Request-ID") == path
    assert seen(log, "path", "code", "rid") == [
        ("/__lbheartbeat__", 200, "/__lbheartbeat__"),
        ("/__heartbeat__", 200, "/__heartbeat__"),
        ("/id", 200, "/id"),
        ("/missing", 404, "/missing"),
    ]


def test_parts_and_a_crash(app: FastAPI, serve: Serve, log: Log) -> None:
    """Middleware inside of ServerErrorMiddleware records a crash by its exception."""
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(MozlogRequestSummaryLogger)
    answer = serve(app).request("/boom", headers={"X-Request-ID": "abc"})
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    assert isinstance(answer.error, RuntimeError)
    assert seen(log, "code", "errno", "msg", "rid") == [(500, 500, "boom", "abc")]


@pytest.mark.parametrize("order", list(itertools.permutations((*MIDDLEWARES, *MIDDLEWARES), 3)))
@pytest.mark.parametrize("extended", [True, False])
def test_any_order(
    app: FastAPI, serve: Serve, log: Log, order: tuple[Any, ...], extended: bool
) -> None:
    """In any order and number, with the extension or without, there is one id and one summary."""
    for middleware in order:
        app.add_middleware(middleware)
    if extended:
        Dockerflow(app, registry=CheckRegistry())
    answer = serve(app).request("/id", headers={"X-Request-ID": "abc"})
    assert answer.body == b'"abc"'
    assert answer.header("X-Request-ID") == "abc"
    assert log.summary["rid"] == "abc"


def test_one_alone(app: FastAPI, serve: Serve, log: Log) -> None:
    """Each middleware works without the other; a summary without an id has rid None."""
    alone = serve(RequestIdMiddleware(app)).request("/id", headers={"X-Request-ID": "abc"})
    assert (alone.body, alone.header("X-Request-ID")) == (b'"abc"', "abc")
    assert log.summaries == []
    alone = serve(MozlogRequestSummaryLogger(app)).request("/id", headers={"X-Request-ID": "abc"})
    assert (alone.body, alone.header("X-Request-ID")) == (b"null", None)
    assert log.summary["rid"] is None


def test_around_the_application(app: FastAPI, serve: Serve, log: Log) -> None:
    """Around the whole application, the middlewares read its settings and see its crash pages."""
    app.state.DOCKERFLOW_REQUEST_ID_HEADER_NAME = "X-Trace"
    app.state.DOCKERFLOW_SUMMARY_EXCLUDE_PATHS = ["/"]
    server = serve(RequestIdMiddleware(MozlogRequestSummaryLogger(app)))
    server.request("/")
    answer = server.request("/boom", headers={"X-Trace": "abc"})
    assert (answer.status, answer.header("X-Trace")) == (500, "abc")
    assert seen(log, "path", "code", "rid", "msg") == [("/boom", 500, "abc", "boom")]


def test_dependencies_of_the_router(app: FastAPI, serve: Serve) -> None:
    """Dependencies that the router is included with guard the endpoints."""

    def guard() -> None:
        raise HTTPException(401)

    app.include_router(router, prefix="/ops", dependencies=[Depends(guard)])
    for endpoint in ("version", "heartbeat", "lbheartbeat", "error"):
        assert serve(app).request(f"/ops/__{endpoint}__").status == 401


def test_router_in_a_router(app: FastAPI, serve: Serve) -> None:
    """The endpoints may be had under the prefixes of routers within routers."""
    outer, inner = APIRouter(prefix="/outer"), APIRouter(prefix="/inner")
    inner.include_router(router)
    outer.include_router(inner)
    app.include_router(outer)
    assert serve(app).request("/outer/inner/__lbheartbeat__").status == 200
    assert serve(app).request("/__lbheartbeat__").status == 404


def test_routes_of_starlette(serve: Serve, log: Log) -> None:
    """A bare Starlette application takes the endpoints as routes, also below a mount."""
    app = Starlette(routes=[*routes, Mount("/ops", routes=routes)])
    server = serve(RequestIdMiddleware(MozlogRequestSummaryLogger(app)))
    assert server.request("/__heartbeat__").status == 200
    assert server.request("/ops/__lbheartbeat__").body == b'{"status": "ok"}'
    assert server.request("/__version__", "POST").status == 405
    assert seen(log, "path") == [("/__heartbeat__",), ("/ops/__lbheartbeat__",), ("/__version__",)]


# ---------------------------------------------------------------------- bare ASGI


def exchange(
    app: Application,
    script: list[Message],
    *,
    method: str = "GET",
    received: list[Message] | None = None,
) -> list[Message]:
    """Have a bare application send messages, and return what reaches the server."""
    sent: list[Message] = []

    async def scripted(scope: Scope, receive: Receive, send: Send) -> None:
        for message in script:
            await send(message)

    async def receive() -> Message:
        assert received
        return received.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": "/", "query_string": b"", "headers": []}
    asyncio.run(app(scripted)(scope, receive, send))
    return sent


def test_bare_application(serve: Serve, log: Log) -> None:
    """Any ASGI application will do, even one that has no headers, and its crash is recorded."""
    answer = serve(stacked(hello)).request("/x", headers={"X-Request-ID": "abc"})
    assert (answer.body, answer.header("X-Request-ID")) == (b"hello", "abc")
    assert seen(log, "path", "code", "rid") == [("/x", 200, "abc")]


def test_mocked_application(log: Log) -> None:
    """An application that has whatever one asks it for is no application with settings."""
    scope = http_scope()
    app = mock.AsyncMock()
    asyncio.run(stacked(app)(scope, mock.AsyncMock(), mock.AsyncMock()))
    app.assert_awaited_once()
    assert (log.summary["code"], log.summary["errno"]) == (500, 500)  # it has not answered


@pytest.mark.parametrize(
    "rest",
    [
        [{"type": "http.response.body", "body": b"x"}],
        [{"type": "http.response.body"}],
        [
            {"type": "http.response.body", "body": b"x", "more_body": True},
            {"type": "http.response.body", "body": b"y", "more_body": False},
        ],
        [{"type": "http.response.pathsend", "path": "/etc/hostname"}],
        [
            {"type": "http.response.zerocopysend", "file": 1, "more_body": True},
            {"type": "http.response.zerocopysend", "file": 1},
        ],
    ],
)
def test_extensions(log: Log, rest: list[Message]) -> None:
    """All messages reach the server as they are, and each way to end a response is known."""
    sent = exchange(stacked, [START, *rest])
    assert sent[1:] == rest
    assert sent[0] == {**START, "headers": [(b"a", b"b"), (b"x-request-id", mock.ANY)]}
    assert START["headers"] == [(b"a", b"b")]  # the application's own list
    assert (log.summary["code"], log.summary["errno"]) == (200, 0)


def test_trailers(log: Log) -> None:
    """With trailers the response ends after them."""
    start = {**START, "trailers": True}
    body = {"type": "http.response.body", "body": b"x"}
    trailers = {"type": "http.response.trailers", "headers": [(b"t", b"1")]}
    assert exchange(stacked, [start, body, trailers])[1:] == [body, trailers]
    exchange(stacked, [start, body])
    assert seen(log, "code", "errno") == [(200, 0), (200, 500)]


def test_unknown_messages(log: Log) -> None:
    """Messages of extensions that nobody here knows pass through."""
    push = {"type": "http.response.push", "path": "/style.css", "headers": []}
    debug = {"type": "http.response.debug", "info": {"a": 1}}
    end = {"type": "http.response.body"}
    assert exchange(stacked, [debug, START, push, end])[::2] == [debug, push]
    assert log.summary["errno"] == 0


@pytest.mark.parametrize("wrap", [stacked, *MIDDLEWARES])
def test_headers_of_any_kind(log: Log, wrap: Callable[[Application], Application]) -> None:
    """Response headers may be any iterable, a one-off iterator included, in any case."""
    headers = [[b"X-Request-Id", b"mine"], [b"Content-Length", b"1"]]
    start = {**START, "headers": iter(headers)}
    sent = exchange(wrap, [start, {"type": "http.response.body", "body": b"x"}])
    assert list(sent[0]["headers"]) == headers


@pytest.mark.parametrize("name", [b"X-Request-Id", b"x-request-i"])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_header_names_of_any_kind(log: Log, name: bytes, kind: Callable[[bytes], bytes]) -> None:
    """A header's name may be of any type of bytes: the id is added where none has its name."""
    headers = [(kind(name), kind(b"mine")), (kind(b"Content-Length"), kind(b"1"))]
    sent = exchange(stacked, [{**START, "headers": headers}])
    added = sent[0]["headers"][2:]
    assert sent[0]["headers"][:2] == headers
    assert [key for key, _ in added] == ([] if name == b"X-Request-Id" else [b"x-request-id"])
    assert (log.summary["code"], log.summary["errno"]) == (200, 500)  # it lacks a byte


def test_no_answer(log: Log) -> None:
    """An application that ends without an answer, or in the midst of it, has failed."""
    exchange(stacked, [])
    exchange(stacked, [START])
    exchange(stacked, [START, {"type": "http.response.body", "body": b"x", "more_body": True}])
    assert seen(log, "code", "errno") == [(500, 500), (200, 500), (200, 500)]


def test_other_scopes() -> None:
    """A lifespan, and scopes of kinds to come, pass through untouched."""
    for kind in ("lifespan", "webtransport"):
        scope, receive, send = {"type": kind}, mock.AsyncMock(), mock.AsyncMock()
        inner = mock.AsyncMock()
        asyncio.run(stacked(inner)(scope, receive, send))
        inner.assert_awaited_once_with(scope, receive, send)
        assert scope == {"type": kind}


def test_scope(app: FastAPI, registry: CheckRegistry, serve: Serve) -> None:
    """The application finds its scope as it is without dockerflow, but for our one key."""
    scopes: list[dict[str, Any]] = []

    @app.get("/scope")
    async def keep(request: Request) -> None:
        scopes.append({key: repr(value) for key, value in request.scope.items()})

    def keys() -> set[str]:
        app.middleware_stack = None
        serve(app).request("/scope")
        return set(scopes.pop())

    without = keys()
    Dockerflow(app, registry=registry)
    assert keys() - without == {"dockerflow.request"}


def test_one_scope_twice(log: Log) -> None:
    """Middleware that calls the application twice for a request keeps its one id and summary."""
    ids: list[str | None] = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        ids.append(request_id_context.get())

    observed = stacked(note)

    async def twice(scope: Scope, receive: Receive, send: Send) -> None:
        await observed(scope, receive, send)
        await observed(scope, receive, send)
        await hello(scope, receive, send)

    scope = http_scope()
    asyncio.run(stacked(twice)(scope, mock.AsyncMock(), mock.AsyncMock()))
    assert ids[0] is not None
    assert ids == [ids[0]] * 2
    assert log.summary["rid"] == ids[0]


def test_inner_call_twice(log: Log) -> None:
    """Where the id begins inside of such middleware, each call has it."""
    ids: list[str | None] = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        ids.append(request_id_context.get())
        await send(START)

    identified = RequestIdMiddleware(note)

    async def twice(scope: Scope, receive: Receive, send: Send) -> None:
        await identified(scope, receive, mock.AsyncMock())
        await identified(scope, receive, send)

    app, send = MozlogRequestSummaryLogger(twice), mock.AsyncMock()
    asyncio.run(app(http_scope(headers=[(b"x-request-id", b"abc")]), mock.AsyncMock(), send))
    assert ids == ["abc", "abc"]
    assert send.await_args_list[0].args[0]["headers"][-1] == (b"x-request-id", b"abc")
    assert log.summary["rid"] == "abc"


def test_summary_inside_twice(log: Log) -> None:
    """Where the summary begins inside of such middleware, there is one all the same."""
    recorded = MozlogRequestSummaryLogger(hello)

    async def twice(scope: Scope, receive: Receive, send: Send) -> None:
        await recorded(scope, receive, send)
        await recorded(scope, receive, send)

    scope = http_scope(headers=[(b"x-request-id", b"abc")])
    asyncio.run(RequestIdMiddleware(twice)(scope, mock.AsyncMock(), mock.AsyncMock()))
    assert log.summary["rid"] == "abc"


def test_copied_scope_of_a_request_that_is_over(log: Log) -> None:
    """A request that is made of an earlier one's scope is a request of its own."""
    scope: dict[str, Any] = http_scope()
    for _ in range(2):
        asyncio.run(stacked(hello)(scope, mock.AsyncMock(), mock.AsyncMock()))
        scope = {**scope}
    first, second = log.summaries
    assert first["rid"] != second["rid"]


def test_scope_copied_during_a_request_that_is_over(log: Log) -> None:
    """A request that is made of what the application had for a scope is one of its own."""
    scopes: list[dict[str, Any]] = [http_scope()]

    async def keep(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(dict(scope))
        await hello(scope, receive, send)

    for number in range(2):
        asyncio.run(stacked(keep)(scopes[number], mock.AsyncMock(), mock.AsyncMock()))
    first, second = log.summaries
    assert first["rid"] != second["rid"]


@pytest.mark.parametrize("app", [*(one(hello) for one in MIDDLEWARES), stacked(hello)])
def test_requests_leave_no_cycles(log: Log, app: Application) -> None:
    """What is known of a request goes with it, without waiting for the garbage collector."""

    class Cycle:
        """One request as a server keeps it, with its scope, as uvicorn does."""

        def __init__(self) -> None:
            self.scope = http_scope()
            self.sent: list[Message] = []

        async def receive(self) -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(self, message: Message) -> None:
            self.sent.append(message)

    gc.disable()
    try:
        cycle = Cycle()
        asyncio.run(app(cycle.scope, cycle.receive, cycle.send))
        assert cycle.sent
        gone = weakref.ref(cycle)
        del cycle
        assert gone() is None
    finally:
        gc.enable()


def test_scope_of_a_summary_that_is_over(log: Log) -> None:
    """The summary alone, too, is written for a request that is made of an earlier one's scope."""
    scope: dict[str, Any] = http_scope()
    for path in ("/first", "/second"):
        scope = {**scope, "path": path}
        app = MozlogRequestSummaryLogger(hello)
        asyncio.run(app(scope, mock.AsyncMock(), mock.AsyncMock()))
    assert seen(log, "path", "code") == [("/first", 200), ("/second", 200)]


@pytest.mark.parametrize("order", list(itertools.permutations(MIDDLEWARES)))
def test_id_while_the_summary_is_written(log: Log, order: tuple[Any, ...]) -> None:
    """The id is known to the handlers of the summary, also where it begins further in."""
    ids: list[str | None] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            ids.append(request_id_context.get())

    keep = Keep()
    logger = logging.getLogger("request.summary")
    logger.addHandler(keep)
    try:
        scope = http_scope(headers=[(b"x-request-id", b"abc")])
        app = order[0](order[1](hello))
        asyncio.run(app(scope, mock.AsyncMock(), mock.AsyncMock()))
    finally:
        logger.removeHandler(keep)
    assert ids == ["abc"]
    assert request_id_context.get() is None


@pytest.mark.parametrize("wrap", [stacked, *MIDDLEWARES])
def test_request_headers_of_any_kind(log: Log, wrap: Callable[[Application], Application]) -> None:
    """The headers of a request may be an iterator, of which the application finds all."""
    headers = [(b"user-agent", b"agent"), (b"x-request-id", b"abc")]
    found: list[Any] = []

    async def keep(scope: Scope, receive: Receive, send: Send) -> None:
        found.extend(scope["headers"])
        await hello(scope, receive, send)

    scope = http_scope(headers=iter(headers))
    asyncio.run(wrap(keep)(scope, mock.AsyncMock(), mock.AsyncMock()))
    assert found == headers
    assert seen(log, "agent") == ([] if wrap is RequestIdMiddleware else [("agent",)])


# ---------------------------------------------------------------------- websockets


def test_websocket(app: FastAPI, dockerflow: Dockerflow, log: Log) -> None:
    """A websocket has an id and no summary, and its messages are its own."""

    @app.websocket("/ws")
    async def talk(socket: WebSocket) -> None:
        await socket.accept(headers=[(b"x-mine", b"1")])
        await socket.send_text(f"{await socket.receive_text()} {request_id_context.get()}")
        await socket.close()

    receive = mock.AsyncMock(
        side_effect=[{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}]
    )
    send = mock.AsyncMock()
    scope = http_scope(type="websocket", path="/ws", headers=[(b"x-request-id", b"abc")])
    asyncio.run(app(scope, receive, send))
    accepted, said, _ = (call.args[0] for call in send.await_args_list)
    assert accepted["headers"] == [(b"x-mine", b"1")]
    assert said["text"] == "hello abc"
    assert log.summaries == []
    assert request_id_context.get() is None


def test_websocket_refused_by_a_response(log: Log) -> None:
    """A response that refuses a websocket has the id like any response; an acceptance has not."""
    messages: list[Message] = [
        {"type": "websocket.http.response.start", "status": 403, "headers": []},
        {"type": "websocket.http.response.body"},
        {"type": "websocket.accept"},
    ]

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    send = mock.AsyncMock()
    scope = http_scope(type="websocket", headers=[(b"x-request-id", b"abc")])
    asyncio.run(stacked(refuse)(scope, mock.AsyncMock(), send))
    sent = [call.args[0] for call in send.await_args_list]
    assert sent == [{**messages[0], "headers": [(b"x-request-id", b"abc")]}, *messages[1:]]
    assert log.summaries == []
