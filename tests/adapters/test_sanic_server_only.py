"""How requests end on Sanic's own server, and that it answers and logs as it always does."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sanic import HTTPResponse
from sanic.exceptions import ServiceUnavailable
from sanic.response import text

from dockerflow.checks import CheckRegistry
from dockerflow.logging import request_id_context
from dockerflow.sanic import Dockerflow
from dockerflow.sanic.lifecycle import ObservedRequest
from tests.adapters.apps.sanic import served
from tests.adapters.conftest import Log
from tests.adapters.sanic import (
    AnyRequest,
    AnySanic,
    Serve,
    exchange,
    get,
    hang_up,
    log_of_app,
    new_app,
    serving,
)
from tests.services.beats import wait_until


@pytest.fixture
def app() -> AnySanic:
    """An application without any extension."""
    return new_app()


@pytest.fixture
def registry() -> CheckRegistry:
    """An empty registry."""
    return CheckRegistry()


@pytest.fixture
def dockerflow(app: AnySanic, registry: CheckRegistry) -> Dockerflow:
    """The extension of the application."""
    return Dockerflow(app, registry=registry)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an application with Sanic's own server."""
    with serving() as serve:
        yield serve


# ---------------------------------------------------------------------- Sanic's own server


def test_keep_alive(app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log) -> None:
    """Requests on one connection have an id each, and between them there is none."""
    between: list[str | None] = []

    @app.signal("http.lifecycle.read_head")
    async def look(head: bytes) -> None:
        between.append(request_id_context.get())

    data = b"".join(get("/", f"X-Request-ID: {rid}", last=rid == "c") for rid in "abc")
    assert exchange(serve(app), data).count(b"hello") == 3
    assert [fields["rid"] for fields in log.summaries] == ["a", "b", "c"]
    assert between == [None] * 3


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n", 417),
        (get("/", "X-Long: " + "x" * 20_000), 413),
    ],
)
def test_malformed_requests(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log, data: bytes, code: int
) -> None:
    """What Sanic answers although it is no request is recorded as it came, and has an id."""
    answer = exchange(serve(app), data)
    assert answer.startswith(b"HTTP/1.1 %d" % code)
    assert b"x-request-id: " + log.summary["rid"].encode() in answer.lower()
    assert (log.summary["method"], log.summary["code"], log.summary["errno"]) == ("NONE", code, 0)


