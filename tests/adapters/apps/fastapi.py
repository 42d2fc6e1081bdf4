"""The application of the conformance suite, for FastAPI and for Starlette alone."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from dockerflow.fastapi import Dockerflow
from dockerflow.logging import request_id_context
from tests.adapters.harness import ASGIApp, Framework, Options, RunningApp, Teapot

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


def new_fastapi() -> FastAPI:
    """Build FastAPI's application without the extension."""
    app = FastAPI()
    for path, endpoint in GET.items():
        app.add_api_route(path, endpoint, methods=["GET", "HEAD"])
    app.add_api_route("/echo", echo, methods=ANY)
    app.add_exception_handler(Teapot, brew)
    return app


def new_starlette() -> Starlette:
    """Build Starlette's application without the extension."""
    routes = [Route(path, endpoint, methods=["GET"]) for path, endpoint in GET.items()]
    routes.append(Route("/echo", echo, methods=ANY))
    return Starlette(routes=routes, exception_handlers={Teapot: brew})


def create_app(new_app: Callable[[], Starlette], options: Options) -> Starlette:
    """Build an application with the extension."""
    app = new_app()
    for name, value in options.settings.items():
        setattr(app.state, name, value)
    dockerflow = Dockerflow(
        app,
        registry=options.registry(),
        silenced_checks=options.silenced_checks,
        version_path=options.version_path,
    )
    if options.version_callback is not None:
        dockerflow.version_callback(options.version_callback)
    return app


create_fastapi = functools.partial(create_app, new_fastapi)


def start(new_app: Callable[[], Starlette], options: Options) -> RunningApp:
    """Answer requests with an application."""
    return ASGIApp(create_app(new_app, options), lifespan=True)


FRAMEWORKS = tuple(
    Framework(
        name=name,
        start=functools.partial(start, new_app),
        logger="dockerflow.fastapi.views",
        lbheartbeat_body=b'{"status": "ok"}',
        crash_page_has_id=False,
    )
    for name, new_app in (("fastapi", new_fastapi), ("starlette", new_starlette))
)
