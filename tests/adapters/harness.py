"""What a framework brings to the conformance suite: an application, and its differences on purpose.

Each framework has a module in :mod:`tests.adapters.apps` of its own name with a ``FRAMEWORK``. Its
``start`` builds an application with these routes and the Dockerflow extension:

===================== ============================================================================
``/``                 ``hello``
``/id``               the id in ``request_id_context``, after a record ``in handler`` on ``app``
``/own-id``           ``hello``, with ``X-Request-ID: mine`` (and ``X-Trace: mine``) set by itself
``/status/<code>``    a response of that status, which the application returns
``/abort/<code>``     the same status by the framework's own exception
``/boom``             raises ``RuntimeError("boom")``
``/handled``          raises ``Teapot``, which the application's own handler answers with 418
``/redirect``         302 to ``/``
``/stream``           ``one``, ``two``, ``three`` in chunks; each logs its text on ``app``
``/stream-fails``     ``one``, then ``RuntimeError("cut")``
``/endless``          ``more`` in chunks of 64 kB, until the client goes away
``/echo``             the request's method and body, for any method
``/cached``           ``hello`` with ``Cache-Control: public, max-age=60``
===================== ============================================================================
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import io
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote_to_bytes

from dockerflow.checks import Check, CheckRegistry

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What came back from an application.

    :param error: the exception that left the application to its server, if one did.
    """

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    error: BaseException | None = None

    def header(self, name: str) -> str | None:
        """Return the one value of a header, ``None`` where it is absent."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} is there {len(values)} times: {values}"
        return values[0] if values else None


class RunningApp(Protocol):
    """An application that answers requests."""

    def request(
        self,
        path: str,
        method: str = "GET",
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        read: int | None = None,
    ) -> Answer:
        """Send a request and return the answer when the application is done with it.

        :param query: the raw query string.
        :param read: the number of body chunks after which the client goes away; by default it
            reads to the end.
        """
        ...

    def close(self) -> None:
        """End the application."""
        ...


@dataclass(frozen=True)
class Options:
    """How an application is to be set up.

    :param settings: the application's ``DOCKERFLOW_`` settings.
    :param checks: registered, by name, in a registry of its own.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)
    silenced_checks: Sequence[str] = ()
    version_path: str | None = None
    version_callback: Callable[[str], Any] | None = None

    def registry(self) -> CheckRegistry:
        """Return a new registry that holds the checks."""
        registry = CheckRegistry()
        for name, check in self.checks.items():
            registry.register(check, name=name)
        return registry


@dataclass(frozen=True)
class Framework:
    """One framework, and its differences on purpose.

    :param start: builds and starts an application.
    :param logger: the logger of ``/__error__`` and of the adapter's own troubles.
    :param lbheartbeat_body: what ``/__lbheartbeat__`` answers.
    :param trailing_slash: whether the endpoints answer with a trailing slash, too.
    :param missing_status: the status of a path that no route has.
    :param is_async: whether it runs on an event loop.
    :param decoded_path: whether the application sees a path without its percent-escapes.
    :param longest_header: the length of the longest header value that is let through.
    :param crash_page_has_id: whether the page of an unhandled exception passes the adapter.
    """

    name: str
    start: Callable[[Options], RunningApp]
    logger: str
    lbheartbeat_body: bytes = b""
    trailing_slash: bool = False
    missing_status: int = 404
    is_async: bool = False
    decoded_path: bool = True
    longest_header: int = 100_000
    crash_page_has_id: bool = True


FRAMEWORKS = ("flask", "sanic", "fastapi", "django")


def installed_frameworks() -> list[Framework]:
    """Return the frameworks whose adapters this environment has, with each of their servers."""
    modules = [
        importlib.import_module(f"tests.adapters.apps.{name}")
        for name in FRAMEWORKS
        if importlib.util.find_spec(f"dockerflow.{name}") is not None
    ]
    return [
        framework
        for module in modules
        for framework in getattr(module, "FRAMEWORKS", (module.FRAMEWORK,))
    ]


class Teapot(Exception):
    """An exception that each application handles itself."""


