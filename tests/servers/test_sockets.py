"""Each adapter on each of its servers: whatever clients do, one summary for each request."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter

import pytest

from tests.servers.web import WebServer, storm


def test_client_goes_away(server: WebServer) -> None:
    """A client that disconnects in mid-stream is 499, and its request has one summary."""
    with server.connect("/endless", "gone") as sock:
        sock.recv(1)
    fields = server.summary("gone")
    assert (fields["code"], fields["errno"]) == (499, 0)


def test_client_sends_garbage(server: WebServer) -> None:
    """Data that is not HTTP neither harms the server nor counts as a request."""
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
        ("/stream", 200, 200, 0),
        ("/stream-fails", 200, 200, 500),
        ("/__error__", 500, 500, 500),
    ],
)
def test_one_summary(server: WebServer, path: str, status: int, code: int, errno: int) -> None:
    """However a request ends, it has one summary, with the id of the response."""
    rid = f"one{path}"
    answer = server.get(path, rid)
    app = server.words[-1].split(":")[0].removeprefix("tests.servers.apps.")
    raised = app in ("wsgi", "asgi") and path == "/__error__"  # raised to the server
    # Starlette creates the page of an unhandled exception outside of all middleware.
    has_id = not raised and not (code == 500 and app == "fastapi")
    if answer:
        assert answer.startswith(b"HTTP/1.1 %d" % status)
        assert (b"x-request-id: %s\r\n" % rid.encode().lower() in answer.lower()) is has_id
    else:  # uWSGI, and Granian if it has sent nothing yet, close the connection on an exception
        assert server.words[1] == "granian" or "pyuwsgi" in server.words[1]
        assert raised or path == "/stream-fails"
    fields = server.summary(rid)
    assert (fields["code"], fields["errno"], fields["path"]) == (code, errno, path)


def test_spellings_of_a_path(server: WebServer) -> None:
    """Decoded once, with merged slashes, each path of an endpoint begins with ``/__``.

    The proxy rules of docs/security.md depend on it.
    """
    spelled = [
        "/%5f%5flbheartbeat__",
        "/_%5Flbheartbeat__",
        "//__lbheartbeat__",
        "/%2f__lbheartbeat__",
    ]
    others = ["/%255f%255flbheartbeat__", "/./__lbheartbeat__", "/%2e/__lbheartbeat__"]
    others += [
        "/a/../__lbheartbeat__",
        "/%5C__lbheartbeat__",
        "/;a/__lbheartbeat__",
        "/a//__lbheartbeat__",
    ]
    if "pyuwsgi" in server.words[1]:  # which resolves dots before anybody sees them
        spelled += ["/./__lbheartbeat__", "/a/../__lbheartbeat__"]
    answered = {path for path in (*spelled, *others) if b" 200 " in server.get(path)[:15]}
    assert answered <= set(spelled)
    decodes = not server.words[1].endswith(".sanic")
    assert set(spelled[:2]) <= answered if decodes else answered == set()


def test_head(server: WebServer) -> None:
    """The answer to HEAD has the length of GET's, and the connection can be reused."""
    head, _, body = server.get("/__heartbeat__", "head", "HEAD").partition(b"\r\n\r\n")
    assert body == b""
    assert b"content-length: 0" not in head.lower()
    assert b"content-length: " in head.lower()


def test_hung_check(server: WebServer) -> None:
    """With a hung check the heartbeat answers within its limit, and other pages at once."""
    answer = server.get("/__heartbeat__", "hung")
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"dockerflow.health.E013" in answer
    assert b"served.I001" in answer
    assert server.get("/__lbheartbeat__", "lb").startswith(b"HTTP/1.1 200")
    lines = [line["Fields"]["msg"] for line in server.lines("hung") if line["Type"] == "app"]
    assert lines == ["in check"]


@pytest.mark.timeout(180)
def test_two_thousand_requests(server: WebServer) -> None:
    """Each of 2,000 requests at once has its own id on its own lines, and one summary."""
    paths = {"/id": 1, "/stream": 3}
    requests = [(path, f"storm{path}{number}") for number in range(1000) for path in paths]
    answers = asyncio.run(storm(server.port, requests))
    for (path, rid), answer in zip(requests, answers, strict=True):
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), answer
        assert rid.encode() in (body if path == "/id" else head)
    for _, rid in requests[-2:]:
        server.summary(rid)
    counted = Counter((line["Fields"].get("rid"), line["Type"]) for line in server.lines())
    for path, rid in requests:
        assert (counted[rid, "request.summary"], counted[rid, "app"]) == (1, paths[path])
