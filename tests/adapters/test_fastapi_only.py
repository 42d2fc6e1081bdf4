"""What only FastAPI and Starlette have: the extension, its routes, the router, mounts, users."""

from __future__ import annotations

import contextlib
import pathlib
import threading
from collections.abc import AsyncGenerator, Iterator
from typing import Any
from unittest import mock

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    BaseUser,
    SimpleUser,
    UnauthenticatedUser,
)
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dockerflow import checks
from dockerflow.checks import CheckRegistry
from dockerflow.fastapi import Dockerflow, router
from dockerflow.fastapi.middleware import MozlogRequestSummaryLogger
from dockerflow.logging import request_id_context
from tests.adapters.asgi import Serve, create_app, seen, serving
from tests.adapters.conftest import Log
from tests.adapters.harness import Answer, ASGIApp

PROBES = ("/__version__", "/__heartbeat__", "/__lbheartbeat__")


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
    """The extension of the application, which has a version."""
    dockerflow = Dockerflow(app, registry=registry)
    dockerflow.version_callback(lambda root: {"version": "1"})
    return dockerflow


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an application as a server does."""
    with serving() as serve:
        yield serve


# ---------------------------------------------------------------------- set up


def test_settings_met_later(app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log) -> None:
    """A setting that is wrong when it is first used is logged, and the default used."""
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    app.state.DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE = 200
    app.state.DOCKERFLOW_REQUEST_ID_HEADER_NAME = "X Request ID"
    answer = serve(app).request("/__heartbeat__", headers={"X-Request-ID": "abc"})
    assert (answer.status, answer.header("X-Request-ID")) == (500, "abc")
    logged = log.of("dockerflow.fastapi.views") + log.of("dockerflow.fastapi.middleware")
    faults = " ".join(line["Fields"]["msg"] for line in logged)
    assert "FAILED_STATUS_CODE is 200; set it to" in faults
    assert "HEADER_NAME is 'X Request ID'; set it to" in faults


def test_newest_extension_serves(
    app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """Of several extensions of one application the newest answers, and there is one summary.

    To give it the same extension once more changes nothing.
    """
    routes = len(app.routes)
    dockerflow.init_app(app)
    newest = Dockerflow(app, registry=CheckRegistry())
    newest.check(lambda: checks.Error("m"), name="bad")
    assert len(app.routes) == routes
    assert serve(app).request("/__heartbeat__").status == 500
    assert log.summary["errno"] == 500


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
@pytest.mark.parametrize("built_anew", [False, True])
def test_extension_of_the_lifespan(
    framework: type[Starlette], registry: CheckRegistry, log: Log, built_anew: bool
) -> None:
    """An extension may be made in the lifespan, each time that the application is started.

    OpenTelemetry may build the stack of middleware anew after it.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        Dockerflow(app, registry=registry)
        if built_anew:
            app.middleware_stack = app.build_middleware_stack()
        yield

    async def boom(request: Request) -> Response:
        raise RuntimeError("boom")

    app = framework(lifespan=lifespan)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["example.org"])
    app.router.add_route("/boom", boom)
    for _ in range(2):
        with contextlib.closing(ASGIApp(app, lifespan=True)) as server:
            answer = server.request("/__lbheartbeat__", headers={"X-Request-ID": "abc"})
            assert (answer.status, answer.header("X-Request-ID")) == (200, "abc")
            server.request("/boom", headers={"Host": "example.org"})
    assert (
        seen(log, "path", "code", "errno")
        == [("/__lbheartbeat__", 200, 0), ("/boom", 500, 500)] * 2
    )
    assert log.summaries[-1]["msg"] == "boom"


def test_extension_in_the_state_beforehand(app: FastAPI, serve: Serve) -> None:
    """An extension that its owner has put into app.state is set up all the same."""
    app.state.dockerflow = Dockerflow(registry=CheckRegistry())
    app.state.dockerflow.init_app(app)
    assert serve(app).request("/__heartbeat__").status == 200


def test_factory(app: FastAPI, registry: CheckRegistry, serve: Serve, log: Log) -> None:
    """One extension serves several apps, of FastAPI and Starlette, each with its settings."""
    dockerflow = Dockerflow(registry=registry)
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    other = Starlette()
    other.state.DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE = 503
    for one in (app, other):
        dockerflow.init_app(one)
    assert serve(app).request("/__heartbeat__").status == 500
    assert serve(other).request("/__heartbeat__").status == 503
    assert len(log.summaries) == 2


# ---------------------------------------------------------------------- probes