def environ_of(
    path: str, method: str, query: str, headers: Mapping[str, str] | None, body: bytes
) -> dict[str, Any]:
    """Build the WSGI environment of a request, its path and headers as raw as a server has them."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in {"Host": "localhost", **(headers or {})}.items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ


class WSGIApp:
    """A WSGI application, called as PEP 3333 asks of a server."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app

    def request(
        self,
        path: str,
        method: str = "GET",
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        read: int | None = None,
    ) -> Answer:
        """Send a request; a client that goes away is a body closed before its end."""
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
            started[:] = [(status, headers)]
            return chunks.append

        chunks: list[bytes] = []
        error: BaseException | None = None
        try:
            result = self.app(environ_of(path, method, query, headers, body), start_response)
            try:
                for chunk in () if read == 0 else result:
                    chunks.append(chunk)
                    if len(chunks) == read:
                        break
            finally:
                if hasattr(result, "close"):
                    result.close()
        except Exception as raised:
            error = raised
        if not started:
            started.append(("500 Internal Server Error", []))
        status, sent = started[0]
        return Answer(int(status[:3]), sent, b"".join(chunks), error)

    def close(self) -> None:
        """Nothing is to be ended."""


class ASGIApp:
    """An ASGI application on an event loop of its own, called as the ASGI specification asks.

    :param lifespan: whether its start-up is waited for, and its shutdown.
    """

    def __init__(self, app: Callable[..., Any], *, lifespan: bool = False) -> None:
        self.app = app
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._stop: asyncio.Event | None = None
        self._lifespan: Future[None] | None = None
        if lifespan:
            started: Future[None] = Future()
            self._lifespan = self.submit(self._live(started))
            started.result(30)

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the application's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    async def _live(self, started: Future[None]) -> None:
        self._stop = asyncio.Event()
        begun = False

        async def receive() -> dict[str, Any]:
            nonlocal begun
            assert self._stop is not None
            if begun:
                await self._stop.wait()
                return {"type": "lifespan.shutdown"}
            begun = True
            return {"type": "lifespan.startup"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "lifespan.startup.complete":
                started.set_result(None)
            assert not message["type"].endswith(".failed"), message

        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        await self.app(scope, receive, send)

    def request(
        self,
        path: str,
        method: str = "GET",
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        read: int | None = None,
    ) -> Answer:
        """Send a request and return the answer when the application is done with it."""
        exchange = self.exchange(path, method, query=query, headers=headers, body=body, read=read)
        return self.submit(exchange).result(30)

    async def exchange(
        self,
        path: str,
        method: str = "GET",
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        read: int | None = None,
    ) -> Answer:
        """Do what :meth:`request` does, in the application's loop; many may run at once."""
        raw_headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1", "surrogateescape"))
            for name, value in {"Host": "localhost", **(headers or {})}.items()
        ]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote_to_bytes(path).decode("utf-8", "replace"),
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "root_path": "",
            "headers": [*raw_headers, (b"content-length", str(len(body)).encode())],
            "client": ("127.0.0.1", 50000),
            "server": ("localhost", 80),
            "state": {},
        }
        requests = [{"type": "http.request", "body": body, "more_body": False}]
        gone = asyncio.Event()
        start: dict[str, Any] = {}
        chunks: list[bytes] = []

        async def receive() -> dict[str, Any]:
            if requests:
                return requests.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if gone.is_set():
                raise OSError("the client has gone away")
            if message["type"] == "http.response.start":
                start.update(message)
            elif message.get("body") and method != "HEAD":  # which servers don't send
                chunks.append(message["body"])
                if len(chunks) == read:
                    gone.set()

        error: BaseException | None = None
        try:
            await self.app(scope, receive, send)
        except Exception as raised:
            error = raised
        sent = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in start.get("headers", ())
        ]
        return Answer(start.get("status", 500), sent, b"".join(chunks), error)

    def close(self) -> None:
        """End the application and its loop."""
        if self._lifespan is not None and self._stop is not None:
            self.loop.call_soon_threadsafe(self._stop.set)
            self._lifespan.result(30)
        self.submit(_cancel_all()).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(30)
        self.loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
