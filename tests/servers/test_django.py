"""Django on its servers only: files that gunicorn sends by itself, aborted requests."""

from __future__ import annotations

from importlib import metadata

import pytest

from tests.servers.web import ROOT, WebServer

FILE = (ROOT / "tests" / "servers" / "apps" / "django.py").read_bytes()


@pytest.mark.parametrize(
    "server",
    ["django-gunicorn-sync", "django-gunicorn-gthread", "django-uvicorn"],
    indirect=True,
    scope="module",
)
def test_file(server: WebServer) -> None:
    """A file arrives whole, sent by the server's own method, and is recorded once."""
    for number in range(3):
        answer = server.get("/file", f"file{number}")
        assert answer.endswith(FILE)
        fields = server.summary(f"file{number}")
        assert (fields["code"], fields["errno"]) == (200, 0)


@pytest.mark.parametrize("server", ["django-uvicorn"], indirect=True, scope="module")
def test_client_that_does_not_wait(server: WebServer) -> None:
    """Under ASGI a client that disconnects before the answer is 499, since Django 5.0."""
    server.connect("/wait", "impatient").close()
    if metadata.version("Django").startswith("4."):
        assert server.lines("impatient") == []
    else:
        fields = server.summary("impatient")
        assert (fields["code"], fields["errno"]) == (499, 0)
