"""CherryPy's application of the conformance suite, in a tree of its own."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Iterator
from typing import Any

import cherrypy

from dockerflow.logging import request_id_context
from tests.adapters.apps.wrapped.start import wsgi
from tests.adapters.harness import Teapot

log = logging.getLogger("app")
STREAMED = {"response.stream": True}


def brew() -> None:
    """Respond to an exception that no page has handled."""
    if isinstance(sys.exc_info()[1], Teapot):
        cherrypy.response.status, cherrypy.response.body = 418, [b"short and stout"]
    else:
        cherrypy.HTTPError(500).set_response()


class Pages:
    """The pages: one method each; its arguments are the rest of the path."""

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["GET", "HEAD"])
    def index(self, **query: str) -> str:
        return "hello"

    @cherrypy.expose
    def id(self) -> str:
        log.info("in handler")
        return request_id_context.get() or ""

    @cherrypy.expose
    def own_id(self) -> str:
        cherrypy.response.headers.update({"X-Request-ID": "mine", "X-Trace": "mine"})
        return "hello"

    @cherrypy.expose
    def status(self, code: str) -> str:
        cherrypy.response.status = int(code)
        return "hello"

    @cherrypy.expose
    def abort(self, code: str) -> Any:
        raise cherrypy.HTTPError(int(code))

    @cherrypy.expose
    def boom(self) -> Any:
        raise RuntimeError("boom")

    @cherrypy.expose
    def handled(self) -> Any:
        raise Teapot

    @cherrypy.expose
    def redirect(self) -> Any:
        raise cherrypy.HTTPRedirect("/", 302)

    @cherrypy.expose
    @cherrypy.config(**STREAMED)
    def stream(self) -> Iterator[bytes]:
        for chunk in ("one", "two", "three"):
            log.info(chunk)
            yield chunk.encode()

    @cherrypy.expose
    @cherrypy.config(**STREAMED)
    def stream_fails(self) -> Iterator[bytes]:
        yield b"one"
        raise RuntimeError("cut")

    @cherrypy.expose
    @cherrypy.config(**STREAMED)
    def endless(self) -> Iterator[bytes]:
        yield from itertools.repeat(b"more" * 16384)

    @cherrypy.expose
    def echo(self) -> bytes:
        request = cherrypy.request
        body: bytes = request.body.read() if request.process_request_body else b""
        return str(request.method).encode() + b" " + body

    @cherrypy.expose
    def cached(self) -> str:
        cherrypy.response.headers["Cache-Control"] = "public, max-age=60"
        return "hello"


def new_app() -> Any:
    """Build the application without the extension."""
    tree = type(cherrypy.tree)()
    mounted = tree.mount(Pages(), "", {"/": {"request.error_response": brew}})
    mounted.log.screen = False
    mounted.log.access_log.disabled = True  # the summaries are enough
    return tree


FRAMEWORKS = (wsgi("cherrypy", new_app, propagates=False, crash_page_has_id=True),)
