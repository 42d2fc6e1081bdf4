"""The proxy before a backing service."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from unittest import mock

import pytest

from dockerflow.check import proxy as proxy_room
from dockerflow.check.findings import TargetError
from dockerflow.check.proxy import Dependency, Proxy, free_port
from tests.services.beats import wait_until


class Echo(socketserver.StreamRequestHandler):
    """Say all back in one piece when the client has said all, and each line at once."""

    def handle(self) -> None:
        """Serve one connection."""
        while line := self.rfile.readline():
            self.wfile.write(b"echo " + line)
        self.wfile.write(b"end\n")


class EchoServer(socketserver.ThreadingTCPServer):
    """A server of them."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away."""


@pytest.fixture
def dependency() -> Iterator[Dependency]:
    """A server of them that runs."""
    with EchoServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Dependency.parse(f"localhost:{server.server_address[1]}")
        server.shutdown()


@pytest.fixture
def proxy(dependency: Dependency) -> Iterator[Proxy]:
    """A proxy before a server."""
    with Proxy(dependency) as proxy:
        yield proxy


def connect(proxy: Proxy, timeout: float = 30) -> socket.socket:
    """Connect to a proxy."""
    return socket.create_connection(("127.0.0.1", proxy.port), timeout)


def is_cut(sock: socket.socket) -> bool:
    """Return whether the other side has cut a connection."""
    try:
        return sock.recv(100) == b""
    except ConnectionError:
        return True


def test_forwards(proxy: Proxy) -> None:
    """Both directions are forwarded, and the end of each on its own."""
    with connect(proxy) as sock, sock.makefile("rb") as answers:
        sock.sendall(b"one\n")
        assert answers.readline() == b"echo one\n"
        sock.sendall(b"two\n" * 50_000)
        sock.shutdown(socket.SHUT_WR)
        assert answers.read() == b"echo two\n" * 50_000 + b"end\n"
    assert proxy.connections == 1


def test_refuses(proxy: Proxy) -> None:
    """Open connections are cut and new ones refused, until it forwards again on the same port."""
    with connect(proxy) as sock:
        sock.sendall(b"one\n")
        assert sock.recv(100) == b"echo one\n"
        proxy.refuse()
        assert is_cut(sock)
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
    proxy.restore()
    with connect(proxy) as sock:
        sock.sendall(b"again\n")
        assert sock.recv(100) == b"echo again\n"


def test_hangs(proxy: Proxy) -> None:
    """Old and new connections are silent; what they hold goes on when it forwards again."""
    with connect(proxy, 1) as old:
        old.sendall(b"one\n")
        assert old.recv(100) == b"echo one\n"
        proxy.hang()
        with connect(proxy, 1) as new:
            for sock in (old, new):
                sock.sendall(b"held\n")
                with pytest.raises(TimeoutError):
                    sock.recv(100)
            proxy.restore()
            for sock in (old, new):
                sock.settimeout(30)
                assert sock.recv(100) == b"echo held\n"


def test_refuses_while_hanging(proxy: Proxy) -> None:
    """A silent connection is cut as well."""
    proxy.hang()
    with connect(proxy) as sock:
        sock.sendall(b"one\n")
        wait_until(lambda: proxy.connections == 1)
        proxy.refuse()
        assert is_cut(sock)


def test_ends_quietly(dependency: Dependency, caplog: pytest.LogCaptureFixture) -> None:
    """At its end it cuts what is open, busy or silent, and asyncio has nothing to complain of."""
    with Proxy(dependency) as proxy:
        busy = connect(proxy)
        busy.sendall(b"one\n")
        assert busy.recv(100) == b"echo one\n"
        proxy.hang()
        silent = connect(proxy)
        wait_until(lambda: proxy.connections == 2)
    with busy, silent:
        assert is_cut(busy)
        assert is_cut(silent)
    assert caplog.records == []


def test_upstream_is_gone() -> None:
    """A connection is cut where the backing service refuses it."""
    with Proxy(Dependency("127.0.0.1:1", "127.0.0.1", 1)) as proxy, connect(proxy) as sock:
        assert is_cut(sock)


def test_many_connections(proxy: Proxy) -> None:
    """There is a limit to connections, so that a client can't take all descriptors."""
    proxy.hang()
    socks = [connect(proxy) for _ in range(510)]
    try:
        wait_until(lambda: proxy.connections == 510)
        cut = [sock for sock in socks[500:] if is_cut(sock)]
        assert len(cut) == 10
    finally:
        for sock in socks:
            sock.close()


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("localhost:6379", "localhost", 6379),
        ("DB.example.org:5432", "db.example.org", 5432),
        ("[::1]:6379", "::1", 6379),
        ("10.0.0.1:1", "10.0.0.1", 1),
    ],
)
def test_address(address: str, host: str, port: int) -> None:
    """A backing service is named by host and port."""
    assert Dependency.parse(address) == Dependency(address, host, port)


@pytest.mark.parametrize(
    "address",
    [
        *("", ":", "localhost", ":6379", "localhost:", "localhost:x", "localhost:99999"),
        *("::1:6379x", "localhost:6379/0", "localhost:6379 "),
        *("redis://:hunter2@localhost:6379/0", "user:hunter2@localhost:6379"),
    ],
)
def test_no_address(address: str) -> None:
    """Anything else is refused, and never repeated, as it may hold a password."""
    with pytest.raises(TargetError, match="must be HOST:PORT") as caught:
        Dependency.parse(address)
    assert "hunter2" not in str(caught.value)


def test_redirect() -> None:
    """The address is replaced in each variable that contains it, and only as a whole."""
    environ = {
        "REDIS_URL": "redis://:pw@redis:6379/0",
        "BROKER": "Redis:6379",
        "BOTH": "redis:6379,other:1,redis:6379",
        "OTHER": "my-redis:6379 my.redis:6379 redis:63790 redis:6379x",
    }
    redirected, names = Dependency.parse("redis:6379").redirect(environ, 5)
    assert names == ["BOTH", "BROKER", "REDIS_URL"]
    assert redirected == {
        "REDIS_URL": "redis://:pw@127.0.0.1:5/0",
        "BROKER": "127.0.0.1:5",
        "BOTH": "127.0.0.1:5,other:1,127.0.0.1:5",
        "OTHER": environ["OTHER"],
    }
    ipv6 = Dependency.parse("[::1]:6379").redirect({"A": "redis://[::1]:6379"}, 5)
    assert ipv6 == ({"A": "redis://127.0.0.1:5"}, ["A"])
    with pytest.raises(TargetError, match="No environment variable contains redis:6379"):
        Dependency.parse("redis:6379").redirect({"A": "localhost:6379"}, 5)


def test_free_port() -> None:
    """A free port is one that outgoing connections don't get, and another one if need be."""
    port = free_port()
    assert 1024 <= port < 32768
    assert free_port(besides=port) != port


def test_odd_name() -> None:
    """A name that can't be one is unreachable like any other."""
    with pytest.raises(TargetError, match=r"The dependency a\.\.b:1 can't be reached: "):
        Dependency.parse("a..b:1").try_out()


def test_port_is_taken() -> None:
    """A port that is taken at once by another process is no port for a proxy."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            mock.patch.object(proxy_room, "free_port", return_value=port),
            pytest.raises(TargetError, match=f"Another process took port {port}"),
        ):
            Proxy(Dependency("127.0.0.1:1", "127.0.0.1", 1))
