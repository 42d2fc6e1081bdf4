"""How requests to Sanic end under ASGI."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from sanic import HTTPResponse
from sanic.exceptions import SanicException
from sanic.response import text

from dockerflow.checks import CheckRegistry
from dockerflow.logging import request_id_context
from dockerflow.sanic import Dockerflow
from tests.adapters.apps.sanic import SanicASGIApp
from tests.adapters.conftest import Log
from tests.adapters.sanic import (
    AnyRequest,
    AnySanic,
    asgi_scope,
    new_app,
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


def test_asgi_client_goes_away(app: AnySanic, dockerflow: Dockerflow, log: Log) -> None:
    """Under ASGI a disconnect that the application has received is 499."""

    @app.post("/upload")
    async def upload(request: AnyRequest) -> HTTPResponse:
        return text("thanks")

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[dict[str, Any]] = []
    running = SanicASGIApp(app)
    try:
        scope = asgi_scope("/upload", "POST")
        running.submit(app(scope, receive, send)).result(30)
    finally:
        running.close()
    assert (log.summary["code"], log.summary["errno"]) == (499, 0)


def test_asgi_request_cancelled(app: AnySanic, dockerflow: Dockerflow, log: Log) -> None:
    """Under ASGI a request whose task is cancelled is 499, and stays cancelled."""
    running = threading.Event()

    @app.get("/slow")
    async def slow(request: AnyRequest) -> HTTPResponse:
        running.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        raise AssertionError

    async def cancelled() -> bool:
        task = asyncio.create_task(app(asgi_scope("/slow"), receive, send))
        await asyncio.to_thread(running.wait, 30)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    server = SanicASGIApp(app)
    try:
        assert server.submit(cancelled()).result(30)
    finally:
        server.close()
    assert (log.summary["code"], log.summary["errno"]) == (499, 0)


def test_asgi_websocket(app: AnySanic, dockerflow: Dockerflow, log: Log) -> None:
    """Under ASGI, too, a websocket has an id and no summary."""

    async def echo(request: AnyRequest, ws: Any) -> None:
        await ws.send(f"{request.ctx.id} {request_id_context.get()}")

    app.add_websocket_route(echo, "/ws")

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    sent: list[dict[str, Any]] = []
    scope = {**asgi_scope("/ws"), "type": "websocket", "subprotocols": []}
    scope["headers"] = [(b"x-request-id", b"abc")]
    server = SanicASGIApp(app)
    try:
        server.submit(app(scope, receive, send)).result(30)
    finally:
        server.close()
    assert "abc abc" in [message.get("text") for message in sent]
    assert log.summaries == []


@pytest.mark.parametrize("path", [b"/\xff", b"*", b"http://[", b"", b"http://localhost"])
def test_asgi_paths_that_are_none(
    app: AnySanic, dockerflow: Dockerflow, log: Log, path: bytes
) -> None:
    """A path that Sanic can't read is its own affair: it is recorded as it came, if at all."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    sent: list[dict[str, Any]] = []
    server = SanicASGIApp(app)
    scope = {**asgi_scope("/"), "raw_path": path}
    try:
        server.submit(app(scope, receive, send)).result(30)
    except SanicException:
        assert log.summaries == []  # no request came of it
    else:
        assert log.summary["path"] == path.decode("utf-8", "backslashreplace")
        assert log.summary["code"] == sent[0]["status"]
    finally:
        server.close()
    assert log.of("dockerflow.sanic") == []
