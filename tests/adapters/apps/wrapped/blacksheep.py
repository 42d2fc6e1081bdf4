"""BlackSheep's application of the conformance suite."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from blacksheep import (
    Application,
    Content,
    Request,
    Response,
    Router,
    StreamedContent,
    redirect,
    text,
)
from blacksheep.exceptions import HTTPException

from dockerflow.logging import request_id_context
from tests.adapters.apps.wrapped.start import asgi
from tests.adapters.harness import Teapot

log = logging.getLogger("app")
HELLO = Content(b"text/plain", b"hello")


async def hello(request: Request) -> Response:
    return text("hello")


async def id(request: Request) -> Response:
    log.info("in handler")
    return text(request_id_context.get() or "")


async def own_id(request: Request) -> Response:
    return Response(200, [(b"X-Request-ID", b"mine"), (b"X-Trace", b"mine")], HELLO)


async def status(request: Request, code: int) -> Response:
    return Response(code) if code == 204 else text("hello", code)


async def aborted(request: Request, code: int) -> Response:
    raise HTTPException(code)


async def boom(request: Request) -> Response:
    raise RuntimeError("boom")


async def handled(request: Request) -> Response:
    raise Teapot


async def brew(app: Application, request: Request, error: Exception) -> Response:
    return text("short and stout", 418)


async def redirected(request: Request) -> Response:
    return redirect("/")


async def stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in ("one", "two", "three"):
            log.info(chunk)
            yield chunk.encode()

    return Response(200, content=StreamedContent(b"text/plain", chunks))


async def stream_fails(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        raise RuntimeError("cut")

    return Response(200, content=StreamedContent(b"text/plain", chunks))


async def endless(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield b"more" * 16384

    return Response(200, content=StreamedContent(b"text/plain", chunks))


async def echo(request: Request) -> Response:
    body = request.method.encode() + b" " + (await request.read() or b"")
    return Response(200, content=Content(b"text/plain", body))


async def cached(request: Request) -> Response:
    return Response(200, [(b"Cache-Control", b"public, max-age=60")], HELLO)


GET: dict[str, Callable[..., Any]] = {
    "/": hello,
    "/id": id,
    "/own-id": own_id,
    "/status/{code}": status,
    "/abort/{code}": aborted,
    "/boom": boom,
    "/handled": handled,
    "/redirect": redirected,
    "/stream": stream,
    "/stream-fails": stream_fails,
    "/endless": endless,
    "/cached": cached,
}


def new_app() -> Application:
    """Build the application without the extension."""
    app = Application(router=Router())
    for path, handler in GET.items():
        for method in ("GET", "HEAD"):
            app.router.add(method, path, handler)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        app.router.add(method, "/echo", echo)
    app.exceptions_handlers[Teapot] = brew
    return app


FRAMEWORKS = (asgi("blacksheep", new_app, propagates=False, wrong_method_status=404),)
