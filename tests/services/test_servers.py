"""The test servers themselves: they fail on demand, come back, and die with the test run."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Generator

import pytest

from tests.services.servers import PostgresServer, RedisServer, Server

ROOT = pathlib.Path(__file__).parents[2]

# A test run in small: it has a server, says so, and waits for the end.
RUN = """
import json, os, sys
from tests.services.servers import PostgresServer, RedisServer
server = {"redis": RedisServer, "postgres": PostgresServer}[sys.argv[1]]()
server.start()
state = sys.argv[2]
pids = server.pids()
if state == "frozen":
    server.freeze()
elif state == "stopped":
    server.stop()
    pids = []
elif state == "forked" and os.fork() == 0:
    os.setsid()
    sys.stdin.read()
    os._exit(0)
pids += [server._keeper.pid]
print(json.dumps({"pids": pids, "dir": str(server.dir), "port": server.port}), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def kinds(
    redis_server: RedisServer, postgres_server: PostgresServer
) -> dict[str, RedisServer | PostgresServer]:
    return {"redis": redis_server, "postgres": postgres_server}


@pytest.fixture(params=["redis", "postgres"])
def server(
    request: pytest.FixtureRequest, kinds: dict[str, RedisServer | PostgresServer]
) -> RedisServer | PostgresServer:
    return kinds[request.param]


def refuses(server: Server) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def wait_for_end(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                assert select.select([descriptor], [], [], 30)[0], f"process {pid} lives on"
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def a_run(
    kind: str, state: str
) -> Generator[tuple[subprocess.Popen[str], list[int], pathlib.Path]]:
    """Start a test run with a server; whatever it leaves behind is ended here."""
    with subprocess.Popen(
        [sys.executable, "-c", RUN, kind, state],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        assert run.stdout is not None
        said = json.loads(run.stdout.readline())
        try:
            yield run, said["pids"], pathlib.Path(said["dir"])
        finally:
            run.kill()
            for pid in said["pids"]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("state", ["running", "frozen", "stopped", "forked"])
@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_a_killed_run_leaves_nothing(kind: str, state: str) -> None:
    """SIGKILL of the test run ends its server in any state, and removes its files."""
    with a_run(kind, state) as (run, pids, directory):
        assert directory.is_dir()
        run.kill()
        run.wait()
        wait_for_end(pids)
        assert not directory.exists()


def test_a_frozen_server_accepts_and_answers_nothing(server: RedisServer | PostgresServer) -> None:
    """A frozen server's port takes connections, and the answer comes after the thaw only."""
    server.freeze()
    with pytest.raises(TimeoutError):
        server.ready()
    assert server.running
    server.thaw()
    assert server.ready()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_was_ended_refuses_and_returns_to_its_port(
    server: RedisServer | PostgresServer, end: str
) -> None:
    """stop() and kill() make the port refuse; start() brings the server back to the same port."""
    port = server.port
    getattr(server, end)()
    assert refuses(server)
    assert not server.running
    assert server.pids() == []
    server.start()
    assert server.port == port
    assert server.ready()


@pytest.mark.parametrize("harm", ["freeze", "stop", "kill"])
def test_heal_undoes_what_a_test_did(server: RedisServer | PostgresServer, harm: str) -> None:
    """After heal() the server answers, whether it was frozen, stopped or killed, or by nobody."""
    getattr(server, harm)()
    server.heal()
    assert server.ready()
    pid = server.pid
    server.heal()
    assert server.pid == pid


def test_a_server_that_does_not_start_shows_its_log() -> None:
    """A server that ends at once is an error that quotes what it said."""
    server = RedisServer("--no-such-option", "1")
    try:
        with pytest.raises(RuntimeError, match="no-such-option"):
            server.start()
    finally:
        server.close()
