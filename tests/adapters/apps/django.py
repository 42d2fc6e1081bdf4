"""Django's application of the conformance suite, under WSGI and under ASGI.

Django's settings and checks belong to the process. An application here has its own: they are in
force while it starts and while it answers a request.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import io
import itertools
import logging
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextvars import ContextVar
from typing import IO, Any, ClassVar

import django
from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.test import override_settings
from django.urls import path

from dockerflow.checks import default_registry
from dockerflow.logging import request_id_context
from tests.adapters.harness import (
    Answer,
    ASGIApp,
    Framework,
    Options,
    Teapot,
    WSGIApp,
)

log = logging.getLogger("app")
is_async = iscoroutinefunction  # pyright: ignore[reportDeprecated] - inspect's comes with Python 3.12

MIDDLEWARE = [
    "dockerflow.django.middleware.DockerflowMiddleware",
    "django.middleware.common.CommonMiddleware",
    "tests.adapters.apps.django.ErrorHandlers",
]


def configure() -> None:
    """Configure Django for this process."""
    folder = tempfile.mkdtemp(prefix="dockerflow-django-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/db.sqlite3"}
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DOCKERFLOW_CHECKS=[],
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "dockerflow.django",
        ],
        LOGGING_CONFIG=None,
        MIDDLEWARE=MIDDLEWARE,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ROOT_URLCONF=Views,
        SECRET_KEY="tests",
        USE_TZ=True,
    )
    django.setup()


class Abort(Exception):
    """Stands for an exception of the framework's own, which Django has for few statuses."""


