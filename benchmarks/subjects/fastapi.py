"""Requests to FastAPI, made as uvicorn makes them: a scope, `receive` and `send`, on one loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import json
import logging
import os
import pathlib
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from fastapi import FastAPI
from starlette.responses import PlainTextResponse

import dockerflow.fastapi
from dockerflow import checks
from dockerflow.fastapi.middleware import MozlogRequestSummaryLogger, RequestIdMiddleware
from dockerflow.logging import MozlogHandler

Message = MutableMapping[str, Any]

# The extension, which the existing package has not.
EXTENSION: Any = getattr(dockerflow.fastapi, "Dockerflow", None)

FIELDS = {"agent", "lang", "method", "path", "code", "rid", "t"} | (
    set() if EXTENSION is None else {"errno", "uid", "msg"}
)

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LANGUAGES = "en-GB,en;q=0.8,de;q=0.5"
HEADERS = [
    (b"host", b"shop.example.com"),
    (b"user-agent", AGENT.encode()),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", LANGUAGES.encode()),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"referer", b"https://shop.example.com/baskets"),
    (b"connection", b"keep-alive"),
    (b"cookie", b"session=b3f1c9e2a47d4b0d9a5c; theme=dark"),
    (b"upgrade-insecure-requests", b"1"),
    (b"sec-fetch-dest", b"document"),
    (b"sec-fetch-mode", b"navigate"),
    (b"sec-fetch-site", b"same-origin"),
]
VERSION = {
    "source": "https://github.com/acme/shop",
    "version": "1.24.0",
    "commit": "6b4d0c1f7d0e4f4c9f0c2a1b7e55f3a9d8c3b2a1",
    "build": "https://ci.example.com/acme/shop/builds/4711",
}


async def receive() -> Message:
    """Hand over the body of a request, which is empty."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def discard(message: Message) -> None:
    """Take a message of a response, as a server that is done with it."""


class Requests:
    """Requests for one path of an application.

    :param app: the application.
    :param path: what is asked for.
    :param body: what is answered; a dictionary is compared as JSON.
    :param observed: whether each request leaves a summary.
    :param clock: which time counts, "cpu" or "wall".
    """

    def __init__(
        self,
        app: FastAPI,
        path: str,
        body: str | dict[str, Any],
        *,
        observed: bool = True,
        clock: str = "cpu",
    ) -> None:
        self.clock = clock
        self._app = app
        self._path = path
        self._body = body
        self._observed = observed
        self._loop = asyncio.new_event_loop()
        self._devnull = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as we live
        # The first request builds the stack of middleware, which adds a handler for stdout.
        with contextlib.redirect_stdout(io.StringIO()):
            self._loop.run_until_complete(self._request(discard))
        self._write_to(self._devnull)

    def run(self, count: int) -> None:
        """Make requests, one after another."""
        self._loop.run_until_complete(self._requests(count))

    def check(self) -> None:
        """Look at two answers, and at the lines that they leave."""
        lines = io.StringIO()
        self._write_to(lines)
        try:
            for _ in range(2):
                self._check_answer()
        finally:
            self._write_to(self._devnull)
        summaries = [
            json.loads(line, parse_constant=_refuse) for line in lines.getvalue().split("\n")[:-1]
        ]
        assert len(summaries) == (2 if self._observed else 0), summaries
        for summary in summaries:
            assert summary["Type"] == "request.summary", summary
            fields = summary["Fields"]
            assert fields.keys() >= FIELDS, fields
            assert (fields["path"], fields["method"]) == (self._path, "GET"), fields
            assert (fields["agent"], fields["lang"]) == (AGENT, LANGUAGES), fields
            assert fields["code"] == 200, fields
        assert len({summary["Fields"]["rid"] for summary in summaries}) == len(summaries), summaries

    def _check_answer(self) -> None:
        messages: list[Message] = []

        async def send(message: Message) -> None:
            messages.append(message)

        self._loop.run_until_complete(self._request(send))
        start, *rest = messages
        assert start["status"] == 200, start
        body = b"".join(message["body"] for message in rest).decode()
        assert (json.loads(body) if isinstance(self._body, dict) else body) == self._body, body

    async def _requests(self, count: int) -> None:
        for _ in range(count):
            await self._request(discard)

    def _request(self, send: Callable[[Message], Awaitable[None]]) -> Awaitable[None]:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 52384),
            "scheme": "http",
            "method": "GET",
            "root_path": "",
            "path": self._path,
            "raw_path": self._path.encode(),
            "query_string": b"",
            "headers": list(HEADERS),
            "state": {},
        }
        return self._app(scope, receive, send)

    def _write_to(self, stream: Any) -> None:
        """Have one handler write the summaries, in place of what a package has added itself."""
        logger = logging.getLogger("request.summary")
        logger.handlers[:] = [MozlogHandler(stream)]
        logger.setLevel(logging.INFO)
        logger.propagate = False


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


# ---------------------------------------------------------------------- the applications


def bare() -> FastAPI:
    """Build an application without dockerflow."""
    app = FastAPI()

    @app.get("/baskets/{number}", response_class=PlainTextResponse)
    async def basket(number: int) -> str:
        return f"basket {number}"

    return app


def with_parts() -> FastAPI:
    """Build an application with the router and the two middlewares."""
    app = bare()
    app.include_router(dockerflow.fastapi.router)
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(MozlogRequestSummaryLogger)
    return app


def usual() -> FastAPI:
    """Build an application as the package's guide has it: by the extension where there is one."""
    if EXTENSION is None:
        return with_parts()
    app = bare()
    EXTENSION(app)
    return app


def _hello(create: Callable[[], FastAPI]) -> Requests:
    return Requests(create(), "/baskets/7", "basket 7", observed=create is not bare)


def _lbheartbeat() -> Requests:
    return Requests(usual(), "/__lbheartbeat__", {"status": "ok"})


def _version() -> Requests:
    app = usual()
    app.state.folder = folder = tempfile.TemporaryDirectory()  # removed with the application
    app.state.APP_DIR = folder.name
    pathlib.Path(folder.name, "version.json").write_text(json.dumps(VERSION), encoding="utf-8")
    time.sleep(2.1)  # an image's file is older, and one that has just changed is read each time
    return Requests(app, "/__version__", VERSION)


def _heartbeat(health_checks: Iterable[Callable[[], Any]] = (), clock: str = "cpu") -> Requests:
    statuses: dict[str, str] = {}
    for number, check in enumerate(health_checks):
        checks.register(check, name=f"check_{number}")
        statuses[f"check_{number}"] = "ok"
    body = {"status": "ok", "checks": statuses, "details": {}}
    return Requests(usual(), "/__heartbeat__", body, clock=clock)


def _check_50_ms() -> list[Any]:
    time.sleep(0.05)
    return []


async def _check_50_ms_async() -> list[Any]:
    await asyncio.sleep(0.05)
    return []


SUBJECTS: dict[str, Callable[[], Requests]] = {
    "fastapi.bare": functools.partial(_hello, bare),
    "fastapi.parts": functools.partial(_hello, with_parts),
    "fastapi.request": functools.partial(_hello, usual),
    "fastapi.lbheartbeat": _lbheartbeat,
    "fastapi.version": _version,
    "fastapi.heartbeat0": _heartbeat,
    "fastapi.sixteen_sync": functools.partial(
        _heartbeat, [functools.partial(_check_50_ms) for _ in range(16)], "wall"
    ),
    "fastapi.sixteen_async": functools.partial(
        _heartbeat, [functools.partial(_check_50_ms_async) for _ in range(16)], "wall"
    ),
}
