"""How requests to Sanic end: well, badly, and in handlers of errors."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from sanic import HTTPResponse
from sanic.exceptions import NotFound, ServerError
from sanic.handlers import ErrorHandler
from sanic.response import ResponseStream, file_stream, raw, text

from dockerflow.checks import CheckRegistry
from dockerflow.sanic import Dockerflow
from tests.adapters.conftest import Log
from tests.adapters.sanic import (
    AnyRequest,
    AnySanic,
    Run,
    Serve,
    log_of_app,
    new_app,
    running,
    serving,
)


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


def test_summary_extra_extended(app: AnySanic, registry: CheckRegistry, run: Run, log: Log) -> None:
    """A subclass adds fields of its own, of what the application has put into ctx."""

    class Extended(Dockerflow):
        def summary_extra(self, request: AnyRequest) -> dict[str, Any]:
            return {**super().summary_extra(request), "uid": request.ctx.user}

    Extended(app, registry=registry)

    @app.on_request
    async def authenticate(request: AnyRequest) -> None:
        request.ctx.user = "alice"

    run(app).request("/")
    assert log.summary["uid"] == "alice"


def test_summary_extra_that_raises(
    app: AnySanic, registry: CheckRegistry, serve: Serve, log: Log
) -> None:
    """A subclass whose fields can't be had changes no response, and the request is recorded."""

    class Broken(Dockerflow):
        def summary_extra(self, request: AnyRequest) -> dict[str, Any]:
            raise LookupError("no tenant")

    Broken(app, registry=registry)
    answer = serve(app).request("/", headers={"X-Request-ID": "abc"})
    assert (answer.status, answer.body) == (200, b"hello")
    fields = log.summary
    assert (fields["path"], fields["code"], fields["rid"]) == ("/", 200, "abc")
    assert "no tenant" in log.of("dockerflow.sanic")[0]["Fields"]["error"]


@pytest.mark.parametrize("kind", [Exception, RuntimeError, "ErrorHandler"])
def test_the_app_s_own_error_handler(
    registry: CheckRegistry, run: Run, log: Log, kind: Any
) -> None:
    """The application's own error handlers answer, and their status is recorded."""

    def handle(request: AnyRequest, error: Exception) -> HTTPResponse:
        log_of_app.info("in error handler")
        return text(f"handled {error}", 503, headers={"X-Own": "yes"})

    class Own(ErrorHandler):
        def default(self, request: AnyRequest, exception: Exception) -> HTTPResponse:
            return handle(request, exception)

    app = new_app(error_handler=Own() if kind == "ErrorHandler" else None)
    Dockerflow(app, registry=registry)
    if kind != "ErrorHandler":
        exception: Any = app.exception
        exception(kind)(handle)

    @app.get("/boom")
    async def boom(request: AnyRequest) -> HTTPResponse:
        raise RuntimeError("boom")

    answer = run(app).request("/boom", headers={"X-Request-ID": "abc"})
    assert (answer.status, answer.body) == (503, b"handled boom")
    assert (answer.header("X-Own"), answer.header("X-Request-ID")) == ("yes", "abc")
    assert (log.summary["code"], log.summary["errno"], log.summary["msg"]) == (503, 503, "")
    assert log.of("app")[0]["Fields"]["rid"] == "abc"


def test_error_handler_that_raises(
    app: AnySanic, dockerflow: Dockerflow, run: Run, log: Log
) -> None:
    """An error handler that raises is a failure like any, with one summary."""

    async def broken(request: AnyRequest, error: NotFound) -> HTTPResponse:
        raise LookupError("no template")

    app.error_handler.add(NotFound, broken)

    answer = run(app).request("/missing")
    assert answer.status == 500
    assert answer.header("X-Request-ID") == log.summary["rid"]
    assert (log.summary["code"], log.summary["errno"]) == (500, 500)


def test_error_handler_that_returns_nonsense(
    app: AnySanic, dockerflow: Dockerflow, run: Run, log: Log
) -> None:
    """What an error handler's failure is answered with in the end is what is recorded."""

    async def odd(request: AnyRequest, error: NotFound) -> Any:
        return object()

    async def sorry(request: AnyRequest, error: ServerError) -> HTTPResponse:
        return text("sorry", 503)

    app.error_handler.add(NotFound, odd)
    app.error_handler.add(ServerError, sorry)
    assert run(app).request("/missing").body == b"sorry"
    assert (log.summary["code"], log.summary["errno"]) == (503, 503)


def test_missing_pages_are_quiet(app: AnySanic, dockerflow: Dockerflow, run: Run, log: Log) -> None:
    """A page that is not there leaves the one summary, at INFO, and no traceback."""
    run(app).request("/missing")
    assert [line for line in log.lines if line["Severity"] < 6 or "error" in line["Fields"]] == []
    assert log.summary["code"] == 404


