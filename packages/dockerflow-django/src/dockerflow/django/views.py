"""The endpoints: answers for the middleware, and views for ``dockerflow.django.urls``."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.apps import apps
from django.conf import settings
from django.core.checks.registry import registry as django_check_registry
from django.core.handlers.asgi import ASGIRequest
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse

from dockerflow.checks import ERROR, ChecksResults
from dockerflow.endpoints import (
    ERROR_PATH,
    HEARTBEAT,
    Endpoints,
    EndpointSettings,
    NamedCheck,
    Path,
    Reply,
)
from dockerflow.endpoints.replies import method_not_allowed
from dockerflow.version import VersionError

from . import conf
from .heartbeat import adapt_checks, belongs_to_caller, check_environment, checks_to_run
from .signals import heartbeat_failed, heartbeat_passed

__all__ = ["django_check_registry", "error", "heartbeat", "lbheartbeat", "version", "viewpatterns"]


class DjangoEndpoints(Endpoints):
    """The endpoints of the Django project, with its current settings."""

    logger = conf.logger

    def get_setting(self, app: Any, name: str, default: Any = None) -> Any:
        """Return one of Django's settings."""
        return conf.get_setting(name, default)

    def version_places(self, app: Any) -> tuple[Path | None, tuple[Path, ...]]:
        """Return ``BASE_DIR``, if it is set."""
        return getattr(settings, "BASE_DIR", None), ()

    def get_version_callback(self, app: Any) -> Callable[[str], Any] | None:
        """Return the callable of ``DOCKERFLOW_VERSION_CALLBACK``, which may use the ORM."""
        try:
            callback = conf.version_callback()
        except ValueError as error:
            raise VersionError(str(error)) from error.__cause__
        is_async = iscoroutinefunction(callback)  # pyright: ignore[reportDeprecated] - as Django asks
        if callback is None or is_async == _is_on_loop():
            return callback
        return async_to_sync(callback) if is_async else sync_to_async(callback)

    def list_checks(self, app: Any) -> list[NamedCheck]:
        """Return the checks that the heartbeat runs."""
        return checks_to_run()

    def run_checks(
        self, app: Any, settings: EndpointSettings, group: str | None = None
    ) -> ChecksResults:
        """Run the checks for a sync caller."""
        return self.registry.run_checks(
            self.select(app, settings, group),
            self.get_setting(app, "SILENCED_SYSTEM_CHECKS"),
            settings.check_timeout,
            check_environment(inline=belongs_to_caller),
            settings.check_keep,
        )

    async def run_checks_async(
        self, app: Any, settings: EndpointSettings, group: str | None = None
    ) -> ChecksResults:
        """Run the checks for an async caller."""
        pairs = self.select(app, settings, group)
        return await self.registry.run_checks_async(
            await adapt_checks(pairs, settings.check_timeout),
            self.get_setting(app, "SILENCED_SYSTEM_CHECKS"),
            settings.check_timeout,
            check_environment(),
            settings.check_keep,
        )

    def notify(self, app: Any, level: int, **extra: str) -> None:
        """Send the signal; Django logs the exceptions of receivers."""
        signal = heartbeat_failed if level >= ERROR else heartbeat_passed
        signal.send_robust(sender=heartbeat, level=level, **extra)

    async def notify_async(self, app: Any, level: int, **extra: str) -> None:
        """Send the signal from a thread in which receivers may use the ORM."""
        if any(signal.has_listeners(heartbeat) for signal in (heartbeat_failed, heartbeat_passed)):
            await sync_to_async(self.notify)(app, level, **extra)


endpoints = DjangoEndpoints()


def _is_on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def answer(request: HttpRequest) -> HttpResponse | None:
    """Answer a request for an endpoint; return None for any other request."""
    path = request.path_info.removesuffix("/")
    if endpoints.is_probe(apps, path):
        return _answer_probe(request, path)
    is_error = path == ERROR_PATH and endpoints.settings(apps).error_endpoint
    return error(request) if is_error else None


async def answer_async(request: HttpRequest) -> HttpResponse | None:
    """Answer a request like :func:`answer`, on the event loop."""
    path = request.path_info.removesuffix("/")
    if not endpoints.is_probe(apps, path):
        return answer(request)  # it does not block in this case
    return await _answer_probe_async(request, path)


def _answer_probe(request: HttpRequest, path: str) -> HttpResponse | None:
    if isinstance(request, ASGIRequest) and not _is_on_loop():
        # This is a thread for sync code; async checks must run on the application's event loop.
        return async_to_sync(_answer_probe_async)(request, path)
    method, accept = request.method or "", request.headers.get("Accept", "")
    slash = request.path.endswith("/")
    reply = endpoints.answer_probe(apps, path, method, accept, slash=slash)
    return None if reply is None else _to_response(request, reply)


async def _answer_probe_async(request: HttpRequest, path: str) -> HttpResponse | None:
    method, accept = request.method or "", request.headers.get("Accept", "")
    slash = request.path.endswith("/")
    reply = await endpoints.answer_probe_async(apps, path, method, accept, slash=slash)
    return None if reply is None else _to_response(request, reply)


def _to_response(request: HttpRequest, reply: Reply) -> HttpResponse:
    # WSGI servers send the body even in response to HEAD.
    body = b"" if request.method == "HEAD" else reply.body
    headers = {"Content-Length": str(len(reply.body)), **dict(reply.headers)}
    return HttpResponse(body, reply.media_type, reply.status, headers=headers)


def _answer_view(request: HttpRequest, path: str) -> HttpResponse:
    return _answer_probe(request, path) or _to_response(request, method_not_allowed())


def version(request: HttpRequest) -> HttpResponse:
    """Answer with ``version.json``."""
    return _answer_view(request, "/__version__")


def heartbeat(request: HttpRequest, group: str | None = None) -> HttpResponse:
    """Run the checks, or those of a group, and answer with their results."""
    return _answer_view(request, HEARTBEAT if group is None else f"{HEARTBEAT}/{group}")


def lbheartbeat(request: HttpRequest) -> HttpResponse:
    """Answer that the process serves requests."""
    return _answer_view(request, "/__lbheartbeat__")


def error(request: HttpRequest) -> HttpResponse:
    """Raise an exception, to test error reporting.

    :raises Exception: always, for GET and HEAD.
    :raises django.http.Http404: if ``DOCKERFLOW_ERROR_ENDPOINT`` is off.
    """
    if not endpoints.settings(apps).error_endpoint:
        raise Http404
    if request.method not in ("GET", "HEAD"):
        return _to_response(request, method_not_allowed())
    return endpoints.error()


_views = (version, heartbeat, lbheartbeat, error)
for _view in _views:
    # Probes have no user, and ATOMIC_REQUESTS would query the database first. Both lines mark the
    # function itself. The first does what login_not_required() does, which needs Django 5.1.
    _view.__dict__["login_required"] = False
    transaction.non_atomic_requests(_view)

viewpatterns = [(re.compile(rf"/__{view.__name__}__/?\Z"), view) for view in _views]
"""Path patterns, and the views that answer them."""
