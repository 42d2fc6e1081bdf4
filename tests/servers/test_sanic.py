"""Sanic's own server and the example, as processes: workers, signals, and what they write."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from tests.servers.web import ROOT, WebServer
from tests.services.beats import wait_until
from tests.services.servers import RedisServer

EXAMPLE = ROOT / "examples" / "sanic"

SANIC = ("-m", "sanic", "app:create_app", "--factory", "--host=127.0.0.1", "--port={port}")
COMMANDS = {
    "python": ("app.py",),
    "sanic": SANIC,
    "sanic-single-process": (*SANIC, "--single-process"),
}


class Example(WebServer):
    """The example, started from its folder's copy, as its readers would."""

    def __init__(self, words: tuple[str, ...], **environ: str) -> None:
        super().__init__(words)
        self.environ |= {"PORT": str(self.port), **environ}
        for name in ("app.py", "version.json"):
            (self.dir / name).write_bytes((EXAMPLE / name).read_bytes())


@pytest.fixture
def example(request: pytest.FixtureRequest, redis_server: RedisServer) -> Iterator[Example]:
    """The example, started by one of the commands, with a Redis."""
    example = Example(COMMANDS[request.param], REDIS_URL=redis_server.url)
    try:
        example.start()
        yield example
    finally:
        example.kill()  # which spares the wait for a manager that hangs, as told below
        example.close()


@pytest.mark.parametrize("example", COMMANDS, indirect=True)
def test_example(example: Example, redis_server: RedisServer) -> None:
    """It counts visits, says how it is, recovers with its services, and writes mozlog alone."""
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


# Sanic's manager of workers may hang where it is told to end just after its start, whatever the
# application is, and so it has no part in this.
@pytest.mark.parametrize("example", ["python", "sanic-single-process"], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_end(example: Example, number: int) -> None:
    """Ctrl-C and SIGTERM end it, and all that it has written is mozlog."""
    example.get("/", "only")
    os.kill(example.pid, number)
    wait_until(lambda: not example.running)
    written = [line for line in example.log.splitlines() if line]
    assert [line for line in written if not line.startswith("{")] == []
    assert example.summary("only")["path"] == "/"
