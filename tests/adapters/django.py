"""Requests to Django applications: to one view, and to the heartbeat.

Its settings are those of :mod:`tests.adapters.apps.django`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
from collections.abc import Callable, Generator
from typing import Any

import pytest
from django.core.checks.registry import registry as django_registry
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from dockerflow.checks import default_registry
from tests.adapters.apps import django as served
from tests.adapters.harness import Answer, ASGIApp, WSGIApp

OURS = "dockerflow.django.middleware.DockerflowMiddleware"
AUTH = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

View = Callable[[HttpRequest], Any]


def serving(view: Callable[..., Any], **settings: Any) -> override_settings:
    """Serve one view, at any path."""
    urls = type("Urls", (), {"urlpatterns": [path("", view), path("<path:rest>", view)]})
    return override_settings(ROOT_URLCONF=urls, **{"MIDDLEWARE": [OURS], **settings})


def get(view: View, where: str = "/page", **settings: Any) -> Answer:
    """Answer one request under WSGI."""
    with serving(lambda request, rest="": view(request), **settings):
        return WSGIApp(WSGIHandler()).request(where)


def call(handler: Any, environ: dict[str, Any]) -> Any:
    """Call a WSGI application, and return what the server would send."""
    return handler(environ, lambda status, headers: None)


def aget(view: View, where: str = "/page", *, read: int | None = None, **settings: Any) -> Answer:
    """Answer one request under ASGI, in a task of its own."""

    async def awaited(request: HttpRequest, rest: str = "") -> Any:
        response = view(request)
        return await response if asyncio.iscoroutine(response) else response

    with serving(awaited, **settings):
        app = ASGIApp(served.asgi_application())
        try:
            return app.request(where, read=read)
        finally:
            app.close()


is_async = served.is_async

BOTH = pytest.mark.parametrize("answer", [get, aget], ids=["wsgi", "asgi"])


def hello(request: HttpRequest) -> HttpResponse:
    """Be a view."""
    return HttpResponse("hello")


class Sync:
    """A middleware that knows no async."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        """Hand on."""
        return self.get_response(request)


SYNC = f"{__name__}.Sync"


# ---------------------------------------------------------------------- heartbeats


@functools.cache
def migrate() -> None:
    """Make the tables of the installed applications."""
    call_command("migrate", verbosity=0)


@contextlib.contextmanager
def alone() -> Generator[None, None, None]:
    """Show what checks say, and leave the registries as they were."""
    registered = set(django_registry.registered_checks)
    others = dict(default_registry.checks)
    default_registry.clear_checks()
    with override_settings(DOCKERFLOW_HEARTBEAT_SHOW_DETAILS=True):
        yield
    default_registry.checks.clear()
    default_registry.checks.update(others)
    django_registry.registered_checks = registered


def heartbeat(where: str = "/__heartbeat__", **settings: Any) -> Any:
    """Return what is answered as JSON under WSGI."""
    with override_settings(**settings):
        return Client().get(where).json()


def asgi(where: str = "/__heartbeat__", **settings: Any) -> Answer:
    """Answer one request under ASGI."""
    with override_settings(**settings):
        app = ASGIApp(ASGIHandler())
        try:
            return app.request(where)
        finally:
            app.close()


def asgi_heartbeat(where: str = "/__heartbeat__", **settings: Any) -> Any:
    """Return what is answered as JSON under ASGI."""
    return json.loads(asgi(where, **settings).body)


BEATS = pytest.mark.parametrize("beat", [heartbeat, asgi_heartbeat], ids=["wsgi", "asgi"])