@pytest.mark.parametrize("path", PROBES)
def test_probes_behind_guards(registry: CheckRegistry, serve: Serve, log: Log, path: str) -> None:
    """Hosts, https, dependencies and middleware of the application refuse no probe."""

    def guard() -> None:
        raise HTTPException(401)

    app = FastAPI(dependencies=[Depends(guard)])
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["example.org"])
    app.add_middleware(HTTPSRedirectMiddleware)
    Dockerflow(app, registry=registry).version_callback(lambda root: {})
    server = serve(app)
    for method in ("GET", "HEAD"):
        assert server.request(path, method, headers={"Host": "10.0.0.1"}).status == 200
    assert server.request("/", headers={"Host": "10.0.0.1"}).status == 307
    assert seen(log, "path", "code") == [(path, 200), (path, 200), ("/", 307)]


@pytest.mark.parametrize("prefix", ["/api", "/api/"])
def test_probes_below_a_root_path(
    registry: CheckRegistry, serve: Serve, log: Log, prefix: str
) -> None:
    """Probes are answered with and without the prefix that a proxy leaves in the path."""
    app = FastAPI()
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["example.org"])
    Dockerflow(app, registry=registry)

    async def proxied(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "root_path": prefix}, receive, send)

    server = serve(proxied)
    for path in ("/__lbheartbeat__", "/api/__heartbeat__"):
        assert server.request(path).status == 200
    assert server.request("/apis/__heartbeat__").status == 400
    assert log.summaries[1]["path"] == "/api/__heartbeat__"


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
def test_catch_alls(framework: type[Starlette], registry: CheckRegistry, serve: Serve) -> None:
    """A mount that takes all paths hides no endpoint."""
    app = framework()
    app.mount("/", PlainTextResponse("caught"))
    Dockerflow(app, registry=registry)
    server = serve(app)
    assert server.request("/__lbheartbeat__").body == b'{"status": "ok"}'
    assert server.request("/__error__").status == 500
    assert server.request("/else").body == b"caught"


def test_error_takes_the_applications_way(
    app: FastAPI, dockerflow: Dockerflow, serve: Serve
) -> None:
    """/__error__ passes the application's own middleware and handlers."""
    caught: list[Exception] = []

    @app.exception_handler(Exception)
    async def sorry(request: Request, error: Exception) -> Response:
        caught.append(error)
        return PlainTextResponse("sorry", 503)

    assert serve(app).request("/__error__").body == b"sorry"
    assert str(caught[0]) == "This is a test exception from the /__error__ endpoint."


def test_names_and_schema(app: FastAPI, dockerflow: Dockerflow) -> None:
    """The extension's routes have names, and are not in the schema."""
    names = ("version", "heartbeat", "lbheartbeat", "error")
    assert [app.url_path_for(name) for name in names] == [f"/__{name}__" for name in names]
    assert list(app.openapi()["paths"]) == ["/", "/id", "/boom"]


def test_receivers(app: FastAPI, registry: CheckRegistry, serve: Serve, log: Log) -> None:
    """Receivers, sync and async, are told of each heartbeat; one that raises changes nothing."""
    told: list[tuple[str, int]] = []

    async def constructor(level: int) -> None:
        told.append(("passed, constructor", level))

    def failed_constructor(level: int) -> None:
        told.append(("failed, constructor", level))

    dockerflow = Dockerflow(
        app,
        registry=registry,
        on_heartbeat_passed=constructor,
        on_heartbeat_failed=failed_constructor,
    )
    made_async = dockerflow.heartbeat_failed(mock.AsyncMock())

    @dockerflow.heartbeat_passed
    async def broken(level: int) -> None:
        raise LookupError("statsd is down")

    @dockerflow.heartbeat_passed
    def passed(level: int) -> None:
        told.append(("passed", level))

    @dockerflow.heartbeat_failed
    async def failed(level: int) -> None:
        told.append(("failed", level))

    server = serve(app)
    assert server.request("/__heartbeat__").status == 200
    dockerflow.check(lambda: checks.Critical("m"), name="bad")
    assert server.request("/__heartbeat__").status == 500
    made_async.assert_awaited_once_with(level=50)
    assert told == [
        ("passed, constructor", 0),
        ("passed", 0),
        ("failed, constructor", 50),
        ("failed", 50),
    ]
    (line,) = log.of("dockerflow.fastapi.views")
    assert "statsd is down" in line["Fields"]["error"]


# ---------------------------------------------------------------------- versions


