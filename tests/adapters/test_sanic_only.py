"""Sanic only: the extension, its signals and ``ctx``, and how requests may end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import json
import logging
import pickle
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from sanic import HTTPResponse, Request, Sanic
from sanic.compat import Header
from sanic.exceptions import NotFound, ServiceUnavailable
from sanic.response import ResponseStream, text

from dockerflow import checks
from dockerflow.checks import CheckRegistry
from dockerflow.logging import request_id_context
from dockerflow.sanic import Dockerflow
from tests.adapters.apps.sanic import (
    AnyRequest,
    AnySanic,
    SanicASGIApp,
    SanicServer,
    new_app,
    reset_at_close,
)
from tests.adapters.conftest import Log

Serve = Callable[..., Any]


@pytest.fixture
def app() -> AnySanic:
    """An application with the extension, and no checks."""
    app = new_app()
    Dockerflow(app, registry=CheckRegistry())
    return app


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an application with Sanic's own server, or another, until the end of the test."""
    with contextlib.ExitStack() as stack:

        def serve(app: AnySanic, server: type[Any] = SanicServer) -> Any:
            return stack.enter_context(contextlib.closing(server(app)))

        yield serve


@pytest.fixture(params=[SanicServer, SanicASGIApp], ids=["native", "asgi"])
def run(request: pytest.FixtureRequest, serve: Serve) -> Serve:
    """Serve an application with Sanic's own server, and as an ASGI application."""
    return functools.partial(serve, server=request.param)


