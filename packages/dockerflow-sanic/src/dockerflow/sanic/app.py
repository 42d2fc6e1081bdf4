"""The Sanic extension."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from sanic import HTTPResponse
from sanic.exceptions import NotFound

from dockerflow.checks import ERROR, CheckRegistry
from dockerflow.endpoints import ERROR_PATH, HEARTBEAT, LBHEARTBEAT, VERSION, Endpoints, Path, Reply
from dockerflow.logging.request import LiveSettings, RequestSettings
from dockerflow.logging.summary import REQUEST_SUMMARY

from .checks.services import redis_check
from .requests import AnyRequest, AnySanic, RequestObserver, fields_of

# The default: the working directory, which Sanic has put on sys.path, and then /app.
DEFAULT_VERSION_PATH = "."

HEARTBEAT_PASSED = "dockerflow.heartbeat.passed"
"""The signal of a heartbeat whose checks are all below ERROR; ``level`` is in its context.

For the heartbeat of a group, the context also has the group's name, as ``group``.
"""

HEARTBEAT_FAILED = "dockerflow.heartbeat.failed"
"""The signal of a heartbeat with a check at ERROR or worse; ``level`` is in its context."""


class Dockerflow(Endpoints):
    """The extension: endpoints, health checks, request summaries and request ids for an app.

    :param app: the application, or None to call :meth:`init_app` later.
    :param redis: a Redis client, sync or asyncio, or a ``SanicRedis``, to check.
    :param silenced_checks: ids of check messages that are neither counted nor logged.
    :param version_path: the directory of ``version.json``; by default the working directory, then
        ``/app``.
    :param db: a SQLAlchemy ``Engine`` or ``AsyncEngine`` to check.
    :param migrate: an Alembic ``Config`` or its path, to check that its migrations have been
        applied to ``db``.
    :param registry: the registry of the heartbeat's checks, by default the process-wide one.
    :raises ValueError: if a ``DOCKERFLOW_`` setting of ``app`` is invalid.
    :raises TypeError: if ``migrate`` is given without ``db``, or one of the two has the wrong type.
    :raises ImportError: if the library for a check is missing; it names the extra to install.
    """

    logger = logging.getLogger("dockerflow.sanic")
    runs_on_loop = True

    def __init__(
        self,
        app: AnySanic | None = None,
        redis: Any = None,
        silenced_checks: Iterable[str] | None = None,
        version_path: Path = DEFAULT_VERSION_PATH,
        db: Any = None,
        migrate: Any = None,
        registry: CheckRegistry | None = None,
    ) -> None:
        super().__init__(registry, silenced_checks, version_path)
        self.summary_logger = logging.getLogger(REQUEST_SUMMARY)
        # The event loop keeps only weak references to its tasks.
        self._dispatched: set[asyncio.Task[Any]] = set()
        if migrate is not None and db is None:
            raise TypeError(
                "Dockerflow(migrate=...) also needs the database: Dockerflow(db=engine, ...)"
            )
        if redis is not None:
            self.check(redis_check(redis), name="check_redis_connected")
        self.add_service_checks(db=db, migrate=migrate, migrated_db=db)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: AnySanic) -> None:
        """Add the endpoints to an application, and observe its requests.

        :param app: the application; one extension may serve several. A second call for the same
            application does nothing.
        :raises RuntimeError: if the application has another Dockerflow extension, or if its server
            has started: Sanic sends only signals that had a handler at the start.
        :raises ValueError: if one of its ``DOCKERFLOW_`` settings is invalid.
        """
        present = getattr(app.ctx, "dockerflow", None)
        if present is self:
            return
        if present is not None:
            raise RuntimeError(
                f"The Sanic app {app.name!r} already has a Dockerflow extension: "
                "use that one, app.ctx.dockerflow, and call init_app once for each app"
            )
        if app.state.is_started:
            raise RuntimeError(
                f"The server of the Sanic app {app.name!r} has already started, so its requests "
                "can't be observed: call init_app earlier, where the app is created"
            )
        get_setting = functools.partial(self.get_setting, app)
        self.validate_settings(app)
        RequestSettings.read(get_setting)
        for view, path, name in (
            (self._version_view, VERSION, "version"),
            (self._heartbeat_view, HEARTBEAT, "heartbeat"),
            (self._heartbeat_view, f"{HEARTBEAT}/<group>", "heartbeat_group"),
            (self._lbheartbeat_view, LBHEARTBEAT, "lbheartbeat"),
            (self._error_view, ERROR_PATH, "error"),
        ):
            app.add_route(view, path, ("GET", "HEAD"), name=f"dockerflow.{name}")
            _exclude_from_openapi(view)
        settings = LiveSettings(get_setting, self.logger)
        RequestObserver(settings, self.summary_extra, self.logger, self.summary_logger).observe(app)
        with suppress(AttributeError):  # an application's own `ctx` may refuse new attributes
            app.ctx.dockerflow = self

    def get_setting(self, app: AnySanic, name: str, default: Any = None) -> Any:
        """Return a ``DOCKERFLOW_`` setting of the application."""
        value = app.config.get(name)
        return default if value is None else value

    def version_places(self, app: AnySanic) -> tuple[Path | None, tuple[Path, ...]]:
        """Return the configured directory of ``version.json``, and the default directories."""
        path = os.fspath(self.version_path or DEFAULT_VERSION_PATH)
        return (None if path == DEFAULT_VERSION_PATH else path), (DEFAULT_VERSION_PATH,)

    def summary_extra(self, request: AnyRequest) -> dict[str, Any]:
        """Return the fields of a request's summary; subclasses may extend them.

        It is called once, when the request has ended; ``code``, ``errno`` and the final ``t`` are
        added to its result.

        :param request: the request that has ended.
        """
        return fields_of(request)

    # ------------------------------------------------------------------ endpoints

    async def _version_view(self, request: AnyRequest) -> HTTPResponse:
        return _to_response(await self.version_async(request.app))

    async def _heartbeat_view(self, request: AnyRequest, group: str | None = None) -> HTTPResponse:
        headers: Any = request.headers
        accept, slash = headers.get("accept", ""), request.path.endswith("/")
        return _to_response(await self.heartbeat_async(request.app, group, accept, slash=slash))

    async def _lbheartbeat_view(self, request: AnyRequest) -> HTTPResponse:
        return _to_response(self.lbheartbeat())

    async def _error_view(self, request: AnyRequest) -> HTTPResponse:
        if not self.settings(request.app).error_endpoint:
            raise NotFound(f"Requested URL {request.path} not found")
        self.error()

    async def notify_async(self, app: Any, level: int, **extra: str) -> None:
        """Dispatch the signal of a heartbeat; its handlers run in a separate task."""
        event = HEARTBEAT_FAILED if level >= ERROR else HEARTBEAT_PASSED
        task: asyncio.Task[Any] = await app.dispatch(event, context={"level": level, **extra})
        self._dispatched.add(task)
        task.add_done_callback(self._handlers_ended)

    def _handlers_ended(self, task: asyncio.Task[Any]) -> None:
        self._dispatched.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.logger.error("A handler of the heartbeat signal failed", exc_info=error)


def _to_response(reply: Reply) -> HTTPResponse:
    return HTTPResponse(reply.body, reply.status, dict(reply.headers), reply.media_type)


def _exclude_from_openapi(view: Any) -> None:
    """Leave a view out of the OpenAPI schema of sanic-ext, if that is installed."""
    with suppress(ImportError):
        from sanic_ext import openapi  # type: ignore[import-not-found] # not an extra

        openapi.exclude()(view)  # pyright: ignore[reportUnknownMemberType] - if it is missing
