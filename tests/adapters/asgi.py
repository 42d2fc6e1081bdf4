"""Small ASGI applications, of FastAPI and of none, and what serves them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any

from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from dockerflow.fastapi.middleware import MozlogRequestSummaryLogger, RequestIdMiddleware
from dockerflow.logging import request_id_context
from tests.adapters.conftest import Log
from tests.adapters.harness import ASGIApp

Application = Callable[..., Any]
Serve = Callable[[Application], ASGIApp]

START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}


def create_app() -> FastAPI:
    """Build an application without any extension."""
    app = FastAPI()

    @app.get("/")
    def hello() -> str:
        return "hello"

    @app.get("/id")
    def id() -> Any:
        return request_id_context.get()

    @app.get("/boom")
    async def boom() -> None:
        raise RuntimeError("boom")

    return app


@contextlib.contextmanager
def serving() -> Generator[Serve]:
    """Serve applications as a server does, until the end."""
    with contextlib.ExitStack() as stack:

        def serve(app: Application) -> ASGIApp:
            return stack.enter_context(contextlib.closing(ASGIApp(app)))

        yield serve


def seen(log: Log, *names: str) -> list[tuple[Any, ...]]:
    """Return some fields of each summary."""
    return [tuple(fields[name] for name in names) for fields in log.summaries]


def http_scope(**fields: Any) -> dict[str, Any]:
    """Return the scope of a request, with what the ASGI specification asks for at least."""
    return {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [],
    } | fields


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer like an application of no framework."""
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"hello"})


def stacked(app: Application) -> Application:
    """Lay both middlewares around an application."""
    return RequestIdMiddleware(MozlogRequestSummaryLogger(app))