def get(path: str, *headers: str, method: str = "GET", last: bool = True) -> bytes:
    """Write a request without a body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    return "\r\n".join([*lines, *(["Connection: close"] if last else []), "", ""]).encode()


def exchange(server: SanicServer, data: bytes) -> bytes:
    """Send bytes, and return what comes back until the server closes the connection."""
    with socket.create_connection(server.address, 30) as sock, sock.makefile("rb") as answer:
        sock.sendall(data)
        received = answer.read()
    server.wait_until_served()
    return received


def hang_up(server: SanicServer, data: bytes, ready: threading.Event) -> None:
    """Send bytes, wait for an event, and reset the connection."""
    with socket.create_connection(server.address, 30) as sock:
        sock.sendall(data)
        assert ready.wait(30)
        reset_at_close(sock)
    server.wait_until_served()


def ends(log: Log) -> tuple[Any, ...]:
    """Return code, errno and message of the only summary."""
    return log.summary["code"], log.summary["errno"], log.summary.get("msg", "")


# ---------------------------------------------------------------------- the extension


def test_second_extension(app: AnySanic, serve: Serve, log: Log) -> None:
    """Adding the same extension to an app again changes nothing; another one is refused."""
    app.ctx.dockerflow.init_app(app)
    with pytest.raises(RuntimeError, match=r"use that one, app\.ctx\.dockerflow"):
        Dockerflow(app)
    assert serve(app).request("/").status == log.summary["code"] == 200


def test_factory(serve: Serve, log: Log) -> None:
    """One extension serves several apps, each with its own requests and settings."""
    dockerflow = Dockerflow(registry=CheckRegistry())
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    apps = new_app(), new_app()
    apps[1].config.DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE = 503
    for app in apps:
        dockerflow.init_app(app)
        assert app.ctx.dockerflow is dockerflow
    assert [serve(app).request("/__heartbeat__").status for app in apps] == [500, 503]
    assert [fields["code"] for fields in log.summaries] == [500, 503]


def test_the_app_is_what_it_was() -> None:
    """The application keeps its class, and can still be pickled."""
    app: AnySanic = Sanic("pickled", configure_logging=False)
    before = repr(app), type(app)
    Dockerflow(app, registry=CheckRegistry())
    assert (repr(app), type(app)) == before
    assert pickle.dumps(app)


def test_migrations_need_a_database() -> None:
    """Migrations without a database are refused, with the remedy."""
    with pytest.raises(TypeError, match=r"Dockerflow\(db=engine"):
        Dockerflow(migrate="alembic.ini", registry=CheckRegistry())


def test_an_app_that_has_started(serve: Serve) -> None:
    """An application whose server has already started is refused, with the remedy."""
    app = new_app()
    serve(app)
    with pytest.raises(RuntimeError, match="call init_app earlier, where the app is created"):
        Dockerflow(app, registry=CheckRegistry())


def test_settings_that_change(app: AnySanic, serve: Serve, log: Log) -> None:
    """Settings apply from the next request on; an invalid one is replaced by its default."""
    app.ctx.dockerflow.check(lambda: checks.Error("m"), name="bad")
    server = serve(app)
    server.request("/", query="a=b")
    app.config.DOCKERFLOW_SUMMARY_LOG_QUERYSTRING = "yes"
    app.config.DOCKERFLOW_SUMMARY_EXCLUDE_PATHS = 7
    app.config.DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE = 200
    assert server.request("/__heartbeat__", query="a=b").status == 500
    assert [each.get("querystring") for each in log.summaries] == [None, "a=b"]
    faults = " ".join(line["Fields"]["msg"] for line in log.of("dockerflow.sanic"))
    assert "FAILED_STATUS_CODE is 200" in faults
    assert "EXCLUDE_PATHS is 7" in faults


def test_endpoint_names(app: AnySanic) -> None:
    """The endpoints have names for url_for(), and their views have names too."""
    for name in ("version", "heartbeat", "lbheartbeat", "error"):
        assert app.url_for(f"dockerflow.{name}") == f"/__{name}__"
    assert all(route.handler.__name__ for route in app.router.routes)


def test_version_places(app: AnySanic, serve: Serve) -> None:
    """Without a version path, version.json is looked for in the working directory and in /app."""
    with mock.patch("dockerflow.version.get_version", return_value=None) as get_version:
        assert serve(app).request("/__version__").status == 404
    assert get_version.call_args_list == [mock.call("."), mock.call("/app")]


def test_async_version_callback(app: AnySanic, serve: Serve) -> None:
    """A version callback may be async; without a version path it gets the working directory."""
    callback = mock.AsyncMock(return_value={"version": "1"})
    app.ctx.dockerflow.version_callback(callback)
    assert json.loads(serve(app).request("/__version__").body) == {"version": "1"}
    callback.assert_awaited_once_with(".")


# ---------------------------------------------------------------------- the signals


def test_signals(app: AnySanic, run: Serve) -> None:
    """Each heartbeat dispatches one signal, with its level in the context."""
    passed, failed = mock.AsyncMock(), mock.AsyncMock()
    app.signal("dockerflow.heartbeat.passed")(passed)
    app.signal("dockerflow.heartbeat.failed")(failed)
    messages: list[checks.CheckMessage] = []
    app.ctx.dockerflow.check(lambda: messages, name="one")
    server = run(app)
    server.request("/__heartbeat__")
    for message in (checks.Warning("m"), checks.Error("m")):
        messages.append(message)
        server.request("/__heartbeat__")
    assert passed.await_args_list == [mock.call(level=0), mock.call(level=30)]
    assert failed.await_args_list == [mock.call(level=40)]


def test_signal_of_a_group(app: AnySanic, run: Serve) -> None:
    """Only the signal of a group's heartbeat has the name of the group."""
    passed = mock.AsyncMock()
    app.signal("dockerflow.heartbeat.passed")(passed)
    app.config.DOCKERFLOW_HEARTBEAT_GROUPS = {"ready": []}
    server = run(app)
    for path in ("/__heartbeat__/ready", "/__heartbeat__"):
        server.request(path)
    assert passed.await_args_list == [mock.call(level=0, group="ready"), mock.call(level=0)]


