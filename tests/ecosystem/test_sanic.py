"""Sanic with its usual ways to run, with sanic-ext, and under sanic-testing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
import sanic
from packaging.version import Version
from sanic import HTTPResponse, Request, Sanic
from sanic.response import text

from dockerflow.checks import CheckRegistry
from dockerflow.sanic import Dockerflow
from tests.ecosystem.conftest import Serve
from tests.servers.web import ROOT, WebServer
from tests.services.beats import wait_until
from tests.services.servers import free_port

# ---------------------------------------------------------------------- servers and workers

APPS = "tests.ecosystem.apps"
SCRIPT = (str(ROOT / "tests/ecosystem/apps/sanic_script.py"), "{port}")
SANIC = ("-m", "sanic", "--port={port}")
UVICORN = (
    *("-m", "uvicorn", "--port={port}", "--no-access-log"),
    *("--timeout-graceful-shutdown=1", "--log-level=critical"),
)
FACTORY = (f"{APPS}.sanic_service:create_app", "--factory")

# The arguments of `python`, and the number of workers of Sanic's manager, if there is one.
WAYS: dict[str, tuple[tuple[str, ...], int]] = {
    "run-fork": ((*SCRIPT, "fork"), 1),
    "run-fork-2": ((*SCRIPT, "fork"), 2),
    "run-spawn": ((*SCRIPT, "spawn"), 1),
    "run-spawn-2": ((*SCRIPT, "spawn"), 2),
    "sanic-factory-2": ((*SANIC, *FACTORY, "--workers=2"), 2),
    "sanic-single-process": ((*SANIC, f"{APPS}.sanic_script:app", "--single-process"), 0),
    "uvicorn": ((*UVICORN, f"{APPS}.sanic_script:app"), 0),
    "uvicorn-factory-2": ((*UVICORN, *FACTORY, "--workers=2"), 0),
}

ANSWERED = {"first": "/", "boom": "/boom", "beat": "/__heartbeat__"}
CUT_OFF = {"hung": "/hung", "cut": "/stream"}


def end(server: WebServer, workers: int) -> None:
    """Stop a server when it and its workers handle signals, and wait for its end."""
    if workers:
        said = "Worker ready" if Version(sanic.__version__) >= Version("24") else "Starting worker"
        wait_until(lambda: server.log.count(said) == workers, timeout=60)
        wait_until(lambda: "No change needed" in server.log)
    os.kill(server.pid, signal.SIGTERM)
    wait_until(lambda: not server.running, timeout=60)


class Run:
    """The responses and log lines of a server from its start to its end.

    :param way: how it was started.
    """

    def __init__(self, way: str) -> None:
        words, workers = WAYS[way]
        with contextlib.closing(WebServer(words)) as server:
            server.environ["WORKERS"] = str(workers)
            server.start()
            self.answers = {rid: server.get(path, rid) for rid, path in ANSWERED.items()}
            with contextlib.ExitStack() as stack:
                for rid, path in CUT_OFF.items():
                    stack.enter_context(server.connect(path, rid))
                wait_until(lambda: all(server.lines(rid) for rid in CUT_OFF))
                end(server, workers)
            self.log = server.log
            self.lines = server.lines()

    def of(self, rid: str, kind: str) -> list[dict[str, Any]]:
        """Return the fields of the lines of a request and a type of line."""
        return [
            line["Fields"]
            for line in self.lines
            if (line["Fields"].get("rid"), line["Type"]) == (rid, kind)
        ]

    def end_of(self, rid: str) -> tuple[Any, ...]:
        """Return code, errno and message of a request's only summary."""
        (fields,) = self.of(rid, "request.summary")
        return fields["code"], fields["errno"], fields.get("msg")


