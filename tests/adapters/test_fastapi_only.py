"""What only FastAPI and Starlette have: the extension, mounts, users."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import threading
from collections.abc import AsyncGenerator, Iterator
from typing import Any
from unittest import mock

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    BaseUser,
    SimpleUser,
    UnauthenticatedUser,
)
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import (
    PlainTextResponse,
)
from starlette.routing import Route

from dockerflow import checks
from dockerflow.checks import CheckRegistry
from dockerflow.fastapi import Dockerflow, router
from dockerflow.fastapi.middleware import MozlogRequestSummaryLogger
from dockerflow.logging import request_id_context
from tests.adapters.asgi import (
    Serve,
    create_app,
    http_scope,
    seen,
    serving,
)
from tests.adapters.conftest import Log
from tests.adapters.harness import Answer, ASGIApp


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
    """The extension of the application."""
    return Dockerflow(app, registry=registry)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an application as a server does."""
    with serving() as serve:
        yield serve


# ---------------------------------------------------------------------- the extension


def test_second_extension(app: FastAPI, dockerflow: Dockerflow) -> None:
    """A second extension on one app is refused, with what to do instead."""
    with pytest.raises(RuntimeError, match=r"use that one, app\.state\.dockerflow"):
        Dockerflow(app)
    assert app.state.dockerflow is dockerflow


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


def test_apps_of_one_extension_share_no_run(app: FastAPI, registry: CheckRegistry) -> None:
    """A check that runs for one app is run for another app all the same."""
    dockerflow = Dockerflow(app, registry=registry)
    other = Starlette()
    dockerflow.init_app(other)

    async def main() -> None:
        runs = 0
        both = asyncio.Event()

        @dockerflow.check
        async def together() -> None:
            nonlocal runs
            runs += 1
            if runs == 2:
                both.set()
            await both.wait()

        sends = mock.AsyncMock(), mock.AsyncMock()
        scope = http_scope(path="/__heartbeat__")
        await asyncio.gather(
            *(
                one({**scope}, mock.AsyncMock(), send)
                for one, send in zip((app, other), sends, strict=True)
            )
        )
        assert [send.await_args_list[0].args[0]["status"] for send in sends] == [200, 200]

    asyncio.run(main())


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


def test_default_registry(app: FastAPI) -> None:
    """Without a registry of its own an extension runs the checks of the process."""
    assert Dockerflow(app).checks is checks.get_checks()


