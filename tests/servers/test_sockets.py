"""Each adapter on each of its servers: whatever clients do, one summary for each request."""

from __future__ import annotations

import asyncio
import importlib.util
from collections import Counter
from collections.abc import Iterator
from importlib import metadata

import pytest

from tests.servers.web import WebServer, storm

UVICORN = ("-m", "uvicorn", "--port", "{port}", "--backlog", "4096", "--no-access-log", "--http")
GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--backlog", "4096")

# By name: the distribution's framework, and the words behind `python`.
SERVERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "flask-gunicorn-sync": ("flask", (*GUNICORN, "tests.servers.apps.flask:app")),
    "flask-gunicorn-gthread": (
        "flask",
        (*GUNICORN, "--threads", "8", "tests.servers.apps.flask:app"),
    ),
    "django-gunicorn-sync": ("django", (*GUNICORN, "tests.servers.apps.django:wsgi()")),
    "django-gunicorn-gthread": (
        "django",
        (*GUNICORN, "--threads", "8", "tests.servers.apps.django:wsgi()"),
    ),
    "django-uvicorn": (
        "django",
        (*UVICORN, "auto", "--factory", "tests.servers.apps.django:asgi"),
    ),
    "sanic": ("sanic", ("-m", "tests.servers.apps.sanic", "{port}")),
    "fastapi-uvicorn-h11": ("fastapi", (*UVICORN, "h11", "tests.servers.apps.fastapi:app")),
    "fastapi-uvicorn-httptools": (
        "fastapi",
        (*UVICORN, "httptools", "tests.servers.apps.fastapi:app"),
    ),
}


def installed() -> list[str]:
    """Name the servers whose adapters this environment has.

    Under ASGI Django before 5.0 does not notice that a client has gone, and streams on for ever.
    """
    return [
        name
        for name, (framework, _) in SERVERS.items()
        if importlib.util.find_spec(f"dockerflow.{framework}") is not None
        and not (name == "django-uvicorn" and metadata.version("Django").startswith("4."))
    ]


@pytest.fixture(params=installed(), scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[WebServer]:
    """Each server with its application."""
    server = WebServer(SERVERS[request.param][1])
    try:
        server.start()
        yield server
    finally:
        server.close()


def test_client_goes_away(server: WebServer) -> None:
    """A client that goes away in mid-stream is 499, and its request has one summary."""
    with server.connect("/endless", "gone") as sock:
        sock.recv(1)
    fields = server.summary("gone")
    assert (fields["code"], fields["errno"]) == (499, 0)


def test_client_sends_garbage(server: WebServer) -> None:
    """What is no HTTP neither harms the server nor looks like a request."""
    import socket

    with socket.create_connection(("127.0.0.1", server.port), 30) as sock:
        sock.sendall(b"\x00\xff garbage\r\n\r\n")
        sock.recv(100)
    assert server.get("/", "after-garbage").endswith(b"hello")


@pytest.mark.parametrize(
    ("path", "status", "code", "errno"),
    [
        ("/", 200, 200, 0),
        ("/missing", 404, 404, 0),
        ("/boom", 500, 500, 500),
        ("/redirect", 302, 302, 0),
        ("/stream", 200, 200, 0),
        ("/stream-fails", 200, 200, 500),
        ("/__lbheartbeat__", 200, 200, 0),
        ("/__error__", 500, 500, 500),
    ],
)
def test_one_summary(server: WebServer, path: str, status: int, code: int, errno: int) -> None:
    """However a request ends, there is one summary of it, with the id that was sent back."""
    rid = f"one{path}"
    answer = server.get(path, rid)
    assert answer.startswith(b"HTTP/1.1 %d" % status)
    # Starlette makes the page of an unhandled exception outside of all middleware.
    has_id = not (code == 500 and server.words[-1].startswith("tests.servers.apps.fastapi"))
    assert (b"x-request-id: %s\r\n" % rid.encode().lower() in answer.lower()) is has_id
    fields = server.summary(rid)
    assert (fields["code"], fields["errno"], fields["path"]) == (code, errno, path)


def test_hung_check(server: WebServer) -> None:
    """With a hung check the heartbeat answers in its time, and the other pages at once."""
    answer = server.get("/__heartbeat__", "hung")
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"dockerflow.health.E013" in answer
    assert b"served.I001" in answer
    assert server.get("/__lbheartbeat__", "lb").startswith(b"HTTP/1.1 200")
    assert [line["Fields"]["msg"] for line in server.lines("hung") if line["Type"] == "app"] == [
        "in check"
    ]


@pytest.mark.timeout(180)
def test_two_thousand_requests(server: WebServer) -> None:
    """Of 2,000 requests at once each has its own id on its own lines, and one summary."""
    paths = {"/id": 1, "/stream": 3}
    requests = [(path, f"storm{path}{number}") for number in range(1000) for path in paths]
    answers = asyncio.run(storm(server.port, requests))
    for (path, rid), answer in zip(requests, answers, strict=True):
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert rid.encode() in answer
        if path == "/id":
            assert answer.endswith(rid.encode()) or rid.encode() in answer.split(b"\r\n\r\n")[1]
    for _, rid in requests[-2:]:
        server.summary(rid)
    counted: Counter[tuple[str, str]] = Counter(
        (str(line["Fields"].get("rid")), line["Type"]) for line in server.lines()
    )
    for path, rid in requests:
        assert counted[rid, "request.summary"] == 1
        assert counted[rid, "app"] == paths[path]