class ErrorHandlers:
    """How a Django application handles its exceptions itself."""

    sync_capable = async_capable = True

    def __new__(cls, get_response: Any) -> Any:
        """Be a middleware of the kind of the next one."""

        def middleware(request: HttpRequest) -> Any:
            return get_response(request)

        async def async_middleware(request: HttpRequest) -> Any:
            return await get_response(request)

        chosen: Any = async_middleware if is_async(get_response) else middleware
        chosen.process_exception = cls.process_exception
        return chosen

    @staticmethod
    def process_exception(request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer what the application raises on purpose."""
        if isinstance(error, Teapot):
            return HttpResponse("short and stout", status=418)
        return HttpResponse("aborted", status=error.args[0]) if isinstance(error, Abort) else None


def hello(request: HttpRequest) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    return HttpResponse("hello")


def id(request: HttpRequest) -> HttpResponse:
    log.info("in handler")
    return HttpResponse(request_id_context.get() or "")


def own_id(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello", headers={"x-request-id": "mine", "X-Trace": "mine"})


def status(request: HttpRequest, code: int) -> HttpResponse:
    return HttpResponse("hello", status=code)


def aborted(request: HttpRequest, code: int) -> HttpResponse:
    raise Http404 if code == 404 else Abort(code)


def boom(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("boom")


def handled(request: HttpRequest) -> HttpResponse:
    raise Teapot


def redirected(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/")


def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse((request.method or "").encode() + b" " + request.body)


def cached(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello", headers={"Cache-Control": "public, max-age=60"})


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def chunks() -> Iterator[str]:
        for chunk in ("one", "two", "three"):
            log.info(chunk)
            yield chunk

    return StreamingHttpResponse(chunks())


def stream_fails(request: HttpRequest) -> StreamingHttpResponse:
    def chunks() -> Iterator[str]:
        yield "one"
        raise RuntimeError("cut")

    return StreamingHttpResponse(chunks())


def endless(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(itertools.repeat("more" * 16384))


async def stream_async(request: HttpRequest) -> StreamingHttpResponse:
    async def chunks() -> AsyncIterator[str]:
        for chunk in ("one", "two", "three"):
            log.info(chunk)
            await asyncio.sleep(0)
            yield chunk

    return StreamingHttpResponse(chunks())


async def stream_fails_async(request: HttpRequest) -> StreamingHttpResponse:
    async def chunks() -> AsyncIterator[str]:
        yield "one"
        raise RuntimeError("cut")

    return StreamingHttpResponse(chunks())


async def endless_async(request: HttpRequest) -> StreamingHttpResponse:
    async def chunks() -> AsyncIterator[str]:
        while True:
            await asyncio.sleep(0)  # sending to a client that has gone doesn't suspend the task
            yield "more" * 16384

    return StreamingHttpResponse(chunks())


def asynchronous(view: Callable[..., HttpResponse]) -> Callable[..., Any]:
    async def call(request: HttpRequest, **arguments: Any) -> HttpResponse:
        return view(request, **arguments)

    return call


VIEWS: list[tuple[str, Callable[..., HttpResponseBase]]] = [
    ("", hello),
    ("id", id),
    ("own-id", own_id),
    ("status/<int:code>", status),
    ("abort/<int:code>", aborted),
    ("boom", boom),
    ("handled", handled),
    ("redirect", redirected),
    ("echo", echo),
    ("cached", cached),
]


class Views:
    """The URLs of the sync views."""

    urlpatterns: ClassVar = [
        *(path(route, view) for route, view in VIEWS),
        path("stream", stream),
        path("stream-fails", stream_fails),
        path("endless", endless),
    ]


class AsyncViews:
    """The URLs of the async views."""

    urlpatterns: ClassVar = [
        *(path(route, asynchronous(view)) for route, view in VIEWS),  # type: ignore[arg-type]
        path("stream", stream_async),
        path("stream-fails", stream_fails_async),
        path("endless", endless_async),
    ]


if not settings.configured:
    configure()


_process = threading.Lock()


class World:
    """What of Django's is an application's own.

    :param urls: the views.
    """

    def __init__(self, options: Options, urls: type) -> None:
        self.settings: dict[str, Any] = {
            **options.settings,
            "ROOT_URLCONF": urls,
            "SILENCED_SYSTEM_CHECKS": list(options.silenced_checks),
        }
        if options.version_path is not None:
            self.settings["BASE_DIR"] = options.version_path
        if options.version_callback is not None:
            self.settings["DOCKERFLOW_VERSION_CALLBACK"] = options.version_callback
        self.checks = options.checks

    @contextlib.contextmanager
    def entered(self) -> Generator[None, None, None]:
        """Put its settings and checks in the place of the process's."""
        with _process, override_settings(**self.settings):
            checks = default_registry.checks
            others = dict(checks)
            checks.clear()
            checks.update(self.checks)
            try:
                yield
            finally:
                checks.clear()
                checks.update(others)


def check_settings() -> None:
    """Refuse wrong settings as Django's own commands do when they start."""
    call_command("check", stdout=io.StringIO())


class DjangoWSGIApp(WSGIApp):
    """The application as a WSGI server calls it."""

    def __init__(self, options: Options) -> None:
        self.world = World(options, Views)
        with self.world.entered():
            check_settings()
            super().__init__(WSGIHandler())

    def request(self, path: str, method: str = "GET", **options: Any) -> Answer:
        """Send a request, with the application's settings and checks in force."""
        with self.world.entered():
            return super().request(path, method, **options)


# The bodies of the requests that are being served, by the task that serves them.
_bodies: ContextVar[list[IO[bytes]]] = ContextVar("bodies")


class ClosingHandler(ASGIHandler):
    """Notes the body of each request: Django before 6.1 leaves it open when sending fails."""

    async def read_body(self, receive: Any) -> IO[bytes]:
        """Read the body as Django does."""
        body: IO[bytes] = await super().read_body(receive)
        _bodies.get().append(body)
        return body


def asgi_application() -> Callable[..., Any]:
    """Return Django's ASGI application: each request in a task of its own, as servers do it."""
    handler: Any = ClosingHandler()

    async def serve(*arguments: Any) -> None:
        bodies: list[IO[bytes]] = []
        _bodies.set(bodies)
        try:
            await asyncio.create_task(handler(*arguments))
        finally:
            for body in bodies:
                body.close()

    return serve


class DjangoASGIApp(ASGIApp):
    """The application as an ASGI server calls it."""

    def __init__(self, options: Options) -> None:
        self.world = World(options, AsyncViews)
        with self.world.entered():
            check_settings()
            super().__init__(asgi_application())

    def request(self, path: str, method: str = "GET", **options: Any) -> Answer:
        """Send a request, with the application's settings and checks in force."""
        with self.world.entered():
            return super().request(path, method, **options)


FRAMEWORK = Framework(
    name="django", start=DjangoWSGIApp, logger="dockerflow.django", trailing_slash=True
)
FRAMEWORKS = (
    FRAMEWORK,
    Framework(
        name="django-asgi",
        start=DjangoASGIApp,
        logger="dockerflow.django",
        trailing_slash=True,
        is_async=True,
    ),
)
