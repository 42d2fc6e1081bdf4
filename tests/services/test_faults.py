"""The fault proxy and the black hole do what they say, seen through a bare socket."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.services.faults import BlackHole, FaultProxy
from tests.services.servers import RedisServer, Server

PING, PONG = b"PING\r\n", b"+PONG\r\n"


@pytest.fixture
def line(redis_server: RedisServer, proxy: Callable[[Server], FaultProxy]) -> FaultProxy:
    return proxy(redis_server)


def connect(line: FaultProxy | BlackHole, timeout: float = 20) -> socket.socket:
    return socket.create_connection(("127.0.0.1", line.port), timeout)


def ask(client: socket.socket) -> bytes:
    client.sendall(PING)
    return client.recv(256)


def test_it_forwards(line: FaultProxy) -> None:
    """Without a fault, questions and answers pass, and connections are counted."""
    with connect(line) as client, connect(line) as other:
        assert ask(client) == ask(other) == PONG
    line.wait_for_connections(2)
    assert line.connections == 2
    with pytest.raises(TimeoutError, match="2 connections instead of 3"):
        line.wait_for_connections(3, timeout=0)


def test_silence_holds_new_and_open_lines(line: FaultProxy) -> None:
    """A silent proxy accepts and answers nothing on any line, and goes on where it fell silent."""
    with connect(line) as opened:
        assert ask(opened) == PONG
        line.mode = "silent"
        with connect(line) as new:
            for client in (opened, new):
                client.settimeout(0.1)
                with pytest.raises(TimeoutError):
                    ask(client)
            line.mode = "pass"
            for client in (opened, new):
                client.settimeout(20)
                assert client.recv(256) == PONG


def test_a_black_hole_neither_accepts_nor_refuses(black_hole: BlackHole) -> None:
    """Connecting to a black hole hangs; once it is closed, it refuses."""
    with pytest.raises(TimeoutError):
        connect(black_hole, timeout=0.2)
    black_hole.close()
    with pytest.raises(ConnectionRefusedError):
        connect(black_hole)
