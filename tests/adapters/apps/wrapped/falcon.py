"""Falcon's applications of the conformance suite, for WSGI and for ASGI."""

from __future__ import annotations

import itertools
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import falcon
import falcon.asgi

from dockerflow.logging import request_id_context
from tests.adapters.apps.wrapped.start import asgi, wsgi
from tests.adapters.harness import Teapot

log = logging.getLogger("app")


def hello(request: falcon.Request, response: falcon.Response) -> None:
    response.text = "hello"


def id(request: falcon.Request, response: falcon.Response) -> None:
    log.info("in handler")
    response.text = request_id_context.get() or ""


def own_id(request: falcon.Request, response: falcon.Response) -> None:
    response.text = "hello"
    response.set_headers({"X-Request-ID": "mine", "X-Trace": "mine"})


def status(request: falcon.Request, response: falcon.Response, code: int) -> None:
    response.status, response.text = code, "hello"


def aborted(request: falcon.Request, response: falcon.Response, code: int) -> None:
    raise falcon.HTTPError(code)


def boom(request: falcon.Request, response: falcon.Response) -> None:
    raise RuntimeError("boom")


def handled(request: falcon.Request, response: falcon.Response) -> None:
    raise Teapot


def brew(request: falcon.Request, response: falcon.Response, error: Any, parameters: Any) -> None:
    response.status, response.text = 418, "short and stout"


def redirected(request: falcon.Request, response: falcon.Response) -> None:
    raise falcon.HTTPFound("/")


def stream(request: falcon.Request, response: falcon.Response) -> None:
    def chunks() -> Iterator[bytes]:
        for chunk in ("one", "two", "three"):
            log.info(chunk)
            yield chunk.encode()

    response.stream = chunks()


def stream_fails(request: falcon.Request, response: falcon.Response) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"one"
        raise RuntimeError("cut")

    response.stream = chunks()


def endless(request: falcon.Request, response: falcon.Response) -> None:
    response.stream = itertools.repeat(b"more" * 16384)


def echo(request: falcon.Request, response: falcon.Response) -> None:
    response.data = request.method.encode() + b" " + request.bounded_stream.read()


async def echo_async(request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
    response.data = request.method.encode() + b" " + await request.bounded_stream.read()


def cached(request: falcon.Request, response: falcon.Response) -> None:
    response.text = "hello"
    response.set_header("Cache-Control", "public, max-age=60")


GET: dict[str, Callable[..., None]] = {
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
ANY = ("get", "post", "put", "patch", "delete")


class Resource:
    """A resource with one responder for all the given methods."""

    def __init__(self, responder: Callable[..., Any], *methods: str) -> None:
        for method in methods:
            setattr(self, f"on_{method}", responder)


def asynchronous(responder: Callable[..., None]) -> Callable[..., Any]:
    async def chunks(iterator: Iterator[bytes]) -> AsyncIterator[bytes]:
        for chunk in iterator:
            yield chunk

    async def respond(
        request: falcon.asgi.Request, response: falcon.asgi.Response, **parameters: Any
    ) -> None:
        responder(request, response, **parameters)
        stream: Any = response.stream
        if isinstance(stream, Iterator):
            response.stream = chunks(stream)

    return respond


def new_wsgi() -> falcon.App[Any, Any]:
    """Build the application for WSGI, without the extension."""
    app = falcon.App()
    for path, responder in GET.items():
        app.add_route(path, Resource(responder, "get", "head"))
    app.add_route("/echo", Resource(echo, *ANY))
    app.add_error_handler(Teapot, brew)
    return app


def new_asgi() -> falcon.asgi.App[Any, Any]:
    """Build the application for ASGI, without the extension."""
    app = falcon.asgi.App()
    for path, responder in GET.items():
        app.add_route(path, Resource(asynchronous(responder), "get", "head"))
    app.add_route("/echo", Resource(echo_async, *ANY))

    async def brew_async(*arguments: Any, **rest: Any) -> None:
        brew(*arguments)

    app.add_error_handler(Teapot, brew_async)
    return app


FRAMEWORKS = (
    wsgi("falcon", new_wsgi, propagates=False, crash_page_has_id=True),
    asgi("falcon", new_asgi, propagates=False),
)
