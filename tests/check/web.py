"""A service written by hand for the tests of HTTP, and a way to break it."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION_JSON = {
    "source": "https://github.com/example/shop",
    "version": "",
    "commit": "52ce614fbf99540a1bf6228e36be6cef63b4d73b",
    "build": "https://ci.example.org/shop/2223",
}
HEARTBEAT_JSON = {"status": "ok", "checks": {"database": "ok"}, "details": {}}


@dataclass(frozen=True)
class Request:
    """What the service was asked."""

    method: str
    path: str
    request_id: str
    authorization: str | None


@dataclass(frozen=True)
class Reply:
    """What it answers.

    :param raw: chunks to send in place of an HTTP answer.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    raw: Iterable[bytes] | None = None

    def having(self, **headers: str) -> Reply:
        """Return a copy with some headers set; an empty value removes one."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        merged = {**self.headers, **names}
        return replace(self, headers={name: value for name, value in merged.items() if value})

    def saying(self, content: object) -> Reply:
        """Return a copy with another JSON body."""
        return replace(self, body=json.dumps(content).encode())


Service = Callable[[Request], Reply]
Fault = Callable[[Request, Reply], Reply]


def good(request: Request) -> Reply:
    """Answer as a service that keeps the specification, like one in Go."""
    headers = {
        "Cache-Control": "no-store",
        "Content-Type": "application/json",
        "X-Request-ID": request.request_id,
    }
    bodies: dict[str, object] = {
        "/__version__": VERSION_JSON,
        "/__heartbeat__": HEARTBEAT_JSON,
        "/__lbheartbeat__": {"status": "ok"},
        "/__error__": {"error": "Internal Server Error"},
    }
    if request.path not in bodies:
        return Reply(404, b"not found", {**headers, "Content-Type": "text/plain"})
    if request.method not in {"GET", "HEAD"}:
        return Reply(405, b"", {**headers, "Allow": "GET, HEAD"})
    status = 500 if request.path == "/__error__" else 200
    return Reply(status, b"", headers).saying(bodies[request.path])


def with_fault(fault: Fault, path: str = "", method: str = "") -> Service:
    """Return the good service with a fault in the answers to one path, or to all.

    :param method: the method of the requests that meet the fault; by default GET and HEAD.
    """
    methods = {method} if method else {"GET", "HEAD"}

    def service(request: Request) -> Reply:
        reply = good(request)
        if path in {"", request.path} and request.method in methods:
            return fault(request, reply)
        return reply

    return service


class _Handler(BaseHTTPRequestHandler):
    """One request; the server has the service."""

    def _answer(self) -> None:
        assert isinstance(self.server, _Server)
        headers = self.headers
        request_id = headers.get("X-Request-ID", "")
        request = Request(self.command, self.path, request_id, headers.get("Authorization"))
        reply = self.server.service(request)
        # A client that has had enough goes away.
        with contextlib.suppress(ConnectionError):
            if reply.raw is not None:
                for chunk in reply.raw:
                    self.wfile.write(chunk)
                return
            self.send_response_only(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

    do_GET = do_HEAD = do_POST = _answer  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    """A server of one service."""

    service: Service

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away."""


@contextlib.contextmanager
def serve(service: Service, context: ssl.SSLContext | None = None) -> Generator[str]:
    """Serve on a free port, with TLS if there is a context, and give the URL."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.service = service
        if context is not None:
            # The handshake belongs to the thread of the request.
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        try:
            yield f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
