"""Each adapter on each of its common servers."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from importlib import metadata

import pytest

from tests.servers.web import WebServer

UVICORN = ("-m", "uvicorn", "--port", "{port}", "--backlog", "4096", "--no-access-log", "--http")
GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--backlog", "4096", "--threads")
APPS = "tests.servers.apps"

# Each name begins with the framework's.
SERVERS = {
    "flask-gunicorn-sync": (*GUNICORN, "1", f"{APPS}.flask:app"),
    "flask-gunicorn-gthread": (*GUNICORN, "8", f"{APPS}.flask:app"),
    "django-gunicorn-sync": (*GUNICORN, "1", f"{APPS}.django:wsgi()"),
    "django-gunicorn-gthread": (*GUNICORN, "8", f"{APPS}.django:wsgi()"),
    "django-uvicorn": (*UVICORN, "auto", "--factory", f"{APPS}.django:asgi"),
    "sanic": ("-m", f"{APPS}.sanic", "{port}"),
    "fastapi-uvicorn-h11": (*UVICORN, "h11", f"{APPS}.fastapi:app"),
    "fastapi-uvicorn-httptools": (*UVICORN, "httptools", f"{APPS}.fastapi:app"),
}


def installed() -> list[str]:
    """Return the servers whose adapters are installed.

    Under ASGI Django before 5.0 does not notice that a client has gone, and streams forever.
    """
    return [
        name
        for name in SERVERS
        if importlib.util.find_spec(f"dockerflow.{name.partition('-')[0]}") is not None
        and not (name == "django-uvicorn" and metadata.version("Django").startswith("4."))
    ]


@pytest.fixture(params=installed(), scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[WebServer]:
    """Each server with its application."""
    with contextlib.closing(WebServer(SERVERS[request.param])) as server:
        server.start()
        yield server
