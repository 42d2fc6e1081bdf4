"""Pyramid's application of the conformance suite."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPFound, exception_response
from pyramid.request import Request
from pyramid.response import Response

from dockerflow.logging import request_id_context
from tests.adapters.apps.wrapped.start import wsgi
from tests.adapters.harness import Teapot

log = logging.getLogger("app")


def hello(request: Request) -> Response:
    return Response(b"hello")


def id(request: Request) -> Response:
    log.info("in handler")
    return Response((request_id_context.get() or "").encode())


def own_id(request: Request) -> Response:
    headers = [("X-Request-ID", "mine"), ("X-Trace", "mine")]
    return Response(b"hello", headerlist=[*headers, ("Content-Type", "text/plain")])


def status(request: Request) -> Response:
    return Response(b"hello", status=int(request.matchdict["code"]))


def aborted(request: Request) -> Response:
    raise exception_response(int(request.matchdict["code"]))


def boom(request: Request) -> Response:
    raise RuntimeError("boom")


def handled(request: Request) -> Response:
    raise Teapot


def brew(error: Teapot, request: Request) -> Response:
    return Response(b"short and stout", status=418)


def redirected(request: Request) -> Response:
    return HTTPFound("/")


def stream(request: Request) -> Response:
    def chunks() -> Iterator[bytes]:
        for chunk in ("one", "two", "three"):
            log.info(chunk)
            yield chunk.encode()

    return Response(app_iter=chunks())


def stream_fails(request: Request) -> Response:
    def chunks() -> Iterator[bytes]:
        yield b"one"
        raise RuntimeError("cut")

    return Response(app_iter=chunks())


def endless(request: Request) -> Response:
    return Response(app_iter=itertools.repeat(b"more" * 16384))


def echo(request: Request) -> Response:
    return Response(request.method.encode() + b" " + request.body_file.read())


def cached(request: Request) -> Response:
    return Response(b"hello", cache_control="public, max-age=60")


VIEWS: dict[str, Callable[[Request], Response]] = {
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
    "/echo": echo,
    "/cached": cached,
}


ANY = ("GET", "POST", "PUT", "PATCH", "DELETE")


def new_app() -> Any:
    """Build the application without the extension."""
    with Configurator() as config:
        for path, view in VIEWS.items():
            config.add_route(path, path)
            methods = ANY if path == "/echo" else "GET"
            config.add_view(view, route_name=path, request_method=methods)
        config.add_exception_view(brew, context=Teapot)
        return config.make_wsgi_app()


FRAMEWORKS = (wsgi("pyramid", new_app, wrong_method_status=404),)
