"""Sanic's own server and the example, as processes: workers, signals, and what they write."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator

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


# ---------------------------------------------------------------------- app.run() in a script

SCRIPT = """
import asyncio
import sys

from sanic import Sanic, text
from sqlalchemy import create_engine

from dockerflow.sanic import Dockerflow

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "dockerflow.logging.RequestIdLogFilter"}},
    "handlers": {
        "mozlog": {"class": "dockerflow.logging.MozlogHandler", "filters": ["request_id"]}
    },
    "root": {"level": "INFO", "handlers": ["mozlog"]},
}
port, method, workers = sys.argv[1:]
Sanic.start_method = method
app = Sanic("script", log_config=LOGGING)
app.config.MOTD = False
app.config.GRACEFUL_SHUTDOWN_TIMEOUT = 0.1
dockerflow = Dockerflow(app, db=create_engine("sqlite://"))
dockerflow.check(lambda: None, name="local")


@app.get("/slow")
async def slow(request):
    await asyncio.Event().wait()


if __name__ == "__main__":
    app.run(port=int(port), workers=int(workers), single_process=workers == "0")
"""


@pytest.fixture
def script() -> Iterator[Callable[..., WebServer]]:
    """Start a script that calls ``app.run()``."""
    with contextlib.ExitStack() as stack:

        def start(method: str, workers: int) -> WebServer:
            server = WebServer(("script.py", "{port}", method, str(workers)))
            stack.callback(server.close)
            stack.callback(server.kill)
            (server.dir / "script.py").write_text(SCRIPT)
            server.start()
            return server

        yield start


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_run(script: Callable[..., WebServer], method: str, workers: int) -> None:
    """An application starts its workers by app.run(), whatever the extension holds."""
    server = script(method, workers)
    assert b'"local": "ok"' in server.get("/__heartbeat__", "only")
    assert server.summary("only")["code"] == 200


def test_stop_during_a_request(script: Callable[..., WebServer]) -> None:
    """A request that the server's end cuts off is an error of the server's, and no 499."""
    server = script("spawn", 0)
    with server.connect("/slow", "cut") as sock:
        server.get("/__lbheartbeat__")  # the one before is being handled by now
        os.kill(server.pid, signal.SIGTERM)
        assert sock.recv(1000) == b""
    fields = server.summary("cut")
    assert (fields["code"], fields["errno"]) == (500, 500)
    assert fields["msg"] == "The connection was closed before the response had ended"
