"""The routes of the conformance suite without a framework, for a bare WSGI or ASGI callable."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator

from dockerflow.logging import request_id_context
from tests.adapters.harness import Teapot

log = logging.getLogger("app")

Response = tuple[int, dict[str, str], Iterable[bytes]]
"""The status, the headers and the body of a response."""


class Abort(Exception):
    """An exception that stands for the status in it."""


def respond(method: str, path: str, body: bytes) -> Response:
    """Answer a request, and handle exceptions as a framework does."""
    if method not in ("GET", "HEAD") and path != "/echo":
        return 405, {"Allow": "GET, HEAD"}, [b"method not allowed"]
    try:
        return route(method, path, body)
    except Abort as error:
        return error.args[0], {}, [b"aborted"]
    except Teapot:
        return 418, {}, [b"short and stout"]


def route(method: str, path: str, body: bytes) -> Response:
    match path.split("/")[1:]:
        case [""]:
            return 200, {}, [b"hello"]
        case ["id"]:
            log.info("in handler")
            return 200, {}, [(request_id_context.get() or "").encode()]
        case ["own-id"]:
            return 200, {"X-Request-ID": "mine", "X-Trace": "mine"}, [b"hello"]
        case ["status", code]:
            return int(code), {}, [b"" if code == "204" else b"hello"]
        case ["abort", code]:
            raise Abort(int(code))
        case ["boom"]:
            raise RuntimeError("boom")
        case ["handled"]:
            raise Teapot
        case ["redirect"]:
            return 302, {"Location": "/"}, [b""]
        case ["stream"]:
            return 200, {}, stream()
        case ["stream-fails"]:
            return 200, {}, stream_fails()
        case ["endless"]:
            return 200, {}, itertools.repeat(b"more" * 16384)
        case ["echo"]:
            return 200, {}, [method.encode() + b" " + body]
        case ["cached"]:
            return 200, {"Cache-Control": "public, max-age=60"}, [b"hello"]
        case _:
            return 404, {}, [b"not found"]


def stream() -> Iterator[bytes]:
    for chunk in ("one", "two", "three"):
        log.info(chunk)
        yield chunk.encode()


def stream_fails() -> Iterator[bytes]:
    yield b"one"
    raise RuntimeError("cut")
