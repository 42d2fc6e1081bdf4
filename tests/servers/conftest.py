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
WAITRESS = ("-m", "waitress", "--listen", "127.0.0.1:{port}", "--threads", "8")
UWSGI = (
    *("-c", "import sys, pyuwsgi; pyuwsgi.run(sys.argv[1:])", "--http-socket", "127.0.0.1:{port}"),
    *("--threads", "8", "--listen", "1000", "--need-app", "--die-on-term", "--disable-logging"),
)
HYPERCORN = ("-m", "hypercorn", "--bind", "127.0.0.1:{port}", "--backlog", "4096", "--worker-class")
GRANIAN = ("-m", "granian", "--port", "{port}", "--backlog", "4096", "--interface")
DAPHNE = ("-m", "daphne", "-b", "127.0.0.1", "-p", "{port}")
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
    "wsgi-gunicorn-sync": (*GUNICORN, "1", f"{APPS}.wsgi:app"),
    "wsgi-gunicorn-gthread": (*GUNICORN, "8", f"{APPS}.wsgi:app"),
    "wsgi-waitress": (*WAITRESS, f"{APPS}.wsgi:app"),
    "wsgi-uwsgi": (*UWSGI, "--module", f"{APPS}.wsgi:app"),
    "wsgi-granian": (*GRANIAN, "wsgi", f"{APPS}.wsgi:app"),
    "asgi-uvicorn-h11": (*UVICORN, "h11", f"{APPS}.asgi:app"),
    "asgi-uvicorn-httptools": (*UVICORN, "httptools", f"{APPS}.asgi:app"),
    "asgi-hypercorn-asyncio": (*HYPERCORN, "asyncio", f"{APPS}.asgi:app"),
    "asgi-hypercorn-trio": (*HYPERCORN, "trio", f"{APPS}.asgi:app"),
    "asgi-granian": (*GRANIAN, "asgi", f"{APPS}.asgi:app"),
    "asgi-daphne": (*DAPHNE, f"{APPS}.asgi:app"),
}

# They keep the connection open after a stream, or after one that fails; test_asgi.py tests them.
NOT_CLOSING = ("asgi-hypercorn-trio", "asgi-daphne")

# The modules behind the parts of a name, if they have another name.
NEEDED = {
    "wsgi": "falcon",
    "asgi": "starlette",
    "uwsgi": "pyuwsgi",
    "sync": "gunicorn",
    "gthread": "gunicorn",
}


def modules_of(name: str) -> list[str]:
    """Return the modules that a server needs."""
    parts = name.split("-")
    return [f"dockerflow.{parts[0]}", *(NEEDED.get(part, part) for part in parts)]


def installed() -> list[str]:
    """Return the servers that are installed together with their adapters.

    Under ASGI Django before 5.0 does not notice that a client has gone, and streams forever.
    """
    return [
        name
        for name in SERVERS
        if all(map(importlib.util.find_spec, modules_of(name)))
        and not (name == "django-uvicorn" and metadata.version("Django").startswith("4."))
    ]


@pytest.fixture(params=[each for each in installed() if each not in NOT_CLOSING], scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[WebServer]:
    """Each server with its application."""
    with contextlib.closing(WebServer(SERVERS[request.param])) as server:
        server.start()
        yield server
