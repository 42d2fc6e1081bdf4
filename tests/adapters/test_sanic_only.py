"""What only Sanic has: the extension, its signals, and ``ctx``."""

from __future__ import annotations

import asyncio
import json
import pathlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from sanic import HTTPResponse, Request, Sanic
from sanic.response import text

from dockerflow import checks
from dockerflow.checks import CheckRegistry
from dockerflow.logging import request_id_context
from dockerflow.sanic import Dockerflow
from tests.adapters.apps.sanic import names
from tests.adapters.conftest import Log
from tests.adapters.sanic import (
    AnyRequest,
    AnySanic,
    Run,
    Serve,
    get,
    hang_up,
    new_app,
    running,
    serving,
)
from tests.services.beats import check_threads


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


@pytest.fixture(params=["native", "asgi"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Serve an application with Sanic's own server, and as an ASGI application."""
    with running(request.param) as run:
        yield run


# ---------------------------------------------------------------------- the extension


def test_second_extension(app: AnySanic, dockerflow: Dockerflow) -> None:
    """A second extension on one app is refused, with what to do instead."""
    with pytest.raises(RuntimeError, match="has a Dockerflow extension already"):
        Dockerflow(app)


def test_factory(registry: CheckRegistry, serve: Serve, log: Log) -> None:
    """One extension serves several apps, each with its own requests and settings."""
    dockerflow = Dockerflow(registry=registry)
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    one, other = new_app(), new_app()
    other.config.DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE = 503
    for app in (one, other):
        dockerflow.init_app(app)
        assert app.ctx.dockerflow is dockerflow
    assert serve(one).request("/__heartbeat__").status == 500
    assert serve(other).request("/__heartbeat__").status == 503
    assert len(log.summaries) == 2


def test_endpoint_names(app: AnySanic, dockerflow: Dockerflow) -> None:
    """The endpoints have their names in the router."""
    for name in ("version", "heartbeat", "lbheartbeat", "error"):
        assert app.url_for(f"dockerflow.{name}") == f"/__{name}__"


def test_the_app_is_what_it_was(dockerflow: Dockerflow, app: AnySanic) -> None:
    """The application is still of its class, by name as well."""

    class Service(Sanic[Any, Any]):
        async def handle_request(self, request: AnyRequest) -> None:
            await super().handle_request(request)

    service = Service(next(names))
    before = repr(service), str(service)
    Dockerflow(service, registry=CheckRegistry())
    assert (repr(service), str(service)) == before
    assert isinstance(service, Service)
    assert type(app).__name__ == "Sanic"
    assert Sanic.get_app(app.name) is app


def test_checks_of_the_extension(dockerflow: Dockerflow, registry: CheckRegistry) -> None:
    """check, init_check and checks work on the extension's registry."""

    def ping(client: str) -> checks.CheckMessage:
        return checks.Info(client)

    @dockerflow.check
    async def one() -> None: ...

    @dockerflow.check(name="two")
    def other() -> None: ...

    dockerflow.init_check(ping, "client")
    assert list(dockerflow.checks) == ["one", "two", "ping"]
    assert dockerflow.checks is registry.checks
    assert registry.run_checks().details["ping"]["messages"] == {"ping": "client"}


def test_default_registry(app: AnySanic) -> None:
    """Without a registry of its own an extension runs the checks of the process."""
    assert Dockerflow(app).checks is checks.get_checks()


def test_version_places(app: AnySanic, dockerflow: Dockerflow, serve: Serve) -> None:
    """version.json is looked for in the working directory, then in /app."""
    with mock.patch("dockerflow.version.get_version", return_value=None) as get_version:
        assert serve(app).request("/__version__").status == 404
    assert [call.args for call in get_version.call_args_list] == [(".",), ("/app",)]


def test_configured_version_path(app: AnySanic, registry: CheckRegistry, serve: Serve) -> None:
    """A version path that was configured is the only place that is looked at."""
    Dockerflow(app, registry=registry, version_path=pathlib.Path("/somewhere"))
    with mock.patch("dockerflow.version.get_version", return_value=None) as get_version:
        assert serve(app).request("/__version__").status == 404
    assert [call.args for call in get_version.call_args_list] == [("/somewhere",)]


def test_async_version_callback(app: AnySanic, dockerflow: Dockerflow, serve: Serve) -> None:
    """A version callback may be async; without a version path it gets the working directory."""
    places: list[str] = []

    @dockerflow.version_callback
    async def version(root: str) -> dict[str, str]:
        await asyncio.sleep(0)
        places.append(root)
        return {"version": "called"}

    assert json.loads(serve(app).request("/__version__").body) == {"version": "called"}
    assert places == ["."]


def test_patched_version_callback(app: AnySanic, dockerflow: Dockerflow, serve: Serve) -> None:
    """Tests may put a mock in the place of the version callback."""
    with mock.patch.object(dockerflow, "_version_callback", return_value={}) as callback:
        assert serve(app).request("/__version__").body == b"{}"
    callback.assert_called_once_with(".")


def test_settings_are_read_when_used(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """A setting that is wrong at request time is logged, and the default used."""
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    app.config.DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE = 200
    app.config.DOCKERFLOW_CHECK_TIMEOUT = "soon"
    app.config.DOCKERFLOW_SUMMARY_EXCLUDE_PATHS = 7
    assert serve(app).request("/__heartbeat__").status == 500
    faults = " ".join(line["Fields"]["msg"] for line in log.of("dockerflow.sanic"))
    for name in ("FAILED_STATUS_CODE is 200", "CHECK_TIMEOUT is 'soon'", "EXCLUDE_PATHS is 7"):
        assert name in faults


def test_migrations_need_a_database() -> None:
    """Migrations without a database are refused, with what to do."""
    with pytest.raises(TypeError, match="Dockerflow\\(db=engine"):
        Dockerflow(migrate="alembic.ini", registry=CheckRegistry())


def test_importing_is_cheap() -> None:
    """Importing the adapter imports none of the libraries of its extras."""
    code = (
        "import sys, dockerflow.sanic; "
        "print({'redis', 'sqlalchemy', 'alembic', 'sanic_redis'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "set()\n"


# ---------------------------------------------------------------------- the heartbeat


def test_heartbeat_and_the_app_s_error_handlers(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve
) -> None:
    """No error handler of the application hides what a failed heartbeat says."""

    async def handled(request: AnyRequest, error: Exception) -> HTTPResponse:
        return text("handled")

    app.error_handler.add(Exception, handled)
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    answer = serve(app).request("/__heartbeat__")
    assert answer.status == 500
    assert json.loads(answer.body)["status"] == "error"


def test_signals(app: AnySanic, dockerflow: Dockerflow, run: Run) -> None:
    """Each heartbeat dispatches one signal, with its level in the context."""
    sent: list[tuple[str, int]] = []

    @app.signal("dockerflow.heartbeat.passed")
    async def passed(level: int) -> None:
        sent.append(("passed", level))

    @app.signal("dockerflow.heartbeat.failed")
    async def failed(**context: Any) -> None:
        sent.append(("failed", context["level"]))

    server = run(app)
    server.request("/__heartbeat__")
    dockerflow.check(lambda: checks.Warning("m"), name="one")
    server.request("/__heartbeat__")
    dockerflow.check(lambda: checks.Critical("m"), name="two")
    server.request("/__heartbeat__")
    assert sent == [("passed", 0), ("passed", 30), ("failed", 50)]


def test_signal_handler_that_hangs(app: AnySanic, dockerflow: Dockerflow, serve: Serve) -> None:
    """A handler's time is not the heartbeat's, and it knows the request."""
    rids: list[str | None] = []
    ended = threading.Event()

    @app.signal("dockerflow.heartbeat.passed")
    async def hung(level: int) -> None:
        rids.append(request_id_context.get())
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    server = serve(app)
    assert server.request("/__heartbeat__", headers={"X-Request-ID": "abc"}).status == 200
    assert rids == ["abc"]
    assert not ended.is_set()


def test_signal_handler_that_raises(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """A handler that raises is logged, and the answer doesn't notice."""

    @app.signal("dockerflow.heartbeat.passed")
    async def broken(level: int) -> None:
        raise RuntimeError("statsd is down")

    server = serve(app)
    assert server.request("/__heartbeat__").status == 200
    server.submit(asyncio.sleep(0)).result()
    (line,) = log.of("dockerflow.sanic")
    assert "statsd is down" in line["Fields"]["error"]
    assert not dockerflow._dispatched
    assert log.summary["errno"] == 0


def test_signal_that_someone_waits_for(app: AnySanic, dockerflow: Dockerflow, serve: Serve) -> None:
    """A task may wait for the signal, as for any of Sanic's."""

    @app.signal("dockerflow.heartbeat.passed")
    async def passed(level: int) -> None: ...

    server = serve(app)

    async def beat() -> Any:
        waiting = asyncio.create_task(app.event("dockerflow.heartbeat.passed"))
        await asyncio.sleep(0)
        await asyncio.to_thread(server.request, "/__heartbeat__")
        return await waiting

    assert server.submit(beat()).result(30)["level"] == 0


def test_cancelled_heartbeats(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """Heartbeats whose clients go away are cancelled, and leave one thread between them."""
    release = threading.Event()
    arrived = threading.Event()
    threads: list[threading.Thread] = []

    @app.on_request
    async def arrive(request: AnyRequest) -> None:
        arrived.set()

    @dockerflow.check
    def hung() -> None:
        threads.append(threading.current_thread())
        release.wait()

    server = serve(app)
    try:
        for _ in range(5):
            arrived.clear()
            hang_up(server, get("/__heartbeat__"), arrived)
        assert server.request("/").body == b"hello"
        assert len(threads) == 1
        assert check_threads() == threads
    finally:
        release.set()
        for thread in threads:
            thread.join()
    assert [fields["code"] for fields in log.summaries] == [499] * 5 + [200]


# ---------------------------------------------------------------------- ctx


def test_ctx(app: AnySanic, dockerflow: Dockerflow, run: Run) -> None:
    """The request id and the start are in the request's ctx, before any middleware runs."""
    seen: list[Any] = []

    async def look(request: AnyRequest) -> None:
        seen.append((request.ctx.id, request.ctx.start_timestamp))

    app.register_middleware(look, "request", priority=999)

    run(app).request("/", headers={"X-Request-ID": "abc"})
    ((rid, started),) = seen
    assert rid == "abc"
    assert isinstance(started, float)


def test_removed_attributes(app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log) -> None:
    """Where tests remove the start or the id from ctx, the summary has no t and no id."""

    @app.on_request
    async def remove(request: AnyRequest) -> None:
        del request.ctx.id
        del request.ctx.start_timestamp

    assert serve(app).request("/").body == b"hello"
    assert "t" not in log.summary
    assert log.summary["rid"] is None


def test_ctx_that_takes_nothing(registry: CheckRegistry, serve: Serve, log: Log) -> None:
    """An application whose contexts refuse further names is served and recorded all the same."""

    class Closed:
        __slots__ = ()

    class ClosedRequest(Request[Any, Any]):
        @staticmethod
        def make_context() -> Any:
            return Closed()

    app = new_app(ctx=Closed(), request_class=ClosedRequest)
    Dockerflow(app, registry=registry)
    answer = serve(app).request("/", headers={"X-Request-ID": "abc"})
    assert answer.header("X-Request-ID") == "abc"
    assert log.summary["rid"] == "abc"
    assert log.summary["t"] >= 0
