"""The fault proxy and the black hole do what they say, seen through a bare socket."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.services.faults import GARBAGE, BlackHole, FaultProxy
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


def test_a_reset_ends_lines_with_an_error(line: FaultProxy) -> None:
    """A reset comes at once on a new line, and with the next bytes on an open one."""
    with connect(line) as opened:
        assert ask(opened) == PONG
        line.mode = "reset"
        with pytest.raises(ConnectionResetError):
            ask(opened)
    with pytest.raises((ConnectionResetError, BrokenPipeError)), connect(line) as new:
        ask(new)


def test_a_close_ends_lines_in_good_order(line: FaultProxy) -> None:
    """A close comes at once on a new line, and with the next bytes on an open one."""
    with connect(line) as opened:
        assert ask(opened) == PONG
        line.mode = "close"
        assert ask(opened) == b""
    with connect(line) as new:
        assert new.recv(256) == b""


def test_garbage_is_the_answer_to_anything(line: FaultProxy) -> None:
    """Garbage comes instead of the next answer, on new lines and on open ones."""
    with connect(line) as opened:
        assert ask(opened) == PONG
        line.mode = "garbage"
        assert ask(opened) == GARBAGE
    with connect(line) as new:
        assert ask(new) == GARBAGE


def test_garbage_needs_no_server(
    redis_server: RedisServer, proxy: Callable[[Server], FaultProxy]
) -> None:
    """Garbage is answered while the server is down."""
    line = proxy(redis_server)
    redis_server.stop()
    line.mode = "garbage"
    with connect(line) as client:
        assert ask(client) == GARBAGE


def test_down_refuses_and_up_is_the_same_port(line: FaultProxy) -> None:
    """down() cuts open lines and refuses new ones; up() listens on the same port again."""
    port = line.port
    with connect(line) as client:
        assert ask(client) == PONG
        line.down()
        assert client.recv(256) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(line)
    line.up()
    assert line.port == port
    with connect(line) as client:
        assert ask(client) == PONG


@pytest.mark.parametrize("reset", [True, False])
def test_drop_all_cuts_what_is_open(line: FaultProxy, reset: bool) -> None:
    """drop_all() ends the lines that are open, and new ones work."""
    with connect(line) as client:
        assert ask(client) == PONG
        line.drop_all(reset=reset)
        if reset:
            with pytest.raises(ConnectionResetError):
                client.recv(256)
        else:
            assert client.recv(256) == b""
    with connect(line) as client:
        assert ask(client) == PONG


def test_cut_after_closes_within_an_answer(line: FaultProxy) -> None:
    """With cut_after, a line gets that many bytes of its answers and its end."""
    line.cut_after = 3
    with connect(line) as client:
        assert ask(client) == PONG[:3]
        assert client.recv(256) == b""


def test_delay_holds_the_answer(line: FaultProxy) -> None:
    """With a delay, the answer is not there before it has passed, and then comes."""
    line.delay = 0.3
    with connect(line, timeout=0.05) as client:
        with pytest.raises(TimeoutError):
            ask(client)
        client.settimeout(20)
        assert client.recv(256) == PONG


def test_a_black_hole_neither_accepts_nor_refuses(black_hole: BlackHole) -> None:
    """Connecting to a black hole hangs; once it is closed, it refuses."""
    with pytest.raises(TimeoutError):
        connect(black_hole, timeout=0.2)
    black_hole.close()
    with pytest.raises(ConnectionRefusedError):
        connect(black_hole)