def test_signal_handler_that_hangs(app: AnySanic, serve: Serve) -> None:
    """The heartbeat doesn't wait for handlers of its signal, which have the request's id."""
    rids: list[str | None] = []

    @app.signal("dockerflow.heartbeat.passed")
    async def hung(level: int) -> None:
        rids.append(request_id_context.get())
        await asyncio.Event().wait()

    answer = serve(app).request("/__heartbeat__", headers={"X-Request-ID": "abc"})
    assert (answer.status, rids) == (200, ["abc"])


def test_signal_handler_that_raises(app: AnySanic, serve: Serve, log: Log) -> None:
    """A handler that raises is logged, and the response stays the same."""
    app.signal("dockerflow.heartbeat.passed")(mock.AsyncMock(side_effect=OSError("statsd is down")))
    assert serve(app).request("/__heartbeat__").status == 200
    (line,) = log.of("dockerflow.sanic")
    assert "statsd is down" in line["Fields"]["error"]
    assert log.summary["errno"] == 0


# ---------------------------------------------------------------------- ctx and fields


def test_ctx(app: AnySanic, run: Serve, log: Log) -> None:
    """Id and start are in ctx before middleware runs; if removed, the summary lacks its t."""
    seen: list[Any] = []

    async def remove(request: AnyRequest) -> None:
        seen.extend([request.ctx.id, type(request.ctx.start_timestamp)])
        del request.ctx.id
        del request.ctx.start_timestamp

    app.register_middleware(remove, "request", priority=999)
    assert run(app).request("/", headers={"X-Request-ID": "abc"}).body == b"hello"
    assert seen == ["abc", float]
    assert "t" not in log.summary
    assert log.summary["rid"] == "abc"


def test_ctx_that_takes_nothing(run: Serve, log: Log) -> None:
    """An application whose contexts refuse new attributes is served and recorded all the same."""

    class Closed:
        __slots__ = ()

    class ClosedRequest(Request[Any, Any]):
        @staticmethod
        def make_context() -> Any:
            return Closed()

    app = new_app(ctx=Closed(), request_class=ClosedRequest)
    Dockerflow(app, registry=CheckRegistry())
    answer = run(app).request("/", headers={"X-Request-ID": "abc"})
    assert answer.header("X-Request-ID") == log.summary["rid"] == "abc"
    assert log.of("sanic.error") == []


def test_summary_extra_extended(run: Serve, log: Log) -> None:
    """A subclass adds fields of its own; if it raises, the request is recorded all the same."""

    class Extended(Dockerflow):
        def summary_extra(self, request: AnyRequest) -> dict[str, Any]:
            return {**super().summary_extra(request), "uid": request.ctx.user}

    app = new_app()
    Extended(app, registry=CheckRegistry())

    @app.on_request
    async def authenticate(request: AnyRequest) -> None:
        if request.token:
            request.ctx.user = request.token

    server = run(app)
    server.request("/", headers={"Authorization": "Bearer alice"})
    assert server.request("/").body == b"hello"
    assert [(each["code"], each["uid"]) for each in log.summaries] == [(200, "alice"), (200, "")]
    assert "no attribute 'user'" in log.of("dockerflow.sanic")[0]["Fields"]["error"]


def test_summary_extra_of_any_request(app: AnySanic) -> None:
    """A test can get the fields of a request that it created itself."""
    headers = Header({"User-Agent": "me"})
    request: AnyRequest = Request(b"/x?a=b", headers, "1.1", "GET", mock.Mock(), app)
    fields = app.ctx.dockerflow.summary_extra(request)
    assert (fields["path"], fields["agent"], fields["method"]) == ("/x", "me", "GET")


# ---------------------------------------------------------------------- handlers and middleware


async def returns_nothing(request: AnyRequest) -> None:
    pass


async def returns_an_object(request: AnyRequest) -> object:
    return object()


async def loses_its_database(request: AnyRequest) -> None:
    response: Any = await request.respond()
    await response.send("one")
    raise ConnectionResetError("of the database")


