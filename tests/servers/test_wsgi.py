"""The adapter for any WSGI application on common servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter

import pytest

from tests.servers.conftest import APPS, GRANIAN, SERVERS, UWSGI, WAITRESS, installed
from tests.servers.web import WebServer, storm

NAMES = [name for name in installed() if name.startswith("wsgi-")]
on_each_server = pytest.mark.parametrize("server", NAMES, indirect=True, scope="module")

APP = f"{APPS}.wsgi:app"
BELOW_A_PREFIX = {
    "wsgi-gunicorn-gthread": ("--env", "SCRIPT_NAME=/shop", *SERVERS["wsgi-gunicorn-gthread"][2:]),
    "wsgi-waitress": ("--url-prefix", "/shop", *WAITRESS[2:], APP),
    "wsgi-uwsgi": (*UWSGI[2:], "--manage-script-name", "--mount", f"/shop={APP}"),
    "wsgi-granian": ("--url-path-prefix", "/shop", *GRANIAN[2:], "wsgi", APP),
}


@on_each_server
@pytest.mark.parametrize("prefix", ["", "/below"])
def test_mounted(server: WebServer, prefix: str) -> None:
    """Wrapped again below a prefix, an application answers the probes there; it has one summary."""
    path = f"{prefix}/__heartbeat__"
    head, _, body = server.get(path, path).partition(b"\r\n\r\n")
    assert f"X-Request-ID: {path}\r\n".lower() in f"{head.decode()}\r\n".lower()
    checks = json.loads(body)["checks"]
    assert set(checks) == (set() if prefix else {"hung", "says"})
    fields = server.summary(path)
    assert (fields["path"], fields["code"]) == (path, 200 if prefix else 500)
    assert server.get(f"{prefix}/id", "the-id").endswith(b"the-id")


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


@pytest.mark.parametrize("name", [name for name in BELOW_A_PREFIX if name in NAMES])
def test_prefix_of_a_server(name: str) -> None:
    """If a server has a prefix, the probes are below it, and summaries have the whole path."""
    words = (*SERVERS[name][:2], *BELOW_A_PREFIX[name])
    with contextlib.closing(WebServer(words, "/shop")) as server:
        server.start()
        assert server.get("/shop/id", "prefixed").endswith(b"prefixed")
        assert server.summary("prefixed")["path"] == "/shop/id"
        assert b'"says"' in server.get("/shop/__heartbeat__")
