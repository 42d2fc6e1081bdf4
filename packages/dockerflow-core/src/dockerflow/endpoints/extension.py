"""The operational endpoints of an application, whatever its framework."""

from __future__ import annotations

import functools
import inspect
import logging
import os
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NoReturn, TypeVar, overload

from dockerflow import version as version_json
from dockerflow.checks import Check, CheckEnvironment, CheckRegistry, ChecksResults
from dockerflow.checks.alembic import migrations_check
from dockerflow.checks.findings import log_masked, mask_urls
from dockerflow.checks.redis import redis_check
from dockerflow.checks.registry import Limit, as_ids, default_registry
from dockerflow.checks.services import require_type
from dockerflow.checks.sqlalchemy import database_check

from .replies import Reply, heartbeat_reply, json_reply, method_not_allowed
from .settings import EndpointSettings

F = TypeVar("F", bound=Callable[..., Any])

Path = str | os.PathLike[str]

VERSION, HEARTBEAT, LBHEARTBEAT = PROBES = ("/__version__", "/__heartbeat__", "/__lbheartbeat__")
"""The paths of the probes, which the outermost layer of each adapter answers."""

ERROR_PATH = "/__error__"
"""The path of the endpoint that is an ordinary view, so that error reporting can be tried."""

# https://github.com/mozilla-services/Dockerflow#specification: "/app/version.json"
CONTAINER_ROOT = "/app"
"""Where a container has its application, and so its ``version.json``."""


