"""The example on Sanic's own server, by each of its commands."""

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
)

SANIC = ("-m", "sanic", "app:create_app", "--factory", "--host=127.0.0.1", "--port={port}")
COMMANDS = {
    "python": ("app.py",),
    "sanic": SANIC,
    "sanic-single-process": (*SANIC, "--single-process"),
}


@pytest.fixture
def start() -> Iterator[Callable[..., WebServer]]:
    """Start Python with the arguments of a command line, in a folder with the files."""
    with contextlib.ExitStack() as stack:

        def start(*words: str) -> WebServer:
            server = stack.enter_context(contextlib.closing(WebServer(words)))
            # Sanic's manager of workers may hang if it is stopped just after its start.
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
    """By each of its commands the example counts visits, writes only mozlog, and can be stopped."""
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
