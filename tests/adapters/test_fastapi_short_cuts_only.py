"""The short cuts of FastAPI and Starlette give what the general ways give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from fastapi import Depends, FastAPI, HTTPException, Response
from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import NoMatchFound

from dockerflow.checks import CheckRegistry
from dockerflow.fastapi import Dockerflow, views
from dockerflow.fastapi.middleware import MozlogRequestSummaryLogger
from tests.adapters.asgi import Serve, create_app, hello, seen, serving, stacked
from tests.adapters.conftest import Log

HEADERS = {"User-Agent": "agent", "Accept-Language": "de", "X-Request-ID": "abc"}


@pytest.fixture
def app() -> FastAPI:
    """An application without any extension."""
    return create_app()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an application as a server does."""
    with serving() as serve:
        yield serve


# ---------------------------------------------------------------------- fields


class Extended(Dockerflow):
    """An extension that makes its own fields, which are the usual ones."""

    def summary_extra(self, request: Request) -> dict[str, Any]:
        """Return the fields as they are."""
        return super().summary_extra(request)


class ExtendedLogger(MozlogRequestSummaryLogger):
    """A middleware that does the same."""

    def summary_extra(self, request: Request) -> dict[str, Any]:
        """Return the fields as they are."""
        return super().summary_extra(request)


@pytest.mark.parametrize("path", ["/id", "/boom", "/missing", "/inner/x", "/mounted/id"])
@pytest.mark.parametrize("with_query", [True, False])
def test_fields_of_a_subclass(serve: Serve, log: Log, path: str, with_query: bool) -> None:
    """A subclass that adds no field gets the line that is written without one."""
    for extend in (
        lambda app: Dockerflow(app, registry=CheckRegistry()),
        lambda app: Extended(app, registry=CheckRegistry()),
        lambda app: app.add_middleware(MozlogRequestSummaryLogger),
        lambda app: app.add_middleware(ExtendedLogger),
    ):
        app = create_app()
        app.mount("/inner", PlainTextResponse("inner"))
        app.root_path = "/mounted"
        app.state.DOCKERFLOW_SUMMARY_LOG_QUERYSTRING = with_query
        extend(app)
        serve(app).request(path, query="a=%20b", headers=HEADERS)
    lines: list[dict[str, Any]] = [{**fields, "t": 0} for fields in log.summaries]
    assert lines[1] == lines[0]
    assert lines[0]["agent"] == "agent"
    assert lines[0].get("querystring") == ("a= b" if with_query else None)
    assert lines[3] == lines[2] == {**lines[0], "rid": None}


