"""How requests to Sanic end, on its own server and under ASGI: well, badly, and halfway."""

from __future__ import annotations

import asyncio
import gc
import logging
import pathlib
import socket
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from sanic import HTTPResponse
from sanic.exceptions import NotFound, ServiceUnavailable
from sanic.response import ResponseStream, file_stream, text

from dockerflow.checks import CheckRegistry
from dockerflow.logging import request_id_context
from dockerflow.sanic import Dockerflow
from tests.adapters.apps.sanic import SanicASGIApp, served
from tests.adapters.conftest import Log
from tests.adapters.sanic import (
    AnyRequest,
    AnySanic,
    Run,
    Serve,
    add_echo,
    exchange,
    get,
    hang_up,
    log_of_app,
    new_app,
    running,
    serving,
    websocket_scope,
)


@pytest.fixture
def app() -> AnySanic:
    """An application with the extension."""
    app = new_app()
    Dockerflow(app, registry=CheckRegistry())
    return app


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an application with Sanic's own server."""
    with serving() as serve:
        yield serve


@pytest.fixture(params=["native", "asgi"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Serve an application with Sanic's own server, and as an ASGI application."""
    with running(request.param) as run:
        yield run


def requests_of(app: AnySanic) -> list[weakref.ref[AnyRequest]]:
    """Return a list that gets the requests of an application, without keeping them."""
    seen: list[weakref.ref[AnyRequest]] = []

    @app.signal("http.handler.before")
    async def note(request: AnyRequest) -> None:
        seen.append(weakref.ref(request))

    return seen


# ---------------------------------------------------------------------- exceptions


def test_the_app_s_own_error_handler(app: AnySanic, run: Run, log: Log) -> None:
    """The application's own error handlers answer; their status is recorded, and no error."""

    async def handle(request: AnyRequest, error: Exception) -> HTTPResponse:
        log_of_app.info("in error handler")
        return text(f"handled {error}", 503, headers={"X-Own": "yes"})

    app.error_handler.add(Exception, handle)
    answer = run(app).request("/boom", headers={"X-Request-ID": "abc"})
    assert (answer.status, answer.body) == (503, b"handled boom")
    assert (answer.header("X-Own"), answer.header("X-Request-ID")) == ("yes", "abc")
    (line,) = log.of("request.summary")
    assert (line["Severity"], line["Fields"]["errno"]) == (6, 503)
    assert log.of("app")[0]["Fields"]["rid"] == "abc"


def test_error_handler_that_raises(app: AnySanic, run: Run, log: Log) -> None:
    """An error handler that raises is a failure like any, with one summary."""

    async def broken(request: AnyRequest, error: NotFound) -> HTTPResponse:
        raise LookupError("no template")

    app.error_handler.add(NotFound, broken)
    answer = run(app).request("/missing")
    assert answer.status == 500
    assert answer.header("X-Request-ID") == log.summary["rid"]
    assert (log.summary["code"], log.summary["errno"]) == (500, 500)


def test_missing_pages_are_quiet(app: AnySanic, run: Run, log: Log) -> None:
    """A page that is not there leaves the one summary, at INFO, and no traceback."""
    run(app).request("/missing")
    assert [line for line in log.lines if line["Severity"] < 6 or "error" in line["Fields"]] == []
    assert log.summary["code"] == 404


@pytest.mark.parametrize("result", [None, object()], ids=["none", "object"])
def test_handlers_that_return_nonsense(app: AnySanic, run: Run, log: Log, result: Any) -> None:
    """A handler that returns no response is an error, with Sanic's own error page."""

    @app.get("/odd")
    async def odd(request: AnyRequest) -> Any:
        return result

    assert run(app).request("/odd").status == 500
    (line,) = log.of("request.summary")
    assert (line["Severity"], line["Fields"]["code"]) == (3, 500)
    assert "response type" in line["Fields"]["msg"]


@pytest.mark.parametrize("where", ["request", "response", "handler", "routing"])
def test_hooks_that_raise(app: AnySanic, run: Run, log: Log, where: str) -> None:
    """Where middleware and signal handlers raise, there is an id and one summary all the same."""

    async def hook(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError(where)

    if where in {"request", "response"}:
        app.register_middleware(hook, where)
    else:
        app.signal(f"http.{where}.before")(hook)
    answer = run(app).request("/", headers={"X-Request-ID": "abc"})
    code = 200 if where == "response" else 500  # Sanic logs what response middleware raises
    assert answer.status == log.summary["code"] == code
    assert answer.header("X-Request-ID") == "abc"
    assert log.summary.get("msg", "") == ("" if where == "response" else where)


def test_middleware_that_answers(app: AnySanic, run: Run, log: Log) -> None:
    """A response that middleware makes, or puts in another's place, has the id and is recorded."""

    @app.on_request
    async def forbid(request: AnyRequest) -> HTTPResponse | None:
        return text("no", 403) if request.path == "/forbidden" else None

    async def replace(request: AnyRequest, response: Any) -> HTTPResponse:
        return text("replaced", 202)

    app.register_middleware(replace, "response")
    server = run(app)
    for path in ("/", "/forbidden"):
        answer = server.request(path)
        assert (answer.status, answer.body) == (202, b"replaced")
        assert answer.header("X-Request-ID")
    assert [fields["code"] for fields in log.summaries] == [202, 202]


# ---------------------------------------------------------------------- streams


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_response_streams(
    app: AnySanic, run: Run, log: Log, tmp_path: pathlib.Path, kind: str
) -> None:
    """Files and the older kind of streams are recorded at their end, and have the id."""
    (tmp_path / "file").write_bytes(b"x" * 10_000)

    @app.get("/file")
    async def file(request: AnyRequest) -> ResponseStream:
        return await file_stream(tmp_path / "file", chunk_size=1000)

    @app.get("/stream")
    async def stream(request: AnyRequest) -> ResponseStream:
        async def write(response: Any) -> None:
            log_of_app.info("in stream")
            await response.write("x" * 10_000)

        return ResponseStream(write)

    answer = run(app).request(f"/{kind}", headers={"X-Request-ID": "abc"})
    assert answer.body == b"x" * 10_000
    assert answer.header("X-Request-ID") == "abc"
    assert (log.summary["code"], log.summary["errno"]) == (200, 0)
    assert [line["Fields"]["rid"] for line in log.of("app")] == ["abc"] * (kind == "stream")


@pytest.mark.parametrize("length", [4, 9])
def test_wrong_length(app: AnySanic, serve: Serve, log: Log, length: int) -> None:
    """A stream that is longer or shorter than it said is a failure in mid-stream."""

    @app.get("/length")
    async def wrong(request: AnyRequest) -> None:
        response: Any = await request.respond(headers={"Content-Length": str(length)})
        await response.send("one")
        await response.send("two")

    exchange(serve(app), get("/length"))
    assert (log.summary["code"], log.summary["errno"]) == (200, 500)


def test_out_of_time_in_mid_stream(app: AnySanic, serve: Serve, log: Log) -> None:
    """A stream that Sanic breaks off for taking too long keeps its code, and is a failure."""
    app.config.RESPONSE_TIMEOUT = 0.01

    @app.get("/hangs")
    async def hangs(request: AnyRequest) -> None:
        response: Any = await request.respond()
        await response.send("one")
        await asyncio.Event().wait()

    assert b"one" in exchange(serve(app), get("/hangs"))
    assert (log.summary["code"], log.summary["errno"]) == (200, 500)
    assert log.summary["msg"] == "The connection was closed before the response had ended"


# ---------------------------------------------------------------------- Sanic's own server


def test_keep_alive(app: AnySanic, serve: Serve, log: Log) -> None:
    """Requests on one connection have an id and an end each, and between them there is no id."""
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
    ends = [(each["rid"], each["code"], each["errno"]) for each in log.summaries]
    assert ends == [("a", 200, 0), ("b", 500, 500), ("c", 200, 0)]
    assert log.summaries[1]["msg"] == "boom"
    assert between == [None] * 3


def test_many_requests_of_one_task(app: AnySanic, log: Log) -> None:
    """Under ASGI a task that makes many requests keeps none of them."""
    seen = requests_of(app)
    server = SanicASGIApp(app)

    async def ask() -> list[AnyRequest | None]:
        for _ in range(3):
            await server.exchange("/")
        gc.collect()
        return [each() for each in seen]

    try:
        assert server.submit(ask()).result(30)[:2] == [None, None]  # the context has the last
    finally:
        server.close()
    assert len(log.summaries) == 3


def test_a_response_for_many_requests(app: AnySanic, run: Run, log: Log) -> None:
    """A response that the application sends again bears the id of each request in turn."""
    pong = text("pong")

    @app.get("/ping")
    async def ping(request: AnyRequest) -> HTTPResponse:
        return pong

    server = run(app)
    answers = [server.request("/ping", headers={"X-Request-ID": each}) for each in "aab"]
    assert [answer.header("X-Request-ID") for answer in answers] == ["a", "a", "b"]
    assert [fields["code"] for fields in log.summaries] == [200] * 3


@pytest.mark.parametrize("path", ["/boom", "/cut"])
def test_nothing_of_a_request_is_kept(
    app: AnySanic, run: Run, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a request has failed and ended, nothing keeps it, nor its exception."""
    # Its records hold tracebacks, and pytest holds them.
    monkeypatch.setattr(logging.getLogger("sanic.error"), "disabled", True)
    seen = requests_of(app)
    server = run(app)
    server.request(path)
    server.request("/")
    gc.collect()
    assert seen[0]() is None


def test_access_log(app: AnySanic, serve: Serve, log: Log) -> None:
    """Sanic's own line of a request bears its id."""
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
    """What Sanic answers although it is no request is recorded as it came, and has an id."""
    answer = exchange(serve(app), data)
    assert answer.startswith(b"HTTP/1.1 %d" % code)
    assert b"x-request-id: " + log.summary["rid"].encode() in answer.lower()
    assert (log.summary["method"], log.summary["code"], log.summary["errno"]) == ("NONE", code, 0)


def test_a_url_without_a_path(app: AnySanic, serve: Serve, log: Log) -> None:
    """A URL in which Sanic finds no path is recorded as it came."""
    assert exchange(serve(app), get("http://localhost?a=b")).startswith(b"HTTP/1.1 500")
    assert (log.summary["path"], log.summary["code"]) == ("http://localhost", 500)
    assert log.of("dockerflow.sanic") == []


def test_a_head_that_never_ends(app: AnySanic, serve: Serve, log: Log) -> None:
    """A connection that is closed before there was a whole request is no request."""
    connected = threading.Event()

    @app.signal("http.lifecycle.begin")
    async def begin(conn_info: Any) -> None:
        connected.set()

    hang_up(serve(app), b"GET / HTT", connected)
    assert log.summaries == []


def test_out_of_time(app: AnySanic, serve: Serve, log: Log) -> None:
    """A handler that takes too long is Sanic's 503, with the id."""
    app.config.RESPONSE_TIMEOUT = 0.01
    answer = serve(app).request("/slow", headers={"X-Request-ID": "abc"})
    assert (answer.status, answer.header("X-Request-ID")) == (503, "abc")
    assert (log.summary["code"], log.summary["errno"]) == (503, 503)


def test_invalid_status(app: AnySanic, serve: Serve, log: Log) -> None:
    """A status that Sanic refuses to send is replaced by its error page, which is recorded."""

    @app.get("/odd")
    async def odd(request: AnyRequest) -> HTTPResponse:
        return HTTPResponse("hello", 100)

    answer = serve(app).request("/odd", headers={"X-Request-ID": "abc"})
    assert (answer.status, answer.header("X-Request-ID")) == (500, "abc")
    assert (log.summary["code"], log.summary["errno"]) == (500, 500)


# ---------------------------------------------------------------------- clients that go away


@pytest.mark.parametrize("handled", [False, True])
def test_client_goes_away_while_the_handler_runs(
    app: AnySanic, serve: Serve, log: Log, handled: bool
) -> None:
    """A client that goes away before there is an answer is 499, whatever the handler does."""
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
    assert (log.summary["code"], log.summary["errno"], log.summary["rid"]) == (499, 0, "abc")


def test_client_goes_away_while_it_sends(app: AnySanic, serve: Serve, log: Log) -> None:
    """A client that goes away before the end of its request's body is 499."""
    reading = threading.Event()

    @app.signal("http.lifecycle.handle")
    async def handle(request: AnyRequest) -> None:
        reading.set()

    @app.post("/upload")
    async def upload(request: AnyRequest) -> HTTPResponse:
        raise AssertionError

    data = b"POST /upload HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"
    hang_up(serve(app), data, reading)
    assert (log.summary["code"], log.summary["path"]) == (499, "/upload")


def test_handler_that_is_cancelled(app: AnySanic, serve: Serve, log: Log) -> None:
    """A handler that something else than its client cancels is an error: the client gets 500."""

    @app.get("/cancelled")
    async def cancelled(request: AnyRequest) -> HTTPResponse:
        raise asyncio.CancelledError

    assert serve(app).request("/cancelled").status == 500
    assert (log.summary["code"], log.summary["errno"]) == (500, 500)
    assert log.summary["msg"] == "The handler was cancelled, and not by its client"


def test_asgi_request_cancelled(app: AnySanic, log: Log) -> None:
    """Under ASGI a request whose task is cancelled is 499."""
    running = threading.Event()

    @app.signal("http.handler.before")
    async def handle(request: AnyRequest) -> None:
        running.set()

    server = SanicASGIApp(app)
    asked = server.submit(server.exchange("/slow"))
    assert running.wait(30)
    asked.cancel()
    server.close()
    assert (log.summary["code"], log.summary["errno"]) == (499, 0)


def test_the_app_s_own_os_error(app: AnySanic, run: Run, log: Log) -> None:
    """An OSError of the application in mid-stream is no client that went away."""

    @app.get("/broken")
    async def broken(request: AnyRequest) -> None:
        response: Any = await request.respond()
        await response.send("one")
        raise ConnectionResetError("of the database")

    run(app).request("/broken")
    assert (log.summary["code"], log.summary["errno"]) == (200, 500)
    assert log.summary["msg"] == "of the database"


# ---------------------------------------------------------------------- websockets


def test_websocket(app: AnySanic, serve: Serve, log: Log) -> None:
    """A websocket has an id and no summary; a request that fails to become one has both."""
    add_echo(app)
    server = serve(app)
    upgrade = get(
        "/ws",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "X-Request-ID: abc",
        last=False,
    )
    with socket.create_connection(server.address, 30) as sock:
        sock.sendall(upgrade)
        received = b""
        while b"abc abc" not in received:
            chunk = sock.recv(1000)
            assert chunk, received
            received += chunk
    server.submit(served()).result(30)
    assert log.summaries == []
    answer = server.request("/ws")
    assert answer.status >= 400
    assert log.summary["code"] == answer.status


def test_asgi_websocket(app: AnySanic, log: Log) -> None:
    """Under ASGI, too, a websocket has an id and no summary."""
    add_echo(app)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = websocket_scope("/ws", (b"x-request-id", b"abc"))
    server = SanicASGIApp(app)
    try:
        server.submit(app(scope, receive, send)).result(30)
    finally:
        server.close()
    assert "abc abc" in [message.get("text") for message in sent]
    assert log.summaries == []


# ---------------------------------------------------------------------- nothing is changed


def build(observed: bool) -> AnySanic:
    """Build an application that answers in many ways."""
    app = new_app("same")

    @app.get("/busy")
    async def busy(request: AnyRequest) -> HTTPResponse:
        raise ServiceUnavailable("busy", headers={"Retry-After": "1"})

    @app.get("/stream")
    async def stream(request: AnyRequest) -> None:
        response: Any = await request.respond(headers={"X-Own": "yes"})
        await response.send("one")
        await response.send("two")

    @app.get("/odd")
    async def odd(request: AnyRequest) -> None: ...

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
        get("/odd"),
        get("/", last=False) + get("/cut", last=False) + get("/"),
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
        for path in ("/", "/missing", "/boom", "/stream", "/cut", "/odd"):
            exchange(server, get(path))
        lines = [line for line in log.lines if line["Type"] != "request.summary"]
        return [(line["Type"], line["Fields"].get("msg")) for line in lines]

    assert logged(True) == logged(False)
