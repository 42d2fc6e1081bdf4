"""A TCP proxy that misbehaves on request, and a port that drops every packet.

Both work from a thread or from nothing at all, so sync and async tests can use them alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any, Literal, Self

from tests.services.servers import free_port

Mode = Literal["pass", "silent", "reset", "close", "garbage"]

GARBAGE = b"\x00\xff*garbage\r\n" * 8


class FaultProxy:
    """Forward 127.0.0.1:``port`` to a server, until a test asks for something else.

    ``mode`` holds for new connections and for the next bytes on those that are open:

    - ``pass``: forward;
    - ``silent``: accept, and answer nothing; what was held goes on when the mode is ``pass`` again;
    - ``reset``: RST; ``close``: FIN;
    - ``garbage``: answer nonsense.

    ``cut_after`` is how many bytes of answers a connection gets before it is closed. ``down()``
    refuses connections, ``up()`` listens on the same port again.

    :param host: where the server listens.
    :param port: its port.
    """

    def __init__(self, host: str, port: int) -> None:
        self.upstream = (host, port)
        self.cut_after: int | None = None
        self.port = free_port()
        self._mode: Mode = "pass"
        self._connections = 0
        self._arrival = threading.Condition()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._voice = asyncio.Event()  # set while the mode is not "silent"
        self._voice.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._call(self._listen())

    @property
    def mode(self) -> Mode:
        """What happens to connections; it is in force when the assignment returns."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        async def change() -> None:
            self._mode = mode
            if mode == "silent":
                self._voice.clear()
            else:
                self._voice.set()

        self._call(change())

    @property
    def connections(self) -> int:
        """How many connections have come in so far."""
        return self._connections

    def wait_for_connections(self, count: int, timeout: float = 20) -> None:
        """Wait until so many connections have come in, since the proxy was made.

        :raises TimeoutError: they have not.
        """
        with self._arrival:
            if not self._arrival.wait_for(lambda: self._connections >= count, timeout):
                raise TimeoutError(f"{self._connections} connections instead of {count}")

    def drop_all(self, *, reset: bool = False) -> None:
        """Cut every connection that is open now.

        :param reset: with RST rather than FIN.
        """
        self._call(self._drop(reset=reset))

    def down(self) -> None:
        """Refuse: close the listener and every connection."""
        self._call(self._refuse())

    def up(self) -> None:
        """Listen again."""
        self._call(self._listen())

    def close(self) -> None:
        """End the proxy and its thread."""
        if self._loop.is_closed():
            return
        self._call(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._drop(reset=False)

    async def _drop(self, *, reset: bool) -> None:
        for writer in list(self._writers):
            if reset:
                _reset(writer)
            else:
                writer.close()

    async def _finish(self) -> None:
        await self._refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close their sockets in a callback

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._client(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with self._arrival:
            self._connections += 1
            self._arrival.notify_all()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._voice.wait()
            if self.mode == "reset":
                _reset(writer)
            elif self.mode != "close":
                await self._forward(reader, writer)
        except OSError:
            pass  # one side went away: so does the other
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "garbage":  # without the server: it may be down
            await reader.read(1)
            writer.write(GARBAGE)
            await writer.drain()
            return
        up_reader, up_writer = await asyncio.open_connection(*self.upstream)
        self._writers.add(up_writer)
        pumps = [
            asyncio.ensure_future(self._pump(reader, up_writer, answer=False)),
            asyncio.ensure_future(self._pump(up_reader, writer, answer=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            if self.mode == "reset":
                _reset(writer)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._writers.discard(up_writer)
            up_writer.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answer: bool
    ) -> None:
        sent = 0
        while data := await reader.read(65536):
            await self._voice.wait()
            if self.mode in {"reset", "close"}:
                return
            if answer:
                if self.mode == "garbage":
                    data = GARBAGE
                if self.cut_after is not None:
                    data = data[: max(0, self.cut_after - sent)]
            writer.write(data)
            await writer.drain()
            sent += len(data)
            if answer and self.cut_after is not None and sent >= self.cut_after:
                return


class BlackHole:
    """A port whose SYNs are dropped: connect() hangs, as behind a firewall (Linux, no root)."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._fill: list[socket.socket] = []
        for _ in range(8):  # the queue takes backlog + 1 (listen(2)); the rest stay in SYN-SENT
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", self.port))
            self._fill.append(sock)

    def close(self) -> None:
        """Refuse from now on."""
        for sock in (*self._fill, self._listener):
            sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):  # closed already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def refuse(proxy: FaultProxy) -> None:
    """Refuse connections."""
    proxy.down()


def fall_silent(proxy: FaultProxy) -> None:
    """Answer nothing more."""
    proxy.mode = "silent"


def reset(proxy: FaultProxy) -> None:
    """Reset connections."""
    proxy.mode = "reset"
    proxy.drop_all(reset=True)


def hang_up(proxy: FaultProxy) -> None:
    """Close connections."""
    proxy.mode = "close"
    proxy.drop_all()


def babble(proxy: FaultProxy) -> None:
    """Answer nonsense."""
    proxy.mode = "garbage"
    proxy.drop_all()


def cut_short(proxy: FaultProxy) -> None:
    """Close connections within the first answer."""
    proxy.cut_after = 3
    proxy.drop_all()


FAULTS = (refuse, fall_silent, reset, hang_up, babble, cut_short)
"""The faults of a network."""


def heal(proxy: FaultProxy) -> None:
    """Forward again."""
    proxy.up()
    proxy.mode = "pass"
    proxy.cut_after = None
