"""Requests as a server makes them, without a socket, and the lines that they leave."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import pathlib
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol
from wsgiref.util import setup_testing_defaults

from benchmarks.work import TimeFunc, Work, added, in_child, timed
from dockerflow.logging import MozlogHandler

Checks = Sequence[Callable[..., Any]]

VERSION = {"version": "2026.11.0", "commit": "52ce614fbf99540a1bf6228e36be6cef63b4d73b"}

# What a browser sends, through a proxy.
HEADERS = {
    "Host": "service.example.org",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Accept-Language": "de,en-US;q=0.7,en;q=0.3",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Connection": "keep-alive",
    "Cookie": "theme=dark; consent=1",
    "X-Forwarded-For": "203.0.113.7",
}


class Ask(Protocol):
    """What the module of a framework has."""

    def __call__(self, path: str, package: str, checks: Checks = ()) -> Work:
        """Make an application with the view ``/hello``, and return what asks it for a path.

        :param package: what observes the application: dockerflow, a peer, or "" for nothing.
        :param checks: the checks of its heartbeat.
        """
        ...


def measure(ask: Ask, work: str, package: str) -> TimeFunc:
    """Return what measures a request of a framework.

    :param work: "request" (what the package adds to one), the name of an endpoint, or
        "sync_checks" or "async_checks" (a heartbeat that has 16 of them).
    """
    if work == "request":
        bare = in_child(lambda: timed(ask("/hello", "")))
        whole = ask("/hello", package)
        if package == "dockerflow":
            whole = with_summaries(whole, "/hello")
        return added(bare, timed(whole))
    if work in ("sync_checks", "async_checks"):
        path = "/__heartbeat__"
        checks = [_check(number, work == "async_checks") for number in range(16)]
        return timed(with_summaries(ask(path, package, checks), path), time.perf_counter)
    path = f"/__{work}__"
    return timed(with_summaries(ask(path, package), path))


def wsgi(app: Any, path: str) -> Work:
    """Return what asks a WSGI application for a path, as gunicorn does."""
    base: dict[str, Any] = {
        "PATH_INFO": path,
        "QUERY_STRING": "page=2",
        "RAW_URI": f"{path}?page=2",
        "REMOTE_ADDR": "127.0.0.1",
        **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in HEADERS.items()},
    }
    setup_testing_defaults(base)
    status = ""

    def start_response(line: str, headers: object, exc_info: object = None) -> None:
        nonlocal status
        status = line

    def ask(count: int) -> None:
        for _ in range(count):
            body = app({**base, "wsgi.input": io.BytesIO()}, start_response)
            for _chunk in body:
                pass
            body.close()
            assert status == "200 OK", status

    return ask


def asgi(app: Any, path: str) -> Work:
    """Return what asks an ASGI application for a path, as uvicorn does."""
    base: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 40312),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"page=2",
        "headers": [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()],
    }
    loop = asyncio.new_event_loop()

    async def ask_once() -> None:
        messages = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            if not messages:
                await loop.create_future()  # until the client goes away
            return messages.pop()

        async def send(message: dict[str, Any]) -> None:
            assert message.get("status", 200) == 200, message

        await app({**base, "state": {}}, receive, send)

    async def ask_all(count: int) -> None:
        for _ in range(count):
            await loop.create_task(ask_once())

    return lambda count: loop.run_until_complete(ask_all(count))


def with_summaries(ask: Work, path: str) -> Work:
    """Have each request's summary written to ``/dev/null``, once it is seen that there is one.

    :raises AssertionError: Requests leave no summary, or several.
    """
    logger = logging.getLogger("request.summary")
    logger.addHandler(logging.NullHandler())
    ask(1)  # the existing package's FastAPI middleware adds a handler at the first one
    logger.setLevel(logging.INFO)
    logger.propagate = False
    lines = io.StringIO()
    logger.handlers[:] = [MozlogHandler(lines)]
    ask(3)
    found = [json.loads(line)["Fields"] for line in lines.getvalue().splitlines()]
    assert [fields["path"] for fields in found] == [path] * 3, found
    assert all("rid" in fields for fields in found), found
    logger.handlers[:] = [MozlogHandler(open(os.devnull, "w", encoding="utf-8"))]  # noqa: SIM115 - it stays open
    return ask


def version_folder() -> str:
    """Return a folder with a ``version.json``, which is kept as long as the process lives."""
    folder = tempfile.mkdtemp(prefix="dockerflow-benchmark-")
    pathlib.Path(folder, "version.json").write_text(json.dumps(VERSION), encoding="utf-8")
    return folder


def _check(number: int, is_async: bool) -> Callable[..., Any]:
    """Return a check that takes 50 ms, of any framework."""

    def check(*args: object, **kwargs: object) -> Any:
        time.sleep(0.05)
        return []

    async def async_check(*args: object, **kwargs: object) -> Any:
        await asyncio.sleep(0.05)
        return []

    made: Callable[..., Any] = async_check if is_async else check
    made.__name__ = made.__qualname__ = f"check_{number}"
    return made
