"""Django's application for gunicorn and uvicorn."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, HttpRequest
from django.test import override_settings
from django.urls import path

from dockerflow import checks
from tests.adapters.apps.django import AsyncViews, Views
from tests.servers.apps import OPTIONS, log_to_stdout

log_to_stdout()


def file(request: HttpRequest) -> FileResponse:
    """Send a file, which a server may do by itself."""
    return FileResponse(Path(__file__).open("rb"))


async def wait(request: HttpRequest) -> FileResponse:
    """Wait until the client disconnects."""
    await asyncio.Event().wait()
    return file(request)


AsyncViews.urlpatterns.append(path("wait", wait))
for urls in (Views, AsyncViews):
    urls.urlpatterns.append(path("file", file))
for name, check in OPTIONS.checks.items():
    checks.register(check, name=name)


def serve(handler: type, urls: type) -> Any:
    """Build an application that lives as long as the process."""
    settings = {**OPTIONS.settings, "DOCKERFLOW_HEARTBEAT_SHOW_DETAILS": True, "ROOT_URLCONF": urls}
    override_settings(**settings).enable()
    return handler()


def wsgi() -> Any:
    """Build the application for a WSGI server."""
    return serve(WSGIHandler, Views)


def asgi() -> Any:
    """Build the application for an ASGI server."""
    return serve(ASGIHandler, AsyncViews)
