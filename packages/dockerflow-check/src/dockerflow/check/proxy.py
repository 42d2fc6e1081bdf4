"""A TCP proxy before a backing service, which can take the service away and give it back."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from .findings import TargetError

_CHUNK = 65536  # bytes
_CONNECT_TIMEOUT = 5  # seconds
_MOST_CONNECTIONS = 500  # further ones are closed, so that descriptors are left for the rest


@dataclass(frozen=True)
class Dependency:
    """A backing service.

    :param address: the address as it was given, ``HOST:PORT``.
    :param host: its host: a name or an IP address, without brackets.
    :param port: its port.
    """

    address: str
    host: str
    port: int

    @classmethod
    def parse(cls, address: str) -> Dependency:
        """Read an address.

        :param address: ``HOST:PORT``; an IPv6 address is in brackets.
        :raises TargetError: if it is something else.
        """
        try:
            parts = urlsplit(f"//{address}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        # What follows is not repeated: it may be a URL with a password.
        if not host or not port or not re.fullmatch(r"[\w.:\[\]-]+", address):
            raise TargetError("The dependency must be HOST:PORT, such as localhost:6379.")
        return cls(address, host, port)

    def redirect(self, environ: Mapping[str, str], port: int) -> tuple[dict[str, str], list[str]]:
        """Replace the address with that of a local proxy in each value that contains it.

        The text must be the same, but for upper and lower case: ``localhost:6379`` is not found
        in ``redis://127.0.0.1:6379/0``, nor ``redis:6379`` in ``other-redis:6379``.

        :param environ: environment variables.
        :param port: the port of the proxy on 127.0.0.1.
        :returns: all variables, and the names of those that were changed.
        :raises TargetError: if there are none.
        """
        pattern = re.compile(rf"(?<![\w.-]){re.escape(self.address)}(?!\w)", re.IGNORECASE)
        redirected = {
            name: pattern.sub(f"127.0.0.1:{port}", value) for name, value in environ.items()
        }
        names = sorted(name for name, value in redirected.items() if value != environ[name])
        if not names:
            raise TargetError(
                f"No environment variable contains {self.address}, so the service can't be led "
                f"through a proxy: set one, such as REDIS_URL=redis://{self.address}/0."
            )
        return redirected, names

    def try_out(self) -> None:
        """Connect to it once.

        :raises TargetError: if that fails.
        """
        try:
            socket.create_connection((self.host, self.port), _CONNECT_TIMEOUT).close()
        except (OSError, UnicodeError) as error:  # of a name that can't be one
            reason = getattr(error, "strerror", None) or str(error)
            raise TargetError(
                f"The dependency {self.address} can't be reached: {reason}."
            ) from error


def free_port(*, besides: int | None = None) -> int:
    """Find a TCP port on which nothing listens.

    It lies below those that systems give to outgoing connections (from 32768 on Linux, from 49152
    elsewhere): such a connection could take the port before the service does, and a connection to
    a free port of that range may even reach itself.

    :param besides: a port that is not wanted.
    :raises TargetError: if there seems to be none.
    """
    for _ in range(100):
        port = random.randrange(24000, 30000)  # noqa: S311 - no secret
        if port != besides:
            with socket.socket() as sock, contextlib.suppress(OSError):
                sock.bind(("", port))
                return port
    raise TargetError("No free TCP port was found.")


class Proxy:
    """Forward connections to a backing service, until it is to be away.

    It listens on a port of 127.0.0.1 that stays the same, in a thread of its own. It is a context
    manager.

    :param dependency: the backing service.
    """

    def __init__(self, dependency: Dependency) -> None:
        self.port = free_port()
        self.connections = 0
        """How many connections there have been."""
        self._dependency = dependency
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._socket = self._bind()
        self._flowing = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def refuse(self) -> None:
        """Cut all connections and refuse new ones, as if the backing service had ended."""
        self._call(self._refuse())

    def hang(self) -> None:
        """Accept connections and forward nothing, as if the backing service were stuck."""
        self._call(self._hang())

    def restore(self) -> None:
        """Forward again; what connections held while nothing was forwarded goes on."""
        self._call(self._restore())

    def __enter__(self) -> Self:
        self._thread.start()
        self.restore()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _bind(self) -> socket.socket:
        """Take the port. As long as nothing listens on it, connections are refused."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", self.port))
        except OSError as error:
            sock.close()
            raise TargetError(f"Another process took port {self.port} of the proxy.") from error
        return sock

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _restore(self) -> None:
        self._flowing.set()
        await self._listen()

    async def _hang(self) -> None:
        self._flowing.clear()
        await self._listen()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, sock=self._socket)

    async def _refuse(self) -> None:
        self._cut()
        self._socket = self._bind()

    async def _close(self) -> None:
        self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _cut(self) -> None:
        """Close the port and all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._socket.close()
        self._flowing.set()  # what waited finds its connection cut
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            if len(self._writers) <= _MOST_CONNECTIONS:
                await self._flowing.wait()
                await self._connect(reader, writer)
        except* OSError:
            pass  # one side is gone, and so the other goes
        except* asyncio.CancelledError:
            pass  # the proxy ends; asyncio of Python 3.11 would print a traceback
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._dependency.host, self._dependency.port
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            upstream_reader, upstream_writer = await asyncio.open_connection(host, port)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._forward(reader, upstream_writer))
                tasks.create_task(self._forward(upstream_reader, writer))
        finally:
            upstream_writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        await self._flowing.wait()
        writer.write_eof()
