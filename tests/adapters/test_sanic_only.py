"""What only Sanic has: the extension, its endpoints as routes, its signals, and ``ctx``."""

from __future__ import annotations

import asyncio
import json
import pathlib
import pickle
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from sanic import Request, Sanic
from sanic.compat import Header

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
    new_app,
    running,
    serving,
)


@pytest.fixture
def app() -> AnySanic:
    """An application without any extension."""
    return new_app()


@pytest.fixture
def dockerflow(app: AnySanic) -> Dockerflow:
    """The extension of the application, with no checks."""
    return Dockerflow(app, registry=CheckRegistry())


@pytest.fixture(params=["native", "asgi"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Serve an application with Sanic's own server, and as an ASGI application."""
    with running(request.param) as run:
        yield run


@pytest.fixture
def serve() -> Iterator[Run]:
    """Serve an application with Sanic's own server."""
    with serving() as serve:
        yield serve


# ---------------------------------------------------------------------- the extension


def test_second_extension(app: AnySanic, dockerflow: Dockerflow) -> None:
    """Another extension on one app is refused, with what to do instead."""
    with pytest.raises(RuntimeError, match=r"use that one, app\.ctx\.dockerflow"):
        Dockerflow(app)


def test_same_extension_again(app: AnySanic, dockerflow: Dockerflow, serve: Run, log: Log) -> None:
    """The same extension on the same app once more changes nothing."""
    dockerflow.init_app(app)
    assert serve(app).request("/").status == 200
    assert log.summary["code"] == 200


def test_factory(serve: Run, log: Log) -> None:
    """One extension serves several apps, each with its own requests and settings."""
    dockerflow = Dockerflow(registry=CheckRegistry())
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    one, other = new_app(), new_app()
    other.config.DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE = 503
    for app in (one, other):
        dockerflow.init_app(app)
        assert app.ctx.dockerflow is dockerflow
    assert serve(one).request("/__heartbeat__").status == 500
    assert serve(other).request("/__heartbeat__").status == 503
    assert len(log.summaries) == 2


def test_the_app_is_what_it_was() -> None:
    """The application is still of its own class, and can be pickled as before."""
    app: AnySanic = Sanic(next(names), configure_logging=False)
    before = repr(app), type(app)
    Dockerflow(app, registry=CheckRegistry())
    assert (repr(app), type(app)) == before
    assert pickle.dumps(app)


def test_migrations_need_a_database() -> None:
    """Migrations without a database are refused, with what to do."""
    with pytest.raises(TypeError, match=r"Dockerflow\(db=engine"):
        Dockerflow(migrate="alembic.ini", registry=CheckRegistry())


def test_an_app_that_has_started(app: AnySanic, serve: Run) -> None:
    """An application whose server has started already is refused, with what to do instead."""
    refused: list[str] = []

    @app.before_server_start
    async def late(app: AnySanic) -> None:
        with pytest.raises(RuntimeError) as error:
            Dockerflow(app, registry=CheckRegistry())
        refused.append(str(error.value))

    assert serve(app).request("/__heartbeat__").status == 404
    assert "call init_app before, where the app is made" in refused[0]


def test_settings_that_change(app: AnySanic, dockerflow: Dockerflow, serve: Run, log: Log) -> None:
    """Settings hold from the next request on; for one that makes no sense the default is used."""
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    server = serve(app)
    server.request("/", query="a=b")
    app.config.DOCKERFLOW_SUMMARY_LOG_QUERYSTRING = "yes"
    server.request("/", query="a=b")
    assert [each.get("querystring") for each in log.summaries] == [None, "a=b"]
    app.config.DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE = 200
    app.config.DOCKERFLOW_SUMMARY_EXCLUDE_PATHS = 7
    assert server.request("/__heartbeat__").status == 500
    faults = " ".join(line["Fields"]["msg"] for line in log.of("dockerflow.sanic"))
    for fault in ("FAILED_STATUS_CODE is 200", "EXCLUDE_PATHS is 7"):
        assert fault in faults


# ---------------------------------------------------------------------- the endpoints


def test_endpoint_names(app: AnySanic, dockerflow: Dockerflow) -> None:
    """The endpoints have names for url_for(), and their views have names of their own."""
    for name in ("version", "heartbeat", "lbheartbeat", "error"):
        assert app.url_for(f"dockerflow.{name}") == f"/__{name}__"
    assert all(route.handler.__name__ for route in app.router.routes)


def test_openapi(app: AnySanic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where sanic-ext is installed, the endpoints are left out of what it publishes."""
    left_out: list[Any] = []
    openapi = mock.Mock(exclude=lambda: left_out.append)
    monkeypatch.setitem(sys.modules, "sanic_ext", mock.Mock(openapi=openapi))
    Dockerflow(app, registry=CheckRegistry())
    endpoints = [route for route in app.router.routes if "dockerflow" in route.name]
    assert left_out == [route.handler for route in endpoints]
    assert len(left_out) == 4


@pytest.mark.parametrize(
    ("options", "places"),
    [({}, [".", "/app"]), ({"version_path": pathlib.Path("/somewhere")}, ["/somewhere"])],
)
def test_version_places(
    app: AnySanic, serve: Run, options: dict[str, Any], places: list[str]
) -> None:
    """version.json is looked for in the working directory and in /app, or where one says."""
    Dockerflow(app, registry=CheckRegistry(), **options)
    with mock.patch("dockerflow.version.get_version", return_value=None) as get_version:
        assert serve(app).request("/__version__").status == 404
    assert [call.args[0] for call in get_version.call_args_list] == places


def test_async_version_callback(app: AnySanic, dockerflow: Dockerflow, serve: Run) -> None:
    """A version callback may be async; without a version path it gets the working directory."""

    @dockerflow.version_callback
    async def version(root: str) -> dict[str, str]:
        await asyncio.sleep(0)
        return {"root": root}

    assert json.loads(serve(app).request("/__version__").body) == {"root": "."}


# ---------------------------------------------------------------------- the signals


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


def test_signal_handler_that_hangs(app: AnySanic, dockerflow: Dockerflow, serve: Run) -> None:
    """The heartbeat waits for no handler of its signal, which has the request's id."""
    rids: list[str | None] = []

    @app.signal("dockerflow.heartbeat.passed")
    async def hung(level: int) -> None:
        rids.append(request_id_context.get())
        await asyncio.Event().wait()

    answer = serve(app).request("/__heartbeat__", headers={"X-Request-ID": "abc"})
    assert (answer.status, rids) == (200, ["abc"])


def test_signal_handler_that_raises(
    app: AnySanic, dockerflow: Dockerflow, serve: Run, log: Log
) -> None:
    """A handler that raises is logged, and the answer doesn't notice."""

    @app.signal("dockerflow.heartbeat.passed")
    async def broken(level: int) -> None:
        raise RuntimeError("statsd is down")

    assert serve(app).request("/__heartbeat__").status == 200
    (line,) = log.of("dockerflow.sanic")
    assert "statsd is down" in line["Fields"]["error"]
    assert log.summary["errno"] == 0


# ---------------------------------------------------------------------- ctx and fields


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


def test_removed_attributes(app: AnySanic, dockerflow: Dockerflow, run: Run, log: Log) -> None:
    """Where the application removes id and start from ctx, the summary has its id, and no t."""

    @app.on_request
    async def remove(request: AnyRequest) -> None:
        del request.ctx.id
        del request.ctx.start_timestamp

    assert run(app).request("/", headers={"X-Request-ID": "abc"}).body == b"hello"
    assert "t" not in log.summary
    assert log.summary["rid"] == "abc"


def test_ctx_that_takes_nothing(run: Run, log: Log) -> None:
    """An application whose contexts refuse further names is served and recorded all the same."""

    class Closed:
        __slots__ = ()

    class ClosedRequest(Request[Any, Any]):
        @staticmethod
        def make_context() -> Any:
            return Closed()

    app = new_app(ctx=Closed(), request_class=ClosedRequest)
    Dockerflow(app, registry=CheckRegistry())
    answer = run(app).request("/", headers={"X-Request-ID": "abc"})
    assert answer.header("X-Request-ID") == "abc"
    assert log.summary["rid"] == "abc"


def test_summary_extra_extended(app: AnySanic, run: Run, log: Log) -> None:
    """A subclass adds fields of its own; where it raises, the request is recorded all the same."""

    class Extended(Dockerflow):
        def summary_extra(self, request: AnyRequest) -> dict[str, Any]:
            return {**super().summary_extra(request), "uid": request.ctx.user}

    Extended(app, registry=CheckRegistry())

    @app.on_request
    async def authenticate(request: AnyRequest) -> None:
        if request.token:
            request.ctx.user = request.token

    server = run(app)
    server.request("/", headers={"Authorization": "Bearer alice"})
    assert server.request("/", headers={"X-Request-ID": "abc"}).body == b"hello"
    first, second = log.summaries
    assert first["uid"] == "alice"
    assert (second["path"], second["code"], second["rid"], second["uid"]) == ("/", 200, "abc", "")
    assert "no attribute 'user'" in log.of("dockerflow.sanic")[0]["Fields"]["error"]


def test_summary_extra_of_any_request(app: AnySanic, dockerflow: Dockerflow) -> None:
    """A test may ask for the fields of a request that it has made by hand."""
    headers = Header({"User-Agent": "me"})
    request: AnyRequest = Request(b"/x?a=b", headers, "1.1", "GET", mock.Mock(), app)
    fields = dockerflow.summary_extra(request)
    assert (fields["path"], fields["agent"], fields["method"]) == ("/x", "me", "GET")
