"""The adapter for any ASGI application on common servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import Counter
from collections.abc import Generator
from http.client import HTTPConnection, HTTPResponse

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.servers.conftest import APPS, DAPHNE, GRANIAN, HYPERCORN, SERVERS, UVICORN, installed
from tests.servers.web import WebServer, storm

NAMES = [name for name in installed() if name.startswith("asgi-")]
on_each_server = pytest.mark.parametrize("server", NAMES, indirect=True, scope="module")

APP = f"{APPS}.asgi:app"
ROOT_PATH = ("--root-path", "/shop")

# The server's own option, and the prefix of the paths that it receives.
BELOW_A_PREFIX = {
    "asgi-uvicorn-h11": ((*UVICORN, "h11", *ROOT_PATH, APP), ""),
    "asgi-hypercorn-asyncio": ((*HYPERCORN, "asyncio", *ROOT_PATH, APP), ""),
    "asgi-granian": ((*GRANIAN, "asgi", "--url-path-prefix", "/shop", APP), "/shop"),
    "asgi-daphne": ((*DAPHNE, *ROOT_PATH, APP), ""),
}


@contextlib.contextmanager
def asked(server: WebServer, path: str, rid: str, method: str = "GET") -> Generator[HTTPResponse]:
    """Request a page and read it to its last chunk; some servers keep the connection open."""
    with contextlib.closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request(method, path, headers={"X-Request-ID": rid})
        yield connection.getresponse()


@on_each_server
@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/", 200, b"hello"),
        ("GET", "/id", 200, b"GET/id"),
        ("GET", "/stream", 200, b"onetwothree"),
        ("HEAD", "/stream", 200, b""),
        ("GET", "/events", 200, b"data: 0\n\ndata: 1\n\ndata: 2\n\n"),
        ("GET", "/__version__", 404, b"version.json not found"),
        ("GET", "/__lbheartbeat__", 200, b""),
        ("HEAD", "/__heartbeat__", 500, b""),
        ("POST", "/__lbheartbeat__", 405, b""),
        ("GET", "/boom", 500, b"Internal Server Error"),
    ],
)
def test_requests(server: WebServer, method: str, path: str, status: int, text: bytes) -> None:
    """Pages, streams and probes arrive unchanged, with their id, and have one summary."""
    rid = f"{method}{path}"
    with asked(server, path, rid, method) as response:
        assert (response.status, response.read()) == (status, text)
        assert response.headers.get_all("X-Request-ID") == [rid]
    fields = server.summary(rid)
    assert (fields["code"], fields["path"]) == (status, path)


@on_each_server
def test_error(server: WebServer) -> None:
    """The exception of the error endpoint goes to the server, which makes the page."""
    with asked(server, "/__error__", "error") as response:
        assert response.status == 500
    assert server.summary("error")["msg"].startswith("This is a test exception")


@on_each_server
def test_client_goes_away(server: WebServer) -> None:
    """A client that disconnects in mid-stream is 499, on trio as well."""
    with server.connect("/endless", "gone") as sock:
        sock.recv(1)
    fields = server.summary("gone")
    assert (fields["code"], fields["errno"]) == (499, 0)


@on_each_server
def test_heartbeats_at_once(server: WebServer) -> None:
    """Each of 100 heartbeats at once answers within its limit, although a check hangs."""
    requests = [("/__heartbeat__", f"beat-{number}") for number in range(100)]
    answers = asyncio.run(storm(server.port, requests))
    assert [answer for answer in answers if b"dockerflow.health.E013" not in answer] == []
    for _, rid in requests:
        server.summary(rid)
    counted = Counter(line["Fields"]["rid"] for line in server.lines() if "code" in line["Fields"])
    assert [counted[rid] for _, rid in requests] == [1] * 100


@on_each_server
@pytest.mark.parametrize("prefix", ["", "/below"])
def test_mounted(server: WebServer, prefix: str) -> None:
    """Wrapped again below a prefix, an application answers the probes there; it has one summary."""
    path = f"{prefix}/__heartbeat__"
    with asked(server, path, path) as response:
        checks = json.loads(response.read())["checks"]
    assert set(checks) == (set() if prefix else {"hung", "says"})
    fields = server.summary(path)
    assert (fields["path"], fields["code"]) == (path, 200 if prefix else 500)
    with asked(server, f"{prefix}/id", f"{prefix}/the-id") as response:
        assert response.read().decode() == f"{prefix}/the-id"
    assert server.summary(f"{prefix}/the-id")["path"] == f"{prefix}/id"


@on_each_server
def test_websocket(server: WebServer) -> None:
    """A websocket is accepted, and closed with the application's code; it has its id."""
    url = f"ws://127.0.0.1:{server.port}/talk"
    with connect(url, additional_headers={"X-Request-ID": "socket"}, proxy=None) as client:
        client.send("hello")
        assert client.recv() == "socket hello"
        with pytest.raises(ConnectionClosed):
            client.recv()
        assert client.close_code == 4000
    assert server.lines("socket") == []


