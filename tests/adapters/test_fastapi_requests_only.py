"""The middlewares of FastAPI and Starlette: in any order, however a request ends, and where to."""

from __future__ import annotations

import asyncio
import io
import itertools
import logging
import logging.handlers
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from dockerflow.checks import CheckRegistry
from dockerflow.fastapi import Dockerflow, router
from dockerflow.fastapi.middleware import MozlogRequestSummaryLogger, RequestIdMiddleware
from dockerflow.logging import request_id_context
from tests.adapters.asgi import (
    Serve,
    create_app,
    hello,
    http_scope,
    seen,
    serving,
    stacked,
)
from tests.adapters.conftest import Log

MIDDLEWARES = (RequestIdMiddleware, MozlogRequestSummaryLogger)


@pytest.fixture
def app() -> FastAPI:
    """An application without any extension."""
    return create_app()


@pytest.fixture
def dockerflow(app: FastAPI) -> Dockerflow:
    """The extension of the application."""
    return Dockerflow(app, registry=CheckRegistry())


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an application as a server does."""
    with serving() as serve:
        yield serve


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
    answer = serve(app).request("/id", headers={"X-Request-ID": "abc"})
    assert answer.body == b'"abc"'
    assert answer.header("X-Request-ID") == "abc"
    assert log.summary["rid"] == "abc"


def test_one_alone(app: FastAPI, serve: Serve, log: Log) -> None:
    """Each middleware works without the other; a summary without an id has rid None."""
    alone = serve(RequestIdMiddleware(app)).request("/id", headers={"X-Request-ID": "abc"})
    assert (alone.body, alone.header("X-Request-ID")) == (b'"abc"', "abc")
    assert log.summaries == []
    alone = serve(MozlogRequestSummaryLogger(app)).request("/id", headers={"X-Request-ID": "abc"})
    assert (alone.body, alone.header("X-Request-ID")) == (b"null", None)
    assert log.summary["rid"] is None


def test_settings_are_read_at_the_first_request(app: FastAPI, serve: Serve, log: Log) -> None:
    """Added to an application, or around it, middleware has the settings of its state."""
    app.include_router(router)
    for middleware in MIDDLEWARES:
        app.add_middleware(middleware)
    servers = serve(app), serve(stacked(app))
    app.state.DOCKERFLOW_REQUEST_ID_HEADER_NAME = "X-Trace"
    app.state.DOCKERFLOW_SUMMARY_EXCLUDE_PATHS = ["/__lbheartbeat__"]
    for server in servers:
        server.request("/__lbheartbeat__")
        assert server.request("/missing", headers={"X-Trace": "abc"}).header("X-Trace") == "abc"
    assert seen(log, "path", "code", "rid") == [("/missing", 404, "abc")] * 2


def test_crash(app: FastAPI, serve: Serve, log: Log) -> None:
    """A crash is recorded by its exception, inside and outside of the page that Starlette makes.

    That page has the id where the middleware is around the whole application.
    """
    answer = serve(stacked(app)).request("/boom", headers={"X-Request-ID": "abc"})
    assert (answer.status, answer.header("X-Request-ID")) == (500, "abc")
    app = create_app()
    for middleware in MIDDLEWARES:
        app.add_middleware(middleware)
    answer = serve(app).request("/boom", headers={"X-Request-ID": "abc"})
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    assert isinstance(answer.error, RuntimeError)
    assert seen(log, "code", "errno", "msg", "rid") == [(500, 500, "boom", "abc")] * 2


def test_id_after_a_crash(app: FastAPI, dockerflow: Dockerflow, serve: Serve, log: Log) -> None:
    """A handler of all exceptions, and the server's own traceback, have the id of the request."""
    ids: list[str | None] = []

    @app.exception_handler(Exception)
    async def sorry(request: Request, error: Exception) -> Response:
        return PlainTextResponse(f"sorry {request_id_context.get()}", 503)

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except RuntimeError:
            ids.append(request_id_context.get())

    answer = serve(server).request("/boom", headers={"X-Request-ID": "abc"})
    assert (answer.status, answer.body) == (503, b"sorry abc")
    assert ids == ["abc"]
    assert seen(log, "code", "errno", "msg") == [(500, 500, "boom")]


def test_inner_call_twice(log: Log) -> None:
    """Middleware that calls the application twice for a request keeps its one id and summary."""
    ids: list[str | None] = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        ids.append(request_id_context.get())

    identified = RequestIdMiddleware(note)

    async def twice(scope: Scope, receive: Receive, send: Send) -> None:
        await identified(scope, receive, send)
        await identified(scope, receive, send)
        await hello(scope, receive, send)

    app = MozlogRequestSummaryLogger(twice)
    scope = http_scope(headers=[(b"x-request-id", b"abc")])
    asyncio.run(app(scope, mock.AsyncMock(), mock.AsyncMock()))
    assert ids == ["abc", "abc"]
    assert log.summary["rid"] == "abc"


