"""Django's application of the conformance suite, under WSGI and under ASGI.

Django has one set of settings and checks per process. An application here has its own: they apply
while it starts and while it answers a request.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import dataclasses
import io
import itertools
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import IO, Any, ClassVar, Unpack
from unittest import mock

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.test import override_settings
from django.urls import path
from django.utils.deprecation import MiddlewareMixin
from django.views.decorators.http import require_safe

from dockerflow.checks import default_registry
from dockerflow.logging import request_id_context
from tests.adapters.harness import (
    Answer,
    ASGIApp,
    Framework,
    Options,
    RequestOptions,
    RunningApp,
    Teapot,
    WSGIApp,
)

log = logging.getLogger("app")


def configure() -> None:
    """Configure Django for this process."""
    folder = tempfile.mkdtemp(prefix="dockerflow-django-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/db.sqlite3"}
        },
        DOCKERFLOW_CHECKS=[],
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "dockerflow.django",
        ],
        LOGGING_CONFIG=None,
        MIDDLEWARE=[
            "dockerflow.django.middleware.DockerflowMiddleware",
            "django.middleware.common.CommonMiddleware",
            f"{__name__}.ErrorHandlers",
        ],
        ROOT_URLCONF=Views,
        SECRET_KEY="tests",
        USE_TZ=True,
    )
    django.setup()


class Abort(Exception):
    """Stands for an exception of Django's own, which exist for few statuses only."""


class ErrorHandlers(MiddlewareMixin):
    """The exception handling of a Django application."""

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Respond to the exceptions that the application raises on purpose."""
        if isinstance(error, Teapot):
            return HttpResponse("short and stout", status=418)
        return HttpResponse("aborted", status=error.args[0]) if isinstance(error, Abort) else None


@require_safe
def hello(request: HttpRequest) -> HttpResponse:
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


VIEWS: dict[str, Callable[..., Any]] = {
    "": hello,
    "id": id,
    "own-id": own_id,
    "status/<int:code>": status,
    "abort/<int:code>": aborted,
    "boom": boom,
    "handled": handled,
    "redirect": redirected,
    "stream": stream,
    "stream-fails": stream_fails,
    "endless": endless,
    "echo": echo,
    "cached": cached,
}


async def asynchronous_chunks(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(0)  # sending to a client that has gone doesn't suspend the task
        yield chunk


def asynchronous(view: Callable[..., Any]) -> Callable[..., Any]:
    async def call(request: HttpRequest, **arguments: Any) -> Any:
        response = view(request, **arguments)
        if response.streaming:
            response.streaming_content = asynchronous_chunks(response.streaming_content)
        return response

    return call


class Views:
    """The URLs of the sync views."""

    urlpatterns: ClassVar = [path(route, view) for route, view in VIEWS.items()]


class AsyncViews:
    """The URLs of the async views."""

    urlpatterns: ClassVar = [path(route, asynchronous(view)) for route, view in VIEWS.items()]


if not settings.configured:
    configure()


class TaskHandler(ASGIHandler):
    """Run each request in a task of its own, as servers do."""

    async def __call__(self, *arguments: Any) -> None:
        """Answer a request."""
        await asyncio.create_task(super().__call__(*arguments))

    async def read_body(self, receive: Any) -> IO[bytes]:
        """Read the body and close it: Django before 6.1 leaves it open if sending fails."""
        body: IO[bytes] = await super().read_body(receive)
        task: Any = asyncio.current_task()
        task.add_done_callback(lambda task: body.close())
        return body


class DjangoApp:
    """An application with its own settings and checks.

    :param urls: the views.
    :param serve: a function that calls Django's handler as a server does.
    """

    def __init__(self, options: Options, urls: type, serve: Callable[[], RunningApp]) -> None:
        self.checks = options.checks
        self.settings: dict[str, Any] = {
            **options.settings,
            "ROOT_URLCONF": urls,
            "SILENCED_SYSTEM_CHECKS": list(options.silenced_checks),
            "BASE_DIR": options.version_path,
            "DOCKERFLOW_VERSION_CALLBACK": options.version_callback,
        }
        with self.in_force():
            call_command("check", stdout=io.StringIO())  # raises for invalid settings
            self.server = serve()

    @contextlib.contextmanager
    def in_force(self) -> Generator[None]:
        """Replace the settings and checks of the process with the application's."""
        checks = mock.patch.dict(default_registry.checks, self.checks, clear=True)
        with override_settings(**self.settings), checks:
            yield

    def request(self, path: str, method: str = "GET", **options: Unpack[RequestOptions]) -> Answer:
        """Send a request while the application's settings and checks apply."""
        with self.in_force():
            return self.server.request(path, method, **options)

    def close(self) -> None:
        """Stop the application."""
        self.server.close()


def start(options: Options) -> RunningApp:
    """Build the application and answer requests with it, under WSGI."""
    return DjangoApp(options, Views, lambda: WSGIApp(WSGIHandler()))


def start_asgi(options: Options) -> RunningApp:
    """Build the application and answer requests with it, under ASGI."""
    return DjangoApp(options, AsyncViews, lambda: ASGIApp(TaskHandler()))


FRAMEWORK = Framework(name="django", start=start, logger="dockerflow.django", trailing_slash=True)
FRAMEWORKS = (FRAMEWORK, dataclasses.replace(FRAMEWORK, name="django-asgi", start=start_asgi))
