"""What only Django has on its servers: files that gunicorn sends by itself, requests cut off."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

import pytest

from tests.servers.test_sockets import SERVERS
from tests.servers.web import ROOT, WebServer

FILE = (ROOT / "tests" / "servers" / "apps" / "django.py").read_bytes()


@pytest.fixture(
    params=["django-gunicorn-sync", "django-gunicorn-gthread", "django-uvicorn"], scope="module"
)
def server(request: pytest.FixtureRequest) -> Iterator[WebServer]:
    """Each server with its application."""
    server = WebServer(SERVERS[request.param][1])
    try:
        server.start()
        yield server
    finally:
        server.close()


def test_file(server: WebServer) -> None:
    """A file arrives whole, by the server's own way of sending it, and is recorded once."""
    for number in range(3):
        answer = server.get("/file", f"file{number}")
        assert answer.endswith(FILE)
        fields = server.summary(f"file{number}")
        assert (fields["code"], fields["errno"]) == (200, 0)


def test_head(server: WebServer) -> None:
    """The answer to HEAD has the length of GET's, and the connection is left in order."""
    answer = server.get("/__heartbeat__", "head", "HEAD")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b""
    assert b"content-length: 0" not in head.lower()
    assert b"content-length: " in head.lower()


def test_client_that_does_not_wait() -> None:
    """Under ASGI a client that goes away before the answer is 499, since Django 5.0."""
    server = WebServer(SERVERS["django-uvicorn"][1])
    try:
        server.start()
        server.connect("/wait", "impatient").close()
        if metadata.version("Django").startswith("4."):
            assert server.lines("impatient") == []
        else:
            fields = server.summary("impatient")
            assert (fields["code"], fields["errno"]) == (499, 0)
    finally:
        server.close()
