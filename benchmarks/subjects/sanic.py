"""What a Sanic application costs with and without dockerflow.

Requests go through Sanic's own HTTP protocol on the event loop that its server uses, one after
another on one connection, with a transport in memory in place of the socket.
"""

from __future__ import annotations

import asyncio
import importlib.util
import io
import json
import logging
import os
import socket
import tempfile
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from sanic import HTTPResponse, Request, Sanic
from sanic.response import text
from sanic.server import HttpProtocol
from sanic.server.loop import try_use_uvloop

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.subjects import Subject

AnyRequest = Request[Any, Any]

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LANGUAGES = "en-US,en;q=0.5"
REQUEST = f"""\
GET {{path}} HTTP/1.1
Host: www.example.com
User-Agent: {AGENT}
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8
Accept-Language: {LANGUAGES}
Accept-Encoding: gzip, deflate, br, zstd
Referer: https://www.example.com/articles/
Connection: keep-alive
Cookie: session=6d1f2c0b7a; theme=dark
Upgrade-Insecure-Requests: 1
Sec-Fetch-Dest: document
Sec-Fetch-Mode: navigate
Sec-Fetch-Site: same-origin

"""

VERSION = {
    "source": "https://github.com/example/service",
    "version": "2026.11.0",
    "commit": "3b1ac8f27f2a31c60d1d1a93d16a2c2a9b3c7f10",
    "build": "https://ci.example.com/builds/1729",
}

CHECKS = 16
PAUSE = 0.05
"""The seconds that each of the 16 checks takes."""