@pytest.mark.parametrize("where", ["request", "response", "handle", "routing"])
def test_hooks_that_raise(
    app: AnySanic, dockerflow: Dockerflow, run: Run, log: Log, where: str
) -> None:
    """Where middleware and signal handlers raise, there is an id and one summary all the same."""

    async def hook(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError(where)

    if where in {"request", "response"}:
        app.register_middleware(hook, where)
    else:
        app.signal(f"http.{where}.before" if where == "routing" else "http.handler.before")(hook)
    answer = run(app).request("/", headers={"X-Request-ID": "abc"})
    code = 200 if where == "response" else 500  # Sanic logs what response middleware raises
    assert answer.status == code
    assert answer.header("X-Request-ID") == "abc"
    assert log.summary["code"] == code
    assert log.summary["msg"] == ("" if where == "response" else where)


def test_middleware_that_answers(app: AnySanic, dockerflow: Dockerflow, run: Run, log: Log) -> None:
    """A response that middleware makes, or puts in another's place, has the id and is recorded."""

    @app.on_request
    async def forbid(request: AnyRequest) -> HTTPResponse | None:
        return text("no", 403) if request.path == "/forbidden" else None

    async def replace(request: AnyRequest, response: Any) -> HTTPResponse:
        return text("replaced", 202)

    app.register_middleware(replace, "response")

    server = run(app)
    for path in ("/", "/forbidden"):
        answer = server.request(path)
        assert (answer.status, answer.body) == (202, b"replaced")
        assert answer.header("X-Request-ID")
    assert [fields["code"] for fields in log.summaries] == [202, 202]


@pytest.mark.parametrize("result", [None, "text", object()], ids=repr)
def test_handlers_that_return_nonsense(
    app: AnySanic, dockerflow: Dockerflow, run: Run, log: Log, result: Any
) -> None:
    """A handler that returns no response is a failure, with Sanic's own error page."""

    @app.get("/odd")
    async def odd(request: AnyRequest) -> Any:
        return result

    assert run(app).request("/odd").status == 500
    assert log.summary["code"] == 500
    assert "response type" in log.summary["msg"]


def test_invalid_status(app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log) -> None:
    """A status that Sanic refuses to send is replaced by its error page, which is recorded."""

    @app.get("/odd")
    async def odd(request: AnyRequest) -> HTTPResponse:
        return HTTPResponse("hello", 100)

    answer = serve(app).request("/odd", headers={"X-Request-ID": "abc"})
    assert answer.status == 500
    assert answer.header("X-Request-ID") == "abc"
    assert log.summary["code"] == 500


def test_one_response_for_all(app: AnySanic, dockerflow: Dockerflow, run: Run) -> None:
    """A response object that is sent to several requests has each one's id."""
    response = raw(b"the same")

    @app.get("/same")
    async def same(request: AnyRequest) -> HTTPResponse:
        return response

    server = run(app)
    for rid in ("one", "two"):
        answer = server.request("/same", headers={"X-Request-ID": rid})
        assert (answer.body, answer.header("X-Request-ID")) == (b"the same", rid)


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_response_streams(
    app: AnySanic,
    dockerflow: Dockerflow,
    run: Run,
    log: Log,
    tmp_path: pathlib.Path,
    kind: str,
) -> None:
    """Files and the older kind of streams are recorded at their end, and have the id."""
    (tmp_path / "file").write_bytes(b"x" * 10_000)

    @app.get("/file")
    async def file(request: AnyRequest) -> ResponseStream:
        return await file_stream(tmp_path / "file", chunk_size=1000)

    @app.get("/stream")
    async def stream(request: AnyRequest) -> ResponseStream:
        async def write(response: Any) -> None:
            log_of_app.info("in stream")
            await response.write("x" * 10_000)

        return ResponseStream(write)

    answer = run(app).request(f"/{kind}", headers={"X-Request-ID": "abc"})
    assert answer.body == b"x" * 10_000
    assert answer.header("X-Request-ID") == "abc"
    assert (log.summary["code"], log.summary["errno"]) == (200, 0)
    assert [line["Fields"]["rid"] for line in log.of("app")] == ["abc"] * (kind == "stream")


def test_a_handler_that_goes_on(
    app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log
) -> None:
    """After the last byte the request is recorded; what its handler does then has its id."""

    @app.get("/goes-on")
    async def goes_on(request: AnyRequest) -> None:
        response: Any = await request.respond()
        await response.send("all")
        await response.eof()
        log_of_app.info("afterwards")

    serve(app).request("/goes-on", headers={"X-Request-ID": "abc"})
    assert [line["Type"] for line in log.lines] == ["request.summary", "app"]
    assert log.of("app")[0]["Fields"]["rid"] == "abc"


def test_background_tasks(app: AnySanic, dockerflow: Dockerflow, serve: Serve, log: Log) -> None:
    """A task that a handler starts has the request's id, for as long as it lasts."""
    go = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def work() -> None:
        await go.wait()
        log_of_app.info("in task")

    @app.get("/task")
    async def task(request: AnyRequest) -> HTTPResponse:
        tasks.append(asyncio.create_task(work()))
        return text("started")

    @app.get("/go")
    async def let_go(request: AnyRequest) -> HTTPResponse:
        go.set()
        await tasks[0]
        return text("went")

    server = serve(app)
    server.request("/task", headers={"X-Request-ID": "abc"})
    server.request("/go", headers={"X-Request-ID": "other"})
    assert [line["Fields"]["rid"] for line in log.of("app")] == ["abc"]