def test_callbacks_and_the_loop(app: FastAPI, dockerflow: Dockerflow, serve: Serve) -> None:
    """A sync receiver and a sync version callback run in threads, an async one on the loop."""
    threads: dict[str, threading.Thread] = {}

    def note(name: str) -> None:
        threads[name] = threading.current_thread()

    dockerflow.heartbeat_passed(lambda level: note("receiver"))
    dockerflow.version_callback(lambda root: note("callback"))
    server = serve(app)
    server.request("/__heartbeat__")
    server.request("/__version__")

    @app.get("/thread")
    async def thread() -> None:
        note("loop")

    @dockerflow.version_callback
    async def version(root: str) -> dict[str, str]:
        note("async callback")
        return {"root": root}

    dockerflow.version_path = pathlib.Path("/somewhere")
    assert server.request("/__version__").body == b'{"root": "/somewhere"}'
    server.request("/thread")
    assert threads["async callback"] is threads["loop"]
    assert threads["receiver"] is not threads["loop"]
    assert threads["callback"] is not threads["loop"]


def test_version_places(app: FastAPI, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """version.json is in app.state.APP_DIR, else in $APP_DIR, else in /app; get_version is ours."""
    app.include_router(router)
    server = serve(app)
    asked: list[str] = []

    def answer() -> bytes:
        with mock.patch("dockerflow.fastapi.views.get_version", return_value={}) as get_version:
            body = server.request("/__version__").body
        asked.append(get_version.call_args.args[0])
        return body

    monkeypatch.delenv("APP_DIR", raising=False)
    assert answer() == b"{}"
    monkeypatch.setenv("APP_DIR", "/of/environment")
    answer()
    app.state.APP_DIR = pathlib.Path("/of/state")
    answer()
    assert asked == ["/app", "/of/environment", "/of/state"]
    with mock.patch("dockerflow.version.get_version", return_value={"patched": 1}):
        assert server.request("/__version__").body == b'{"patched": 1}'


@pytest.mark.parametrize(("error", "status"), [(HTTPException(403), 403), (LookupError(), 418)])
def test_version_callback_that_raises(
    app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log, error: Exception, status: int
) -> None:
    """What a version callback raises is handled as from any view of the application."""

    @app.exception_handler(LookupError)
    async def brew(request: Request, error: Exception) -> Response:
        return PlainTextResponse("short and stout", 418)

    dockerflow.version_callback(mock.Mock(side_effect=error))
    assert serve(app).request("/__version__").status == status
    assert (log.summary["code"], log.summary["errno"]) == (status, 0)


# ---------------------------------------------------------------------- the router


def test_router_is_described_as_its_caller_says(app: FastAPI) -> None:
    """The router's routes are in the schema once, with the caller's tags, unless he says no."""
    app.include_router(router, prefix="/hidden", include_in_schema=False)
    app.include_router(router, prefix="/ops", tags=["operations"])
    paths = app.openapi()["paths"]
    assert [path for path in paths if "__" in path] == [
        f"/ops/__{name}__" for name in ("version", "heartbeat", "lbheartbeat", "error")
    ]
    assert {method: one["tags"] for method, one in paths["/ops/__version__"].items()} == {
        "get": ["operations"]
    }
    assert app.url_path_for("heartbeat") == "/hidden/__heartbeat__"


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
    server = serve(app)
    assert server.request("/outer/inner/__lbheartbeat__").status == 200
    assert server.request("/outer/inner/__lbheartbeat__", "POST").header("Allow") in (
        "GET, HEAD",
        "HEAD, GET",
    )
    assert server.request("/__lbheartbeat__").status == 404


# ---------------------------------------------------------------------- mounts


def test_mounted_application(app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log) -> None:
    """An application mounted below another is recorded once, by the outer one, with its path."""
    inner = FastAPI()
    Dockerflow(inner, registry=CheckRegistry()).check(lambda: checks.Error("m"), name="bad")
    inner.state.DOCKERFLOW_REQUEST_ID_HEADER_NAME = "X-Inner"
    inner.add_api_route("/id", lambda: request_id_context.get())
    app.mount("/inner", inner)
    server = serve(app)
    answer = server.request("/inner/id", headers={"X-Request-ID": "abc"})
    assert (answer.body, answer.header("X-Request-ID")) == (b'"abc"', "abc")
    assert server.request("/inner/__heartbeat__").status == 500
    assert server.request("/__heartbeat__").status == 200
    assert seen(log, "path", "code") == [
        ("/inner/id", 200),
        ("/inner/__heartbeat__", 500),
        ("/__heartbeat__", 200),
    ]


def test_only_the_mounted_application(app: FastAPI, serve: Serve, log: Log) -> None:
    """Where only a mounted application is observed, only its requests are recorded."""
    inner = Starlette(routes=[Route("/x", lambda request: PlainTextResponse("x"))])
    Dockerflow(inner, registry=CheckRegistry())
    app.mount("/inner", inner)
    server = serve(app)
    assert server.request("/inner/x", headers={"X-Request-ID": "abc"}).body == b"x"
    server.request("/")
    assert (log.summary["rid"], log.summary["path"]) == ("abc", "/inner/x")


def test_request_within_a_request(
    app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """A request that is made while another is served has an id and a summary of its own."""

    async def inner(server: ASGIApp, path: str) -> Answer:
        return await server.exchange(path, headers={"X-Request-ID": "inner"})

    @app.get("/outer")
    async def outer() -> list[Any]:
        body = (await inner(server, "/id")).body.decode()
        await inner(server, "/boom")
        return [body, request_id_context.get()]

    server = serve(app)
    answer = server.request("/outer", headers={"X-Request-ID": "outer"})
    assert answer.body == b'["\\"inner\\"","outer"]'
    assert seen(log, "rid", "code") == [("inner", 200), ("inner", 500), ("outer", 200)]


# ---------------------------------------------------------------------- the summary


@pytest.mark.parametrize("mounted", [False, True])
def test_summary_extra(
    app: FastAPI, registry: CheckRegistry, serve: Serve, log: Log, mounted: bool
) -> None:
    """A subclass adds fields of its own, from what the application has made of the request."""

    class Extended(Dockerflow):
        def summary_extra(self, request: Request) -> dict[str, Any]:
            return {
                **super().summary_extra(request),
                "tenant": request.state.tenant,
                "id": request_id_context.get(),
            }

        def user_id(self, request: Request) -> Any:
            return request.headers["x-user"]

    inner = FastAPI() if mounted else app

    @inner.get("/tenant")
    def tenant(request: Request) -> None:
        request.state.tenant = "acme"

    if mounted:
        app.mount("/inner", inner)
    Extended(app, registry=registry)
    path = "/inner/tenant" if mounted else "/tenant"
    serve(app).request(path, headers={"X-User": "ann", "X-Request-ID": "abc"})
    assert seen(log, "tenant", "uid", "path", "id") == [("acme", "ann", path, "abc")]


@pytest.mark.parametrize("hook", ["summary_extra", "user_id"])
def test_hooks_that_raise(
    app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log, hook: str
) -> None:
    """Fields that can't be had change no response; that is logged, the request is recorded."""
    with mock.patch.object(dockerflow, hook, side_effect=LookupError("no tenant")):
        assert serve(app).request("/").body == b'"hello"'
    assert seen(log, "path", "code", "uid") == [("/", 200, "")]
    (line,) = log.of("dockerflow.fastapi.middleware")
    assert "no tenant" in line["Fields"]["error"]


class Ann(SimpleUser):
    """A user with an identity."""

    @property
    def identity(self) -> str:
        """Return the primary key."""
        return "pk-1"


class Half(BaseUser):
    """A user with no identity at all."""

    @property
    def is_authenticated(self) -> bool:
        """Return whether this is somebody."""
        return True


class Expired:
    """A user of SQLAlchemy whose attributes a commit has expired."""

    class _sa_instance_state:  # noqa: N801 - SQLAlchemy's name
        expired_attributes = frozenset({"identity"})
        identity = (7,)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is read from the database")


@pytest.mark.parametrize(
    ("user", "uid"),
    [
        (Ann("ann"), "pk-1"),
        (UnauthenticatedUser(), ""),
        (mock.Mock(spec=["identity", "is_authenticated"], identity=None), ""),
        (Half(), ""),
        (Expired(), "7"),
        ({"id": 1}, ""),
        (None, ""),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("extended", [True, False])
def test_user(app: FastAPI, serve: Serve, log: Log, user: Any, uid: str, extended: bool) -> None:
    """The summary has the identity of the user whom the application has put into the scope."""

    class Backend(AuthenticationBackend):
        async def authenticate(self, conn: Any) -> tuple[AuthCredentials, Any]:
            return AuthCredentials(), user

    app.add_middleware(AuthenticationMiddleware, backend=Backend())
    if extended:
        Dockerflow(app, registry=CheckRegistry())
    else:
        app.add_middleware(MozlogRequestSummaryLogger)
    assert serve(app).request("/").status == 200
    assert (log.summary["uid"], log.summary["code"]) == (uid, 200)
    assert log.of("dockerflow.fastapi.middleware") == []