@pytest.mark.parametrize(
    ("handler", "code", "message"),
    [
        (returns_nothing, 500, "Invalid response type None"),
        (returns_an_object, 500, "Invalid response type <object"),
        (loses_its_database, 200, "of the database"),
    ],
)
def test_handlers_that_fail(
    app: AnySanic, run: Serve, log: Log, handler: Any, code: int, message: str
) -> None:
    """A result that is no response, or an OSError of the handler, is an unhandled error."""
    app.add_route(handler, "/failing")
    assert run(app).request("/failing").status == code
    assert ends(log)[:2] == (code, 500)
    assert log.summary["msg"].startswith(message)


async def answers_too_much(request: AnyRequest) -> None:
    response: Any = await request.respond(headers={"Content-Length": "2"})
    await response.send("one")


async def answers_too_little(request: AnyRequest) -> None:
    response: Any = await request.respond(headers={"Content-Length": "4"})
    await response.send("one")


async def is_cancelled(request: AnyRequest) -> HTTPResponse:
    raise asyncio.CancelledError


async def has_a_strange_status(request: AnyRequest) -> HTTPResponse:
    return HTTPResponse("hello", 100)


async def hangs(request: AnyRequest) -> HTTPResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def hangs_in_mid_stream(request: AnyRequest) -> None:
    response: Any = await request.respond()
    await response.send("one")
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("handler", "end"),
    [
        (answers_too_much, (200, 500, "Response was bigger than content-length")),
        (answers_too_little, (200, 500, "Response was smaller than content-length")),
        (is_cancelled, (500, 500, "The handler was cancelled, but not by its client")),
        (has_a_strange_status, (500, 500, "Invalid response status 100")),
        (hangs, (503, 503, "")),
        (
            hangs_in_mid_stream,
            (200, 500, "The connection was closed before the response had ended"),
        ),
    ],
)
def test_what_sanic_s_server_refuses(
    app: AnySanic, serve: Serve, log: Log, handler: Any, end: tuple[int, int, str]
) -> None:
    """A response that Sanic's server replaces or breaks off is recorded as it was sent."""
    app.add_route(handler, "/failing")
    if handler in (hangs, hangs_in_mid_stream):
        app.config.RESPONSE_TIMEOUT = 0.01
    answer = exchange(serve(app), get("/failing", "X-Request-ID: abc"))
    assert answer.startswith(b"HTTP/1.1 %d" % end[0])
    assert b"x-request-id: abc\r\n" in answer.lower()
    assert ends(log) == end


def test_the_app_s_own_error_handler(app: AnySanic, run: Serve, log: Log) -> None:
    """The application's own error handlers answer; their status is recorded, and no error."""

    async def handle(request: AnyRequest, error: Exception) -> HTTPResponse:
        logging.getLogger("app").info("in error handler")
        return text(f"handled {error}", 503, headers={"X-Own": "yes"})

    app.error_handler.add(Exception, handle)
    answer = run(app).request("/boom", headers={"X-Request-ID": "abc"})
    assert (answer.status, answer.body) == (503, b"handled boom")
    assert (answer.header("X-Own"), answer.header("X-Request-ID")) == ("yes", "abc")
    assert ends(log) == (503, 503, "")
    assert log.of("app")[0]["Fields"]["rid"] == "abc"


def test_error_handler_that_raises(app: AnySanic, run: Serve, log: Log) -> None:
    """An error handler that raises is a failure like any other, with one summary."""
    app.error_handler.add(NotFound, mock.Mock(side_effect=LookupError("no template")))
    answer = run(app).request("/missing")
    assert (answer.status, answer.header("X-Request-ID")) == (500, log.summary["rid"])
    assert ends(log)[:2] == (500, 500)


def test_missing_pages_are_quiet(app: AnySanic, run: Serve, log: Log) -> None:
    """A missing page has one summary, at INFO, and no traceback."""
    run(app).request("/missing")
    assert [line for line in log.lines if line["Severity"] < 6 or "error" in line["Fields"]] == []
    assert log.summary["code"] == 404


