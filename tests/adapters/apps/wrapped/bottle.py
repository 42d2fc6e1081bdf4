"""Bottle's application of the conformance suite."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import bottle

from dockerflow.logging import request_id_context
from tests.adapters.apps.wrapped.start import wsgi
from tests.adapters.harness import Teapot

log = logging.getLogger("app")


def brewing(view: Callable[..., Any]) -> Callable[..., Any]:
    """Handle the application's own exception, as a Bottle plug-in."""

    def call(*arguments: Any, **parameters: Any) -> Any:
        try:
            return view(*arguments, **parameters)
        except Teapot:
            return bottle.HTTPResponse("short and stout", 418)

    return call


def new_app() -> bottle.Bottle:
    """Build the application without the extension."""
    app = bottle.Bottle()
    app.install(brewing)

    @app.get("/")
    def hello() -> str:
        return "hello"

    @app.get("/id")
    def id() -> str:
        log.info("in handler")
        return request_id_context.get() or ""

    @app.get("/own-id")
    def own_id() -> Any:
        return bottle.HTTPResponse("hello", headers={"X-Request-ID": "mine", "X-Trace": "mine"})

    @app.get("/status/<code:int>")
    def status(code: int) -> Any:
        bottle.response.status = code
        return "hello"

    @app.get("/abort/<code:int>")
    def aborted(code: int) -> Any:
        bottle.abort(code)

    @app.get("/boom")
    def boom() -> Any:
        raise RuntimeError("boom")

    @app.get("/handled")
    def handled() -> Any:
        raise Teapot

    @app.get("/redirect")
    def redirected() -> Any:
        bottle.redirect("/", 302)

    @app.get("/stream")
    def stream() -> Iterator[str]:
        for chunk in ("one", "two", "three"):
            log.info(chunk)
            yield chunk

    @app.get("/stream-fails")
    def stream_fails() -> Iterator[str]:
        yield "one"
        raise RuntimeError("cut")

    @app.get("/endless")
    def endless() -> Iterator[str]:
        yield from itertools.repeat("more" * 16384)

    @app.route("/echo", method=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def echo() -> Any:
        return bottle.request.method.encode() + b" " + bottle.request.body.read()

    @app.get("/cached")
    def cached() -> Any:
        return bottle.HTTPResponse("hello", headers={"Cache-Control": "public, max-age=60"})

    return app


FRAMEWORKS = (wsgi("bottle", new_app, propagates=False, crash_page_has_id=True),)
