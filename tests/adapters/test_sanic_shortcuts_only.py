"""What the Sanic adapter spares each request is never missed where it is needed."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from sanic import HTTPResponse, Request
from sanic.response import text

from dockerflow import checks
from dockerflow.checks import CheckRegistry
from dockerflow.sanic import Dockerflow
from dockerflow.sanic.headers import CleanName, CleanText, SentId, header_name
from dockerflow.sanic.lifecycle import ObservedRequest
from tests.adapters.conftest import Log
from tests.adapters.sanic import AnyRequest, AnySanic, Run, Serve, get, new_app, running, serving


@pytest.fixture
def app() -> AnySanic:
    """An application without any extension."""
    return new_app()


@pytest.fixture
def dockerflow(app: AnySanic) -> Dockerflow:
    """The extension of the application."""
    return Dockerflow(app, registry=CheckRegistry())


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


def test_handler_of_both_signals(app: AnySanic, dockerflow: Dockerflow, run: Run) -> None:
    """A handler whose signal has a parameter gets the passed and the failed heartbeats."""
    sent: list[tuple[str, int]] = []

    @app.signal("dockerflow.heartbeat.<outcome>")
    async def heartbeat(outcome: str, level: int) -> None:
        sent.append((outcome, level))

    server = run(app)
    server.request("/__heartbeat__")
    dockerflow.check(lambda: checks.Error("m"), name="one")
    server.request("/__heartbeat__")
    assert sent == [("passed", 0), ("failed", 40)]


def test_waiting_for_a_signal(app: AnySanic, dockerflow: Dockerflow, serve: Serve) -> None:
    """A task that waits for a signal which has no handler is woken by the heartbeat."""
    app.config.EVENT_AUTOREGISTER = True
    server = serve(app)
    assert server.request("/__heartbeat__").status == 200
    woken: Any = server.submit(app.event("dockerflow.heartbeat.passed", timeout=30))
    server.submit(asyncio.sleep(0)).result(30)
    assert server.request("/__heartbeat__").status == 200
    assert woken.result(30)["level"] == 0


def test_checks_of_two_apps(app: AnySanic, dockerflow: Dockerflow, serve: Serve) -> None:
    """Two applications with one extension run a check for themselves, at the same time."""
    met = threading.Barrier(2)

    @dockerflow.check
    def both() -> None:
        met.wait(4)

    other = new_app()
    dockerflow.init_app(other)
    servers = [serve(app), serve(other)]
    with ThreadPoolExecutor() as executor:
        for _ in range(2):
            answers = executor.map(lambda server: server.request("/__heartbeat__"), servers)
            assert [answer.status for answer in answers] == [200, 200]


def test_no_garbage(app: AnySanic, dockerflow: Dockerflow, serve: Serve) -> None:
    """What is known of a request goes with it, and needs no garbage collector."""

    @app.get("/stream")
    async def stream(request: AnyRequest) -> None:
        response: Any = await request.respond(content_type="text/plain")
        await response.send("one")
        await response.send("two")
        await response.eof()

    def kept() -> int:
        # by type(): isinstance() would ask proxies, such as Django's lazy objects
        return sum(type(each) is ObservedRequest for each in gc.get_objects())

    server = serve(app)
    gc.collect()
    before = kept()
    gc.disable()
    try:
        for path in ("/", "/stream", "/__heartbeat__", "/__version__"):
            server.request(path)
        assert kept() == before
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ["X-Request-ID", "x-request-id"])
def test_own_headers(app: AnySanic, dockerflow: Dockerflow, run: Run, log: Log, name: str) -> None:
    """An id that the application has set in a mapping of its own for the headers is sent alone."""

    @app.get("/own")
    async def own(request: AnyRequest) -> HTTPResponse:
        response = text("hello")
        headers: Any = {name: "mine"}
        response.headers = headers
        return response

    @app.get("/none")
    async def none(request: AnyRequest) -> HTTPResponse:
        response = text("hello")
        headers: Any = {}
        response.headers = headers
        return response

    server = run(app)
    for path, rid in (("/own", "mine"), ("/none", "abc")):
        answer = server.request(path, headers={"X-Request-ID": "abc"})
        assert (answer.status, answer.header("X-Request-ID")) == (200, rid)
    assert [fields["rid"] for fields in log.summaries] == ["abc", "abc"]


def test_changed_settings(app: AnySanic, dockerflow: Dockerflow, run: Run, log: Log) -> None:
    """A setting that changes between two requests holds for the second."""
    server = run(app)
    headers = {"X-Request-ID": "one", "X-Trace": "two"}
    assert server.request("/", query="a=b", headers=headers).header("X-Request-ID") == "one"
    app.config.update(
        {
            "DOCKERFLOW_REQUEST_ID_HEADER_NAME": "x-trace",
            "DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER": "no",
            "DOCKERFLOW_SUMMARY_LOG_QUERYSTRING": "yes",
        }
    )
    assert server.request("/", query="a=b", headers=headers).header("X-Trace") is None
    app.config.DOCKERFLOW_SUMMARY_EXCLUDE_PATHS = ["/"]
    server.request("/")
    first, second = log.summaries
    assert (first["rid"], second["rid"]) == ("one", "two")
    assert "querystring" not in first
    assert second["querystring"] == "a=b"


class General(Dockerflow):
    """An extension whose requests all go the general way."""

    def summary_extra(self, request: AnyRequest) -> dict[str, Any]:
        """Add nothing."""
        return super().summary_extra(request)


def test_both_ways_say_the_same(run: Run, log: Log) -> None:
    """What is recorded at once is what is recorded where a subclass may add fields."""

    def recorded(extension: type[Dockerflow]) -> list[dict[str, Any]]:
        app = new_app()
        extension(app, registry=CheckRegistry())

        @app.get("/stream")
        async def stream(request: AnyRequest) -> None:
            response: Any = await request.respond(status=201)
            for part in ("one", "two", "three"):
                await response.send(part)

        @app.get("/broken")
        async def broken(request: AnyRequest) -> HTTPResponse:
            return text("sorry", 500)

        server = run(app)
        log.lines.clear()
        headers = {"X-Request-ID": "abc", "User-Agent": "tests", "Accept-Language": "de"}
        for path in ("/", "/stream", "/broken", "/missing", "/caf%C3%A9"):
            server.request(path, query="a=b", headers=headers)
            server.request(path, method="HEAD", headers={"X-Request-ID": "b c", "User-Agent": ""})
        return [{**fields, "t": type(fields["t"])} for fields in log.summaries]

    def without_new_ids(summaries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**each, "rid": each["rid"] == "abc"} for each in summaries]

    at_once, generally = recorded(Dockerflow), recorded(General)
    assert len({each["rid"] for each in at_once}) == len(at_once) / 2 + 1
    assert without_new_ids(at_once) == without_new_ids(generally)


@pytest.mark.parametrize("place", ["the extension", "its class"])
def test_patched_summary_extra(
    app: AnySanic,
    dockerflow: Dockerflow,
    serve: Serve,
    log: Log,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    """A summary_extra() that is put in place after the start is asked for the fields."""
    server = serve(app)
    server.request("/")
    target: Any = dockerflow if place == "the extension" else Dockerflow
    monkeypatch.setattr(target, "summary_extra", lambda *args: {"path": "/mine"})
    server.request("/")
    assert [fields["path"] for fields in log.summaries] == ["/", "/mine"]


@pytest.mark.parametrize("path", ["/", "/missing", "/boom", "/late", "/cut"])
def test_nothing_is_kept_of_failures(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Requests that have failed are forgotten, while their connection goes on too."""
    for name in ("sanic.error", "sanic.root"):  # pytest keeps what is logged
        monkeypatch.setattr(logging.getLogger(name), "disabled", True)

    @app.get("/boom")
    async def boom(request: AnyRequest) -> HTTPResponse:
        raise RuntimeError("boom")

    @app.get("/late")
    async def late(request: AnyRequest) -> None:
        response: Any = await request.respond(headers={"Content-Length": "3"})
        await response.send("one")
        await response.eof()
        raise RuntimeError("late")

    @app.get("/cut")
    async def cut(request: AnyRequest) -> None:
        response: Any = await request.respond(headers={"Content-Length": "9"})
        await response.send("one")
        raise RuntimeError("cut")

    def kept() -> int:
        gc.collect()
        return sum(type(each) is ObservedRequest for each in gc.get_objects())

    server = serve(app)
    before = kept()
    with ExitStack() as connections:
        sock, answers = connect(server, connections)
        for _ in range(5):
            sock.sendall(get(path, last=False))
            length = 3 if path == "/cut" else 0
            while line := answers.readline().strip().lower():
                if line.startswith(b"content-length:") and not length:
                    length = int(line.split(b":")[1])
            answers.read(length)
            if path == "/cut":  # Sanic closes it
                sock, answers = connect(server, connections)
        server.submit(asyncio.sleep(0)).result(30)
        # Sanic's connection keeps its last request.
        assert kept() <= before + 1


