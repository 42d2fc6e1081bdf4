"""Quart's application of the conformance suite."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

from quart import Quart, Response, abort, redirect, request

from dockerflow.logging import request_id_context
from tests.adapters.apps.wrapped.start import asgi
from tests.adapters.harness import Teapot

log = logging.getLogger("app")


def new_app() -> Quart:
    """Build the application without the extension."""
    app = Quart(__name__)

    @app.get("/")
    async def hello() -> str:
        return "hello"

    @app.get("/id")
    async def id() -> str:
        log.info("in handler")
        return request_id_context.get() or ""

    @app.get("/own-id")
    async def own_id() -> Any:
        return "hello", 200, {"X-Request-ID": "mine", "X-Trace": "mine"}

    @app.get("/status/<int:code>")
    async def status(code: int) -> Any:
        return "hello", code

    @app.get("/abort/<int:code>")
    async def aborted(code: int) -> Any:
        abort(code)

    @app.get("/boom")
    async def boom() -> Any:
        raise RuntimeError("boom")

    @app.get("/handled")
    async def handled() -> Any:
        raise Teapot

    @app.errorhandler(Teapot)
    async def brew(error: Teapot) -> Any:
        return "short and stout", 418

    @app.get("/redirect")
    async def redirected() -> Any:
        return redirect("/", 302)

    @app.get("/stream")
    async def stream() -> Response:
        async def chunks() -> AsyncIterator[str]:
            for chunk in ("one", "two", "three"):
                log.info(chunk)
                yield chunk

        return Response(chunks())

    @app.get("/stream-fails")
    async def stream_fails() -> Response:
        async def chunks() -> AsyncIterator[str]:
            yield "one"
            raise RuntimeError("cut")

        return Response(chunks())

    @app.get("/endless")
    async def endless() -> Response:
        async def chunks() -> AsyncIterator[str]:
            while True:
                yield "more" * 16384

        return Response(chunks())

    @app.route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def echo() -> bytes:
        body: Any = await request.get_data()
        return f"{request.method} ".encode() + bytes(body)

    @app.get("/cached")
    async def cached() -> Any:
        return "hello", 200, {"Cache-Control": "public, max-age=60"}

    return app


FRAMEWORKS = (asgi("quart", new_app, propagates=False),)
