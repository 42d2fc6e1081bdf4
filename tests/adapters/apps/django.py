"""Django's application of the conformance suite, under WSGI and under ASGI.

Django has one set of settings and checks per process. An application here has its own: they apply
while it starts and while it answers a request.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import io
import shutil
import tempfile
from collections.abc import Callable, Generator
from typing import Any, Unpack
from unittest import mock

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.test import override_settings

from dockerflow.checks import default_registry
from tests.adapters.apps.wrapped.django import (
    AsyncViews,
    ErrorHandlers,
    TaskHandler,
    Views,
    hello,
)
from tests.adapters.harness import (
    Answer,
    ASGIApp,
    Framework,
    Options,
    RequestOptions,
    RunningApp,
    WSGIApp,
)

__all__ = ["FRAMEWORKS", "AsyncViews", "TaskHandler", "Views", "hello"]


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
            f"{ErrorHandlers.__module__}.ErrorHandlers",
        ],
        ROOT_URLCONF=Views,
        SECRET_KEY="tests",
        USE_TZ=True,
    )
    django.setup()


if not settings.configured:
    configure()


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
