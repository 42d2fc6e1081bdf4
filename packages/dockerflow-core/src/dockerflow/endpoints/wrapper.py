"""Endpoints that wrap an application of any framework."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from dockerflow.checks import CheckRegistry
from dockerflow.checks.services import require_type, wrong_type

from .extension import ERROR_PATH, Path
from .receivers import HeartbeatReceivers, is_async
from .replies import Reply, method_not_allowed
from .settings import EndpointSettings


class WrapperEndpoints(HeartbeatReceivers):
    """Endpoints that wrap an application, and are passed as ``app`` themselves.

    :param registry: the checks that the heartbeat runs, by default those of the whole process.
    :param silenced_checks: ids of check messages that are neither counted nor logged.
    :param version_path: the directory of ``version.json``; by default the working directory, then
        ``/app``.
    :param settings: ``DOCKERFLOW_`` settings by their names. A setting that is not there is read
        from the environment variable of the same name.
    :param other_names: the names of settings that the adapter itself reads.
    :raises ValueError: if a setting is unknown or invalid.
    :raises TypeError: if an argument has the wrong type.
    """

    def __init__(
        self,
        registry: CheckRegistry | None,
        silenced_checks: Iterable[str] | None,
        version_path: Path | None,
        settings: Mapping[str, Any] | None,
        other_names: Iterable[str],
    ) -> None:
        super().__init__(registry, silenced_checks, version_path)
        require_type("settings=", settings, Mapping, "a mapping of DOCKERFLOW_ settings")
        names = {each.metadata["name"] for each in fields(EndpointSettings)} | set(other_names)
        unknown = sorted(map(repr, set(settings or ()) - names))
        if unknown:
            known = ", ".join(sorted(names))
            raise ValueError(f"settings= has {', '.join(unknown)}; the settings are {known}")
        self._values = {name: os.environ[name] for name in names & os.environ.keys()}
        self._values.update(settings or {})
        self._settings = EndpointSettings.read(self._values.get)

    def require_functions(self, application: object, **functions: object) -> None:
        """Raise TypeError for an application or function that can't be called, or is async."""
        if not callable(application):
            raise wrong_type("application", application, "the application to wrap")
        for name, function in functions.items():
            require_type(f"{name}=", function, Callable, "a function that takes the request")
            if is_async(function):
                raise TypeError(f"{name}= is async; set it to a function that is not")

    def get_setting(self, app: Any, name: str, default: Any = None) -> Any:
        """Return a ``DOCKERFLOW_`` setting as it was when the application was wrapped."""
        return self._values.get(name, default)

    def settings(self, app: Any) -> EndpointSettings:
        """Return the settings of the endpoints."""
        return self._settings

    def version_places(self, app: Any) -> tuple[Path | None, tuple[Path, ...]]:
        """Return the configured directory of ``version.json``, and where to look without one."""
        return self.version_path, (".",)

    def answer_error(self, path: str, method: str) -> Reply | None:
        """Raise for ``/__error__`` if it is turned on; return None for any other request.

        Like a view, it leaves OPTIONS to the application and refuses other methods.
        """
        if path != ERROR_PATH or method == "OPTIONS" or not self._settings.error_endpoint:
            return None
        return self.error() if method in ("GET", "HEAD") else method_not_allowed()