def test_settings_are_read_when_used(
    app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """A setting that is wrong at request time is logged, and the default used."""
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    app.state.DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE = 200
    app.state.DOCKERFLOW_CHECK_TIMEOUT = "soon"
    app.state.DOCKERFLOW_SUMMARY_EXCLUDE_PATHS = 7
    assert serve(app).request("/__heartbeat__").status == 500
    logged = log.of("dockerflow.fastapi.views") + log.of("dockerflow.fastapi.middleware")
    faults = " ".join(line["Fields"]["msg"] for line in logged)
    for name in ("FAILED_STATUS_CODE is 200", "CHECK_TIMEOUT is 'soon'", "EXCLUDE_PATHS is 7"):
        assert name in faults
    assert log.summary["code"] == 500


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
    assert told == [
        ("passed, constructor", 0),
        ("passed", 0),
        ("failed, constructor", 50),
        ("failed", 50),
    ]
    (line,) = log.of("dockerflow.fastapi.views")
    assert "statsd is down" in line["Fields"]["error"]


def test_sync_receivers_and_callbacks_leave_the_loop_free(
    app: FastAPI, dockerflow: Dockerflow, serve: Serve
) -> None:
    """A sync receiver and a sync version callback run in threads, an async one on the loop."""
    threads: dict[str, threading.Thread] = {}

    def note(name: str) -> None:
        threads[name] = threading.current_thread()

    dockerflow.heartbeat_passed(lambda level: note("receiver"))
    dockerflow.version_callback(lambda root: note("callback"))
    server = serve(app)
    server.request("/__heartbeat__")
    server.request("/__version__")

    @dockerflow.version_callback
    async def version(root: str) -> dict[str, str]:
        note("async callback")
        return {"root": root}

    dockerflow.version_path = pathlib.Path("/somewhere")
    assert server.request("/__version__").body == b'{"root": "/somewhere"}'
    assert threads["async callback"] is server._thread
    assert threads["receiver"] is not server._thread
    assert threads["callback"] is not server._thread


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


def test_version_callback_gets_the_place(
    app: FastAPI, dockerflow: Dockerflow, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a configured place the version callback is called once, with /app."""
    monkeypatch.delenv("APP_DIR", raising=False)
    with mock.patch.object(dockerflow, "_version_callback", return_value={}) as callback:
        assert serve(app).request("/__version__").body == b"{}"
    callback.assert_called_once_with("/app")


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
def test_endpoints_before_catch_alls(
    framework: type[Starlette], registry: CheckRegistry, serve: Serve
) -> None:
    """Routes and mounts that catch all paths don't hide the endpoints, whenever they came."""
    app = framework()
    app.mount("/", PlainTextResponse("caught"))
    Dockerflow(app, registry=registry)
    server = serve(app)
    assert server.request("/__lbheartbeat__").body == b'{"status": "ok"}'
    assert server.request("/else").body == b"caught"


def test_openapi(app: FastAPI, dockerflow: Dockerflow) -> None:
    """The endpoints are not in the schema, and no operation id is there twice."""
    app.include_router(router, prefix="/again")
    app.include_router(router)
    assert list(app.openapi()["paths"]) == ["/", "/id", "/boom"]


def test_names_of_the_application_stay_its_own(app: FastAPI, dockerflow: Dockerflow) -> None:
    """A route of the application that is called as an endpoint is found by its name."""
    app.add_api_route("/v", lambda: "1", name="version")
    assert app.url_path_for("version") == "/v"
    assert app.url_path_for("dockerflow.heartbeat") == "/__heartbeat__"


def test_started_application(app: FastAPI, registry: CheckRegistry, log: Log) -> None:
    """An extension that is made in the lifespan, after the middleware was built, works."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        Dockerflow(app, registry=registry)
        yield

    app.router.lifespan_context = lifespan
    with contextlib.closing(ASGIApp(app, lifespan=True)) as server:
        answer = server.request("/__lbheartbeat__", headers={"X-Request-ID": "abc"})
    assert answer.header("X-Request-ID") == "abc"
    assert log.summary["rid"] == "abc"


def test_lifespan(app: FastAPI, dockerflow: Dockerflow) -> None:
    """The application's lifespan runs as ever, and has the scope that the server gave."""
    events: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, str]]:
        events.append("up")
        yield {"colour": "blue"}
        events.append("down")

    app.router.lifespan_context = lifespan
    scope: dict[str, Any] = {"type": "lifespan", "state": {}}
    receive = mock.AsyncMock(
        side_effect=[{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    )
    asyncio.run(app(scope, receive, mock.AsyncMock()))
    assert events == ["up", "down"]
    assert scope["state"] == {"colour": "blue"}
    assert "dockerflow.request" not in scope


# ---------------------------------------------------------------------- mounts


def test_mounted_application(app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log) -> None:
    """An application mounted below another is recorded once, by the outer one, with its path."""
    inner = FastAPI()
    Dockerflow(inner, registry=CheckRegistry())
    inner.state.DOCKERFLOW_REQUEST_ID_HEADER_NAME = "X-Inner"
    inner.add_api_route("/id", lambda: request_id_context.get())
    app.mount("/inner", inner)
    server = serve(app)
    answer = server.request("/inner/id", headers={"X-Request-ID": "abc"})
    assert (answer.body, answer.header("X-Request-ID")) == (b'"abc"', "abc")
    assert server.request("/inner/__lbheartbeat__").status == 200
    assert seen(log, "path", "code") == [("/inner/id", 200), ("/inner/__lbheartbeat__", 200)]


def test_mounted_application_with_its_own_checks(
    app: FastAPI, dockerflow: Dockerflow, serve: Serve
) -> None:
    """A mounted application's heartbeat is its own."""
    inner = FastAPI()
    Dockerflow(inner, registry=CheckRegistry()).check(lambda: checks.Error("m"), name="bad")
    app.mount("/inner", inner)
    server = serve(app)
    assert server.request("/__heartbeat__").status == 200
    assert server.request("/inner/__heartbeat__").status == 500


def test_only_the_mounted_application(app: FastAPI, serve: Serve, log: Log) -> None:
    """Where only a mounted application is observed, only its requests are recorded."""
    inner = Starlette(routes=[Route("/x", lambda request: PlainTextResponse("x"))])
    Dockerflow(inner, registry=CheckRegistry())
    app.mount("/inner", inner)
    server = serve(app)
    assert server.request("/inner/x", headers={"X-Request-ID": "abc"}).body == b"x"
    server.request("/")
    assert log.summary["rid"] == "abc"


def test_request_within_a_request(
    app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """A request that is made while another is served has an id and a summary of its own."""

    async def inner(server: ASGIApp) -> Answer:
        return await server.exchange("/id", headers={"X-Request-ID": "inner"})

    @app.get("/outer")
    async def outer() -> list[Any]:
        return [(await inner(server)).body.decode(), request_id_context.get()]

    server = serve(app)
    answer = server.request("/outer", headers={"X-Request-ID": "outer"})
    assert answer.body == b'["\\"inner\\"","outer"]'
    assert seen(log, "rid") == [("inner",), ("outer",)]


# ---------------------------------------------------------------------- the summary


def test_summary_extra_extended(
    app: FastAPI, registry: CheckRegistry, serve: Serve, log: Log
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

    @app.get("/tenant")
    def tenant(request: Request) -> None:
        request.state.tenant = "acme"

    Extended(app, registry=registry)
    serve(app).request("/tenant", headers={"X-User": "ann", "X-Request-ID": "abc"})
    assert seen(log, "tenant", "uid", "path", "id") == [("acme", "ann", "/tenant", "abc")]


def test_hooks_that_raise(app: FastAPI, registry: CheckRegistry, serve: Serve, log: Log) -> None:
    """A subclass whose fields can't be had changes no response, and the request is recorded."""

    class Broken(Dockerflow):
        def summary_extra(self, request: Request) -> dict[str, Any]:
            raise LookupError("no tenant")

    class Nameless(Dockerflow):
        def user_id(self, request: Request) -> Any:
            raise LookupError("no user")

    other = Starlette(routes=[Route("/", lambda request: PlainTextResponse("x"))])
    Broken(app, registry=registry)
    Nameless(other, registry=registry)
    assert serve(app).request("/").body == b'"hello"'
    assert serve(other).request("/").body == b"x"
    assert seen(log, "path", "code", "uid") == [("/", 200, "")] * 2
    assert "no tenant" in log.of("dockerflow.fastapi.middleware")[0]["Fields"]["error"]
    assert "no user" in log.of("dockerflow.fastapi.views")[0]["Fields"]["error"]


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


class Broken(BaseUser):
    """A user whose identity can't be had."""

    @property
    def is_authenticated(self) -> bool:
        """Ask a database that is away."""
        raise OSError("database")


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
        (Half(), ""),
        (Broken(), ""),
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
    assert log.summary["uid"] == uid
    assert log.summary["code"] == 200
    troubles = log.of("dockerflow.fastapi.views") + log.of("dockerflow.fastapi.middleware")
    assert bool(troubles) is isinstance(user, Broken)
