"""FastAPI on its servers only: unconfigured logging, event loops, websockets, uploads."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection
from importlib.util import find_spec

import pytest
from websockets.sync.client import connect

from tests.servers.web import WebServer, head
from tests.services.beats import wait_until

APP = "tests.servers.apps.fastapi_unconfigured:app"
UVICORN = ("-m", "uvicorn", APP, "--port", "{port}", "--no-access-log", "--http")
HYPERCORN = ("-m", "hypercorn", APP, "--bind", "127.0.0.1:{port}", "--worker-class")
SERVERS = {
    "uvicorn-h11": (*UVICORN, "h11"),
    "uvicorn-httptools": (*UVICORN, "httptools"),
    "hypercorn-asyncio": (*HYPERCORN, "asyncio"),
    **({"hypercorn-trio": (*HYPERCORN, "trio")} if find_spec("trio") else {}),
}


@pytest.fixture(params=SERVERS, scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[WebServer]:
    """Each server and event loop, with an application that configures no logging."""
    with contextlib.closing(WebServer(SERVERS[request.param])) as server:
        server.start()
        yield server


def test_unconfigured_logging(server: WebServer) -> None:
    """Without any configuration each request has its one line of mozlog on stdout."""
    rids = [f"plain-{number}" for number in range(20)]
    for rid in rids:
        assert server.get("/", rid).endswith(b'"hello"')
    server.summary(rids[-1])
    counted = Counter(line["Fields"]["rid"] for line in server.lines())
    assert [counted[rid] for rid in rids] == [1] * 20


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/stream", 200, b"two"),
        ("/__heartbeat__", 200, b'"awaited": "ok"'),
        ("/__version__", 404, b"version.json not found"),
    ],
)
def test_event_loops(server: WebServer, path: str, status: int, text: bytes) -> None:
    """Streams and probes work on asyncio's event loop and on trio's."""
    # Hypercorn on trio keeps the connection of a stream open.
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"X-Request-ID": path})
        response = connection.getresponse()
        assert response.status == status
        assert text in response.read()
    fields = server.summary(path)
    assert (fields["code"], fields["errno"]) == (status, 0)


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
    """A client that disconnects during its upload is 499."""
    begin = head("/upload", "upload", "POST").removesuffix(b"\r\n") + b"Content-Length: 99\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), 30) as sock:
        sock.sendall(begin + b"x")
        wait_until(lambda: "upload begun" in server.log)
    fields = server.summary("upload")
    assert (fields["code"], fields["errno"]) == (499, 0)


def test_client_that_does_not_wait(server: WebServer) -> None:
    """A client that disconnects before an answer, with a handler that notices, is 499."""
    server.connect("/wait", "impatient").close()
    fields = server.summary("impatient")
    assert (fields["code"], fields["errno"]) == (499, 0)
