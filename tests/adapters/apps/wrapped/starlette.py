"""Starlette's application of the conformance suite; FastAPI's uses its views."""

from __future__ import annotations

import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from dockerflow.logging import request_id_context
from tests.adapters.apps.wrapped.start import asgi
from tests.adapters.harness import Teapot

log = logging.getLogger("app")


def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


def id(request: Request) -> Response:
    log.info("in handler")
    return PlainTextResponse(request_id_context.get() or "")


async def own_id(request: Request) -> Response:
    return PlainTextResponse("hello", headers={"X-Request-ID": "mine", "X-Trace": "mine"})


async def status(request: Request) -> Response:
    code = request.path_params["code"]
    return Response(b"" if code == 204 else b"hello", code)


async def aborted(request: Request) -> Response:
    raise HTTPException(request.path_params["code"])


async def boom(request: Request) -> Response:
    raise RuntimeError("boom")


async def handled(request: Request) -> Response:
    raise Teapot


async def brew(request: Request, error: Exception) -> Response:
    return PlainTextResponse("short and stout", 418)


async def redirected(request: Request) -> Response:
    return RedirectResponse("/", 302)


async def stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[str]:
        for chunk in ("one", "two", "three"):
            log.info(chunk)
            yield chunk

    return StreamingResponse(chunks())


async def stream_fails(request: Request) -> Response:
    def chunks() -> Iterator[str]:  # run in threads
        yield "one"
        raise RuntimeError("cut")

    return StreamingResponse(chunks())


async def endless(request: Request) -> Response:
    return StreamingResponse(itertools.repeat("more" * 16384))


async def echo(request: Request) -> Response:
    return Response(request.method.encode() + b" " + await request.body())


async def cached(request: Request) -> Response:
    return PlainTextResponse("hello", headers={"Cache-Control": "public, max-age=60"})


GET: dict[str, Callable[[Request], Response | Awaitable[Response]]] = {
    "/": hello,
    "/id": id,
    "/own-id": own_id,
    "/status/{code:int}": status,
    "/abort/{code:int}": aborted,
    "/boom": boom,
    "/handled": handled,
    "/redirect": redirected,
    "/stream": stream,
    "/stream-fails": stream_fails,
    "/endless": endless,
    "/cached": cached,
}
ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def new_starlette() -> Starlette:
    """Build the application without the extension."""
    routes = [Route(path, endpoint, methods=["GET"]) for path, endpoint in GET.items()]
    routes.append(Route("/echo", echo, methods=ANY))
    return Starlette(routes=routes, exception_handlers={Teapot: brew})


FRAMEWORKS = (asgi("starlette", new_starlette),)
