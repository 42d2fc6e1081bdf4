"""Litestar's application of the conformance suite."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

from litestar import HttpMethod, Litestar, Request, Response, route
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response import Redirect, Stream

from dockerflow.logging import request_id_context
from tests.adapters.apps.wrapped.start import asgi
from tests.adapters.harness import Teapot

log = logging.getLogger("app")
GET = [HttpMethod.GET, HttpMethod.HEAD]
ANY = [HttpMethod.GET, HttpMethod.POST, HttpMethod.PUT, HttpMethod.PATCH, HttpMethod.DELETE]


@route("/", http_method=GET, media_type="text/plain")
async def hello() -> str:
    return "hello"


@route("/id", http_method=GET, media_type="text/plain")
async def id() -> str:
    log.info("in handler")
    return request_id_context.get() or ""


@route("/own-id", http_method=GET, media_type="text/plain")
async def own_id() -> Response[str]:
    return Response("hello", headers={"X-Request-ID": "mine", "X-Trace": "mine"})


@route("/status/{code:int}", http_method=GET, media_type="text/plain")
async def status(code: FromPath[int]) -> Response[Any]:
    return Response(None if code == 204 else "hello", status_code=code)


@route("/abort/{code:int}", http_method=GET)
async def aborted(code: FromPath[int]) -> None:
    raise HTTPException(status_code=code)


@route("/boom", http_method=GET)
async def boom() -> None:
    raise RuntimeError("boom")


@route("/handled", http_method=GET)
async def handled() -> None:
    raise Teapot


def brew(request: Request[Any, Any, Any], error: Teapot) -> Response[str]:
    return Response("short and stout", status_code=418)


@route("/redirect", http_method=GET, status_code=302)
async def redirected() -> Redirect:
    return Redirect("/", status_code=302)


@route("/stream", http_method=GET)
async def stream() -> Stream:
    async def chunks() -> AsyncIterator[str]:
        for chunk in ("one", "two", "three"):
            log.info(chunk)
            yield chunk

    return Stream(chunks())


@route("/stream-fails", http_method=GET)
async def stream_fails() -> Stream:
    async def chunks() -> AsyncIterator[str]:
        yield "one"
        raise RuntimeError("cut")

    return Stream(chunks())


@route("/endless", http_method=GET)
async def endless() -> Stream:
    async def chunks() -> AsyncIterator[str]:
        while True:
            yield "more" * 16384

    return Stream(chunks())


@route("/echo", http_method=ANY, status_code=200, media_type="text/plain")
async def echo(request: Request[Any, Any, Any]) -> bytes:
    return f"{request.method} ".encode() + bytes(await request.body())


@route("/cached", http_method=GET, media_type="text/plain")
async def cached() -> Response[str]:
    return Response("hello", headers={"Cache-Control": "public, max-age=60"})


PAGES = [hello, id, own_id, status, aborted, boom, handled, redirected, stream, stream_fails]
PAGES += [endless, echo, cached]


def new_app() -> Litestar:
    """Build the application without the extension."""
    # By default it replaces the root logging configuration.
    handlers: Any = {Teapot: brew}
    return Litestar(PAGES, exception_handlers=handlers, openapi_config=None, logging_config=None)


CUT = "Exception caught after response started"
FRAMEWORKS = (asgi("litestar", new_app, propagates=False, cut_message=CUT),)
