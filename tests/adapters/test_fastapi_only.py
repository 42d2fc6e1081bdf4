"""FastAPI and Starlette only: extension, router, middlewares, mounts, users, output."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import itertools
import json
import logging
import os
import pathlib
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Callable
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from dockerflow import checks
from dockerflow.checks import CheckRegistry
from dockerflow.fastapi import Dockerflow, router
from dockerflow.fastapi.middleware import MozlogRequestSummaryLogger, RequestIdMiddleware
from dockerflow.logging import request_id_context
from dockerflow.logging.asgi import OBSERVATION, RequestObserver
from tests.adapters.apps.fastapi import new_fastapi
from tests.adapters.apps.wrapped.starlette import new_starlette
from tests.adapters.conftest import Log, Serve
from tests.adapters.harness import ASGIApp, Teapot

ABC = {"X-Request-ID": "abc"}
PROBES = ("/__version__", "/__heartbeat__", "/__lbheartbeat__")
NAMES = ("version", "heartbeat", "lbheartbeat", "error")
MIDDLEWARES = (RequestIdMiddleware, MozlogRequestSummaryLogger)


@pytest.fixture
def app() -> FastAPI:
    """An application without any extension."""
    return new_fastapi()


@pytest.fixture
def dockerflow(app: FastAPI) -> Dockerflow:
    """The extension of the application."""
    return Dockerflow(app, registry=CheckRegistry())


def refuse() -> None:
    """Be a dependency that rejects every request."""
    raise HTTPException(401)


def stacked(app: FastAPI) -> MozlogRequestSummaryLogger:
    """Wrap both middlewares around an application."""
    return MozlogRequestSummaryLogger(RequestIdMiddleware(app))


def add_middlewares(app: FastAPI) -> FastAPI:
    """Add both middlewares to an application."""
    for middleware in MIDDLEWARES:
        app.add_middleware(middleware)
    return app


def seen(log: Log, *names: str) -> list[tuple[Any, ...]]:
    """Return some fields of each summary."""
    return [tuple(fields[name] for name in names) for fields in log.summaries]


# ---------------------------------------------------------------------- the extension


def test_newest_extension_serves(
    app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """Of several extensions of one application the newest answers; the same one may come twice."""
    routes = len(app.routes)
    dockerflow.init_app(app)
    newest = Dockerflow(app, registry=CheckRegistry())
    newest.check(lambda: checks.Error("m"), name="bad")
    assert len(app.routes) == routes
    assert serve(app).request("/__heartbeat__").status == 500
    assert log.summary["errno"] == 500


@pytest.mark.parametrize("built_anew", [False, True])
def test_extension_of_the_lifespan(log: Log, built_anew: bool) -> None:
    """Each lifespan may make an extension, even if OpenTelemetry then rebuilds the stack."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        Dockerflow(app, registry=CheckRegistry())
        if built_anew:
            app.middleware_stack = app.build_middleware_stack()
        yield

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["example.org"])
    for _ in range(2):
        with contextlib.closing(ASGIApp(app, lifespan=True)) as server:
            answer = server.request("/__lbheartbeat__", headers=ABC)
            assert (answer.status, answer.header("X-Request-ID")) == (200, "abc")
            server.request("/__error__", headers={"Host": "example.org"})
    assert [fields["errno"] for fields in log.summaries] == [0, 500] * 2


def test_factory(app: FastAPI, serve: Serve, log: Log) -> None:
    """One extension serves several apps, of FastAPI and Starlette, each with its settings."""
    dockerflow = Dockerflow(registry=CheckRegistry())
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    other = Starlette()
    other.state.DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE = 503
    other.state.dockerflow = dockerflow  # where its owner may have stored it before
    for one, status in ((app, 500), (other, 503)):
        dockerflow.init_app(one)
        assert serve(one).request("/__heartbeat__").status == status
    assert len(log.summaries) == 2