class Connection(asyncio.Transport):
    """A client that sends a request as soon as it has the answer to the one before."""

    def __init__(self, loop: asyncio.AbstractEventLoop, request: bytes) -> None:
        super().__init__({"peername": ("203.0.113.7", 50000), "sockname": ("10.0.0.2", 8000)})
        self._loop = loop
        self._request = request
        self._left = 0
        self._done: asyncio.Future[None] = loop.create_future()
        self.answer = b""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Take the protocol that answers."""
        assert isinstance(protocol, asyncio.Protocol)
        self._receive = protocol.data_received

    async def ask(self, count: int) -> None:
        """Send so many requests, and wait for the last answer."""
        self._left = count
        self._done = self._loop.create_future()
        self._receive(self._request)
        await self._done

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Take an answer: Sanic writes each that is not streamed at once."""
        self.answer = bytes(data)
        self._left -= 1
        if self._left:
            self._loop.call_soon(self._receive, self._request)
        else:
            self._done.set_result(None)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take any limit: nothing is ever waiting to be sent."""

    def is_closing(self) -> bool:
        """Say that the connection stays."""
        return False

    def pause_reading(self) -> None:
        """Do nothing: the next request follows only the answer."""

    def resume_reading(self) -> None:
        """Do nothing."""


class Requests:
    """Requests of one path, answered by one application.

    :param path: what is asked for.
    :param body: the answer's body, or its content as JSON.
    :param dockerflow: whether the application has the extension.
    :param add_checks: adds the checks of the heartbeat.
    :param clock: the clock that counts, "cpu" or "wall".
    """

    def __init__(
        self,
        path: str,
        body: bytes | dict[str, Any],
        *,
        dockerflow: bool = True,
        add_checks: Callable[[Any], None] | None = None,
        clock: str = "cpu",
    ) -> None:
        self.clock = clock
        self._path = path
        self._body = body
        self._ids: set[str] = set()
        self._resources = ExitStack()
        self._handler: logging.StreamHandler[Any] | None = None
        app = self._app()
        if dockerflow:
            self._log_summaries()
            self._observe(app, add_checks)
        try_use_uvloop()
        self._loop = asyncio.new_event_loop()
        self._resources.callback(self._loop.close)
        self._loop.run_until_complete(self._start(app))

    @staticmethod
    def _app() -> Any:
        app: Any = Sanic("benchmark", configure_logging=False)
        app.config.MOTD = False
        app.add_route(_hello, "/")
        return app

    def _log_summaries(self) -> None:
        from dockerflow.logging import MozlogHandler

        stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - it lasts as long as this
        self._resources.callback(stream.close)
        self._handler = MozlogHandler(stream=stream, name="benchmark")
        logger = logging.getLogger("request.summary")
        logger.setLevel(logging.INFO)
        logger.addHandler(self._handler)
        logger.propagate = False

    def _observe(self, app: Any, add_checks: Callable[[Any], None] | None) -> None:
        from dockerflow.sanic import Dockerflow

        folder = self._resources.enter_context(tempfile.TemporaryDirectory())
        with open(os.path.join(folder, "version.json"), "w", encoding="utf-8") as file:
            json.dump(VERSION, file)
        dockerflow = Dockerflow(app, version_path=folder)
        if add_checks is not None:
            add_checks(dockerflow)

    async def _start(self, app: Any) -> None:
        # Prepared as its server prepares it: that rewrites the classes that serve requests.
        sock = self._resources.enter_context(socket.create_server(("127.0.0.1", 0)))
        server: Any = await app.create_server(sock=sock, return_asyncio_server=True)
        await server.startup()
        await server.before_start()
        await server.after_start()
        request = REQUEST.format(path=self._path).replace("\n", "\r\n").encode()
        self._connection = Connection(self._loop, request)
        protocol_of: Any = HttpProtocol
        protocol = protocol_of(loop=self._loop, app=app)
        self._connection.set_protocol(protocol)
        protocol.connection_made(self._connection)

    def run(self, count: int) -> None:
        """Send so many requests, and wait for each answer."""
        self._loop.run_until_complete(self._connection.ask(count))

    def check(self) -> None:
        """Look at an answer and at the log line it leaves."""
        lines = self._lines_of_a_request()
        head, _, body = self._connection.answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
        found = body if isinstance(self._body, bytes) else json.loads(body)
        assert found == self._body, found
        if self._handler is None:
            return
        assert len(lines) == 1, lines
        line = json.loads(lines[0], parse_constant=_refuse)
        assert line["Type"] == "request.summary", line
        assert line["Severity"] == 6, line
        fields = line["Fields"]
        expected = {
            "agent": AGENT,
            "lang": LANGUAGES,
            "method": "GET",
            "path": self._path,
            "code": 200,
            "errno": 0,
            "uid": "",
        }
        spec = importlib.util.find_spec("dockerflow")
        if spec is not None and spec.origin is not None:
            del expected["code"]  # the existing package doesn't log it in Sanic
        assert expected.items() <= fields.items(), line
        assert isinstance(fields["t"], int), line
        assert fields["rid"] not in self._ids, line
        self._ids.add(fields["rid"])

    def _lines_of_a_request(self) -> list[str]:
        if self._handler is None:
            self.run(1)
            return []
        written = io.StringIO()
        usual, self._handler.stream = self._handler.stream, written
        try:
            self.run(1)
        finally:
            self._handler.stream = usual
        return written.getvalue().splitlines()


async def _hello(request: AnyRequest) -> HTTPResponse:
    return text("hello")


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def _sixteen_sync(dockerflow: Any) -> None:
    for number in range(CHECKS):

        def check() -> list[Any]:
            time.sleep(PAUSE)
            return []

        dockerflow.check(check, name=f"check_{number}")


def _sixteen_async(dockerflow: Any) -> None:
    for number in range(CHECKS):

        async def check() -> list[Any]:
            await asyncio.sleep(PAUSE)
            return []

        dockerflow.check(check, name=f"check_{number}")


def _heartbeat(checks: int) -> dict[str, Any]:
    statuses = {f"check_{number}": "ok" for number in range(checks)}
    return {"status": "ok", "checks": statuses, "details": {}}


def _sixteen(add_checks: Callable[[Any], None]) -> Requests:
    return Requests("/__heartbeat__", _heartbeat(CHECKS), add_checks=add_checks, clock="wall")


def _version() -> Requests:
    requests = Requests("/__version__", VERSION)
    time.sleep(2.1)  # an image's file is older, and one that has just changed is read each time
    return requests


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "sanic.bare": lambda: Requests("/", b"hello", dockerflow=False),
    "sanic.request": lambda: Requests("/", b"hello"),
    "sanic.lbheartbeat": lambda: Requests("/__lbheartbeat__", b""),
    "sanic.version": _version,
    "sanic.heartbeat0": lambda: Requests("/__heartbeat__", _heartbeat(0)),
    "sanic.sixteen_sync": lambda: _sixteen(_sixteen_sync),
    "sanic.sixteen_async": lambda: _sixteen(_sixteen_async),
}