def connect(server: Any, connections: ExitStack) -> tuple[socket.socket, Any]:
    """Open a connection."""
    sock = connections.enter_context(socket.create_connection(server.address, 30))
    return sock, connections.enter_context(sock.makefile("rb"))


def test_two_requests_of_one_stream(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """A handler that has the application answer another request for it changes no part."""

    @app.get("/inner")
    async def inner(request: AnyRequest) -> None:
        response: Any = await request.respond()
        for part in ("one", "two", "three"):
            await response.send(part)

    @app.get("/outer")
    async def outer(request: AnyRequest) -> None:
        made: Any = Request
        other = made(b"/inner", request.headers, "1.1", "GET", request.transport, app)
        other.stream = request.stream
        await app.handle_request(other)

    assert serve(app).request("/outer").body == b"onetwothree"
    assert sorted(fields["path"] for fields in log.summaries) == ["/inner", "/outer"]


@pytest.mark.parametrize("kind", [CleanText, CleanName, SentId])
def test_clean_text_is_text(kind: type[str]) -> None:
    """Headers that spare Sanic its work are ordinary text to all others."""
    assert kind("abc").translate({ord("a"): "x"}) == "xbc"
    assert f"{kind('abc'):>5}" == "  abc"
    assert f"{kind('abc')}" == "abc"


def test_names_with_line_ends_are_not_clean() -> None:
    """A header's name that Sanic would have to change is left to it."""
    assert type(header_name("X-Trace")) is CleanName
    assert type(header_name("X-Trace\r\nX-Evil: yes")) is not CleanName


def test_many_parts(app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log) -> None:
    """However many parts a response has, each is watched once."""

    @app.get("/many")
    async def many(request: AnyRequest) -> None:
        response: Any = await request.respond()
        for _ in range(2000):
            await response.send("x")

    assert serve(app).request("/many").body == b"x" * 2000
    assert (log.summary["code"], log.summary["errno"]) == (200, 0)
