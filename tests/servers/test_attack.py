"""A thousand heartbeats at once, while the service behind the checks is slow, hangs or refuses."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.servers.conftest import SERVERS, installed
from tests.servers.web import WebServer, storm
from tests.services.beats import wait_until
from tests.services.faults import FaultProxy
from tests.services.servers import RedisServer, Server

STORM = 1000
CHECKS = 2  # one sync and one async
THREADS = CHECKS + 1  # one for each check, and one for a page
NAMES = [
    name for name in installed() if name.endswith(("gthread", "uvicorn", "httptools", "sanic"))
]


class AttackedServer(WebServer):
    """A server of eight threads or of an event loop, with two checks that call a service.

    :param limit: the time limit of a check in seconds.
    """

    stop_signal = signal.SIGKILL  # Sanic may take ten seconds otherwise

    def __init__(self, name: str, service: FaultProxy, limit: float) -> None:
        super().__init__(SERVERS[name])
        self.name = name
        self.leave_root()  # a limit of processes doesn't apply to root
        self.environ.update(SERVICE_PORT=str(service.port), CHECK_TIMEOUT=str(limit))

    def start(self) -> None:
        """Start it, with all its threads."""
        super().start()
        self.ask("/__lbheartbeat__", 100)
        wait_until(lambda: self.lines("storm") != [])
        self.worker = Path("/proc", str(self.lines("storm")[0]["Pid"]))
        idle = self.threads()
        if "gunicorn" in self.name:
            idle = 9  # its main thread, and eight that start when they are needed
        if self.name == "django-uvicorn":
            idle = 5 + 32  # asyncio's executor, in which Django logs, has 32 at most
        self.most_threads = idle + THREADS

    def ask(self, path: str, count: int) -> list[bytes]:
        """Send requests, all at once."""
        return asyncio.run(storm(self.port, [(path, "storm")] * count))

    def storm(self, expected: bytes, count: int = STORM) -> None:
        """Request heartbeats, all at once; each has the same result for both checks."""
        answers = self.ask("/__heartbeat__", count)
        assert [each for each in answers if each.count(expected) < CHECKS] == []

    def healthy(self) -> bool:
        """Return whether the next heartbeat has this result."""
        return self.get("/__heartbeat__").startswith(b"HTTP/1.1 200")

    def answers_at_once(self) -> bool:
        """Return whether its liveness endpoint answers within a second."""
        asked = time.monotonic()
        answer = self.get("/__lbheartbeat__")
        return answer.startswith(b"HTTP/1.1 200") and time.monotonic() < asked + 1

    def threads(self) -> int:
        """Return the worker's number of threads."""
        (count,) = re.findall(r"Threads:\s+(\d+)", (self.worker / "status").read_text())
        return int(count)

    def connections(self) -> int:
        """Return the worker's number of sockets, its listener and a few of its own included."""
        sockets = 0
        for each in (self.worker / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # it has just been closed
                sockets += "socket:" in os.readlink(each)
        return sockets

    @contextlib.contextmanager
    def no_threads(self) -> Generator[None]:
        """Make the kernel refuse it new threads."""

        def limit(processes: object) -> None:
            words = (f"--nproc={processes}:", "--pid", self.worker.name)
            subprocess.run([*self.launcher, "prlimit", *words], check=True)

        _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
        limit(1)
        yield
        limit("unlimited" if hard == resource.RLIM_INFINITY else hard)


Start = Callable[..., AttackedServer]


@pytest.fixture
def service(redis_server: RedisServer, proxy: Callable[[Server], FaultProxy]) -> FaultProxy:
    """The service that the checks call."""
    return proxy(redis_server)


@pytest.fixture(params=NAMES)
def start(request: pytest.FixtureRequest, service: FaultProxy) -> Iterator[Start]:
    """Start each server, with a limit for its checks."""
    with contextlib.ExitStack() as stack:

        def start(limit: float) -> AttackedServer:
            server = AttackedServer(request.param, service, limit)
            stack.enter_context(contextlib.closing(server)).start()
            return server

        yield start


def test_slow_service(start: Start, service: FaultProxy) -> None:
    """Waiting heartbeats cost one run of each check and no threads, and other pages answer."""
    server = start(limit=120)
    # One of gunicorn's eight threads stays free; an event loop always does.
    count = 7 if "gunicorn" in server.name else STORM
    # Under ASGI Django itself keeps a thread for each open request.
    open_requests = STORM if server.name == "django-uvicorn" else 0
    service.mode = "silent"
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.storm, b'"ok"', count)
        try:
            wait_until(lambda: server.connections() > count and service.held >= CHECKS, 60)
            assert server.get("/").endswith(b"hello")  # the earlier ones have been accepted
            assert server.answers_at_once()
            assert server.threads() <= server.most_threads + open_requests
            assert service.held == CHECKS
        finally:
            service.mode = "pass"
        waiting.result()
    server.storm(b'"ok"')


def test_hung_service(start: Start, service: FaultProxy) -> None:
    """A hanging check costs a thousand heartbeats one thread, and recovers with the service."""
    server = start(limit=1)
    service.mode = "silent"
    for count in (STORM, CHECKS):  # it is not started again for later heartbeats
        server.storm(b"dockerflow.health.E013", count)
    assert service.held == CHECKS
    wait_until(lambda: server.threads() <= server.most_threads)
    assert server.answers_at_once()
    service.mode = "pass"
    wait_until(server.healthy)


def test_refusing_service(start: Start, service: FaultProxy) -> None:
    """A service that refuses fails each heartbeat, costs no thread, and recovers at once."""
    server = start(limit=120)
    service.mode = "refuse"
    server.storm(b"dockerflow.health.E011")
    wait_until(lambda: server.threads() <= server.most_threads)
    assert server.answers_at_once()
    service.mode = "pass"
    assert server.healthy()


# Under ASGI Django itself needs a thread for each request, and can't answer without.
@pytest.mark.parametrize(
    "start", [name for name in NAMES if name != "django-uvicorn"], indirect=True
)
def test_no_thread_to_be_had(start: Start) -> None:
    """After a time in which no thread could start, the next heartbeat has its threads."""
    server = start(limit=120)
    with server.no_threads():
        assert b"could not be started (RuntimeError)" in server.get("/__heartbeat__")
        assert server.answers_at_once()
    assert server.healthy()
