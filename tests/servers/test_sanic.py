"""Sanic's own server and the example, as processes: workers, signals, and what they write."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.servers.web import ROOT, WebServer
from tests.services.beats import wait_until

FILES = (
    ROOT / "examples" / "sanic" / "app.py",
    ROOT / "examples" / "sanic" / "version.json",
    ROOT / "tests" / "servers" / "apps" / "sanic_script.py",
)

SANIC = ("-m", "sanic", "app:create_app", "--factory", "--host=127.0.0.1", "--port={port}")
COMMANDS = {
    "python": ("app.py",),
    "sanic": SANIC,
    "sanic-single-process": (*SANIC, "--single-process"),
}


@pytest.fixture
def start() -> Iterator[Callable[..., WebServer]]:
    """Start Python with the words of a command line, in a folder with the files."""
    with contextlib.ExitStack() as stack:

        def start(*words: str) -> WebServer:
            server = stack.enter_context(contextlib.closing(WebServer(words)))
            # Sanic's manager of workers may hang where it is told to end just after its start.
            server.stop_signal = signal.SIGKILL
            server.environ["PORT"] = str(server.port)
            for file in FILES:
                shutil.copy(file, server.dir)
            server.start()
            return server

        yield start


@pytest.mark.parametrize(
    ("command", "end"),
    [
        ("python", signal.SIGINT),
        ("python", signal.SIGTERM),
        ("sanic-single-process", signal.SIGINT),
        ("sanic-single-process", signal.SIGTERM),
        ("sanic", signal.SIGKILL),
    ],
)
def test_example(start: Callable[..., WebServer], command: str, end: int) -> None:
    """By each of its commands the example counts visits, writes mozlog alone, and can be ended."""
    example = start(*COMMANDS[command])
    for number in (1, 2):
        answer = example.get("/", f"visit-{number}")
        assert answer.endswith(b"You are visitor number %d.\n" % number)
    assert example.summary("visit-2")["code"] == 200
    (line,) = [line for line in example.lines("visit-2") if line["Type"] == "visits"]
    assert line["Fields"]["visits"] == 2
    os.kill(example.pid, end)
    wait_until(lambda: not example.running)
    assert [line for line in example.log.splitlines() if not line.startswith("{")] == []


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_run(start: Callable[..., WebServer], method: str, workers: str) -> None:
    """An application starts its workers by app.run(), whatever the extension holds."""
    server = start("sanic_script.py", "{port}", method, workers)
    assert b'"local": "ok"' in server.get("/__heartbeat__", "only")
    assert server.summary("only")["code"] == 200


def test_stop_during_a_request(start: Callable[..., WebServer]) -> None:
    """A request that the server's end cuts off is an error of the server's, and no 499."""
    server = start("sanic_script.py", "{port}", "spawn", "0")
    with server.connect("/slow", "cut") as sock:
        server.get("/__lbheartbeat__")  # the one before is being handled by now
        os.kill(server.pid, signal.SIGTERM)
        assert sock.recv(1000) == b""
    fields = server.summary("cut")
    assert (fields["code"], fields["errno"]) == (500, 500)
    assert fields["msg"] == "The connection was closed before the response had ended"
