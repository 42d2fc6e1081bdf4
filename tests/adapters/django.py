"""Requests to Django applications: to the views of the conformance suite, or to a test's own view.

Its settings are those of :mod:`tests.adapters.apps.django`.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Generator
from typing import Any
from unittest import mock

import pytest
from django.core.checks.registry import registry as django_registry
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest
from django.test import override_settings
from django.urls import re_path

from dockerflow.checks import default_registry
from tests.adapters.apps.django import AsyncViews, TaskHandler, Views
from tests.adapters.harness import Answer, ASGIApp, RequestOptions, WSGIApp

OURS = "dockerflow.django.middleware.DockerflowMiddleware"
AUTH = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

View = Callable[[HttpRequest], Any]
Get = Callable[..., Answer]


def serving(pages: View | type = Views, **settings: Any) -> override_settings:
    """Serve a project's URLs, or one view at any path."""
    if not isinstance(pages, type):
        pages = type("Urls", (), {"urlpatterns": [re_path("", pages)]})
    return override_settings(**{"ROOT_URLCONF": pages, "MIDDLEWARE": [OURS], **settings})


def get(
    where: str, pages: View | type = Views, sent: RequestOptions | None = None, **settings: Any
) -> Answer:
    """Answer one request under WSGI."""
    with serving(pages, **settings):
        return WSGIApp(WSGIHandler()).request(where, **(sent or {}))


def aget(
    where: str, pages: View | type = AsyncViews, sent: RequestOptions | None = None, **settings: Any
) -> Answer:
    """Answer one request under ASGI."""

    async def awaited(request: HttpRequest) -> Any:
        return pages(request)

    pages_or_view = pages if isinstance(pages, type) else awaited
    with serving(pages_or_view, **settings), contextlib.closing(ASGIApp(TaskHandler())) as app:
        return app.request(where, **(sent or {}))


BOTH = pytest.mark.parametrize("answer", [get, aget], ids=["wsgi", "asgi"])


def heartbeat(answer: Get = get, **settings: Any) -> Any:
    """Return the answer's JSON."""
    return json.loads(answer("/__heartbeat__", **settings).body)


def call(environ: dict[str, Any]) -> Any:
    """Call the WSGI application, and return what the server would send."""
    handler: Any = WSGIHandler()
    return handler(environ, lambda status, headers: None)


def sync(get_response: View) -> View:
    """Be a sync-only middleware, which is what Django assumes of any function."""
    return get_response


SYNC = f"{__name__}.sync"


@functools.cache
def migrate() -> None:
    """Make the tables of the installed applications."""
    call_command("migrate", verbosity=0)
    connection.close()


@contextlib.contextmanager
def alone() -> Generator[None]:
    """Show the messages of a test's own checks, over a database with its tables."""
    migrate()
    default_registry.forget_results()
    registered = set(django_registry.registered_checks)
    with (
        mock.patch.dict(default_registry.checks, clear=True),
        mock.patch.object(django_registry, "registered_checks", registered),
        override_settings(DOCKERFLOW_HEARTBEAT_SHOW_DETAILS=True, DOCKERFLOW_CHECK_TIMEOUT=60),
    ):
        yield
