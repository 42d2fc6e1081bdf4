"""Servers for the applications of these tests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.servers.web import WebServer

Serve = Callable[..., WebServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers, given arguments of ``python`` with ``{port}``, and environment variables."""
    with contextlib.ExitStack() as stack:

        def start(*words: str, **environ: str) -> WebServer:
            server = stack.enter_context(contextlib.closing(WebServer(words)))
            server.environ.update(environ)
            server.start()
            return server

        yield start
