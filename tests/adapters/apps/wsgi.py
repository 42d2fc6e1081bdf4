"""A bare WSGI callable of the conformance suite, and the installed frameworks."""

from __future__ import annotations

from collections.abc import Iterable
from http.client import responses
from typing import TYPE_CHECKING

from tests.adapters.apps.bare import respond
from tests.adapters.apps.wrapped import installed
from tests.adapters.apps.wrapped.start import wsgi

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


def bare(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer without a framework: https://peps.python.org/pep-3333/."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    received = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    status, headers, body = respond(method, path, received)
    start_response(f"{status} {responses[status]}", list(headers.items()))
    return [] if method == "HEAD" else body


FRAMEWORKS = (wsgi("bare", lambda: bare), *installed("wsgi"))