@pytest.mark.parametrize("where", ["request", "response", "handler", "routing"])
def test_hooks_that_raise(app: AnySanic, run: Serve, log: Log, where: str) -> None:
    """If middleware and signal handlers raise, there is an id and one summary all the same."""
    hook = mock.AsyncMock(side_effect=RuntimeError(where))
    if where in {"request", "response"}:
        app.register_middleware(hook, where)
    else:
        app.signal(f"http.{where}.before")(hook)
    answer = run(app).request("/", headers={"X-Request-ID": "abc"})
    assert answer.header("X-Request-ID") == "abc"
    # Sanic only logs what response middleware raises.
    expected = (200, 0, "") if where == "response" else (500, 500, where)
    assert (answer.status, ends(log)) == (expected[0], expected)


def test_middleware_that_answers(app: AnySanic, run: Serve, log: Log) -> None:
    """A response that middleware creates or replaces has the id and is recorded."""

    @app.on_request
    async def forbid(request: AnyRequest) -> HTTPResponse | None:
        return text("no", 403) if request.path == "/forbidden" else None

    async def replace(request: AnyRequest, response: Any) -> HTTPResponse:
        return text("replaced", 202)

    app.register_middleware(replace, "response")
    server = run(app)
    for path in ("/", "/forbidden"):
        answer = server.request(path, headers={"X-Request-ID": "abc"})
        assert (answer.status, answer.body) == (202, b"replaced")
        assert answer.header("X-Request-ID") == "abc"
    assert [fields["code"] for fields in log.summaries] == [202, 202]


def test_response_streams(app: AnySanic, run: Serve, log: Log) -> None:
    """The older kind of streams, which sends files, is recorded at its end, with the id."""

    @app.get("/streamed")
    async def streamed(request: AnyRequest) -> ResponseStream:
        async def write(response: Any) -> None:
            logging.getLogger("app").info("in stream")
            await response.write("x" * 10_000)

        return ResponseStream(write)

    answer = run(app).request("/streamed", headers={"X-Request-ID": "abc"})
    assert (answer.body, answer.header("X-Request-ID")) == (b"x" * 10_000, "abc")
    assert ends(log) == (200, 0, "")
    assert log.of("app")[0]["Fields"]["rid"] == "abc"


def test_a_response_for_many_requests(app: AnySanic, run: Serve, log: Log) -> None:
    """A response that the application sends again has the id of each request in turn."""
    pong = text("pong")

    @app.get("/ping")
    async def ping(request: AnyRequest) -> HTTPResponse:
        return pong

    server = run(app)
    answers = [server.request("/ping", headers={"X-Request-ID": each}) for each in "aab"]
    assert [answer.header("X-Request-ID") for answer in answers] == ["a", "a", "b"]
    assert [fields["code"] for fields in log.summaries] == [200] * 3


# ---------------------------------------------------------------------- connections


def test_keep_alive(app: AnySanic, serve: Serve, log: Log) -> None:
    """Each request on a connection has its own id and end, and between them there is no id."""
    between: list[str | None] = []

    @app.signal("http.lifecycle.read_head")
    async def look(head: bytes) -> None:
        between.append(request_id_context.get())

    @app.get("/look")
    async def look_at_log(request: AnyRequest) -> HTTPResponse:
        assert log.summary["rid"] == "a"
        raise RuntimeError("boom")

    paths = {"a": "/", "b": "/look", "c": "/"}
    data = b"".join(get(paths[rid], f"X-Request-ID: {rid}", last=rid == "c") for rid in paths)
    exchange(serve(app), data + b"nonsense\r\n\r\n")
    found = [(each["rid"], each["code"], each.get("msg")) for each in log.summaries]
    assert found == [("a", 200, None), ("b", 500, "boom"), ("c", 200, None)]
    assert between == [None] * 3


def requests_of(app: AnySanic) -> list[weakref.ref[AnyRequest]]:
    """Return a list that receives weak references to the requests of an application."""
    seen: list[weakref.ref[AnyRequest]] = []

    @app.signal("http.handler.before")
    async def note(request: AnyRequest) -> None:
        seen.append(weakref.ref(request))

    return seen