@pytest.fixture(scope="module", params=WAYS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run the service once, in each way."""
    return Run(request.param)


def test_requests(run: Run) -> None:
    """Each request is answered with its id, and has one summary."""
    for rid, answer in run.answers.items():
        assert b"x-request-id: %b\r\n" % rid.encode() in answer.lower()
    assert run.end_of("first") == (200, 0, None)
    assert run.end_of("boom") == (500, 500, "boom")
    assert run.end_of("beat") == (200, 0, None)


def test_ids(run: Run) -> None:
    """Lines that a handler logs have the id of its request."""
    assert [fields["msg"] for fields in run.of("first", "service")] == ["in view"]


def test_heartbeat(run: Run) -> None:
    """The heartbeat runs the checks of the application, and dispatches its signal once."""
    assert b'"local": "ok"' in run.answers["beat"]
    assert b'"check_database_connected": "ok"' in run.answers["beat"]
    assert [fields["level"] for fields in run.of("beat", "service")] == [0]


def test_requests_that_the_end_cuts_off(run: Run) -> None:
    """A request that the server's end cuts off is the server's failure, not a client that left."""
    text = "The connection was closed before the response had ended"
    assert run.end_of("hung") == (500, 500, text)
    assert run.end_of("cut") == (200, 500, text)


def test_a_clean_end(run: Run) -> None:
    """All output is mozlog, and the only errors are the requests that failed."""
    assert [line for line in run.log.splitlines() if not line.startswith("{")] == []
    bad = {line["Fields"]["rid"] for line in run.lines if line["Severity"] < 6}
    assert bad == {"boom", *CUT_OFF}


def test_requests_that_end_in_time(serve: Serve) -> None:
    """A request that finishes while the server stops is answered and recorded as usual."""
    words, workers = WAYS["run-fork-2"]
    server = serve(*words, WORKERS=str(workers))
    with server.connect("/in-time", "late") as sock, sock.makefile("rb") as answer:
        wait_until(lambda: server.lines("late") != [])
        end(server, workers)
        assert answer.read().endswith(b"hello")
    assert (server.summary("late")["code"], server.summary("late")["errno"]) == (200, 0)


# ---------------------------------------------------------------------- sanic-testing

AnySanic = Sanic[Any, Any]
AnyRequest = Request[Any, Any]

# Deprecations in sanic-testing itself.
quietly = pytest.mark.filterwarnings("ignore:websockets.legacy:DeprecationWarning")


@pytest.fixture
def app(caplog: pytest.LogCaptureFixture) -> AnySanic:
    """An application with the extension, whose records are captured."""
    caplog.set_level("INFO")
    Sanic.test_mode = True  # several may have one name
    app: AnySanic = Sanic("tests", configure_logging=False)
    app.config.MOTD = False
    Dockerflow(app, registry=CheckRegistry())

    @app.get("/")
    async def hello(request: AnyRequest) -> HTTPResponse:
        return text("hello")

    @app.get("/boom")
    async def boom(request: AnyRequest) -> HTTPResponse:
        raise RuntimeError("boom")

    @app.get("/stream")
    async def stream(request: AnyRequest) -> None:
        response: Any = await request.respond()
        await response.send("one")
        await response.eof()

    return app


def by_test_client(app: Any, path: str, method: str = "get", **headers: str) -> Any:
    """Send a request with the client that starts Sanic's server for it."""
    _, response = getattr(app.test_client, method)(path, headers=headers)
    return response


def by_asgi_client(app: Any, path: str, **headers: str) -> Any:
    """Send a request with the client that calls the application."""
    _, response = asyncio.run(app.asgi_client.get(path, headers=headers))
    return response


def by_reusable_client(app: Any, path: str, **headers: str) -> Any:
    """Send a request with the client whose server serves several requests."""
    from sanic_testing.reusable import ReusableClient

    with asyncio.Runner() as runner:
        client: Any = ReusableClient(app, port=free_port(), loop=runner.get_loop())
        with client:
            _, response = client.get(path, headers=headers)
    return response


@quietly
@pytest.mark.parametrize("send", [by_test_client, by_asgi_client, by_reusable_client])
def test_clients(app: AnySanic, caplog: pytest.LogCaptureFixture, send: Callable[..., Any]) -> None:
    """When a test client returns, the only summary of its request is captured."""
    ends = {"/": (200, 0), "/boom": (500, 500), "/stream": (200, 0), "/__heartbeat__": (200, 0)}
    for path, end in ends.items():
        caplog.clear()
        response = send(app, path, **{"X-Request-ID": "abc"})
        (summary,) = (vars(each) for each in caplog.records if each.name == "request.summary")
        assert (summary["path"], summary["rid"]) == (path, "abc")
        assert (summary["code"], summary["errno"]) == end
        assert (response.status, response.headers["X-Request-ID"]) == (end[0], "abc")


# ---------------------------------------------------------------------- sanic-ext


class Caller:
    """The object that sanic-ext injects into handlers."""

    def __init__(self, id: str) -> None:
        self.id = id


@pytest.fixture(params=["before", "after", "at the start"])
def extended(request: pytest.FixtureRequest) -> AnySanic:
    """An application with sanic-ext, set up before the extension, after it, or by Sanic."""
    from sanic_ext import Extend

    Sanic.test_mode = True
    app: AnySanic = Sanic("tests", configure_logging=False)
    app.config.MOTD = False
    app.config.CORS_ORIGINS = "https://shop.example"
    app.config.CORS_EXPOSE_HEADERS = "X-Request-ID"
    if request.param == "before":
        Extend(app)
    Dockerflow(app, registry=CheckRegistry())
    if request.param == "after":
        Extend(app)

    @app.before_server_start
    async def add_dependency(app: Any) -> None:
        app.ext.add_dependency(
            Caller, lambda request: Caller(request.ctx.id), request_arg="request"
        )

    @app.get("/")
    async def hello(request: AnyRequest, caller: Caller) -> HTTPResponse:
        return text(caller.id)

    return app


@quietly
def test_openapi(extended: AnySanic) -> None:
    """The OpenAPI document contains no method of the endpoints."""
    paths = by_test_client(extended, "/docs/openapi.json").json["paths"]
    assert "/" in paths
    assert [path for path in paths if "__" in path] == []


@quietly
def test_injection(extended: AnySanic) -> None:
    """Injected objects are created when the request already has its id."""
    assert by_test_client(extended, "/", **{"X-Request-ID": "abc"}).text == "abc"


@quietly
@pytest.mark.parametrize("path", ["/__heartbeat__", "/__error__"])
def test_cors(extended: AnySanic, path: str) -> None:
    """Scripts from other origins may read the id of any response, also of a failed one."""
    headers = by_test_client(extended, path, Origin="https://shop.example").headers
    assert headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert headers["Access-Control-Expose-Headers"] == "x-request-id"
    assert headers["X-Request-ID"]


@quietly
def test_preflight(extended: AnySanic, caplog: pytest.LogCaptureFixture) -> None:
    """A preflight, which sanic-ext answers, has an id and one summary."""
    caplog.set_level("INFO")
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
    response = by_test_client(extended, "/", "options", **asked)
    (summary,) = (vars(each) for each in caplog.records if each.name == "request.summary")
    assert (summary["method"], summary["code"], response.status) == ("OPTIONS", 204, 204)
    assert response.headers["X-Request-ID"] == summary["rid"]
