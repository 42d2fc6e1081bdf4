"""Flask: what dockerflow adds to a request, and what the operational endpoints take."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import logging
import os
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

from flask import Flask

from dockerflow import checks
from dockerflow.flask import Dockerflow
from dockerflow.logging import MozlogHandler

from . import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = {
    "source": "https://github.com/example/service",
    "version": "2026.11.0",
    "commit": "52ce614fbf99540a1bf6228e36be6cef63b4d73b",
    "build": "https://ci.example.org/service/2223",
}

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
LANGUAGES = "de,en-US;q=0.7,en;q=0.3"

# What gunicorn hands over for a request of a browser behind a proxy, without the streams.
ENVIRON: dict[str, Any] = {
    "wsgi.version": (1, 0),
    "wsgi.multithread": False,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
    "wsgi.url_scheme": "https",
    "SERVER_SOFTWARE": "gunicorn/23.0.0",
    "REQUEST_METHOD": "GET",
    "QUERY_STRING": "page=2",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "HTTP_HOST": "service.example.org",
    "HTTP_USER_AGENT": AGENT,
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "HTTP_ACCEPT_LANGUAGE": LANGUAGES,
    "HTTP_ACCEPT_ENCODING": "gzip, deflate, br, zstd",
    "HTTP_REFERER": "https://service.example.org/",
    "HTTP_CONNECTION": "keep-alive",
    "HTTP_COOKIE": "theme=dark; consent=1",
    "HTTP_UPGRADE_INSECURE_REQUESTS": "1",
    "HTTP_SEC_FETCH_DEST": "document",
    "HTTP_SEC_FETCH_MODE": "navigate",
    "HTTP_X_FORWARDED_FOR": "203.0.113.7",
    "HTTP_X_FORWARDED_PROTO": "https",
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_PORT": "40312",
    "SERVER_NAME": "0.0.0.0",  # noqa: S104 - as gunicorn says it
    "SERVER_PORT": "8000",
    "SCRIPT_NAME": "",
}

SIXTEEN = 16
PAUSE = 0.05


class Requests:
    """Requests for one path, made as a WSGI server makes them.

    :param path: the path that is asked for.
    :param dockerflow: whether the application has the extension.
    :param clock: which time counts.
    """

    def __init__(self, path: str, *, dockerflow: bool = True, clock: str = "cpu") -> None:
        self.clock = clock
        self.path = path
        self.dockerflow = dockerflow
        self.app = Flask("service", root_path=os.getcwd())
        self.app.add_url_rule("/hello", view_func=lambda: "hello")
        self.nowhere = open(os.devnull, "w")  # noqa: SIM115 - it stays open
        self.handler: Any = None
        self.folder = tempfile.TemporaryDirectory()
        if dockerflow:
            path = os.path.join(self.folder.name, "version.json")
            with open(path, "w") as file:
                json.dump(VERSION, file)
            Dockerflow(self.app, version_path=self.folder.name)
            self.handler = MozlogHandler(self.nowhere, name="service")
            logger = logging.getLogger("request.summary")
            logger.addHandler(self.handler)
            logger.setLevel(logging.INFO)
            logger.propagate = False

    def run(self, count: int) -> None:
        """Ask ``count`` times."""
        app: Any = self.app
        path = self.path
        status = ""

        def start_response(line: str, headers: Any, exc_info: Any = None) -> None:
            nonlocal status
            status = line

        for _ in range(count):
            environ = ENVIRON.copy()
            environ["PATH_INFO"] = environ["RAW_URI"] = path
            environ["wsgi.input"] = io.BytesIO()
            environ["wsgi.errors"] = sys.stderr
            body = app(environ, start_response)
            for _chunk in body:
                pass
            body.close()
        assert status == "200 OK", status

    def check(self) -> None:
        """Ask three times, once where it takes long, and look at the answers and the lines."""
        lines = io.StringIO()
        if self.handler is not None:
            self.handler.stream = lines
        answers = [self._ask() for _ in range(1 if self.clock == "wall" else 3)]
        if self.handler is not None:
            self.handler.stream = self.nowhere
            self._check_lines(lines.getvalue().splitlines(), len(answers))
        for status, body in answers:
            assert status == "200 OK", status
            self._check_body(body)

    def _ask(self) -> tuple[str, bytes]:
        statuses: list[str] = []
        environ = {
            **ENVIRON,
            "PATH_INFO": self.path,
            "RAW_URI": self.path,
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
        }
        app: Any = self.app
        body = app(environ, lambda status, headers, exc_info=None: statuses.append(status))
        try:
            return statuses[0], b"".join(body)
        finally:
            body.close()

    def _check_body(self, body: bytes) -> None:
        if self.path == "/hello":
            assert body == b"hello", body
        elif self.path == "/__lbheartbeat__":
            assert body == b"", body
        elif self.path == "/__version__":
            assert json.loads(body) == VERSION, body
        else:
            answer = json.loads(body)
            assert answer["status"] == "ok", answer
            expected = dict.fromkeys(checks.get_checks(), "ok")
            assert answer["checks"] == expected, answer

    def _check_lines(self, lines: list[str], count: int) -> None:
        assert len(lines) == count, lines
        ids: set[str] = set()
        for line in lines:
            record = json.loads(line, parse_constant=_no_constant)
            assert record["Type"] == "request.summary", record
            assert record["Severity"] == 6, record
            for name in ("Timestamp", "Logger", "Hostname", "EnvVersion", "Pid"):
                assert name in record, name
            fields = record["Fields"]
            assert fields["agent"] == AGENT, fields
            assert fields["lang"] == LANGUAGES, fields
            assert (fields["method"], fields["path"]) == ("GET", self.path), fields
            assert (fields["errno"], fields["uid"]) == (0, ""), fields
            assert fields.get("code", 200) == 200, fields  # the existing package has none
            assert fields["t"] >= 0, fields
            ids.add(fields["rid"])
        assert len(ids) == count, ids


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def _pause() -> list[checks.CheckMessage]:
    time.sleep(PAUSE)
    return []


async def _pause_async() -> list[checks.CheckMessage]:
    await asyncio.sleep(PAUSE)
    return []


def _sixteen(check: Callable[[], Any]) -> Requests:
    for number in range(SIXTEEN):
        checks.register(_copy_of(check), name=f"check_{number}")
    return Requests("/__heartbeat__", clock="wall")


def _copy_of(check: Callable[[], Any]) -> Callable[[], Any]:
    """Return another check that does the same: one object is one check, and runs once."""
    if inspect.iscoroutinefunction(check):

        async def copy_async() -> Any:
            return await check()

        return copy_async

    def copy() -> Any:
        return check()

    return copy


def _sixteen_async() -> Requests:
    subject = _sixteen(_pause_async)
    try:
        subject.check()
    except (AssertionError, RuntimeError, TypeError) as error:
        raise Unavailable("The heartbeat runs no async checks.") from error
    return subject


def _version() -> Requests:
    requests = Requests("/__version__")
    time.sleep(2.1)  # an image's file is older, and one that has just changed is read each time
    return requests


SUBJECTS: dict[str, Callable[[], Requests]] = {
    "flask.bare": lambda: Requests("/hello", dockerflow=False),
    "flask.request": lambda: Requests("/hello"),
    "flask.lbheartbeat": lambda: Requests("/__lbheartbeat__"),
    "flask.version": _version,
    "flask.heartbeat0": lambda: Requests("/__heartbeat__"),
    "flask.sixteen_sync": lambda: _sixteen(_pause),
    "flask.sixteen_async": _sixteen_async,
}
