"""Django, under WSGI and ASGI: what dockerflow adds to a request, and what the endpoints take."""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import logging
import os
import pathlib
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, NoReturn

import django
from django.conf import settings
from django.core.checks import CheckMessage, register
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.urls import path

from . import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

VERSION = {
    "source": "https://github.com/example/service",
    "version": "2026.11.0",
    "commit": "52ce614fbf99540a1bf6228e36be6cef63b4d73b",
    "build": "https://ci.example.org/service/2223",
}

# What a browser sends, through a proxy.
HEADERS = {
    "Host": "service.example.org",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "de,en-US;q=0.7,en;q=0.3",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Referer": "https://service.example.org/",
    "Connection": "keep-alive",
    "Cookie": "theme=dark; consent=1",
    "Upgrade-Insecure-Requests": "1",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
}

# What gunicorn hands over, without the path and the streams.
ENVIRON: dict[str, Any] = {
    "wsgi.version": (1, 0),
    "wsgi.multithread": False,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
    "wsgi.url_scheme": "http",
    "SERVER_SOFTWARE": "gunicorn/23.0.0",
    "REQUEST_METHOD": "GET",
    "QUERY_STRING": "page=2",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_PORT": "40312",
    "SERVER_NAME": "0.0.0.0",  # noqa: S104 - as gunicorn says it
    "SERVER_PORT": "8000",
    "SCRIPT_NAME": "",
    **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in HEADERS.items()},
}

# What uvicorn hands over, without the path.
SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "server": ("127.0.0.1", 8000),
    "client": ("127.0.0.1", 40312),
    "scheme": "http",
    "root_path": "",
    "query_string": b"page=2",
    "headers": [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()],
    "method": "GET",
}

BODIES = {"/hello": b"hello", "/__lbheartbeat__": b"", "/__version__": VERSION}

# The existing package's heartbeat runs Django's deployment checks too, which have something to say.
HEALTHY = {"status": "warning" if importlib.import_module("dockerflow").__file__ else "ok"}

SIXTEEN = 16
PAUSE = 0.05

urlpatterns: list[Any] = []


def _hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


async def _hello_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


class Application:
    """A Django project with dockerflow, or without it.

    :param view: the view of ``/hello``.
    :param dockerflow: whether the project has the application and its middleware.
    :param checks: ``DOCKERFLOW_CHECKS``.
    """

    def __init__(self, view: Any, *, dockerflow: bool, checks: tuple[str, ...]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self._folder.name)
        (folder / "version.json").write_text(json.dumps(VERSION))
        urlpatterns.append(path("hello", view))
        settings.configure(
            ALLOWED_HOSTS=["*"],
            BASE_DIR=folder,
            DATABASES={
                "default": {
                    "ENGINE": "django.db.backends.sqlite3",
                    "NAME": str(folder / "db.sqlite3"),
                }
            },
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
            DOCKERFLOW_CHECKS=checks,
            INSTALLED_APPS=[
                "django.contrib.auth",
                "django.contrib.contenttypes",
                "django.contrib.sessions",
                *(["dockerflow.django"] if dockerflow else []),
            ],
            LOGGING_CONFIG=None,
            MIDDLEWARE=["dockerflow.django.middleware.DockerflowMiddleware"] if dockerflow else [],
            ROOT_URLCONF=__name__,
            SECRET_KEY="0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ",  # noqa: S106 - it guards nothing
            USE_TZ=True,
        )
        django.setup()
        # The existing package says what Django thinks of these settings, at each heartbeat.
        logging.getLogger("dockerflow").setLevel(logging.CRITICAL)
        self.handler: Any = None
        if dockerflow:
            from dockerflow.logging import MozlogHandler

            self.handler = MozlogHandler(open(os.devnull, "w"), name="service")  # noqa: SIM115 - it stays open
            logger = logging.getLogger("request.summary")
            logger.addHandler(self.handler)
            logger.setLevel(logging.INFO)
            logger.propagate = False
        if checks:
            call_command("migrate", verbosity=0)


class WSGI:
    """An application as a WSGI server calls it."""

    view = staticmethod(_hello)

    def __init__(self) -> None:
        self._app: Any = WSGIHandler()
        self.status = ""

    def _start_response(self, status: str, headers: object, exc_info: object = None) -> None:
        self.status = status

    def requests(self, where: str, count: int) -> None:
        """Answer a number of requests."""
        for _ in range(count):
            for _chunk in (body := self._called(where)):
                pass
            body.close()
        assert self.status == "200 OK", self.status

    def answer(self, where: str) -> tuple[str, bytes]:
        """Answer one request, and return status and body."""
        body = self._called(where)
        try:
            return self.status[:3], b"".join(body)
        finally:
            body.close()

    def _called(self, where: str) -> Any:
        environ = ENVIRON.copy()
        environ["PATH_INFO"] = environ["RAW_URI"] = where
        environ["wsgi.input"] = io.BytesIO()
        environ["wsgi.errors"] = sys.stderr
        return self._app(environ, self._start_response)


