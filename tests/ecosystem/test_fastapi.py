"""FastAPI with middleware, metrics and other request ids, on each of its servers."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import uvicorn
from asgi_correlation_id import CorrelationIdMiddleware, correlation_id
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from gunicorn.workers import SUPPORTED_WORKERS  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.authentication import AuthenticationBackend, AuthenticationError
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient

from dockerflow.checks import CheckRegistry, Error
from dockerflow.fastapi import Dockerflow, router
from dockerflow.logging import request_id_context
from tests.ecosystem.conftest import Serve
from tests.servers.web import WebServer, storm
from tests.services.beats import wait_until

PROBES = {"/__version__": 404, "/__heartbeat__": 200, "/__lbheartbeat__": 200}
Add = Callable[[FastAPI], object]
Summaries = Callable[..., list[Any]]


@pytest.fixture
def summaries(caplog: pytest.LogCaptureFixture) -> Summaries:
    """Return some fields of each request summary so far."""
    caplog.set_level("INFO", logger="request.summary")

    def fields(*names: str) -> list[Any]:
        records = [vars(each) for each in caplog.records if each.name == "request.summary"]
        return [tuple(record[name] for name in names) for record in records]

    return fields


def new_app(*steps: Add) -> FastAPI:
    """Return a small application, after applying the steps to it."""
    app = FastAPI()

    @app.get("/")
    async def index() -> str:
        return "hello" * 100

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            for _ in range(3):
                yield "chunk" * 100
                await asyncio.sleep(0)

        return StreamingResponse(chunks())

    @app.get("/boom")
    async def boom() -> None:
        raise ValueError("boom")

    @app.get("/ids")
    async def ids() -> list[str | None]:
        return [request_id_context.get(), correlation_id.get()]

    for step in steps:
        step(app)
    return app


def client(app: FastAPI) -> TestClient:
    """Use an application as a client that gets error pages and follows no redirect."""
    return TestClient(app, raise_server_exceptions=False, follow_redirects=False)


def extend(app: FastAPI) -> Dockerflow:
    """Add an extension with its own checks."""
    return Dockerflow(app, registry=CheckRegistry())


def middleware(kind: Any, **options: Any) -> Add:
    """Return a step that adds a middleware."""
    return lambda app: app.add_middleware(kind, **options)


class Login(AuthenticationBackend):
    """Refuse all requests."""

    async def authenticate(self, conn: HTTPConnection) -> None:
        raise AuthenticationError("Who are you?")


async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Do nothing, as an ``@app.middleware("http")`` function."""
    return await call_next(request)