class Endpoints:
    """The extension of an adapter: checks, ``version.json``, and answers to probes.

    A subclass overrides the methods of the first section below for its framework. Their ``app`` is
    the application that was asked, since one extension may serve several.

    :param registry: the checks that the heartbeat runs, by default those of the whole process.
    :param silenced_checks: ids of check messages that are neither counted nor logged.
    :param version_path: the directory of ``version.json``; by default where the adapter looks.
    :raises TypeError: if one of them is of another kind.
    """

    logger: logging.Logger
    """The adapter's logger."""

    lbheartbeat_reply: ClassVar[Reply] = Reply(200)
    """What ``/__lbheartbeat__`` answers with."""

    def __init__(
        self,
        registry: CheckRegistry | None = None,
        silenced_checks: Iterable[str] | None = None,
        version_path: Path | None = None,
    ) -> None:
        require_type("registry=", registry, CheckRegistry, "a dockerflow.checks.CheckRegistry()")
        require_type("version_path=", version_path, str | os.PathLike, "the path of a directory")
        self.registry = default_registry if registry is None else registry
        self.silenced_checks = list(as_ids(silenced_checks))
        self.version_path = version_path
        self._version_callback: Callable[[str], Any] | None = None

    # ------------------------------------------------------------------ what an adapter overrides

    def get_setting(self, app: Any, name: str, default: Any = None) -> Any:
        """Return a ``DOCKERFLOW_`` setting of the application."""
        raise NotImplementedError

    def version_places(self, app: Any) -> tuple[Path | None, tuple[Path, ...]]:
        """Return the configured directory of ``version.json``, and those to look in without one."""
        return self.version_path, ()

    def get_version(self, directory: str) -> Any:
        """Read the ``version.json`` of a directory."""
        # Looked up when it is called, because the tests of applications replace it.
        return version_json.get_version(directory)

    def get_version_callback(self, app: Any) -> Callable[[str], Any] | None:
        """Return what is called in place of reading ``version.json``, None for nothing.

        :raises dockerflow.version.VersionError: if it can't be had; the text is the answer.
        """
        return self._version_callback

    def check_environment(self, app: Any) -> CheckEnvironment:
        """Return what is laid around each check."""
        return CheckEnvironment(app=app)

    def notify(self, app: Any, level: int) -> None:
        """Tell the application of a heartbeat whose worst level is this; nothing may be raised."""

    async def notify_async(self, app: Any, level: int) -> None:
        """Tell the application of a heartbeat, on the event loop; nothing may be raised."""

    # ------------------------------------------------------------------ checks

    @overload
    def check(self, func: F, name: str | None = None, *, timeout: Limit = ...) -> F: ...

    @overload
    def check(
        self, func: None = None, name: str | None = None, *, timeout: Limit = ...
    ) -> Callable[[F], F]: ...

    def check(self, func: Any = None, name: str | None = None, *, timeout: Limit = ...) -> Any:
        """Register a check for the heartbeat: a decorator, bare or with a name.

        The parameters are those of :meth:`dockerflow.checks.CheckRegistry.register`.
        """
        return self.registry.register(func, name, timeout=timeout)

    def init_check(self, check: Check, obj: Any) -> functools.partial[Any]:
        """Register ``check``, which is called with the object ``obj``, such as a client."""
        return self.registry.register_partial(check, obj)

    @property
    def checks(self) -> dict[str, Check]:
        """The live dictionary of the checks that the heartbeat runs, by name."""
        return self.registry.get_checks()

    def run_checks(self, app: Any, timeout: float | None) -> ChecksResults:
        """Run the checks of a heartbeat, each for ``timeout`` seconds; None for one by one."""
        environment = self.check_environment(app)
        return self.registry.run_checks(None, self.silenced_checks, timeout, environment)

    async def run_checks_async(self, app: Any, timeout: float | None) -> ChecksResults:
        """Run the checks of a heartbeat like :meth:`run_checks`, on the event loop."""
        silenced, environment = self.silenced_checks, self.check_environment(app)
        return await self.registry.run_checks_async(None, silenced, timeout, environment)

    def add_service_checks(
        self, db: Any = None, redis: Any = None, migrate: Any = None, migrated_db: Any = None
    ) -> None:
        """Register the built-in checks of the backing services that are given.

        :param db: what :func:`dockerflow.checks.sqlalchemy.database_check` takes.
        :param redis: what :func:`dockerflow.checks.redis.redis_check` takes.
        :param migrate: what :func:`dockerflow.checks.alembic.migrations_check` takes.
        :param migrated_db: the database that ``migrate`` is about, where it does not say so itself.
        :raises ImportError: if the library behind a check is missing, with the extra to install.
        :raises TypeError: if one of them is of another kind.
        """
        if db is not None:
            self.check(database_check(db), name="check_database_connected")
        if redis is not None:
            self.check(redis_check(redis), name="check_redis_connected")
        if migrate is not None:
            self.check(migrations_check(migrate, migrated_db), name="check_migrations_applied")

    # ------------------------------------------------------------------ settings

    def validate_settings(self, app: Any) -> None:
        """Refuse settings of the endpoints that make no sense.

        :raises ValueError: naming the setting, the value found, and the remedy.
        """
        EndpointSettings.read(functools.partial(self.get_setting, app))

    def settings(self, app: Any) -> EndpointSettings:
        """Return the settings as they are now; for a wrong one the default, and a log record."""
        report = functools.partial(self.logger.error, "%s; until then the default is used")
        return EndpointSettings.read(functools.partial(self.get_setting, app), report)

    # ------------------------------------------------------------------ answers

    def answer_probe(self, app: Any, path: str, method: str) -> Reply | None:
        """Answer a request if it is for one of ``PROBES``, whatever guards the application.

        :param path: the request's path, without where the application is mounted.
        :param method: the request's method; OPTIONS is left to the framework.
        :returns: None for any other request.
        """
        if path not in PROBES or method == "OPTIONS":
            return None
        if method not in ("GET", "HEAD"):
            return method_not_allowed()
        if path == VERSION:
            return self.version(app)
        return self.heartbeat(app) if path == HEARTBEAT else self.lbheartbeat()

    async def answer_probe_async(self, app: Any, path: str, method: str) -> Reply | None:
        """Answer a request like :meth:`answer_probe`, on the event loop."""
        if method in ("GET", "HEAD"):
            if path == VERSION:
                return await self.version_async(app)
            if path == HEARTBEAT:
                return await self.heartbeat_async(app)
        return self.answer_probe(app, path, method)  # which waits for nothing then

    def version_callback(self, func: F) -> F:
        """Use a function in place of reading ``version.json``; a decorator.

        :param func: gets the directory where that is looked for, and returns what ``/__version__``
            answers as JSON, or None for 404. It may be async in an async framework.
        """
        self._version_callback = func
        return func

    def _read_version(self, app: Any) -> Any:
        configured, defaults = self.version_places(app)
        places = (*defaults, CONTAINER_ROOT) if configured is None else (configured,)
        callback = self.get_version_callback(app)
        if callback is not None:
            return callback(os.fspath(places[0]))
        contents = (self.get_version(os.fspath(place)) for place in places)
        return next((content for content in contents if content is not None), None)

    def version(self, app: Any) -> Reply:
        """Answer ``/__version__``."""
        try:
            return self._version_reply(self._read_version(app))
        except version_json.VersionError as error:
            return self._version_broken(error)

    async def version_async(self, app: Any) -> Reply:
        """Answer ``/__version__``, where a callback may be async."""
        try:
            content = self._read_version(app)
            return self._version_reply(await content if inspect.isawaitable(content) else content)
        except version_json.VersionError as error:
            return self._version_broken(error)

    def _version_reply(self, content: object) -> Reply:
        if content is None:
            return Reply(404, b"version.json not found")
        return json_reply(200, content)

    def _version_broken(self, error: version_json.VersionError) -> Reply:
        log_masked(self.logger, logging.ERROR, str(error), error.__cause__)
        return Reply(500, mask_urls(str(error)).encode("utf-8", "backslashreplace"))

    def heartbeat(self, app: Any) -> Reply:
        """Run the checks, tell the application, and answer ``/__heartbeat__``."""
        settings = self.settings(app)
        results = self.run_checks(app, settings.check_timeout)
        self.notify(app, results.level)
        return heartbeat_reply(results, settings)

    async def heartbeat_async(self, app: Any) -> Reply:
        """Run the checks on the event loop, tell the application, and answer ``/__heartbeat__``."""
        settings = self.settings(app)
        results = await self.run_checks_async(app, settings.check_timeout)
        await self.notify_async(app, results.level)
        return heartbeat_reply(results, settings)

    def lbheartbeat(self) -> Reply:
        """Answer ``/__lbheartbeat__``."""
        return self.lbheartbeat_reply

    def error(self) -> NoReturn:
        """Log an exception at ERROR and raise it, of which Sentry makes one event."""
        try:
            raise Exception("This is a test exception from the /__error__ endpoint.")
        except Exception:
            self.logger.exception("The __error__ endpoint was called")
            raise