@pytest.mark.parametrize("path", ["/id", "/boom", "/missing", "/__lbheartbeat__"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_lines_of_all_settings(
    app: FastAPI, serve: Serve, log: Log, path: str, method: str
) -> None:
    """Settings that leave a request as it is leave its line as it is."""
    Dockerflow(app, registry=CheckRegistry())
    server = serve(app)
    server.request(path, method, headers=HEADERS)
    app.state.DOCKERFLOW_SUMMARY_EXCLUDE_PATHS = ["/other"]
    app.state.DOCKERFLOW_REQUEST_ID_HEADER_NAME = "x-REQUEST-id"
    server.request(path, method, headers=HEADERS)
    first, second = ({**fields, "t": 0} for fields in log.summaries)
    assert first == second


def test_hooks_of_an_instance(app: FastAPI, serve: Serve, log: Log) -> None:
    """A hook that is patched on an instance, or set there, is asked."""
    dockerflow = Dockerflow(app, registry=CheckRegistry())
    server = serve(app)
    server.request("/")
    with mock.patch.object(dockerflow, "user_id", return_value="ann"):
        server.request("/")
    with mock.patch.object(Dockerflow, "user_id", return_value="bob"):
        server.request("/")
    with mock.patch.object(dockerflow, "summary_extra", return_value={"uid": "cid"}):
        server.request("/")
    server.request("/")
    assert seen(log, "uid") == [("",), ("ann",), ("bob",), ("cid",), ("",)]

    middleware = MozlogRequestSummaryLogger(hello)
    with mock.patch.object(middleware, "summary_extra", return_value={"uid": "dan"}):
        serve(middleware).request("/")
    assert log.summaries[-1]["uid"] == "dan"


def test_headers_that_come_twice(serve: Serve, log: Log) -> None:
    """Of several headers of one name the first counts, as in Starlette's own look-ups."""
    headers = [
        (b"user-agent", b"first"),
        (b"user-agent", b"second"),
        (b"accept-language", b""),
        (b"accept-language", b"de"),
        (b"x-request-id", b"one"),
        (b"x-request-id", b"two"),
    ]
    found: list[tuple[str, str, str]] = []

    async def keep(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope)
        names = ("user-agent", "accept-language", "x-request-id")
        found.append(tuple(request.headers[name] for name in names))  # type: ignore[arg-type]
        await hello(scope, receive, send)

    async def served(scope: Any, receive: Any, send: Any) -> None:
        # The specification asks for an iterable, which a server may give but once.
        await stacked(keep)({**scope, "headers": iter(headers)}, receive, send)

    serve(served).request("/")
    assert seen(log, "agent", "lang", "rid") == found == [("first", "", "one")]


def test_headers_that_are_no_bytes(serve: Serve, log: Log) -> None:
    """A server that hands over views of its buffer changes nothing for the application."""

    async def served(scope: Any, receive: Any, send: Any) -> None:
        names = (b"user-agent", b"accept-language", b"x-request-id")
        headers = [(name, memoryview(b"xyz")) for name in names]
        await stacked(hello)({**scope, "headers": headers}, receive, send)

    serve(served).request("/")
    assert seen(log, "agent", "lang", "rid") == [("xyz", "xyz", "xyz")]


@pytest.mark.parametrize("middleware", [MozlogRequestSummaryLogger, ExtendedLogger])
def test_scope_that_is_changed(
    app: FastAPI, serve: Serve, log: Log, middleware: type[MozlogRequestSummaryLogger]
) -> None:
    """The summary tells the path that has arrived, whatever is done to the scope thereafter."""
    app.state.DOCKERFLOW_SUMMARY_LOG_QUERYSTRING = True
    paths: list[tuple[str, str]] = []

    async def route(scope: Any, receive: Any, send: Any) -> None:
        scope |= {"path": "/below", "raw_path": b"/below", "root_path": "/inner", "app": None}
        await hello(scope, receive, send)

    class Keep(middleware):  # type: ignore[misc, valid-type]
        def summary_extra(self, request: Request) -> dict[str, Any]:
            paths.append((request.scope["root_path"], request.url.path))
            fields: dict[str, Any] = super().summary_extra(request)
            return fields

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        scope["app"] = app
        await (middleware if app.state.plain else Keep)(route)(scope, receive, send)

    for app.state.plain in (True, False):
        serve(outer).request("/inner/below", query="a=1")
    assert seen(log, "path", "querystring") == [("/inner/below", "a=1")] * 2
    assert paths == [("", "/inner/below")]


# ---------------------------------------------------------------------- settings


class Lazy(State):
    """A state that knows more than its attributes."""

    def __getattr__(self, name: str) -> Any:
        if name == "DOCKERFLOW_REQUEST_ID_HEADER_NAME":
            return "X-Lazy"
        return super().__getattr__(name)


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
def test_settings_that_change(framework: type[Starlette], serve: Serve, log: Log) -> None:
    """A setting is noticed whenever it is made, changed, or gone, and whatever the state is."""
    app = framework()
    Dockerflow(app, registry=CheckRegistry())
    server = serve(app)

    def answered() -> list[bool]:
        answer = server.request("/__lbheartbeat__", query="a=1", headers={"X-Trace": "trace"})
        return ["x-request-id" in dict(answer.headers), answer.header("X-Trace") == "trace"]

    assert answered() == [True, False]
    app.state.DOCKERFLOW_REQUEST_ID_HEADER_NAME = "X-Trace"
    assert answered() == [False, True]
    app.state.DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER = False
    app.state.DOCKERFLOW_SUMMARY_LOG_QUERYSTRING = True
    assert answered() == [False, False]
    assert (log.summaries[-1]["rid"], log.summaries[-1]["querystring"]) == ("trace", "a=1")
    app.state.DOCKERFLOW_SUMMARY_EXCLUDE_PATHS = ["/__lbheartbeat__"]
    count = len(log.summaries)
    answered()
    assert len(log.summaries) == count
    app.state = Lazy({"dockerflow": app.state.dockerflow})
    assert server.request("/", headers={"X-Lazy": "lazy"}).header("X-Lazy") == "lazy"
    app.state = State({"dockerflow": app.state.dockerflow})
    assert answered() == [True, False]
    assert len(log.summaries) == count + 2


# ---------------------------------------------------------------------- endpoints


def test_dependencies_of_the_application(serve: Serve) -> None:
    """Dependencies of the whole application hold for the endpoints, with what they set."""

    def guard(request: Request, response: Response) -> None:
        if "x-key" not in request.headers:
            raise HTTPException(401)

    app = FastAPI(dependencies=[Depends(guard)])
    Dockerflow(app, registry=CheckRegistry())
    server = serve(app)
    for endpoint in ("version", "heartbeat", "lbheartbeat", "error"):
        assert server.request(f"/__{endpoint}__").status == 401
    assert server.request("/__lbheartbeat__", headers={"X-Key": "1"}).status == 200


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
def test_handlers_of_exceptions(framework: type[Starlette], serve: Serve) -> None:
    """What a view raises goes to the application's own handlers, by its type or its status."""
    app = framework()
    dockerflow = Dockerflow(app, registry=CheckRegistry())
    app.state.DOCKERFLOW_ERROR_ENDPOINT = False

    async def brew(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(f"{request.url.path} {error!r}", 418)

    app.add_exception_handler(LookupError, brew)
    app.add_exception_handler(404, brew)
    app.add_exception_handler(405, brew)

    @dockerflow.version_callback
    async def version(root: str) -> None:
        raise KeyError("tag")

    server = serve(app)
    assert server.request("/__version__").body == b"/__version__ KeyError('tag')"
    assert server.request("/__error__").body.startswith(b"/__error__ HTTPException(")
    assert server.request("/__lbheartbeat__", "POST").body.startswith(b"/__lbheartbeat__ HTTPExc")


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
def test_scope_of_an_endpoint(framework: type[Starlette], serve: Serve) -> None:
    """Middleware finds an endpoint's route and view in the scope, like those of any route."""
    app = framework()
    Dockerflow(app, registry=CheckRegistry())
    scopes: list[dict[str, Any]] = []

    class Keep:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)
            scopes.append(scope)

    app.add_middleware(Keep)
    serve(app).request("/__lbheartbeat__")
    (scope,) = scopes
    assert scope["endpoint"] is views.lbheartbeat
    if "route" in scope:  # since FastAPI 0.100 and Starlette 1.0
        assert scope["route"].path == "/__lbheartbeat__"


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
def test_routes_of_the_endpoints(framework: type[Starlette], serve: Serve) -> None:
    """Those who go through an application's routes find the endpoints first, as one and by name."""
    app = framework()
    app.mount("/", PlainTextResponse("caught"))
    Dockerflow(app, registry=CheckRegistry())
    first: Any = app.routes[0]
    assert (first.path, first.name, first.methods) == (
        "/__{endpoint}__",
        "dockerflow",
        {"GET", "HEAD"},
    )
    assert [route.path for route in first.routes] == [
        "/__version__",
        "/__heartbeat__",
        "/__lbheartbeat__",
        "/__error__",
    ]
    for route in first.routes:
        assert app.url_path_for(route.name) == route.path
    with pytest.raises(NoMatchFound):
        app.url_path_for("dockerflow.other")
    with pytest.raises(NoMatchFound):
        app.url_path_for("dockerflow.version", more="x")
    assert serve(app).request("/__other__").body == b"caught"
    if isinstance(app, FastAPI):
        assert app.openapi()["paths"] == {}


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
def test_paths_like_those_of_endpoints(framework: type[Starlette], serve: Serve) -> None:
    """An endpoint has the whole path that it is at, and no other that ends in its name."""
    app = framework()
    app.mount("/", PlainTextResponse("caught"))
    Dockerflow(app, registry=CheckRegistry())
    server = serve(app)
    for path in ("/x/__lbheartbeat__", "/x__lbheartbeat__", "/__lbheartbeat__/", "/__lbheartbeat"):
        assert server.request(path).body == b"caught"
    assert server.request("/__lbheartbeat__").body == b'{"status": "ok"}'