class ASGI:
    """An application as an ASGI server calls it: each request in a task of its own, on one loop."""

    view = staticmethod(_hello_async)

    def __init__(self) -> None:
        self._app: Any = ASGIHandler()
        self._loop = asyncio.new_event_loop()

    def requests(self, where: str, count: int) -> None:
        """Answer a number of requests, one after another."""

        async def answer_all() -> None:
            for _ in range(count):
                await self._task(where, [])

        self._loop.run_until_complete(answer_all())

    def answer(self, where: str) -> tuple[str, bytes]:
        """Answer one request, and return status and body."""
        sent: list[dict[str, Any]] = []

        async def answer() -> None:
            await self._task(where, sent)

        self._loop.run_until_complete(answer())
        return str(sent[0]["status"]), b"".join(message.get("body", b"") for message in sent)

    def _task(self, where: str, sent: list[dict[str, Any]]) -> Awaitable[None]:
        scope = SCOPE.copy()
        scope["path"] = where
        scope["raw_path"] = where.encode()
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if asked:
                await self._loop.create_future()  # until the client goes away
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        return self._loop.create_task(self._app(scope, receive, send))


class Requests:
    """Requests for one path.

    :param interface: how the application is called.
    :param where: the path that is asked for.
    :param dockerflow: whether the project has dockerflow.
    :param checks: the checks of the heartbeat.
    :param clock: which time counts.
    """

    def __init__(
        self,
        interface: type[WSGI | ASGI],
        where: str,
        *,
        dockerflow: bool = True,
        checks: tuple[str, ...] = (),
        clock: str = "cpu",
    ) -> None:
        self.clock = clock
        self._where = where
        self._application = Application(interface.view, dockerflow=dockerflow, checks=checks)
        self._server = interface()

    def run(self, count: int) -> None:
        """Ask ``count`` times."""
        self._server.requests(self._where, count)

    def check(self) -> None:
        """Ask three times, once where it takes long, and look at the answers and the lines."""
        handler = self._application.handler
        lines = io.StringIO()
        nowhere: Any = getattr(handler, "stream", None)
        if handler is not None:
            handler.stream = lines
        try:
            answers = [
                self._server.answer(self._where) for _ in range(1 if self.clock == "wall" else 3)
            ]
        finally:
            if handler is not None:
                handler.stream = nowhere
        for status, body in answers:
            assert status == "200", (status, body)
            expected = BODIES.get(self._where, HEALTHY)
            assert (body if isinstance(expected, bytes) else json.loads(body)) == expected, body
        if handler is not None:
            self._check_lines(lines.getvalue().splitlines(), len(answers))

    def _check_lines(self, lines: list[str], count: int) -> None:
        ids: set[str] = set()
        assert len(lines) == count, lines
        for line in lines:
            record = json.loads(line, parse_constant=_no_constant)
            assert record["Type"] == "request.summary", record
            assert record["Severity"] == 6, record
            assert {"Timestamp", "Logger", "Hostname", "EnvVersion", "Pid"} < record.keys(), record
            fields = record["Fields"]
            ids.add(fields["rid"])
            expected = {
                "errno": 0,
                "agent": HEADERS["User-Agent"],
                "lang": HEADERS["Accept-Language"],
                "method": "GET",
                "path": self._where,
            }
            if not _is_single_package():  # which says less, and gives endpoints no id of their own
                expected |= {"uid": "", "code": 200}
                assert type(fields["t"]) is int, fields
            assert expected.items() <= fields.items(), fields
        if self._where == "/hello" or not _is_single_package():
            assert len(ids) == count, ids


def _no_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} is no JSON")


def _is_single_package() -> bool:
    return importlib.import_module("dockerflow").__file__ is not None


def _sleeping(number: int) -> Callable[..., Any]:
    def check(app_configs: object = None, **kwargs: object) -> list[CheckMessage]:
        time.sleep(PAUSE)
        return []

    check.__name__ = check.__qualname__ = f"check_{number}"
    return check


def _awaiting(number: int) -> Callable[..., Any]:
    async def check(app_configs: object = None, **kwargs: object) -> list[CheckMessage]:
        await asyncio.sleep(PAUSE)
        return []

    check.__name__ = check.__qualname__ = f"check_{number}"
    return check


def _sixteen(interface: type[WSGI | ASGI], make: Callable[[int], Callable[..., Any]]) -> Requests:
    for number in range(SIXTEEN):
        register(make(number))
    return Requests(interface, "/__heartbeat__", clock="wall")


def _sixteen_async(interface: type[WSGI | ASGI]) -> Requests:
    if _is_single_package():
        raise Unavailable("The heartbeat runs no async checks.")
    return _sixteen(interface, _awaiting)


def _version(interface: type[WSGI | ASGI]) -> Requests:
    requests = Requests(interface, "/__version__")
    time.sleep(2.1)  # an image's file is older, and one that has just changed is read each time
    return requests


DATABASE = (
    "dockerflow.django.checks.check_database_connected",
    "dockerflow.django.checks.check_migrations_applied",
)


def _subjects(prefix: str, interface: type[WSGI | ASGI]) -> dict[str, Callable[[], Requests]]:
    def endpoint(name: str, checks: tuple[str, ...] = ()) -> Callable[[], Requests]:
        return lambda: Requests(interface, f"/__{name}__", checks=checks)

    return {
        f"{prefix}.bare": lambda: Requests(interface, "/hello", dockerflow=False),
        f"{prefix}.request": lambda: Requests(interface, "/hello"),
        f"{prefix}.lbheartbeat": endpoint("lbheartbeat"),
        f"{prefix}.version": lambda: _version(interface),
        f"{prefix}.heartbeat0": endpoint("heartbeat"),
        f"{prefix}.heartbeat2": endpoint("heartbeat", DATABASE),
        f"{prefix}.sixteen_sync": lambda: _sixteen(interface, _sleeping),
        f"{prefix}.sixteen_async": lambda: _sixteen_async(interface),
    }


SUBJECTS: dict[str, Callable[[], Requests]] = {
    **_subjects("django_wsgi", WSGI),
    **_subjects("django_asgi", ASGI),
}
