"""The extension."""

from __future__ import annotations

import functools
import inspect
import logging
import os
from collections.abc import Callable, Iterable
from types import MethodType
from typing import Any, TypeVar

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp

from dockerflow.checks import ERROR, CheckRegistry, ChecksOfExtension, Surroundings
from dockerflow.endpoints import (
    CONTAINER_ROOT,
    EndpointSettings,
    Reply,
    find_version,
    heartbeat_reply,
    version_endpoint,
    version_endpoint_async,
)
from dockerflow.logging.summary import as_paths

from .fields import summary_of, user_id_of
from .middleware import MozlogRequestSummaryLogger
from .settings import setting

F = TypeVar("F", bound=Callable[..., Any])

Receiver = Callable[..., Any]
"""What is told of a heartbeat: a function, sync or async, that is called with ``level=``."""


class Dockerflow(ChecksOfExtension):
    """The extension: endpoints, health checks, request summaries and request ids for an app.

    :param app: the application, of FastAPI or Starlette, or ``None`` where :meth:`init_app` gets it
        later.
    :param db: a SQLAlchemy engine, sync or async, whose database is checked.
    :param redis: a Redis client, sync or asyncio, which is checked.
    :param migrate: an Alembic ``Config``, or the path of an ``alembic.ini``, whose migrations are
        looked for in ``db``.
    :param silenced_checks: ids of check messages that are neither counted nor logged.
    :param version_path: the directory of ``version.json``; by default ``app.state.APP_DIR``, then
        ``$APP_DIR``, then ``/app``.
    :param registry: the checks that the heartbeat runs, by default those of the whole process.
    :param on_heartbeat_passed: called as by :meth:`heartbeat_passed`.
    :param on_heartbeat_failed: called as by :meth:`heartbeat_failed`.
    :raises ValueError: if a ``DOCKERFLOW_`` setting in ``app.state`` makes no sense.
    :raises ImportError: if the library behind a check is missing, with the extra to install.
    """

    def __init__(
        self,
        app: Starlette | None = None,
        db: Any = None,
        redis: Any = None,
        migrate: Any = None,
        silenced_checks: Iterable[str] | None = None,
        version_path: str | os.PathLike[str] | None = None,
        registry: CheckRegistry | None = None,
        *,
        on_heartbeat_passed: Receiver | None = None,
        on_heartbeat_failed: Receiver | None = None,
    ) -> None:
        self.logger = logging.getLogger("dockerflow.fastapi.views")
        self.silenced_checks = list(silenced_checks or ())
        self.version_path = version_path
        if registry is not None:
            self.registry = registry
        self._version_callback: Callable[[str], Any] | None = None
        self._passed = [] if on_heartbeat_passed is None else [on_heartbeat_passed]
        self._failed = [] if on_heartbeat_failed is None else [on_heartbeat_failed]
        # Saves a millisecond of the import where there is no such service.
        if db is not None:
            from dockerflow.checks.sqlalchemy import database_check

            self.check(database_check(db), name="check_database_connected")
        if redis is not None:
            from dockerflow.checks.redis import redis_check

            self.check(redis_check(redis), name="check_redis_connected")
        if migrate is not None:
            from dockerflow.checks.alembic import migrations_check

            self.check(migrations_check(migrate, db), name="check_migrations_applied")
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Starlette) -> None:
        """Add the endpoints to an application, and observe its requests.

        :param app: the application; one extension may serve several.
        :raises RuntimeError: if the application has a Dockerflow extension already.
        :raises ValueError: if one of its ``DOCKERFLOW_`` settings makes no sense.
        """
        if isinstance(setting(app, "dockerflow"), Dockerflow):
            raise RuntimeError(
                f"This {type(app).__name__} app has a Dockerflow extension already: "
                "use that one, app.state.dockerflow, and call init_app once for each app"
            )
        self.settings_of(app).validate()
        as_paths(setting(app, "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS"))
        app.state.dockerflow = self
        _add_endpoints(app)
        # Outside of all other middleware: Starlette's own ServerErrorMiddleware, which answers what
        # nobody has handled, stands outside of those that add_middleware() adds.
        # https://www.starlette.io/middleware/#using-middleware
        if app.middleware_stack is not None:  # in a lifespan: it has been built
            app.middleware_stack = self._observe(app.middleware_stack)
        build = app.build_middleware_stack
        app.build_middleware_stack = lambda: self._observe(build())  # type: ignore[method-assign]

    def _observe(self, stack: ASGIApp) -> ASGIApp:
        return _Observer(stack, self)

    # ------------------------------------------------------------------ the heartbeat's receivers

    def heartbeat_passed(self, func: F) -> F:
        """Have a function told of each heartbeat that passes; a decorator.

        It is called with ``level=``, the worst level found: on the event loop if it is async, and
        otherwise in a thread. If it raises, that is logged and changes nothing.

        :param func: the function.
        :returns: ``func`` itself, unchanged.
        """
        self._passed.append(func)
        return func

    def heartbeat_failed(self, func: F) -> F:
        """Have a function told of each heartbeat that fails; a decorator.

        The parameters are those of :meth:`dockerflow.fastapi.Dockerflow.heartbeat_passed`.
        """
        self._failed.append(func)
        return func

    # ------------------------------------------------------------------ endpoints

    def version_callback(self, func: F) -> F:
        """Use a function, sync or async, in place of reading ``version.json``; a decorator.

        :param func: gets the directory where that is looked for, and returns what ``/__version__``
            answers as JSON, or ``None`` for 404.
        :returns: ``func`` itself, unchanged.
        """
        self._version_callback = func
        return func

    async def answer_version(self, app: object, get_version: Callable[[str], Any]) -> Reply:
        """Decide what ``/__version__`` answers.

        :param app: the application that was asked.
        :param get_version: reads the directory that it is given.
        """
        place: str | os.PathLike[str] | None = (
            self.version_path or setting(app, "APP_DIR") or os.environ.get("APP_DIR") or None
        )
        callback = self._version_callback
        if callback is not None:
            root = os.fspath(place or CONTAINER_ROOT)
            return await version_endpoint_async(lambda: _call(callback, root), self.logger)
        # Here on the loop: to look at a file, and to read it where it has changed, costs a tenth
        # of the way to a thread and back.
        return version_endpoint(lambda: find_version(place, (), get_version), self.logger)

    async def answer_heartbeat(self, app: object) -> Reply:
        """Run the checks, tell the receivers, and decide what ``/__heartbeat__`` answers.

        :param app: the application that was asked.
        """
        settings = self.settings_of(app)
        results = await self.registry.run_checks_async(
            silenced_check_ids=self.silenced_checks,
            timeout=settings.check_timeout,
            surroundings=Surroundings(app=app),
        )
        for receiver in self._failed if results.level >= ERROR else self._passed:
            try:
                await _call(receiver, level=results.level)
            except Exception:
                self.logger.exception("A receiver of the heartbeat, %r, raised", receiver)
        return heartbeat_reply(
            results,
            show_details=settings.show_details(),
            failed_status=settings.failed_status,
        )

    def settings_of(self, app: object) -> EndpointSettings:
        """Return the settings of the endpoints of an application.

        :param app: the application.
        """
        return EndpointSettings(functools.partial(setting, app), self.logger)

    # ------------------------------------------------------------------ requests

    def summary_extra(self, request: Request) -> dict[str, Any]:
        """Build the fields of a request's summary; meant to be extended in subclasses.

        ``code``, ``errno`` and ``t`` are added to them.

        :param request: the request as it arrived, at its end: ``request.state`` and what routing
            has put into ``request.scope`` are there, its body is not.
        """
        return summary_of(request, self._uid(request))

    def user_id(self, request: Request) -> Any:
        """Return the ``identity`` of the user whom an ``AuthenticationMiddleware`` has found.

        Without one it is ``""``; nobody is looked for.

        :param request: the request, at its end.
        """
        return user_id_of(request)

    def _uid(self, request: Request) -> Any:
        try:
            return self.user_id(request)
        except Exception:
            self.logger.exception("The user's id can't be had for the request summary")
            return ""


