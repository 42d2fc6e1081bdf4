"""The operational endpoints of an application, for any framework."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, NoReturn, TypeVar

from dockerflow import version as version_json
from dockerflow.checks import CheckRegistry
from dockerflow.checks.findings import log_masked, mask_urls
from dockerflow.checks.services import require_type

from .checks import ApplicationChecks, UnknownGroup
from .page import heartbeat_page, prefers_html
from .replies import Reply, heartbeat_reply, json_reply, method_not_allowed

F = TypeVar("F", bound=Callable[..., Any])

Path = str | os.PathLike[str]

VERSION, HEARTBEAT, LBHEARTBEAT = PROBES = ("/__version__", "/__heartbeat__", "/__lbheartbeat__")
"""The paths of the probes, which the outermost layer of each adapter answers."""

ERROR_PATH = "/__error__"
"""The path of the endpoint for trying error reporting; it is an ordinary view."""

# https://github.com/mozilla-services/Dockerflow#specification: "/app/version.json"
CONTAINER_ROOT = "/app"
"""The directory of the application, and of its ``version.json``, in a container."""


class Endpoints(ApplicationChecks):
    """The extension of an adapter: checks, ``version.json``, and answers to probes.

    A subclass for a framework overrides the methods in the first section below, and those in the
    first section of the base class. Their ``app`` is the application that got the request, because
    one extension may serve several.

    :param registry: the checks that the heartbeat runs, by default those of the whole process.
    :param silenced_checks: ids of check messages that are neither counted nor logged.
    :param version_path: the directory of ``version.json``; by default the adapter finds it.
    :raises TypeError: if an argument has the wrong type.
    """

    lbheartbeat_reply: ClassVar[Reply] = Reply(200)
    """The answer of ``/__lbheartbeat__``."""

    def __init__(
        self,
        registry: CheckRegistry | None = None,
        silenced_checks: Iterable[str] | None = None,
        version_path: Path | None = None,
    ) -> None:
        super().__init__(registry, silenced_checks)
        require_type("version_path=", version_path, str | os.PathLike, "the path of a directory")
        self.version_path = version_path
        self._version_callback: Callable[[str], Any] | None = None

    # ------------------------------------------------------------------ for adapters to override

    def version_places(self, app: Any) -> tuple[Path | None, tuple[Path, ...]]:
        """Return the configured directory of ``version.json``, and where to look without one."""
        return self.version_path, ()

    def get_version(self, directory: str) -> Any:
        """Read the ``version.json`` of a directory."""
        # Looked up at each call, because tests of applications replace it.
        return version_json.get_version(directory)

    def get_version_callback(self, app: Any) -> Callable[[str], Any] | None:
        """Return the function to call instead of reading ``version.json``, or None.

        :raises dockerflow.version.VersionError: if it can't be found; the text is the answer.
        """
        return self._version_callback

    def notify(self, app: Any, level: int, **extra: str) -> None:
        """Tell the application the worst level of a heartbeat. This must not raise.

        :param extra: other arguments for receivers: ``group``, the name of the group, if the
            heartbeat is that of a group.
        """

    async def notify_async(self, app: Any, level: int, **extra: str) -> None:
        """Do the same as :meth:`notify`, on the event loop. This must not raise."""

    # ------------------------------------------------------------------ answers

    def is_probe(self, app: Any, path: str) -> bool:
        """Return whether a path is one of ``PROBES`` or, if there are groups, that of a group."""
        endpoint, group = _split(path)
        return endpoint in PROBES and (group is None or bool(self.settings(app).groups))

    def answer_probe(
        self, app: Any, path: str, method: str, accept: str = "", *, slash: bool = False
    ) -> Reply | None:
        """Answer a request if it is a probe, even if the application would refuse it.

        :param path: the request's path, without the prefix where the application is mounted.
        :param method: the request's method; OPTIONS is left to the framework.
        :param accept: the request's ``Accept`` header: a browser gets the heartbeat as a page.
        :param slash: whether ``path`` was sent with a trailing slash, for the links of that page.
        :returns: None for any other request.
        """
        endpoint, group = _split(path)
        if endpoint not in PROBES or method == "OPTIONS":
            return None
        if method not in ("GET", "HEAD"):
            return method_not_allowed()
        if endpoint == VERSION:
            return self.version(app)
        if endpoint == LBHEARTBEAT:
            return self.lbheartbeat()
        return self.heartbeat(app, group, accept, slash=slash)

    async def answer_probe_async(
        self, app: Any, path: str, method: str, accept: str = "", *, slash: bool = False
    ) -> Reply | None:
        """Answer a request like :meth:`answer_probe`, on the event loop."""
        endpoint, group = _split(path)
        if method in ("GET", "HEAD"):
            if endpoint == VERSION:
                return await self.version_async(app)
            if endpoint == HEARTBEAT:
                return await self.heartbeat_async(app, group, accept, slash=slash)
        return self.answer_probe(app, path, method)  # the rest never waits

    def version_callback(self, func: F) -> F:
        """Use a function instead of reading ``version.json``; a decorator.

        :param func: takes the directory where that file is expected, and returns the content of
            ``/__version__`` as JSON, or None for 404. It may be async in an async framework.
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

    async def _read_version_async(self, app: Any) -> Any:
        return self._read_version(app)

    def version(self, app: Any) -> Reply:
        """Answer ``/__version__``."""
        try:
            content = self._read_version(app)
            if inspect.iscoroutine(content):
                content.close()
                raise TypeError("the version callback is async, which needs an async framework")
            return self._version_reply(content)
        except version_json.VersionError as error:
            return self._version_broken(error)

    async def version_async(self, app: Any) -> Reply:
        """Answer ``/__version__``; the callback may be async."""
        try:
            content = await self._read_version_async(app)
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

    def _version_for_page(self, app: Any) -> Reply:
        """Answer ``/__version__`` for the page, even if a callback raises."""
        try:
            return self.version(app)
        except Exception as error:
            return self._callback_raised(error)

    async def _version_for_page_async(self, app: Any) -> Reply:
        """Answer ``/__version__`` like :meth:`_version_for_page`, on the event loop."""
        try:
            return await self.version_async(app)
        except Exception as error:
            return self._callback_raised(error)

    def _callback_raised(self, error: Exception) -> Reply:
        log_masked(self.logger, logging.ERROR, "The version callback raised", error)
        return Reply(500)

    def heartbeat(
        self, app: Any, group: str | None = None, accept: str = "", *, slash: bool = False
    ) -> Reply:
        """Run the checks, tell the application, and answer ``/__heartbeat__``.

        :param group: the group whose checks to run, None for all checks.
        :param accept: the request's ``Accept`` header: a browser gets a page.
        :param slash: whether the path of the request ends with a slash.
        """
        settings = self.settings(app)
        try:
            results = self.run_checks(app, settings, group)
        except UnknownGroup as error:
            return _not_found(error)
        self.notify(app, results.level, **_extra(group))
        if not prefers_html(accept):
            return heartbeat_reply(results, settings)
        version = self._version_for_page(app)
        return heartbeat_page(results, settings, group, version, datetime.now(UTC), slash=slash)

    async def heartbeat_async(
        self, app: Any, group: str | None = None, accept: str = "", *, slash: bool = False
    ) -> Reply:
        """Answer ``/__heartbeat__`` like :meth:`heartbeat`, on the event loop."""
        settings = self.settings(app)
        try:
            results = await self.run_checks_async(app, settings, group)
        except UnknownGroup as error:
            return _not_found(error)
        await self.notify_async(app, results.level, **_extra(group))
        if not prefers_html(accept):
            return heartbeat_reply(results, settings)
        version = await self._version_for_page_async(app)
        return heartbeat_page(results, settings, group, version, datetime.now(UTC), slash=slash)

    def lbheartbeat(self) -> Reply:
        """Answer ``/__lbheartbeat__``."""
        return self.lbheartbeat_reply

    def error(self) -> NoReturn:
        """Log an exception at ERROR and raise it; Sentry makes one event of both."""
        try:
            raise Exception("This is a test exception from the /__error__ endpoint.")
        except Exception:
            self.logger.exception("The __error__ endpoint was called")
            raise


def _extra(group: str | None) -> dict[str, str]:
    # Without groups, receivers that do not accept ``group`` keep working.
    return {} if group is None else {"group": group}


def _not_found(error: UnknownGroup) -> Reply:
    return Reply(404, str(error).encode())


def _split(path: str) -> tuple[str, str | None]:
    """Return the path of an endpoint, and the group whose heartbeat is requested."""
    parent, _, group = path.rpartition("/")
    return (parent, group) if group and parent == HEARTBEAT else (path, None)
