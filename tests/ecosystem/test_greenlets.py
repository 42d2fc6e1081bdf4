"""Flask and Django in gunicorn's gevent and eventlet workers, where threads are greenlets."""

from __future__ import annotations

import asyncio
import json
from importlib.util import find_spec
from typing import Any

import pytest

from tests.ecosystem.apps.greenlets import REQUESTS
from tests.ecosystem.conftest import Serve
from tests.servers.web import WebServer, storm
from tests.services.beats import wait_until

# eventlet has an environment of its own: `hatch run eventlet`.
WORKERS = [name for name in ("gevent", "eventlet") if find_spec(name) is not None]

pytestmark = [
    pytest.mark.parametrize("worker", WORKERS),
    pytest.mark.parametrize("framework", ["django", "flask"]),
]


def start(serve: Serve, worker: str, framework: str, **environ: str) -> WebServer:
    """Start gunicorn with one of its workers; eventlet warns about its own deprecation."""
    app = f"tests.ecosystem.apps.greenlets_{framework}:app"
    words = ("-W", "ignore", "-m", "gunicorn", "-k", worker, "-b", "127.0.0.1:{port}", app)
    server = serve(*words, **environ)
    server.stop_signal = server.kill_signal  # these workers take seconds to stop cleanly
    return server


def body(answer: bytes) -> str:
    return answer.partition(b"\r\n\r\n")[2].decode()


def heartbeat(server: WebServer) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(body(server.get("/__heartbeat__", "beat")))
    return answer


def test_checks_at_the_same_time(serve: Serve, worker: str, framework: str) -> None:
    """Sync checks wait for each other, and the application answers while a heartbeat waits."""
    server = start(serve, worker, framework, CHECKS="one other waits")
    with server.connect("/__heartbeat__", "beat") as sock:
        wait_until(lambda: server.lines("beat") != [])
        assert body(server.get("/release")) == "released"
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert json.loads(body(answer))["checks"] == dict.fromkeys(
        ["check_database_connected", "one", "other", "waits"], "ok"
    )
    assert [line["Fields"].get("msg") for line in server.lines("beat")] == ["waits", None]


def test_clock(serve: Serve, worker: str, framework: str) -> None:
    """A check that hangs is reported as still running, and the application answers."""
    server = start(serve, worker, framework, CHECKS="waits", CHECK_TIMEOUT="0.2")
    assert heartbeat(server)["details"]["waits"]["messages"] == {
        "dockerflow.health.E013": "still running after 0.2 s"
    }
    assert server.get("/orm").startswith(b"HTTP/1.1 200")


def test_async_check(serve: Serve, worker: str, framework: str) -> None:
    """An async check is refused by name; ORM and async views work as without dockerflow."""
    server = start(serve, worker, framework, CHECKS="asynchronous one other")
    without = start(serve, worker, framework)
    for number in range(2):
        answer = heartbeat(server)
        assert answer["checks"]["one"] == answer["checks"]["check_database_connected"] == "ok"
        (message,) = answer["details"]["asynchronous"]["messages"].values()
        assert "(gevent, eventlet): make it a sync check" in message
        for path in ("/orm", "/async"):
            answers = [body(each.get(path, f"{path}{number}")) for each in (server, without)]
            assert answers[0] == answers[1] != ""
            assert server.summary(f"{path}{number}")["code"] == 200


def test_concurrent_requests(serve: Serve, worker: str, framework: str) -> None:
    """Simultaneous requests keep their ids, on each of their lines."""
    server = start(serve, worker, framework, CHECKS="one other")
    ids = [f"request-{number}" for number in range(REQUESTS)]
    answers = asyncio.run(storm(server.port, [("/meet", rid) for rid in ids]))
    assert [body(answer) for answer in answers] == [f"{rid} {rid}" for rid in ids]
    for rid in ids:
        assert server.summary(rid)["code"] == 200
        assert [line["Fields"].get("msg") for line in server.lines(rid)] == ["met", None]
