"""What each framework gives the conformance suite: an application, and its intended differences.

Each framework has a module in :mod:`tests.adapters.apps` of its own name with ``FRAMEWORKS``. Its
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
``/endless``          ``more`` in chunks of 64 kB, until the client disconnects
``/echo``             the request's method and body, for any method
``/cached``           ``hello`` with ``Cache-Control: public, max-age=60``
===================== ============================================================================
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import io
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol, TypedDict, TypeVar, Unpack
from urllib.parse import unquote_to_bytes
from wsgiref.util import setup_testing_defaults

from dockerflow.checks import Check, CheckRegistry

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """The response of an application.

    :param error: the exception that the application raised to its server, if any.
    """

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    error: BaseException | None = None

    def header(self, name: str) -> str | None:
        """Return the value of a header that occurs once, ``None`` if it is absent."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} is there {len(values)} times: {values}"
        return values[0] if values else None


class RequestOptions(TypedDict, total=False):
    """The parts of a request besides its path and method.

    ``query`` is the raw query string; ``read`` is the number of body chunks after which the client
    disconnects. By default it reads to the end.
    """

    query: str
    headers: Mapping[str, str] | None
    body: bytes
    read: int | None


class RunningApp(Protocol):
    """An application that answers requests."""

    def request(self, path: str, method: str = "GET", **options: Unpack[RequestOptions]) -> Answer:
        """Send a request and return the answer when the application has finished."""
        ...

    def close(self) -> None:
        """Stop the application."""
        ...


@dataclass(frozen=True)
class Options:
    """How to set up an application.

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
    """One framework, and its intended differences.

    :param start: builds and starts an application.
    :param logger: the logger of ``/__error__`` and of the adapter's own errors.
    :param lbheartbeat_body: the body of ``/__lbheartbeat__``.
    :param trailing_slash: whether the endpoints answer with a trailing slash, too.
    :param decoded_path: whether the application sees a path without its percent-escapes.
    :param longest_header: the length of the longest header value that is accepted.
    :param crash_page_has_id: whether the page of an unhandled exception passes through the adapter.
    :param wrong_method_status: the status of a page that doesn't accept the method.
    :param propagates: whether the adapter sees an unhandled exception, not only its page.
    :param cut_message: the text of ``RuntimeError("cut")`` after it has left the application.
    :param async_callbacks: whether a version callback may be async.
    """

    name: str
    start: Callable[[Options], RunningApp]
    logger: str
    lbheartbeat_body: bytes = b""
    trailing_slash: bool = False
    decoded_path: bool = True
    longest_header: int = 100_000
    crash_page_has_id: bool = True
    wrong_method_status: int = 405
    propagates: bool = True
    cut_message: str = "cut"
    async_callbacks: bool = True


FRAMEWORKS = ("flask", "sanic", "fastapi", "django", "wsgi", "asgi")


def installed_frameworks() -> list[Framework]:
    """Return the frameworks whose adapters are installed, with each of their servers."""
    modules = [
        importlib.import_module(f"tests.adapters.apps.{name}")
        for name in FRAMEWORKS
        if importlib.util.find_spec(f"dockerflow.{name}") is not None
    ]
    return [framework for module in modules for framework in module.FRAMEWORKS]


class Teapot(Exception):
    """An exception that each application handles itself."""


def environ_of(
    path: str,
    method: str = "GET",
    query: str = "",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> dict[str, Any]:
    """Build the WSGI environment of a request, with path and headers as raw as on a server."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "localhost",
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in (headers or {}).items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    setup_testing_defaults(environ)
    return environ


class WSGIApp:
    """A WSGI application, called as PEP 3333 requires of a server."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self.app = app

    def request(self, path: str, method: str = "GET", **options: Unpack[RequestOptions]) -> Answer:
        """Send a request; for a client that disconnects, close the body before its end."""
        query, headers = options.get("query", ""), options.get("headers")
        environ = environ_of(path, method, query, headers, options.get("body", b""))
        read = options.get("read")
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
            if exc_info and chunks:  # the headers have been sent
                raise exc_info[1].with_traceback(exc_info[2])
            started[:] = [(status, headers)]
            return chunks.append

        chunks: list[bytes] = []
        error: BaseException | None = None
        try:
            result = self.app(environ, start_response)
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
        status, sent = started[0] if started else ("500 Internal Server Error", [])
        return Answer(int(status[:3]), sent, b"".join(chunks), error)

    def close(self) -> None:
        """Do nothing."""


class ASGIApp:
    """An ASGI application on an event loop of its own, called as the ASGI specification requires.

    :param lifespan: whether to wait for its start-up and shutdown.
    """

    def __init__(self, app: Callable[..., Any], *, lifespan: bool = False) -> None:
        self.app = app
        self.loop: asyncio.AbstractEventLoop
        self._events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        started: Future[None] = Future()
        serving = self._serve(started, lifespan)
        self._thread = threading.Thread(target=asyncio.run, args=[serving], daemon=True)
        self._thread.start()
        started.result(30)

    async def _serve(self, started: Future[None], lifespan: bool) -> None:
        async def send(message: dict[str, Any]) -> None:
            assert not message["type"].endswith(".failed"), message
            if message["type"] == "lifespan.startup.complete":
                started.set_result(None)

        self.loop = asyncio.get_running_loop()
        if lifespan:
            self._events.put_nowait({"type": "lifespan.startup"})
            scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
            await self.app(scope, self._events.get, send)
        else:
            started.set_result(None)
            await self._events.get()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the application's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def request(self, path: str, method: str = "GET", **options: Unpack[RequestOptions]) -> Answer:
        """Send a request and return the answer when the application has finished."""
        return self.submit(self.exchange(path, method, **options)).result(30)

    async def exchange(
        self, path: str, method: str = "GET", **options: Unpack[RequestOptions]
    ) -> Answer:
        """Do the same as :meth:`request`, in the application's loop; many may run at once."""
        body = options.get("body", b"")
        headers = {
            "Host": "localhost",
            "Content-Length": str(len(body)),
            **(options.get("headers") or {}),
        }
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote_to_bytes(path).decode("utf-8", "replace"),
            "raw_path": path.encode("ascii"),
            "query_string": options.get("query", "").encode("ascii"),
            "root_path": "",
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1", "surrogateescape"))
                for name, value in headers.items()
            ],
            "client": ("127.0.0.1", 50000),
            "server": ("localhost", 80),
            "state": {},
        }
        requests = [{"type": "http.request", "body": body, "more_body": False}]
        gone, ended = asyncio.Event(), asyncio.Event()
        start: dict[str, Any] = {}
        chunks: list[bytes] = []

        async def receive() -> dict[str, Any]:
            if requests:
                return requests.pop()
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if gone.is_set():
                raise OSError("the client has gone away")
            if message["type"] == "http.response.start":
                start.update(message)
                return
            if message.get("body") and method != "HEAD":  # which servers don't send
                chunks.append(message["body"])
                if len(chunks) == options.get("read"):
                    gone.set()
            if gone.is_set() or not message.get("more_body"):
                ended.set()

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
        """Stop the application and its loop."""
        self.loop.call_soon_threadsafe(self._events.put_nowait, {"type": "lifespan.shutdown"})
        self._thread.join(30)
        assert not self._thread.is_alive()
