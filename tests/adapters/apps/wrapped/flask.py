"""Flask's application of the conformance suite."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, abort, redirect, request, stream_with_context
from werkzeug.wrappers import Response as BaseResponse

from dockerflow.logging import request_id_context
from tests.adapters.apps.wrapped.start import wsgi
from tests.adapters.harness import Teapot

log = logging.getLogger("app")


def new_app() -> Flask:
    """Build an application without the extension."""
    app = Flask(__name__)

    @app.get("/")
    def hello() -> str:
        return "hello"

    @app.get("/id")
    def id() -> str:
        log.info("in handler")
        return request_id_context.get() or ""

    @app.get("/own-id")
    def own_id() -> Any:
        return "hello", 200, {"X-Request-ID": "mine", "X-Trace": "mine"}

    @app.get("/status/<int:code>")
    def status(code: int) -> Any:
        return "hello", code

    @app.get("/abort/<int:code>")
    def aborted(code: int) -> Any:
        abort(code)

    @app.get("/boom")
    def boom() -> Any:
        raise RuntimeError("boom")

    @app.get("/handled")
    def handled() -> Any:
        raise Teapot

    @app.errorhandler(Teapot)
    def brew(error: Teapot) -> Any:
        return "short and stout", 418

    @app.get("/redirect")
    def redirected() -> BaseResponse:
        return redirect("/", 302)  # Flask 3.2 would default to 303

    @app.get("/stream")
    def stream() -> Response:
        def chunks() -> Iterator[str]:
            for chunk in ("one", "two", "three"):
                assert request.path == "/stream"
                log.info(chunk)
                yield chunk

        return Response(stream_with_context(chunks()))

    @app.get("/stream-fails")
    def stream_fails() -> Response:
        def chunks() -> Iterator[str]:
            yield "one"
            raise RuntimeError("cut")

        return Response(chunks())

    @app.get("/endless")
    def endless() -> Response:
        return Response(itertools.repeat("more" * 16384))

    @app.route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def echo() -> bytes:
        return request.method.encode() + b" " + request.get_data()

    @app.get("/cached")
    def cached() -> Any:
        return "hello", 200, {"Cache-Control": "public, max-age=60"}

    return app


FRAMEWORKS = (wsgi("flask", new_app, propagates=False),)
