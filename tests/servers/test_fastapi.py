"""What only FastAPI has on its server: no logging configured, websockets, uploads, the example."""

from __future__ import annotations

import contextlib
import json
import socket
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection
from importlib.util import find_spec

import pytest
from websockets.sync.client import connect

from tests.servers.web import ROOT, WebServer, head
from tests.services.beats import wait_until
from tests.services.servers import RedisServer

UVICORN = ("-m", "uvicorn", "--port", "{port}", "--no-access-log", "--http")


@pytest.fixture(params=["h11", "httptools"], scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[WebServer]:
    """Uvicorn, by each of its parsers, with an application that configures no logging."""
    server = WebServer((*UVICORN, request.param, "tests.servers.apps.fastapi_unconfigured:app"))
    try:
        server.start()
        yield server
    finally:
        server.close()


def test_unconfigured_logging(server: WebServer) -> None:
    """Without any configuration each request has its one line of mozlog on stdout."""
    rids = [f"plain-{number}" for number in range(20)]
    for rid in rids:
        assert server.get("/", rid).endswith(b'"hello"')
    server.summary(rids[-1])
    counted = Counter(line["Fields"]["rid"] for line in server.lines())
    assert [counted[rid] for rid in rids] == [1] * 20


LOOPS = ["asyncio", *(["trio"] if find_spec("trio") else [])]


@pytest.fixture(params=LOOPS, scope="module")
def hypercorn(request: pytest.FixtureRequest) -> Iterator[WebServer]:
    """Hypercorn, on each event loop that anyio knows, with the same application."""
    words = ("-m", "hypercorn", "--worker-class", request.param, "--bind", "127.0.0.1:{port}")
    server = WebServer((*words, "tests.servers.apps.fastapi_unconfigured:app"))
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.mark.parametrize("path", ["/stream", "/__heartbeat__", "/__version__"])
def test_event_loops(hypercorn: WebServer, path: str) -> None:
    """Streams and probes are good on asyncio's event loop and on trio's."""
    status = 404 if path == "/__version__" else 200
    rid = path.strip("/_")
    connection = HTTPConnection("127.0.0.1", hypercorn.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"X-Request-ID": rid})
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (status, True)
    fields = hypercorn.summary(rid)
    assert (fields["code"], fields["errno"]) == (status, 0)


def test_client_that_goes_away_on_each_event_loop(hypercorn: WebServer) -> None:
    """A client that goes away before an answer is 499."""
    hypercorn.connect("/wait", "gone").close()
    fields = hypercorn.summary("gone")
    assert (fields["code"], fields["errno"]) == (499, 0)


def test_websocket(server: WebServer) -> None:
    """A websocket has its id, and no summary."""
    url = f"ws://127.0.0.1:{server.port}/ws"
    with connect(url, additional_headers={"X-Request-ID": "socket"}, proxy=None) as client:
        assert client.recv() == "socket"
    server.get("/", "after-the-socket")
    server.summary("after-the-socket")
    assert server.lines("socket") == []


def test_background_task(server: WebServer) -> None:
    """A background task has the id of its request."""
    assert server.get("/task", "task").endswith(b'"begun"')
    assert server.summary("task")["code"] == 200
    wait_until(lambda: "task of task" in server.log)


def test_upload_that_breaks_off(server: WebServer) -> None:
    """A client that goes away while it uploads is 499."""
    begin = head("/upload", "upload", "POST").replace(
        b"\r\n\r\n", b"\r\nContent-Length: 99\r\n\r\n"
    )

    with socket.create_connection(("127.0.0.1", server.port), 30) as sock:
        sock.sendall(begin + b"x")
        wait_until(lambda: "upload begun" in server.log)
    fields = server.summary("upload")
    assert (fields["code"], fields["errno"]) == (499, 0)


def test_client_that_does_not_wait(server: WebServer) -> None:
    """A client that goes away before an answer, and a handler that notices, is 499."""
    server.connect("/wait", "impatient").close()
    fields = server.summary("impatient")
    assert (fields["code"], fields["errno"]) == (499, 0)


@pytest.fixture
def example(redis_server: RedisServer) -> Iterator[WebServer]:
    """The example, started from its folder's copy, as its readers would, with a Redis."""
    words = ("-m", "uvicorn", "app:create_app", "--factory", "--no-access-log", "--port", "{port}")
    example = WebServer(words)
    example.environ |= {"REDIS_URL": redis_server.url}
    for name in ("app.py", "version.json"):
        (example.dir / name).write_bytes((ROOT / "examples" / "fastapi" / name).read_bytes())
    try:
        example.start()
        yield example
    finally:
        example.close()


def test_example(example: WebServer, redis_server: RedisServer) -> None:
    """It counts visits, says how it is, recovers with its services, and writes mozlog."""
    assert example.get("/", "first").endswith(b"visitor number 1.\n")
    assert example.get("/", "second").endswith(b"visitor number 2.\n")
    assert example.summary("second")["code"] == 200
    (line,) = [line for line in example.lines("second") if line["Type"] == "visits"]
    assert line["Fields"]["visits"] == 2
    version = json.loads(example.get("/__version__").split(b"\r\n\r\n")[1])
    assert version["source"] == "https://github.com/example/visits"
    assert example.get("/__heartbeat__").startswith(b"HTTP/1.1 200")
    redis_server.kill()
    failed = example.get("/__heartbeat__", "failed")
    assert failed.startswith(b"HTTP/1.1 500")
    assert b"dockerflow.health.E004" in failed
    assert example.get("/__lbheartbeat__").startswith(b"HTTP/1.1 200")
    redis_server.start()
    assert example.get("/__heartbeat__").startswith(b"HTTP/1.1 200")
    assert example.summary("failed")["errno"] == 500
    (alarm,) = [line for line in example.lines("failed") if line["Type"] == "visits"]
    assert alarm["Fields"]["worst"] == "error"
