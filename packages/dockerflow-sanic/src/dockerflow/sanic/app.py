"""The Sanic extension."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import MethodType
from typing import Any, TypeVar

from sanic import HTTPResponse, Request, Sanic
from sanic.compat import Header
from sanic.exceptions import NotFound

from dockerflow.checks import ERROR, CheckRegistry, ChecksOfExtension, Surroundings
from dockerflow.endpoints import (
    EndpointSettings,
    Reply,
    enabled,
    error_called,
    find_version_to_send,
    heartbeat_reply,
    lbheartbeat_reply,
    version_endpoint_async,
)
from dockerflow.logging.request_id import request_id_context
from dockerflow.logging.summary import SUMMARY_LOGGER, as_paths, decode_query

from .checks.services import database_check, migrations_check, redis_check
from .fields import fields_of
from .headers import clean_headers
from .lifecycle import observe_requests, setting

F = TypeVar("F", bound=Callable[..., Any])

# Not configured: the working directory, which Sanic has put on sys.path, and then /app.
DEFAULT_VERSION_PATH = "."

HEARTBEAT_PASSED = "dockerflow.heartbeat.passed"
"""The signal of a heartbeat whose checks are all below ERROR; ``level`` is in its context."""

HEARTBEAT_FAILED = "dockerflow.heartbeat.failed"
"""The signal of a heartbeat with a check at ERROR or worse; ``level`` is in its context."""

# What Sanic keeps the handlers of these two under, and those of "dockerflow.heartbeat.<outcome>".
_LISTENED_TO = frozenset({HEARTBEAT_PASSED, HEARTBEAT_FAILED, "dockerflow.heartbeat.*"})


class Dockerflow(ChecksOfExtension):
    """The extension: endpoints, health checks, request summaries and request ids for an app.

    :param app: the application, or ``None`` where :meth:`init_app` gets it later.
    :param redis: a Redis client, sync or asyncio, or a ``SanicRedis``, which is checked.
    :param silenced_checks: ids of check messages that are neither counted nor logged.
    :param version_path: the directory of ``version.json``; by default the working directory, then
        ``/app``.
    :param db: a SQLAlchemy ``Engine`` or ``AsyncEngine``, whose connection is checked.
    :param migrate: an Alembic ``Config`` or its path, whose migrations are checked in ``db``.
    :param registry: the checks that the heartbeat runs, by default those of the whole process.
    :raises ValueError: if a ``DOCKERFLOW_`` setting of ``app`` makes no sense.
    :raises TypeError: if there is ``migrate`` and no ``db``.
    :raises ImportError: if the library behind a check is missing, with the extra to install.
    """

    def __init__(
        self,
        app: Sanic[Any, Any] | None = None,
        redis: Any = None,
        silenced_checks: Iterable[str] | None = None,
        version_path: str | os.PathLike[str] = DEFAULT_VERSION_PATH,
        db: Any = None,
        migrate: Any = None,
        registry: CheckRegistry | None = None,
    ) -> None:
        self.logger = logging.getLogger("dockerflow.sanic")
        self.summary_logger = logging.getLogger(SUMMARY_LOGGER)
        self.silenced_checks = list(silenced_checks or ())
        self.version_path = version_path
        if registry is not None:
            self.registry = registry
        self._version_callback: Callable[[str], Any] | None = None
        self._surroundings = Surroundings()
        self._dispatched: set[asyncio.Task[Any]] = set()
        if redis is not None:
            self.check(redis_check(redis), name="check_redis_connected")
        if db is not None:
            self.check(database_check(db), name="check_database_connected")
        if migrate is not None:
            if db is None:
                raise TypeError(
                    "Dockerflow(migrate=...) needs the database as well: Dockerflow(db=engine, ...)"
                )
            self.check(migrations_check(migrate, db), name="check_migrations_applied")
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Sanic[Any, Any]) -> None:
        """Add the endpoints to an application, and observe its requests.

        :param app: the application; one extension may serve several.
        :raises RuntimeError: if the application has a Dockerflow extension already.
        :raises ValueError: if one of its ``DOCKERFLOW_`` settings makes no sense.
        """
        if getattr(app.ctx, "dockerflow", None) is not None:
            raise RuntimeError(
                f"The Sanic app {app.name!r} has a Dockerflow extension already: "
                "use that one, app.ctx.dockerflow, and call init_app once for each app"
            )
        self._settings(app).validate()
        as_paths(app.config.get("DOCKERFLOW_SUMMARY_EXCLUDE_PATHS"))
        for name in ("version", "heartbeat", "lbheartbeat", "error"):
            view = getattr(self, f"_{name}_view")
            app.add_route(view, f"/__{name}__", ("GET", "HEAD"), name=f"dockerflow.{name}")
        self.own_summary_extra = MethodType(_SUMMARY_EXTRA, self)
        observe_requests(app, self)
        with suppress(AttributeError):  # an application may bring a `ctx` that takes nothing more
            app.ctx.dockerflow = self

    # ------------------------------------------------------------------ endpoints

    def version_callback(self, func: F) -> F:
        """Use a function in place of :func:`dockerflow.version.get_version`; a decorator.

        :param func: gets ``version_path`` and returns what ``/__version__`` answers as JSON, or
            ``None`` for 404. It may be async.
        :returns: ``func`` itself, unchanged.
        """
        self._version_callback = func
        return func

    async def _version_view(self, request: Request[Any, Any]) -> HTTPResponse:
        return _to_response(await version_endpoint_async(self._read_version, self.logger))

    def _read_version(self) -> Any:
        path = os.fspath(self.version_path)
        if self._version_callback is not None:
            return self._version_callback(path)
        return find_version_to_send(
            None if path == DEFAULT_VERSION_PATH else path, (DEFAULT_VERSION_PATH,)
        )

    async def _heartbeat_view(self, request: Request[Any, Any]) -> HTTPResponse:
        app = request.app
        settings = self._settings(app)
        results = await self.registry.run_checks_async(
            silenced_check_ids=self.silenced_checks,
            timeout=settings.check_timeout,
            surroundings=self._around(app),
        )
        await self._dispatch(
            app, HEARTBEAT_FAILED if results.level >= ERROR else HEARTBEAT_PASSED, results.level
        )
        return _to_response(
            heartbeat_reply(
                results,
                show_details=settings.show_details(),
                failed_status=settings.failed_status,
            )
        )

    def _around(self, app: Any) -> Surroundings:
        around = self._surroundings
        if around.app is not app:  # most extensions have one application, and make this once
            around = self._surroundings = Surroundings(app=app)
        return around

    async def _dispatch(self, app: Any, event: str, level: int) -> None:
        # Where nobody listens there is nothing to start: a task costs as much as the checks.
        if app.signal_router.name_index.keys().isdisjoint(_LISTENED_TO):
            return
        # As a task: neither its handlers' time nor what they raise is the heartbeat's.
        task: asyncio.Task[Any] = await app.dispatch(event, context={"level": level})
        self._dispatched.add(task)
        task.add_done_callback(self._handlers_ended)

    def _handlers_ended(self, task: asyncio.Task[Any]) -> None:
        self._dispatched.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.logger.error("A handler of the heartbeat's signal raised", exc_info=error)

    async def _lbheartbeat_view(self, request: Request[Any, Any]) -> HTTPResponse:
        return HTTPResponse(*_ALIVE)

    async def _error_view(self, request: Request[Any, Any]) -> HTTPResponse:
        if not self._settings(request.app).error_endpoint:
            raise NotFound(f"Requested URL {request.path} not found")
        error_called(self.logger)

    def _settings(self, app: Sanic[Any, Any]) -> EndpointSettings:
        return EndpointSettings(app.config.get, self.logger)

    # ------------------------------------------------------------------ requests

    def summary_extra(self, request: Request[Any, Any]) -> dict[str, Any]:
        """Build the fields of a request's summary; meant to be extended in subclasses.

        It is called once, when the request has ended; ``code``, ``errno`` and the final ``t`` are
        added to what it returns.

        :param request: the request that has ended.
        """
        ctx = request.ctx
        with_query = setting(request.app.config, "DOCKERFLOW_SUMMARY_LOG_QUERYSTRING")
        fields = fields_of(
            request,
            rid=request_id_context.get() if hasattr(ctx, "id") else None,
            querystring=decode_query(request.raw_url.partition(b"?")[2])
            if with_query and enabled(with_query)
            else None,
        )
        started = getattr(ctx, "start_timestamp", None)
        if started is not None:
            fields["t"] = int((time.time() - started) * 1000)
        return fields


# With it in place, what it asks for is not asked for a second time.
_SUMMARY_EXTRA = Dockerflow.summary_extra


def _to_response(reply: Reply) -> HTTPResponse:
    return HTTPResponse(*_parts_of(reply))


def _parts_of(reply: Reply) -> tuple[bytes, int, Header, str]:
    # With its type among them, Sanic adds none. The response makes a copy of them.
    headers = clean_headers((("content-type", reply.media_type), *reply.headers))
    return reply.body, reply.status, headers, reply.media_type


_ALIVE = _parts_of(lbheartbeat_reply())
