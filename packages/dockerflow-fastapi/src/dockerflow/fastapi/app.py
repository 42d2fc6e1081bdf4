"""The extension."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dockerflow.checks import CheckRegistry
from dockerflow.endpoints import Path, Receiver
from dockerflow.logging.asgi import path_below_mount
from dockerflow.logging.request import RequestSettings

from .middleware import StateObserver
from .views import (
    VIEWS,
    StateEndpoints,
    extension_of,
    group_route,
    to_response,
)


class Dockerflow(StateEndpoints):
    """The extension: endpoints, health checks, request summaries and request ids for an app.

    :param app: the FastAPI or Starlette application, or None to call :meth:`init_app` later.
    :param db: a SQLAlchemy engine, sync or async, to check.
    :param redis: a Redis client, sync or asyncio, to check.
    :param migrate: an Alembic ``Config``, or the path of an ``alembic.ini``, to check that its
        migrations have been applied to ``db``.
    :param silenced_checks: ids of check messages that are neither counted nor logged.
    :param version_path: the directory of ``version.json``; by default ``app.state.APP_DIR``, then
        ``$APP_DIR``, then ``/app``.
    :param registry: the registry of the heartbeat's checks, by default the process-wide one.
    :param on_heartbeat_passed: a function to register with :meth:`heartbeat_passed`.
    :param on_heartbeat_failed: a function to register with :meth:`heartbeat_failed`.
    :raises ValueError: if a ``DOCKERFLOW_`` setting in ``app.state`` is invalid.
    :raises ImportError: if the library for a check is missing; it names the extra to install.
    :raises TypeError: if ``db``, ``redis`` or ``migrate`` has the wrong type.
    """

    def __init__(
        self,
        app: Starlette | None = None,
        db: Any = None,
        redis: Any = None,
        migrate: Any = None,
        silenced_checks: Iterable[str] | None = None,
        version_path: Path | None = None,
        registry: CheckRegistry | None = None,
        *,
        on_heartbeat_passed: Receiver | None = None,
        on_heartbeat_failed: Receiver | None = None,
    ) -> None:
        super().__init__(registry, silenced_checks, version_path)
        if on_heartbeat_passed is not None:
            self.heartbeat_passed(on_heartbeat_passed)
        if on_heartbeat_failed is not None:
            self.heartbeat_failed(on_heartbeat_failed)
        self.add_service_checks(db, redis, migrate, migrated_db=db)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Starlette) -> None:
        """Add the endpoints to an application, and observe its requests.

        Call it after the application's own ``add_middleware``, so that no other middleware can
        refuse a probe. If an application has several extensions, for example because its lifespan
        creates one at each start, the newest is used.

        :param app: the application; one extension may serve several.
        :raises ValueError: if one of its ``DOCKERFLOW_`` settings is invalid.
        """
        self.validate_settings(app)
        RequestSettings.read(functools.partial(self.get_setting, app))
        app.state.dockerflow = self
        classes: list[object] = [each.cls for each in app.user_middleware]
        if DockerflowMiddleware in classes:
            return
        # First, before a mount that takes all paths. The middleware answers probes; their routes
        # only serve url_path_for() and metrics that use route names.
        app.router.routes[:0] = [
            Route(path, view, name=view.__name__, include_in_schema=False)
            for path, view in VIEWS.items()
        ]
        app.router.routes.insert(len(VIEWS), group_route())
        if app.middleware_stack is None:
            app.add_middleware(DockerflowMiddleware)
        else:  # in a lifespan, when add_middleware() raises
            app.middleware_stack = DockerflowMiddleware(app.middleware_stack)
            # for code that rebuilds the stack, such as OpenTelemetry's
            app.user_middleware.insert(0, Middleware(DockerflowMiddleware))


class DockerflowMiddleware(StateObserver):
    """Observe requests, and answer probes before any other middleware can refuse them.

    :param app: the rest of the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(functools.partial(_answer_probes, app))


async def _answer_probes(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a probe; pass any other request to the application."""
    if scope["type"] == "http" and scope["method"] != "OPTIONS" and _is_probe(scope):
        # An exception of a version callback is handled like that of any view.
        handlers = dict(scope["app"].exception_handlers)
        for kind in (500, Exception):  # ServerErrorMiddleware handles these
            handlers.pop(kind, None)
        app = ExceptionMiddleware(_answer, handlers)
    await app(scope, receive, send)


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    app, accept = scope["app"], Headers(scope=scope).get("accept", "")
    reply = await extension_of(app).answer_probe_async(
        app, path_below_mount(scope), scope["method"], accept
    )
    assert reply is not None
    await to_response(reply)(scope, receive, send)


def _is_probe(scope: Scope) -> bool:
    app = scope["app"]
    return extension_of(app).is_probe(app, path_below_mount(scope))