@on_each_server
def test_websocket_that_is_rejected(server: WebServer) -> None:
    """A websocket that the application rejects is refused by the server."""
    url = f"ws://127.0.0.1:{server.port}/rejected"
    with pytest.raises(InvalidStatus, match="403"), connect(url, proxy=None):
        pass


@on_each_server
def test_path_of_a_file(server: WebServer) -> None:
    """A server that sends files itself, such as Granian, gets the path of a file."""
    for number in range(2):
        with asked(server, "/file", f"file{number}") as response:
            body = response.read()
        sent = b"class Extras" in body
        assert sent is (server.words[1] == "granian")
        assert server.summary(f"file{number}")["code"] == (200 if sent else 404)


@pytest.mark.parametrize(
    "server",
    [name for name in NAMES if "hypercorn" in name],
    indirect=True,
    scope="module",
)
def test_trailers(server: WebServer) -> None:
    """Trailers follow the body, in HTTP/2."""
    import h2.connection
    import h2.events

    connection = h2.connection.H2Connection()
    connection.initiate_connection()
    names = {":method": "GET", ":path": "/trailers", ":scheme": "http", ":authority": "localhost"}
    headers = [*names.items(), ("te", "trailers"), ("x-request-id", "trailers")]
    connection.send_headers(1, headers, end_stream=True)
    events: list[h2.events.Event] = []
    with socket.create_connection(("127.0.0.1", server.port), 30) as sock:
        while not any(isinstance(event, h2.events.StreamEnded) for event in events):
            sock.sendall(connection.data_to_send())
            events += connection.receive_data(sock.recv(65536))
    response, trailers = (
        dict(event.headers or ())
        for event in events
        if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived)
    )
    assert (response[b"x-request-id"], trailers) == (b"trailers", {b"x-sum": b"5"})
    assert server.summary("trailers")["code"] == 200


@pytest.mark.parametrize("name", NAMES)
def test_lifespan(name: str) -> None:
    """The application has the events of start-up and shutdown, where the server has them."""
    with contextlib.closing(WebServer(SERVERS[name])) as server:
        server.start()
        server.stop()
        events = [line["Fields"]["msg"] for line in server.lines() if line["Type"] == "app"]
    both = ["lifespan.startup", "lifespan.shutdown"]
    assert events == ([] if name == "asgi-daphne" else both)


@pytest.mark.parametrize("name", [name for name in BELOW_A_PREFIX if name in NAMES])
def test_prefix_of_a_server(name: str) -> None:
    """If a server has a prefix, summaries have the whole path, and probes are answered."""
    words, prefix = BELOW_A_PREFIX[name]
    with contextlib.closing(WebServer(words, prefix)) as server:
        server.start()
        with asked(server, f"{prefix}/id", "prefixed") as response:
            assert response.read() == b"prefixed"
        assert server.summary("prefixed")["path"] == "/shop/id"
        assert b'"says"' in server.get(f"{prefix}/__heartbeat__")