def test_many_requests_of_one_task(app: AnySanic, serve: Serve) -> None:
    """Under ASGI a task that makes many requests keeps none of them, and no id."""
    seen = requests_of(app)
    server = serve(app, SanicASGIApp)

    async def ask() -> list[AnyRequest | None]:
        for _ in range(3):
            await server.exchange("/")
            assert request_id_context.get() is None
        gc.collect()
        return [each() for each in seen]

    assert server.submit(ask()).result(30)[:2] == [None, None]  # the context still has the last one


@pytest.mark.parametrize("path", ["/boom", "/stream-fails"])
def test_nothing_of_a_request_is_kept(
    app: AnySanic, run: Serve, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a request has failed and ended, nothing keeps a reference to it."""
    # Records of this logger hold tracebacks, and pytest keeps them.
    monkeypatch.setattr(logging.getLogger("sanic.error"), "disabled", True)
    seen = requests_of(app)
    server = run(app)
    server.request(path)
    server.request("/")
    gc.collect()
    assert seen[0]() is None


def test_access_log(app: AnySanic, serve: Serve, log: Log) -> None:
    """Sanic's own access line has the id of its request."""
    app.config.ACCESS_LOG = True
    serve(app).request("/", headers={"X-Request-ID": "abc"})
    assert {line["Fields"]["rid"] for line in log.of("sanic.access")} == {"abc"}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n", 417),
        (get("/", "X-Long: " + "x" * 20_000), 413),
    ],
)
def test_malformed_requests(app: AnySanic, serve: Serve, log: Log, data: bytes, code: int) -> None:
    """A malformed request that Sanic answers is recorded with its status, and has an id."""
    answer = exchange(serve(app), data)
    assert answer.startswith(b"HTTP/1.1 %d" % code)
    assert b"x-request-id: " + log.summary["rid"].encode() in answer.lower()
    assert (log.summary["method"], *ends(log)) == ("NONE", code, 0, "")


def test_a_url_without_a_path(app: AnySanic, serve: Serve, log: Log) -> None:
    """A URL in which Sanic finds no path is recorded unchanged."""
    assert exchange(serve(app), get("http://localhost?a=b")).startswith(b"HTTP/1.1 500")
    assert (log.summary["path"], log.summary["code"]) == ("http://localhost", 500)
    assert log.of("dockerflow.sanic") == []


@pytest.mark.parametrize(
    ("signal", "data", "codes"),
    [
        ("http.lifecycle.begin", b"GET / HTT", []),
        ("http.lifecycle.handle", b"POST /echo HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf", [499]),
    ],
    ids=["head", "body"],
)
def test_client_goes_away_while_it_sends(
    app: AnySanic, serve: Serve, log: Log, signal: str, data: bytes, codes: list[int]
) -> None:
    """A client that leaves before the end of its request's body is 499; in the head, no request."""
    reading = threading.Event()

    @app.signal(signal)
    async def note(**context: Any) -> None:
        reading.set()

    hang_up(serve(app), data, reading)
    assert [fields["code"] for fields in log.summaries] == codes


@pytest.mark.parametrize("handled", [False, True])
def test_client_goes_away_while_the_handler_runs(
    app: AnySanic, serve: Serve, log: Log, handled: bool
) -> None:
    """A client that disconnects before there is an answer is 499, whatever the handler does."""
    running = threading.Event()

    @app.get("/hangs")
    async def hangs(request: AnyRequest) -> HTTPResponse:
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not handled:
                raise
        return text("nobody reads this")

    hang_up(serve(app), get("/hangs", "X-Request-ID: abc"), running)
    assert (log.summary["rid"], *ends(log)) == ("abc", 499, 0, "")