async def limit(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Refuse all requests, like a rate limit."""
    return PlainTextResponse("later", 429)


# ---------------------------------------------------------------------- middleware


@pytest.mark.parametrize(
    ("guard", "code"),
    [
        (middleware(TrustedHostMiddleware, allowed_hosts=["example.org"]), 400),
        (middleware(HTTPSRedirectMiddleware), 307),
        (middleware(AuthenticationMiddleware, backend=Login()), 400),
        (middleware(BaseHTTPMiddleware, dispatch=limit), 429),
    ],
)
def test_guards(summaries: Summaries, guard: Add, code: int) -> None:
    """Middleware that refuses requests refuses no probe; its answers have id and summary."""
    http = client(new_app(guard, extend))
    assert {path: http.get(path).status_code for path in PROBES} == PROBES
    answer = http.get("/", headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (code, "mine")
    assert summaries("code", "errno", "rid")[3:] == [(code, 0, "mine")]


@pytest.mark.parametrize("outside", [True, False])
@pytest.mark.parametrize(
    "other",
    [
        middleware(GZipMiddleware, minimum_size=1),
        middleware(CORSMiddleware, allow_origins=["*"], expose_headers=["X-Request-ID"]),
        middleware(BaseHTTPMiddleware, dispatch=pass_on),
    ],
)
def test_answers_stay(summaries: Summaries, other: Add, outside: bool) -> None:
    """In either order, all answers are as without dockerflow, with one summary for each."""

    def answers(*steps: Add) -> list[tuple[object, ...]]:
        http = client(new_app(*steps))
        asked = [
            http.request(method, path, headers={"Origin": "https://example.org"})
            for method in ("GET", "HEAD", "OPTIONS")
            for path in ("/", "/stream", "/boom", "/nothing")
        ]
        for answer in asked:
            answer.headers.pop("X-Request-ID", None)
        return [(each.status_code, each.content, each.headers) for each in asked]

    found = answers(*((other, extend) if outside else (extend, other)))
    assert found == answers(other)
    assert summaries("code") == [(status,) for status, *_ in found]


def test_mounted_applications(summaries: Summaries) -> None:
    """A mounted application has the id, its own heartbeat, and one summary with the whole path."""
    inner, outer = new_app(), new_app(extend)
    extend(inner).check(lambda: Error("down"), name="own")
    outer.mount("/inner", inner)
    http = client(outer)
    answer = http.get("/inner/ids")
    assert (answer.json()[0],) == (answer.headers["X-Request-ID"],) == summaries("rid")[0]
    assert http.get("/__heartbeat__").json()["checks"] == {}
    assert http.get("/inner/__heartbeat__").json()["checks"] == {"own": "error"}
    assert http.get("/inner/nothing").status_code == 404
    assert summaries("path", "code") == [
        ("/inner/ids", 200),
        ("/__heartbeat__", 200),
        ("/inner/__heartbeat__", 500),
        ("/inner/nothing", 404),
    ]


# ---------------------------------------------------------------------- metrics and ids


def instrument(*excluded: str) -> Add:
    """Return a step that counts the requests of an application."""
    metrics = Instrumentator(excluded_handlers=[*excluded], registry=CollectorRegistry())
    return lambda app: metrics.instrument(app).expose(app)


def counted(http: TestClient) -> dict[str, float]:
    """Return the number of requests by their handler, as ``/metrics`` has it."""
    lines = http.get("/metrics").text.splitlines()
    found = (line.rpartition(" ") for line in lines if line.startswith("http_requests_total{"))
    return {labels.split('"')[1]: float(value) for labels, _, value in found}


@pytest.mark.parametrize("add", [extend, lambda app: app.include_router(router)])
@pytest.mark.parametrize(
    ("excluded", "left"),
    [
        ([], [*PROBES, "/__error__", "/"]),
        (["^/__lb", "/__version__"], ["/__heartbeat__", "/__error__", "/"]),
    ],
)
def test_prometheus(add: Add, excluded: list[str], left: list[str]) -> None:
    """Each endpoint has its own handler in the metrics, and can be excluded."""
    http = client(new_app(add, instrument(*excluded)))
    codes = {**PROBES, "/__error__": 500, "/": 200}
    assert {path: http.get(path).status_code for path in codes} == codes
    assert counted(http) == dict.fromkeys(left, 1)


def test_prometheus_without_probes() -> None:
    """Metrics that are added before the extension count no probe."""
    http = client(new_app(instrument(), extend))
    for path in [*PROBES, "/"]:
        http.get(path)
    assert counted(http) == {"/": 1}


@pytest.mark.parametrize("outside", [True, False])
@pytest.mark.parametrize("sent", ["", "demo-1", "a" * 300, "c68c9409ff4a45f8ac20bf5c65ed3c51"])
def test_correlation_id(summaries: Summaries, sent: str, outside: bool) -> None:
    """With the docs' recipe, asgi-correlation-id has the same id, and so has the client."""
    asking = middleware(CorrelationIdMiddleware, generator=lambda: request_id_context.get() or "")
    steps = (asking, extend) if outside else (extend, middleware(CorrelationIdMiddleware))
    answer = client(new_app(*steps)).get("/ids", headers={"X-Request-ID": sent})
    ((rid,),) = summaries("rid")
    assert answer.json() == [rid, rid]
    # Outside of dockerflow it adds its header even if there is one already.
    assert answer.headers.get_list("X-Request-ID") == [rid] * (1 if outside else 2)


# ---------------------------------------------------------------------- servers

APP = "tests.ecosystem.apps.fastapi:app"
UVICORN: tuple[str, ...] = ("-m", "uvicorn", "--port", "{port}", "--no-access-log")
if "timeout_worker_healthcheck" in inspect.signature(uvicorn.Config).parameters:
    UVICORN = (*UVICORN, "--timeout-worker-healthcheck", "60")
GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--worker-class")
HYPERCORN = (
    *("-m", "hypercorn", "--bind", "127.0.0.1:{port}"),
    *("--config", "python:tests.ecosystem.apps.hypercorn_conf"),
)
GRANIAN = ("-m", "granian", "--interface", "asgi", "--port", "{port}")
SERVERS = {
    "uvicorn": (*UVICORN, "--workers", "2", APP),
    "gunicorn-uvicorn": (*GUNICORN, "uvicorn_worker.UvicornWorker", "--workers", "2", APP),
    "hypercorn-asyncio": (*HYPERCORN, "--workers", "2", APP),
    "hypercorn-trio": (*HYPERCORN, "--worker-class", "trio", APP),
    "granian": (*GRANIAN, "--workers", "2", APP),
}
if "asgi" in SUPPORTED_WORKERS:  # from gunicorn 24 on
    SERVERS["gunicorn-asgi"] = (*GUNICORN, "asgi", "--workers", "2", APP)


@pytest.fixture(params=SERVERS, scope="module")
def started(request: pytest.FixtureRequest) -> Iterator[WebServer]:
    """Each server, with two workers if it supports them."""
    with contextlib.closing(WebServer(SERVERS[request.param])) as server:
        yield server


@pytest.fixture
def server(started: WebServer) -> WebServer:
    """The server, running."""
    started.start()
    return started


def test_one_summary(server: WebServer) -> None:
    """Each of many simultaneous requests has one line of its view and one summary, as mozlog."""
    rids = [f"many-{number}" for number in range(60)]
    answers = asyncio.run(storm(server.port, [("/", rid) for rid in rids]))
    assert all(answer.endswith(b'"hello"') for answer in answers)
    for rid in rids:
        assert (server.summary(rid)["code"], server.summary(rid)["errno"]) == (200, 0)
    counts = Counter(line["Fields"].get("rid") for line in server.lines())
    assert {rid: counts[rid] for rid in rids} == dict.fromkeys(rids, 2)


def test_endings(server: WebServer) -> None:
    """Streams and events have their id to the end, and the heartbeat runs both kinds of checks."""
    for path in ("/stream", "/events?count=3"):
        with server.connect(path, path) as connection:
            connection.settimeout(30)
            said = b""
            while not said.endswith(b"\r\n0\r\n\r\n"):
                said += connection.recv(65536)
        assert f"2 of {path};".encode() in said
        assert (server.summary(path)["code"], server.summary(path)["errno"]) == (200, 0)
    assert b'"sync": "ok", "awaited": "ok"' in server.get("/__heartbeat__")


def test_client_that_leaves(server: WebServer) -> None:
    """A client that leaves a stream of events before its end is 499."""
    with server.connect("/events", "leaves") as connection:
        while b"1 of leaves;" not in connection.recv(65536):
            pass
    fields = server.summary("leaves")
    assert (fields["code"], fields["errno"]) == (499, 0)


def test_unhandled_exception(server: WebServer) -> None:
    """The summary has the text of the exception, and the server's traceback has the id."""
    assert server.get("/boom", "boom").startswith(b"HTTP/1.1 500")
    fields = server.summary("boom")
    assert (fields["code"], fields["errno"], fields["msg"]) == (500, 500, "boom")
    if server.words == SERVERS.get("gunicorn-asgi"):  # it logs none
        return
    wait_until(lambda: len(server.lines("boom")) > 1)
    assert "raise ValueError" in str(server.lines("boom")[1])
    assert "\nTraceback" not in server.log  # as plain text


def test_shutdown(server: WebServer) -> None:
    """The server ends at once and without an error, and each worker has served requests."""

    def served() -> set[int]:
        return {line["Pid"] for line in server.lines() if line["Type"] == "request.summary"}

    workers = 2 if "--workers" in server.words else 1
    wait_until(lambda: bool(server.get("/")) and len(served()) == workers)
    before = len(server.log)
    os.kill(server.pid, signal.SIGTERM)
    wait_until(lambda: not server.running)
    assert "Traceback" not in server.log[before:]
    assert "ERROR" not in server.log[before:]


def test_shutdown_during_a_request(serve: Serve) -> None:
    """A request that uvicorn's shutdown cuts off is a failure of the server, not 499."""
    server = serve(*UVICORN, "--timeout-graceful-shutdown", "1", APP)
    with server.connect("/hang", "cut") as connection:
        wait_until(lambda: "hanging" in server.log)
        os.kill(server.pid, signal.SIGTERM)
        assert connection.recv(65536).startswith(b"HTTP/1.1 500")
    fields = server.summary("cut")
    assert (fields["code"], fields["errno"]) == (500, 500)
    assert fields["msg"] == "Task cancelled, timeout graceful shutdown exceeded"