@pytest.mark.parametrize("inside", [True, False])
def test_other_middleware(app: FastAPI, serve: Serve, log: Log, inside: bool) -> None:
    """BaseHTTPMiddleware and compression, inside or outside of ours, hide neither id nor crash."""

    async def dispatch(request: Request, call_next: Callable[[Request], Any]) -> Any:
        return await call_next(request)

    if not inside:
        app.add_middleware(RequestIdMiddleware)
        app.add_middleware(MozlogRequestSummaryLogger)
    app.add_middleware(GZipMiddleware, minimum_size=1)
    app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
    if inside:
        Dockerflow(app, registry=CheckRegistry())
    server = serve(app)
    headers = {"X-Request-ID": "abc", "Accept-Encoding": "gzip"}
    assert server.request("/id", headers=headers).header("Content-Encoding") == "gzip"
    assert server.request("/boom", headers=headers).error is not None
    assert seen(log, "code", "errno", "rid") == [(200, 0, "abc"), (500, 500, "abc")]


# ---------------------------------------------------------------------- where summaries go


@pytest.fixture
def fresh() -> logging.Logger:
    """The logger of the summaries, as in a process that has not served a request."""
    logger = logging.getLogger("request.summary")
    logger.setLevel(logging.NOTSET)
    logger.handlers.clear()
    return logger


def test_output_without_configuration(
    app: FastAPI,
    dockerflow: Dockerflow,
    serve: Serve,
    fresh: logging.Logger,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without any logging configuration, each summary is one line of mozlog on stdout."""
    assert (fresh.level, fresh.handlers) == (logging.NOTSET, [])  # nothing before a request
    server = serve(app)
    for path in ("/", "/id"):
        server.request(path)
    first, second = capsys.readouterr().out.splitlines()
    assert '"path": "/"' in first
    assert '"path": "/id"' in second
    assert fresh.level == logging.INFO


@pytest.mark.parametrize("where", ["", "request", "request.summary"])
@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: logging.StreamHandler(sys.__stderr__), 0),
        (lambda: logging.handlers.SysLogHandler(), 0),
        (lambda: logging.NullHandler(), 1),
        (lambda: logging.StreamHandler(io.StringIO()), 1),
        (lambda: logging.FileHandler(os.devnull), 1),
    ],
    ids=["stderr", "syslog", "null", "string", "devnull"],
)
def test_output_of_an_application_with_logging(
    fresh: logging.Logger,
    serve: Serve,
    capsys: pytest.CaptureFixture[str],
    where: str,
    make: Callable[[], logging.Handler],
    count: int,
) -> None:
    """A handler whose lines somebody sees is enough; one of a test runner is not."""
    handler = make()
    logger = logging.getLogger(where)
    logger.addHandler(handler)
    try:
        serve(MozlogRequestSummaryLogger(hello)).request("/")
    finally:
        logger.removeHandler(handler)
        handler.close()
    assert len(capsys.readouterr().out.splitlines()) == count


def test_own_logger_and_level(app: FastAPI, serve: Serve, fresh: logging.Logger, log: Log) -> None:
    """A logger of one's own gets the summaries, and nothing is set up; a level of one's own stays.

    The middleware that has it may stand inside of another one.
    """
    app.add_middleware(MozlogRequestSummaryLogger, logger=logging.getLogger("mine"))
    app.add_middleware(RequestIdMiddleware)
    serve(app).request("/", headers={"X-Request-ID": "abc"})
    (line,) = log.of("mine")
    assert (line["Fields"]["path"], line["Fields"]["rid"]) == ("/", "abc")
    assert (fresh.level, fresh.handlers) == (logging.NOTSET, [])
    fresh.setLevel(logging.ERROR)
    serve(MozlogRequestSummaryLogger(hello)).request("/")
    assert (fresh.level, log.summaries) == (logging.ERROR, [])


def test_imports() -> None:
    """Importing the adapter imports no library of an extra, and configures no logger."""
    code = (
        "import logging, sys, dockerflow.fastapi\n"
        "print(sorted({'redis', 'sqlalchemy', 'alembic'} & set(sys.modules)))\n"
        "logger = logging.getLogger('request.summary')\n"
        "print(logger.level, logger.handlers)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert (process.stdout, process.stderr) == ("[]\n0 []\n", "")
