"""Django's views of the conformance suite, and its handlers to wrap."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import IO, Any, ClassVar

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.urls import path
from django.utils.deprecation import MiddlewareMixin
from django.views.decorators.http import require_safe

from dockerflow.logging import request_id_context
from tests.adapters.apps.wrapped.start import asgi, wsgi
from tests.adapters.harness import Teapot

log = logging.getLogger("app")


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


class UrlsMiddleware(MiddlewareMixin):
    """Use the async views under ASGI."""

    def process_request(self, request: HttpRequest) -> None:
        """Choose the views of a request."""
        urls: Any = Views if hasattr(request, "environ") else AsyncViews
        request.urlconf = urls


def configure() -> None:
    """Configure Django for this process, without any database."""
    settings.configure(
        ALLOWED_HOSTS=["*"],
        LOGGING_CONFIG=None,
        MIDDLEWARE=[f"{__name__}.UrlsMiddleware", f"{__name__}.ErrorHandlers"],
        ROOT_URLCONF=Views,
        SECRET_KEY="tests",
        USE_TZ=True,
    )
    django.setup()


def new_wsgi() -> WSGIHandler:
    """Build Django's application for WSGI."""
    if not settings.configured:
        configure()
    return WSGIHandler()


def new_asgi() -> ASGIHandler:
    """Build Django's application for ASGI."""
    if not settings.configured:
        configure()
    return TaskHandler()


FRAMEWORKS = (
    wsgi("django", new_wsgi, propagates=False),
    asgi("django", new_asgi, propagates=False, lifespan=False),
)