class _Observer(MozlogRequestSummaryLogger):
    def __init__(self, app: ASGIApp, dockerflow: Dockerflow) -> None:
        super().__init__(app)
        self._identify()
        self.dockerflow = dockerflow
        self._usual = (
            MethodType(_SUMMARY_EXTRA, dockerflow),
            MethodType(_USER_ID, dockerflow),
        )

    def summary_extra(self, request: Request) -> dict[str, Any]:
        return self.dockerflow.summary_extra(request)

    def _makes_own_fields(self) -> bool:
        dockerflow = self.dockerflow
        return (dockerflow.summary_extra, dockerflow.user_id) != self._usual


_SUMMARY_EXTRA = Dockerflow.summary_extra
_USER_ID = Dockerflow.user_id
_without_app = Dockerflow()


def extension_of(app: object) -> Dockerflow:
    """Return the extension of an application, or one that does what the router alone does."""
    extension = setting(app, "dockerflow")
    return extension if isinstance(extension, Dockerflow) else _without_app


def _add_endpoints(app: Starlette) -> None:
    from .routing import Endpoints, add_endpoints, routes

    existing = app.router.routes
    added = routes
    if isinstance(app, FastAPI):
        count = len(existing)
        add_endpoints(app.router)
        added = existing[count:]
        del existing[count:]
    # Before routes and mounts that catch all paths: here the first that matches answers.
    existing.insert(0, Endpoints(added))


async def _call(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function as the framework does: on the event loop if async, or else in a thread."""
    if inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(
        getattr(func, "__call__", None)  # noqa: B004 - its kind is asked
    ):
        result = func(*args, **kwargs)
    else:
        result = await run_in_threadpool(func, *args, **kwargs)
    return await result if inspect.isawaitable(result) else result
