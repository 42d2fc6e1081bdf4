"""A TCP proxy that misbehaves on request, and a port that drops every packet."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Generator
from typing import Literal

from tests.services.servers import free_port

Mode = Literal["pass", "refuse", "silent", "reset", "close", "garbage", "cut"]

BROKEN: tuple[Mode, ...] = ("refuse", "reset", "close", "garbage", "cut")
GARBAGE = b"\x00\xff*garbage\r\n" * 8


class FaultProxy:
    """Forward 127.0.0.1:``port`` to a server's port, until a test sets another mode.

    - ``pass``: forward;
    - ``silent``: accept, and answer nothing; held data is sent when the mode is ``pass`` again;
    - ``refuse``: stop listening;
    - ``reset``: RST; ``close``: FIN, after the client's first words;
    - ``garbage``: answer nonsense;
    - ``cut``: close in the middle of the first answer.

    Open connections survive in the first two modes only.

    :param upstream: the server's port.
    """

    def __init__(self, upstream: int) -> None:
        self.port = free_port()
        self.held = 0
        """How many connections wait now for the end of the silence."""
        self._upstream = upstream
        self._changed = threading.Condition()
        self._clients: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._mode: Mode = "pass"
        self._listen()

    @property
    def mode(self) -> Mode:
        """What happens to connections; it applies as soon as the assignment returns."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        with self._changed:
            self._mode = mode
            self._changed.notify_all()
            if mode in BROKEN:
                for client in self._clients:
                    with contextlib.suppress(OSError):  # the client has gone
                        client.shutdown(socket.SHUT_RD)  # wakes its thread, which closes it
        if mode == "refuse":
            self._close()
        elif self._listener is None:
            self._listen()

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _close(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes its thread
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._changed:
            self._clients.add(client)
        with client, contextlib.suppress(OSError):  # one side has gone: close the other too
            self._hold()
            if self.mode in ("close", "garbage"):  # without the server, which may be down
                client.recv(65536)
                client.sendall(GARBAGE if self.mode == "garbage" else b"")
            elif self.mode in ("pass", "cut"):
                with socket.create_connection(("127.0.0.1", self._upstream)) as server:
                    self._forward(client, server)
            if self.mode == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with self._changed:
            self._clients.discard(client)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:  # select() accepts no descriptor above 1023
            selector.register(client, selectors.EVENT_READ, (client, server))
            selector.register(server, selectors.EVENT_READ, (server, client))
            while True:
                for key, _ in selector.select():
                    source, target = key.data
                    data = source.recv(65536)
                    self._hold()
                    if not data or self.mode not in ("pass", "cut"):
                        return
                    if source is server and self.mode == "cut":
                        client.sendall(data[:3])
                        return
                    target.sendall(data)

    def _hold(self) -> None:
        with self._changed:
            self.held += 1
            self._changed.wait_for(lambda: self._mode != "silent")
            self.held -= 1


@contextlib.contextmanager
def black_hole() -> Generator[int]:
    """Yield a port whose SYNs Linux drops: connect() hangs, as behind a firewall."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):  # the queue takes backlog + 1 (listen(2)); the rest stay in SYN-SENT
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