def test_asgi_request_cancelled(app: AnySanic, serve: Serve, log: Log) -> None:
    """Under ASGI a request whose task is cancelled is 499."""
    app.add_route(hangs, "/hangs")
    running = asyncio.Event()

    @app.signal("http.handler.before")
    async def note(request: AnyRequest) -> None:
        running.set()

    server = serve(app, SanicASGIApp)

    async def cancel() -> None:
        asked = asyncio.create_task(server.exchange("/hangs"))
        await running.wait()
        asked.cancel()
        await asyncio.wait([asked])

    server.submit(cancel()).result(30)
    assert ends(log) == (499, 0, "")


# ---------------------------------------------------------------------- websockets


async def say_ids(request: AnyRequest, ws: Any) -> None:
    await ws.send(f"{request.ctx.id} {request_id_context.get()}\n")


def test_websocket(app: AnySanic, serve: Serve, log: Log) -> None:
    """A websocket has an id and no summary; a request that fails to become one has both."""
    app.add_websocket_route(say_ids, "/ws")
    server = serve(app)
    upgrade = (
        *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        *("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "X-Request-ID: abc"),
    )
    with socket.create_connection(server.address, 30) as sock, sock.makefile("rb") as received:
        sock.sendall(get("/ws", *upgrade, last=False))
        assert any(line.endswith(b"abc abc\n") for line in received)
    server.wait_until_served()
    assert log.summaries == []
    answer = server.request("/ws")
    assert answer.status == log.summary["code"] >= 400


def test_asgi_websocket(app: AnySanic, serve: Serve, log: Log) -> None:
    """Under ASGI, too, a websocket has an id and no summary."""
    app.add_websocket_route(say_ids, "/ws")
    scope = {
        "type": "websocket",
        "scheme": "ws",
        "path": "/ws",
        "raw_path": b"/ws",
        "query_string": b"",
        "headers": [(b"x-request-id", b"abc")],
        "subprotocols": [],
    }
    receive = mock.AsyncMock(return_value={"type": "websocket.connect"})
    send = mock.AsyncMock()
    server = serve(app, SanicASGIApp)
    server.submit(app(scope, receive, send)).result(30)
    assert "abc abc\n" in [call.args[0].get("text") for call in send.await_args_list]
    assert log.summaries == []


# ---------------------------------------------------------------------- nothing is changed


def build(observed: bool) -> AnySanic:
    """Build an application with many kinds of responses."""
    app = new_app()
    app.add_route(returns_nothing, "/nothing")

    @app.get("/busy")
    async def busy(request: AnyRequest) -> HTTPResponse:
        raise ServiceUnavailable("busy", headers={"Retry-After": "1"})

    if observed:
        app.config.DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER = False
        Dockerflow(app, registry=CheckRegistry())
    return app


@pytest.mark.parametrize(
    "data",
    [
        get("/"),
        get("/", method="HEAD"),
        get("/", method="OPTIONS"),
        get("/missing", "Accept: application/json"),
        get("/boom", "Accept: text/html"),
        get("/busy"),
        get("/nothing"),
        get("/", last=False) + get("/stream-fails", last=False) + get("/"),
        b"GET / HTTP/1.0\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=lambda data: data[:40],
)
def test_answers_are_the_same_byte_for_byte(serve: Serve, data: bytes) -> None:
    """Sanic's server sends the same bytes with and without the extension."""
    plain, observed = (exchange(serve(build(each)), data) for each in (False, True))
    assert observed == plain
    assert plain


def test_logs_are_the_same(serve: Serve, log: Log) -> None:
    """Sanic logs the same with and without the extension."""

    def logged(observed: bool) -> list[tuple[str, Any]]:
        log.lines.clear()
        server = serve(build(observed))
        for path in ("/", "/missing", "/boom", "/stream", "/stream-fails", "/nothing"):
            exchange(server, get(path))
        lines = [line for line in log.lines if line["Type"] != "request.summary"]
        return [(line["Type"], line["Fields"].get("msg")) for line in lines]

    assert logged(True) == logged(False)
