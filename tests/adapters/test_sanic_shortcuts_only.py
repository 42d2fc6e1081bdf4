"""What the Sanic adapter spares each request is never missed where it is needed."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sanic import HTTPResponse
from sanic.response import text

from dockerflow import checks
from dockerflow.checks import CheckRegistry
from dockerflow.sanic import Dockerflow
from dockerflow.sanic.lifecycle import ObservedRequest
from tests.adapters.conftest import Log
from tests.adapters.sanic import AnyRequest, AnySanic, Run, Serve, new_app, running, serving


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