def test_receivers(app: FastAPI, serve: Serve, log: Log) -> None:
    """Receivers, sync and async, get each heartbeat's signal; one that raises changes nothing."""
    on_passed, on_failed = mock.AsyncMock(), mock.Mock()
    dockerflow = Dockerflow(
        app, registry=CheckRegistry(), on_heartbeat_passed=on_passed, on_heartbeat_failed=on_failed
    )
    dockerflow.heartbeat_passed(mock.AsyncMock(side_effect=LookupError("statsd is down")))
    passed = dockerflow.heartbeat_passed(mock.Mock())
    failed = dockerflow.heartbeat_failed(mock.AsyncMock())
    server = serve(app)
    assert server.request("/__heartbeat__").status == 200
    dockerflow.check(lambda: checks.Critical("m"), name="bad")
    assert server.request("/__heartbeat__").status == 500
    on_passed.assert_awaited_once_with(level=0)
    passed.assert_called_once_with(level=0)
    on_failed.assert_called_once_with(level=50)
    failed.assert_awaited_once_with(level=50)
    (line,) = log.of("dockerflow.fastapi.views")
    assert "statsd is down" in line["Fields"]["error"]


def test_receivers_of_a_group(app: FastAPI, serve: Serve) -> None:
    """Receivers get the name of a group for its heartbeats, and for no other."""
    passed = mock.AsyncMock()
    Dockerflow(app, registry=CheckRegistry(), on_heartbeat_passed=passed)
    sync = mock.Mock()
    app.state.dockerflow.heartbeat_passed(sync)
    app.state.DOCKERFLOW_HEARTBEAT_GROUPS = {"ready": []}
    server = serve(app)
    for path in ("/__heartbeat__/ready", "/__heartbeat__"):
        assert server.request(path).status == 200
    calls = [mock.call(level=0, group="ready"), mock.call(level=0)]
    assert passed.await_args_list == sync.call_args_list == calls
    assert app.url_path_for("heartbeat_group", group="ready") == "/__heartbeat__/ready"


@pytest.mark.parametrize("is_extension", [True, False])
def test_an_own_route_below_the_heartbeat(app: FastAPI, serve: Serve, is_extension: bool) -> None:
    """Without groups, the paths of groups belong to the application, as before."""
    if is_extension:
        Dockerflow(app)
    else:
        app.include_router(router)

    @app.get("/__heartbeat__/{name}")
    async def own(name: str) -> str:
        return name

    server = serve(app)
    assert server.request("/__heartbeat__/db").body == b'"db"'
    app.state.DOCKERFLOW_HEARTBEAT_GROUPS = {"db": []}
    assert server.request("/__heartbeat__/db").body.startswith(b'{"status"')


def test_groups_of_the_router(app: FastAPI, serve: Serve) -> None:
    """The router alone serves groups as well."""
    app.include_router(router, prefix="/ops")
    app.state.DOCKERFLOW_HEARTBEAT_GROUPS = {"ready": []}
    server = serve(app)
    assert server.request("/ops/__heartbeat__/ready").body.startswith(b'{"status": "ok"')
    assert server.request("/ops/__heartbeat__/live").body.endswith(b"Groups: ready")


def test_callbacks_and_the_loop(app: FastAPI, dockerflow: Dockerflow, serve: Serve) -> None:
    """Sync receivers and version callbacks run in threads, async ones on the loop."""
    threads: list[threading.Thread] = []

    def note(root: str = "", level: int = 0) -> dict[str, Any]:
        threads.append(threading.current_thread())
        return {}

    async def note_async(root: str = "", level: int = 0) -> dict[str, Any]:
        return note()

    server = serve(app)
    server.submit(note_async()).result(30)
    for func in (note, note_async):
        dockerflow.heartbeat_passed(func)
        dockerflow.version_callback(func)
        assert server.request("/__version__").body == b"{}"
    server.request("/__heartbeat__")
    loop, *others = threads
    assert [thread is loop for thread in others] == [False, True, False, True]


# ---------------------------------------------------------------------- the endpoints


@pytest.mark.parametrize(
    ("path", "status"), [*((path, 200) for path in PROBES), ("/__error__", 307)]
)
def test_probes_behind_guards(serve: Serve, log: Log, path: str, status: int) -> None:
    """Hosts, https and dependencies refuse no probe; /__error__ is handled like any view."""
    app = FastAPI(dependencies=[Depends(refuse)])
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["example.org"])
    app.add_middleware(HTTPSRedirectMiddleware)
    Dockerflow(app, registry=CheckRegistry()).version_callback(lambda root: {})
    assert serve(app).request(path, headers={"Host": "10.0.0.1"}).status == status
    assert (log.summary["path"], log.summary["code"]) == (path, status)


