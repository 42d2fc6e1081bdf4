"""Faults for a copy of an example: the tests put statements in place of the three comments."""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

__all__ = ["asgi", "lines", "time", "traceback", "wsgi"]  # two are for statements

Message = MutableMapping[str, Any]
seen: set[str] = set()


def before(method: str, path: str) -> tuple[str, str]:
    """Change a request, or what happens before it."""
    # BEFORE
    return method, path


def after(
    method: str, path: str, status: int, headers: dict[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Change an answer; the names of its headers are in lower case."""
    # AFTER
    return status, headers, body


def changed(
    method: str, path: str, status: int, headers: dict[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Change an answer, and its length."""
    old = body
    status, headers, body = after(method, path, status, headers, body)
    if body != old:
        headers["content-length"] = str(len(body))
    return status, headers, body


def wsgi(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Put the faults around a WSGI application."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        environ["REQUEST_METHOD"], environ["PATH_INFO"] = before(*asked)
        started: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            started[:] = int(status[:3]), {name.lower(): value for name, value in headers}

        answer = app(environ, start)
        body = b"".join(answer)
        if (close := getattr(answer, "close", None)) is not None:
            close()
        status, headers, body = changed(*asked, started[0], started[1], body)
        start_response(f"{status} X", list(headers.items()))
        return [] if asked[0] == "HEAD" else [body]

    return wrapped


def asgi(app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Put the faults around an ASGI application."""

    async def wrapped(
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        asked = scope["method"], scope["path"]
        method, path = before(*asked)
        start: Message = {}
        body = b""

        async def collect(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body += message.get("body", b"")

        await app({**scope, "method": method, "path": path}, receive, collect)
        old = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        status, headers, body = changed(*asked, start["status"], old, body)
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if asked[0] == "HEAD" else body})

    return wrapped


class Lines(logging.Formatter):
    """Changes the lines of a formatter."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self.inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return a line, or several."""
        line: dict[str, Any] = json.loads(self.inner.format(record))
        fields: dict[str, Any] = line["Fields"]
        is_summary = line["Type"] == "request.summary"
        again = False
        # LINE
        text = json.dumps(line)
        return f"{text}\n{text}" if again and is_summary and fields else text


def lines() -> None:
    """Put the faults into all lines that are written from now on."""
    for handler in logging.getLogger().handlers:
        if handler.formatter is not None:
            handler.setFormatter(Lines(handler.formatter))