def test_a_head_that_never_ends(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """A connection that is closed before there was a whole request is no request."""
    server = serve(app)
    half = b"GET / HTT"

    def read() -> bool:
        return any(bytes(each.recv_buffer) == half for each in server._server.connections)

    with socket.create_connection(server.address, 30) as sock:
        sock.sendall(half)
        wait_until(read)
    server.submit(served()).result(30)
    assert log.summaries == []


def test_out_of_time(app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log) -> None:
    """A handler that takes too long is Sanic's 503, with the id."""
    app.config.RESPONSE_TIMEOUT = 0.01

    @app.get("/slow")
    async def slow(request: AnyRequest) -> HTTPResponse:
        await asyncio.Event().wait()
        raise AssertionError

    answer = serve(app).request("/slow", headers={"X-Request-ID": "abc"})
    assert answer.status == 503
    assert answer.header("X-Request-ID") == "abc"
    assert (log.summary["code"], log.summary["errno"]) == (503, 503)


def test_out_of_time_in_mid_stream(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """A stream that Sanic breaks off for taking too long keeps its code, and is a failure."""
    app.config.RESPONSE_TIMEOUT = 0.01

    @app.get("/slow")
    async def slow(request: AnyRequest) -> None:
        response: Any = await request.respond()
        await response.send("one")
        await asyncio.Event().wait()

    assert b"one" in exchange(serve(app), get("/slow"))
    assert (log.summary["code"], log.summary["errno"]) == (200, 500)
    assert log.summary["msg"] == "Response Timeout"


def test_an_error_page_that_is_refused(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """Where Sanic refuses to send the error page as well, nothing is sent, and it is recorded."""

    async def refused(request: AnyRequest, error: Exception) -> HTTPResponse:
        return HTTPResponse("hello", 100)

    app.error_handler.add(Exception, refused)
    assert exchange(serve(app), get("/missing")) == b""
    assert (log.summary["code"], log.summary["errno"]) == (500, 500)
    assert "Invalid response status" in log.summary["msg"]


def test_a_url_without_a_path(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """A URL in which Sanic finds no path is recorded as it came."""
    assert exchange(serve(app), get("http://localhost?a=b")).startswith(b"HTTP/1.1 500")
    assert (log.summary["path"], log.summary["code"]) == ("http://localhost", 500)
    assert log.of("dockerflow.sanic") == []


def test_wrong_length(app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log) -> None:
    """A stream that is longer or shorter than it said is a failure in mid-stream."""

    @app.get("/length/<length:int>")
    async def wrong(request: AnyRequest, length: int) -> None:
        response: Any = await request.respond(headers={"Content-Length": str(length)})
        await response.send("one")
        await response.send("two")

    server = serve(app)
    for length in (4, 9):
        exchange(server, get(f"/length/{length}"))
    assert [(each["code"], each["errno"]) for each in log.summaries] == [(200, 500)] * 2


def test_chunks_to_a_head_request(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """A stream to a HEAD request, which Sanic can't send, is recorded once, with its code."""

    @app.route("/stream", methods=["HEAD"])
    async def stream(request: AnyRequest) -> None:
        response: Any = await request.respond()
        await response.send("one")
        await response.send("two")

    exchange(serve(app), get("/stream", method="HEAD"))
    assert log.summary["code"] == 200


@pytest.mark.parametrize("handled", [False, True])
def test_client_goes_away_while_the_handler_runs(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log, handled: bool
) -> None:
    """A client that goes away before there is an answer is 499, whatever the handler does."""
    running = threading.Event()

    @app.get("/slow")
    async def slow(request: AnyRequest) -> HTTPResponse:
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not handled:
                raise
        return text("nobody reads this")

    hang_up(serve(app), get("/slow", "X-Request-ID: abc"), running)
    assert (log.summary["code"], log.summary["errno"], log.summary["rid"]) == (499, 0, "abc")


def test_client_goes_away_while_it_sends(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
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


def test_client_that_does_not_read(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """A client that goes away while the server waits to send is 499."""
    waiting = threading.Event()

    @app.get("/endless")
    async def endless(request: AnyRequest) -> None:
        response: Any = await request.respond()
        protocol: Any = request.protocol
        while True:
            if not protocol._can_write.is_set():
                waiting.set()
            await response.send("x" * 100_000)

    hang_up(serve(app), get("/endless"), waiting)
    assert (log.summary["code"], log.summary["errno"]) == (499, 0)


def test_websocket(app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log) -> None:
    """A websocket has an id and no summary; a request that fails to become one has both."""

    async def echo(request: AnyRequest, ws: Any) -> None:
        log_of_app.info("in websocket")
        await ws.send(f"{request.ctx.id} {request_id_context.get()}")

    app.add_websocket_route(echo, "/ws")

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
    assert received.startswith(b"HTTP/1.1 101")
    server.submit(served()).result(30)
    assert [line["Fields"]["rid"] for line in log.of("app")] == ["abc"]
    assert log.summaries == []
    answer = server.request("/ws", headers={"X-Request-ID": "plain"})
    assert answer.status >= 400
    assert log.summary["code"] == answer.status


def test_nothing_of_a_request_is_left(app: AnySanic, dockerflow: Dockerflow, serve: Serve) -> None:
    """A connection that goes on keeps nothing of the requests that it has had."""

    def counted() -> int:
        gc.collect()
        # by type(): isinstance() would ask proxies, such as Django's lazy objects
        found = [each for each in gc.get_objects() if type(each) is ObservedRequest]
        return sum(each.request is not None for each in found)

    @app.get("/boom")
    async def boom(request: AnyRequest) -> HTTPResponse:
        raise RuntimeError("boom")

    server = serve(app)
    before = counted()
    with socket.create_connection(server.address, 30) as sock, sock.makefile("rb") as answers:
        for path in ("/", "/missing", "/boom", "/__heartbeat__"):
            sock.sendall(get(path, last=False))
            length = 0
            while line := answers.readline().strip().lower():
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            answers.read(length)
        server.submit(asyncio.sleep(0)).result(30)
        assert counted() == before


# ---------------------------------------------------------------------- nothing is changed


def build(observed: bool) -> AnySanic:
    """Build an application that answers in many ways."""
    app = new_app("same")

    @app.get("/boom")
    async def boom(request: AnyRequest) -> HTTPResponse:
        raise RuntimeError("boom")

    @app.get("/busy")
    async def busy(request: AnyRequest) -> HTTPResponse:
        raise ServiceUnavailable("busy", headers={"Retry-After": "1"})

    @app.get("/stream")
    async def stream(request: AnyRequest) -> None:
        response: Any = await request.respond(headers={"X-Own": "yes"})
        await response.send("one")
        await response.send("two")

    @app.get("/cut")
    async def cut(request: AnyRequest) -> None:
        response: Any = await request.respond()
        await response.send("one")
        raise RuntimeError("cut")

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
        get("/missing", "Accept: text/html"),
        get("/boom", "Accept: text/html"),
        get("/boom", "Accept: application/json"),
        get("/busy"),
        get("/stream"),
        get("/cut"),
        get("/odd"),
        get("/", last=False) + get("/cut", last=False) + get("/"),
        b"GET / HTTP/1.0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
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
        for path in ("/", "/missing", "/boom", "/cut", "/odd"):
            exchange(server, get(path))
        lines = [line for line in log.lines if line["Type"] != "request.summary"]
        return [(line["Type"], line["Fields"]["msg"]) for line in lines]

    assert logged(True) == logged(False)