@pytest.mark.parametrize("prefix", ["/api", "/api/"])
def test_probes_below_a_root_path(serve: Serve, log: Log, prefix: str) -> None:
    """Probes are answered with and without the prefix that a proxy leaves in the path."""
    app = FastAPI()
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["example.org"])
    Dockerflow(app, registry=CheckRegistry())

    async def proxied(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "root_path": prefix}, receive, send)

    server = serve(proxied)
    assert server.request("/__lbheartbeat__").status == 200
    assert server.request("/api/__heartbeat__").status == 200
    assert server.request("/apis/__heartbeat__").status == 400
    assert log.summaries[1]["path"] == "/api/__heartbeat__"


def test_routes(serve: Serve) -> None:
    """The routes have names, are not in the schema, and come before mounts that match all paths."""
    app = FastAPI()
    app.mount("/", PlainTextResponse("caught"))
    Dockerflow(app, registry=CheckRegistry())
    assert [app.url_path_for(name) for name in NAMES] == [f"/__{name}__" for name in NAMES]
    assert app.openapi()["paths"] == {}
    assert serve(app).request("/__error__").status == 500
    assert serve(app).request("/else").body == b"caught"


def test_version_places(app: FastAPI, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """version.json is in app.state.APP_DIR, else $APP_DIR, else /app; get_version is patchable."""
    app.include_router(router)
    server = serve(app)
    monkeypatch.delenv("APP_DIR", raising=False)
    with mock.patch("dockerflow.fastapi.views.get_version", return_value={}) as get_version:
        server.request("/__version__")
        monkeypatch.setenv("APP_DIR", "/of/environment")
        server.request("/__version__")
        app.state.APP_DIR = pathlib.Path("/of/state")
        assert server.request("/__version__").body == b"{}"
    places = [call.args[0] for call in get_version.call_args_list]
    assert places == ["/app", "/of/environment", "/of/state"]


def test_version_callback_and_error_handlers(
    app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """An exception of a version callback is handled like that of any view."""
    dockerflow.version_callback(mock.Mock(side_effect=Teapot))
    assert serve(app).request("/__version__").body == b"short and stout"
    assert (log.summary["code"], log.summary["errno"]) == (418, 0)


def test_router_is_described_as_its_caller_says() -> None:
    """The router's routes are in the schema once, with the caller's tags, unless excluded."""
    app = FastAPI()
    app.include_router(router, prefix="/hidden", include_in_schema=False)
    app.include_router(router, prefix="/ops", tags=["operations"])
    paths = app.openapi()["paths"]
    assert list(paths) == [f"/ops/__{name}__" for name in NAMES]
    methods = paths["/ops/__version__"]
    assert {method: each["tags"] for method, each in methods.items()} == {"get": ["operations"]}
    assert app.url_path_for("heartbeat") == "/hidden/__heartbeat__"


def test_routers_and_dependencies(app: FastAPI, serve: Serve) -> None:
    """The endpoints work in nested routers, guarded by their dependencies."""
    outer, inner = APIRouter(prefix="/outer"), APIRouter(prefix="/inner")
    inner.include_router(router)
    outer.include_router(inner)
    app.include_router(outer)
    app.include_router(router, prefix="/ops", dependencies=[Depends(refuse)])
    server = serve(app)
    for name in ("heartbeat", "lbheartbeat"):
        assert server.request(f"/outer/inner/__{name}__").body.startswith(b'{"status": ')
    post = server.request("/outer/inner/__lbheartbeat__", "POST")
    assert post.header("Allow") in ("GET, HEAD", "HEAD, GET")
    for name in NAMES:
        assert server.request(f"/ops/__{name}__").status == 401
        assert server.request(f"/__{name}__").status == 404


# ---------------------------------------------------------------------- the middlewares


@pytest.mark.parametrize("order", list(itertools.permutations((*MIDDLEWARES, *MIDDLEWARES), 3)))
@pytest.mark.parametrize("extended", [True, False])
def test_any_order(
    app: FastAPI, serve: Serve, log: Log, order: tuple[Any, ...], extended: bool
) -> None:
    """In any order and number, with the extension or without, there is one id and one summary."""
    for middleware in order:
        app.add_middleware(middleware)
    if extended:
        Dockerflow(app, registry=CheckRegistry())
    answer = serve(app).request("/id", headers=ABC)
    assert (answer.body, answer.header("X-Request-ID")) == (b"abc", "abc")
    assert log.summary["rid"] == "abc"


def test_one_alone(app: FastAPI, serve: Serve, log: Log) -> None:
    """Each middleware works without the other; a summary without an id has rid None."""
    alone = serve(RequestIdMiddleware(app)).request("/id", headers=ABC)
    assert (alone.body, alone.header("X-Request-ID"), log.summaries) == (b"abc", "abc", [])
    alone = serve(MozlogRequestSummaryLogger(app)).request("/id", headers=ABC)
    assert (alone.body, alone.header("X-Request-ID"), log.summary["rid"]) == (b"", None, None)


def test_settings_are_read_at_the_first_request(app: FastAPI, serve: Serve, log: Log) -> None:
    """Middleware in or around an application reads its current settings, and logs invalid ones."""
    servers = serve(add_middlewares(app)), serve(stacked(app))
    app.state.DOCKERFLOW_SUMMARY_EXCLUDE_PATHS = 7
    for header in ("X-Trace", "X-Too-Late"):
        app.state.DOCKERFLOW_REQUEST_ID_HEADER_NAME = header
        for server in servers:
            assert server.request("/", headers={"X-Trace": "abc"}).header("X-Trace") == "abc"
    assert seen(log, "path", "rid") == [("/", "abc")] * 4
    (fault,) = {line["Fields"]["msg"] for line in log.of("dockerflow.fastapi.middleware")}
    assert "EXCLUDE_PATHS is 7; set it to" in fault


def test_crash(serve: Serve, log: Log) -> None:
    """A crash is recorded inside and outside of the handler of the page, which has the id."""

    async def sorry(request: Request, error: Exception) -> Response:
        return PlainTextResponse(f"sorry {request_id_context.get()}", 503)

    outside, inside = new_fastapi(), add_middlewares(new_fastapi())
    for app in (outside, inside):
        app.add_exception_handler(Exception, sorry)
    for served, header in ((stacked(outside), "abc"), (inside, None)):
        answer = serve(served).request("/boom", headers=ABC)
        assert (answer.status, answer.body) == (503, b"sorry abc")
        assert answer.header("X-Request-ID") == header
        assert isinstance(answer.error, RuntimeError)
    assert seen(log, "errno", "msg", "rid") == [(500, "boom", "abc")] * 2


@pytest.mark.parametrize("inside", [True, False])
def test_other_middleware(app: FastAPI, serve: Serve, log: Log, inside: bool) -> None:
    """BaseHTTPMiddleware and compression, inside or outside of ours, hide neither id nor crash."""

    async def dispatch(request: Request, call_next: Callable[[Request], Any]) -> Any:
        return await call_next(request)

    if not inside:
        add_middlewares(app)
    app.add_middleware(GZipMiddleware, minimum_size=1)
    app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
    if inside:
        Dockerflow(app, registry=CheckRegistry())
    server = serve(app)
    headers = {**ABC, "Accept-Encoding": "gzip"}
    assert server.request("/id", headers=headers).header("Content-Encoding") == "gzip"
    assert server.request("/boom", headers=headers).error is not None
    assert seen(log, "code", "errno", "rid") == [(200, 0, "abc"), (500, 500, "abc")]


def test_mounted_application(app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log) -> None:
    """An application mounted below another is recorded once, by the outer one, with its path."""
    inner = new_starlette()
    Dockerflow(inner, registry=CheckRegistry()).check(lambda: checks.Error("m"), name="bad")
    inner.state.DOCKERFLOW_REQUEST_ID_HEADER_NAME = "X-Inner"
    app.mount("/inner", inner)
    server = serve(app)
    answer = server.request("/inner/id", headers=ABC)
    assert (answer.body, answer.header("X-Request-ID")) == (b"abc", "abc")
    for path in ("/inner/__heartbeat__", "/__heartbeat__"):
        server.request(path)
    assert seen(log, "path", "code") == [
        ("/inner/id", 200),
        ("/inner/__heartbeat__", 500),
        ("/__heartbeat__", 200),
    ]


def test_request_within_a_request(
    app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """A request that is made while another is served has its own id and summary."""

    @app.get("/outer")
    async def outer() -> list[Any]:
        inner = {"X-Request-ID": "inner"}
        answer = await server.exchange("/id", headers=inner)
        await server.exchange("/boom", headers=inner)
        return [answer.body.decode(), request_id_context.get()]

    server = serve(app)
    assert server.request("/outer", headers=ABC).body == b'["inner","abc"]'
    assert seen(log, "rid", "code") == [("inner", 200), ("inner", 500), ("abc", 200)]


# ---------------------------------------------------------------------- the summary


class Extended(Dockerflow):
    """An extension that adds a field and the user's id."""

    def summary_extra(self, request: Request) -> dict[str, Any]:
        extra = {"tenant": request.state.tenant, "id": request_id_context.get()}
        return {**super().summary_extra(request), **extra}

    def user_id(self, request: Request) -> Any:
        return request.headers["x-user"]


@pytest.mark.parametrize("mounted", [False, True])
def test_summary_extra(app: FastAPI, serve: Serve, log: Log, mounted: bool) -> None:
    """A subclass adds fields, which may depend on what the application stored in the request."""
    inner = FastAPI() if mounted else app
    path = "/inner/tenant" if mounted else "/tenant"

    @inner.get("/tenant")
    def tenant(request: Request) -> None:
        request.state.tenant = "acme"

    app.mount("/inner", inner)
    Extended(app, registry=CheckRegistry())
    serve(app).request(path, headers={**ABC, "X-User": "ann"})
    assert seen(log, "tenant", "uid", "path", "id") == [("acme", "ann", path, "abc")]


@pytest.mark.parametrize(("outer", "uid"), [({}, "ann"), ({"uid": lambda scope: "ada"}, "ada")])
def test_fields_within_an_observer(
    app: FastAPI, serve: Serve, log: Log, outer: dict[str, Callable[[Scope], str]], uid: str
) -> None:
    """Within another observer, a summary has the fields of both; the outer one's are used last."""

    @app.get("/tenant")
    def tenant(request: Request) -> None:
        request.state.tenant = "acme"

    async def add(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[OBSERVATION].add_at_end(outer, scope, logging.getLogger())
        await app(scope, receive, send)

    Extended(app, registry=CheckRegistry())
    serve(RequestObserver(add)).request("/tenant", headers={**ABC, "X-User": "ann"})
    assert seen(log, "tenant", "uid", "id") == [("acme", uid, "abc")]


def test_fields_are_made_once(app: FastAPI, serve: Serve, log: Log) -> None:
    """However many middlewares join a request, its fields are made once."""
    dockerflow = Extended(app, registry=CheckRegistry())
    made = mock.Mock(return_value={"made": True})
    app.add_middleware(MozlogRequestSummaryLogger)
    with mock.patch.object(dockerflow, "summary_extra", made):
        serve(app).request("/")
    made.assert_called_once()
    assert seen(log, "made") == [(True,)]


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_request_is_freed_when_it_ends(app: FastAPI, kind: str) -> None:
    """What a request holds, such as an uploaded file, does not wait for the garbage collector."""
    upload = io.BytesIO()
    alive = weakref.ref(upload)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if kind == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})

    observed = MozlogRequestSummaryLogger(RequestIdMiddleware(answer))
    scope = {"type": kind, "method": "GET", "path": "/", "headers": [], "app": app}
    gc.disable()
    try:
        asyncio.run(observed(scope | {"upload": upload}, mock.AsyncMock(), mock.AsyncMock()))
        del upload
        assert alive() is None
    finally:
        gc.enable()


def test_fields_that_fail(app: FastAPI, serve: Serve, log: Log) -> None:
    """Fields that raise change no response; the error is logged and the request is recorded."""
    Extended(app, registry=CheckRegistry())
    assert serve(app).request("/").body == b"hello"
    assert seen(log, "path", "code", "uid") == [("/", 200, "")]
    (line,) = log.of("dockerflow.fastapi.middleware")
    assert "tenant" in line["Fields"]["error"]


EXPIRED = SimpleNamespace(expired_attributes={"identity"}, identity=(7,))


@pytest.mark.parametrize(
    ("user", "uid"),
    [
        (SimpleNamespace(is_authenticated=True, identity="pk-1"), "pk-1"),
        (SimpleNamespace(is_authenticated=False, identity="pk-1"), ""),
        (SimpleNamespace(is_authenticated=True, identity=None), ""),
        (SimpleNamespace(_sa_instance_state=EXPIRED), "7"),  # SQLAlchemy's, after a commit
        (BaseUser(), ""),  # raises NotImplementedError
        ({"id": 1}, ""),
        (None, ""),
    ],
)
def test_user(app: FastAPI, serve: Serve, log: Log, user: Any, uid: str) -> None:
    """The summary has the identity of the user that the application has put into the scope."""

    class Backend(AuthenticationBackend):
        async def authenticate(self, conn: Any) -> tuple[AuthCredentials, Any]:
            return AuthCredentials(), user

    app.add_middleware(AuthenticationMiddleware, backend=Backend())
    assert serve(stacked(app)).request("/").status == 200
    assert log.summary["uid"] == uid
    assert log.of("dockerflow.fastapi.middleware") == []


# ---------------------------------------------------------------------- where summaries go


@pytest.fixture
def fresh() -> logging.Logger:
    """The logger of the summaries, as in a process that has not served a request."""
    logger = logging.getLogger("request.summary")
    logger.setLevel(logging.NOTSET)
    logger.handlers.clear()
    return logger


def test_output_without_configuration(
    fresh: logging.Logger,
    app: FastAPI,
    dockerflow: Dockerflow,
    serve: Serve,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without any logging configuration, each summary is one line of mozlog on stdout."""
    assert (fresh.level, fresh.handlers) == (logging.NOTSET, [])  # nothing before a request
    server = serve(app)
    for path in ("/", "/id"):
        server.request(path)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["Fields"]["path"] for line in lines] == ["/", "/id"]
    assert fresh.level == logging.INFO


@pytest.mark.parametrize("where", ["", "request", "request.summary"])
@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: logging.StreamHandler(sys.__stderr__), 0),
        (lambda: logging.NullHandler(), 1),
        (lambda: logging.StreamHandler(io.StringIO()), 1),
        (lambda: logging.FileHandler(os.devnull), 1),
    ],
    ids=["stderr", "null", "string", "devnull"],
)
def test_output_of_an_application_with_logging(
    fresh: logging.Logger,
    app: FastAPI,
    serve: Serve,
    capsys: pytest.CaptureFixture[str],
    where: str,
    make: Callable[[], logging.Handler],
    count: int,
) -> None:
    """A visible handler is enough to add none; a test runner's handler is not."""
    handler = make()
    logger = logging.getLogger(where)
    logger.addHandler(handler)
    try:
        serve(stacked(app)).request("/")
    finally:
        logger.removeHandler(handler)
        handler.close()
    assert len(capsys.readouterr().out.splitlines()) == count


def test_own_logger_and_level(app: FastAPI, serve: Serve, fresh: logging.Logger, log: Log) -> None:
    """For a logger with another name nothing is configured, in nested middleware either."""
    own = MozlogRequestSummaryLogger(app, logger=logging.getLogger("mine"))
    serve(RequestIdMiddleware(own)).request("/", headers=ABC)
    (line,) = log.of("mine")
    assert (line["Fields"]["path"], line["Fields"]["rid"]) == ("/", "abc")
    assert (fresh.level, fresh.handlers) == (logging.NOTSET, [])
    fresh.setLevel(logging.ERROR)
    serve(MozlogRequestSummaryLogger(app)).request("/")
    assert (fresh.level, log.summaries) == (logging.ERROR, [])
