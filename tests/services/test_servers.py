"""The test servers and the network faults, seen through bare sockets."""

from __future__ import annotations

import os
import pathlib
import select
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.services.beats import wait_until
from tests.services.faults import GARBAGE, FaultProxy, Mode, black_hole
from tests.services.servers import RedisServer, Server

ROOT = pathlib.Path(__file__).parents[2]

# A small test run: it starts a server, says so, and is killed.
RUN = """
import os, signal
from tests.services import servers
server = servers.{kind}()
server.start()
print(server.pid, flush=True)
input()
os.kill(os.getpid(), signal.SIGKILL)
"""
PING, ANSWER = b"PING\r\n", b"-NOAUTH Authentication required.\r\n"


@pytest.fixture(params=["redis_server", "postgres_server"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each kind of server."""
    server: Server = request.getfixturevalue(request.param)
    return server


def ask(port: int, timeout: float = 20) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout) as client:
        client.sendall(PING)
        return client.recv(256)


@pytest.mark.parametrize("kind", ["RedisServer", "PostgresServer"])
def test_a_killed_run_leaves_no_server(kind: str, tmp_path: pathlib.Path) -> None:
    """SIGKILL of the test run ends its server."""
    command = [sys.executable, "-c", RUN.format(kind=kind)]
    environ, pipe = {**os.environ, "TMPDIR": str(tmp_path)}, subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdin=pipe, stdout=pipe) as run:
        assert run.stdout is not None
        server = os.pidfd_open(int(run.stdout.readline()))
        run.communicate(b"\n")
    assert select.select([server], [], [], 30)[0]
    os.close(server)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_was_ended_refuses_and_returns_to_its_port(server: Server, end: str) -> None:
    """stop() and kill() make the port refuse; start() brings the server back to the same port."""
    getattr(server, end)()
    assert not server.running
    with pytest.raises(ConnectionRefusedError):
        ask(server.port)
    server.start()
    assert server.ready()
    pid = server.pid
    server.start()
    assert server.pid == pid


def test_a_server_that_does_not_start_shows_its_log() -> None:
    """A server that ends at once raises an error that quotes its output."""
    server = RedisServer("--no-such-option", "1")
    try:
        with pytest.raises(RuntimeError, match="no-such-option"):
            server.start()
    finally:
        server.close()


@pytest.mark.parametrize(
    ("mode", "answer"),
    [
        ("pass", ANSWER),
        ("refuse", ConnectionRefusedError),
        ("silent", TimeoutError),
        ("reset", ConnectionResetError),
        ("close", b""),
        ("garbage", GARBAGE),
        ("cut", ANSWER[:3]),
    ],
)
def test_faults(
    redis_server: RedisServer,
    proxy: Callable[[Server], FaultProxy],
    mode: Mode,
    answer: bytes | type[OSError],
) -> None:
    """A proxy handles new and open connections according to its mode, until it forwards again."""
    between = proxy(redis_server)
    with socket.create_connection(("127.0.0.1", between.port), 20) as opened:
        opened.sendall(PING)
        assert opened.recv(256) == ANSWER
        between.mode = mode
        if isinstance(answer, bytes):
            assert ask(between.port) == answer
        else:
            with pytest.raises(answer):
                ask(between.port, timeout=0.5 if answer is TimeoutError else 20)
        if mode == "silent":
            opened.sendall(PING)
            wait_until(lambda: between.held > 0)
            between.mode = "pass"
            assert opened.recv(256) == ANSWER
        elif mode == "reset":
            with pytest.raises(ConnectionResetError):
                opened.recv(256)
        elif mode != "pass":
            assert opened.recv(256) == b""
    between.mode = "pass"
    assert ask(between.port) == ANSWER


def test_a_black_hole_neither_accepts_nor_refuses() -> None:
    """Connecting to a black hole hangs; once it is closed, it refuses."""
    with black_hole() as port, pytest.raises(TimeoutError):
        ask(port, timeout=0.5)
    with pytest.raises(ConnectionRefusedError):
        ask(port)
