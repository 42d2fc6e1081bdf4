"""The settings. They are read when they are used, so that ``override_settings`` works."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, cast

from django.apps import apps
from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from dockerflow.checks.findings import mask_urls
from dockerflow.checks.registry import as_ids
from dockerflow.endpoints import EndpointSettings
from dockerflow.logging.request import RequestSettings

logger = logging.getLogger("dockerflow.django")

DEFAULT_CHECKS = (
    "dockerflow.django.checks.check_database_connected",
    "dockerflow.django.checks.check_migrations_applied",
)


def get_setting(name: str, default: Any = None) -> Any:
    """Return the current value of a setting."""
    if name == "DOCKERFLOW_HEARTBEAT_SHOW_DETAILS":
        default = settings.DEBUG
    return getattr(settings, name, default)


@functools.cache
def request_settings() -> RequestSettings:
    """Return the settings of requests.

    They are read again when a middleware is created, and when Django signals that one has changed.
    An invalid value is logged and replaced by the default.
    """
    report = functools.partial(logger.error, "%s; until then the default is used")
    return RequestSettings.read(get_setting, report)


@functools.cache
def unlogged_ids() -> frozenset[str]:
    """Return the ids in ``SILENCED_SYSTEM_CHECKS`` when the first middleware was created.

    If an id is appended to the list in place later, its messages no longer count but are still
    logged, as in the single ``dockerflow`` package. Django signals other changes of the setting.
    """
    return as_ids(settings.SILENCED_SYSTEM_CHECKS)


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in RequestSettings.names():
        request_settings.cache_clear()
    if setting == "SILENCED_SYSTEM_CHECKS":
        unlogged_ids.cache_clear()


# https://docs.djangoproject.com/en/stable/ref/signals/#setting-changed
setting_changed.connect(_forget, dispatch_uid="dockerflow")


def version_callback() -> Callable[[str], Any] | None:
    """Return the callable of ``DOCKERFLOW_VERSION_CALLBACK``, or None if it is not set.

    :raises ValueError: if it can't be imported.
    """
    value = get_setting("DOCKERFLOW_VERSION_CALLBACK")
    return None if value is None else _load("DOCKERFLOW_VERSION_CALLBACK", value)


def configured_checks() -> list[tuple[str, Callable[..., Any]]]:
    """Return the checks of ``DOCKERFLOW_CHECKS`` with their dotted paths.

    A check that can't be imported is replaced by one that raises the error when it runs.
    """
    found: list[tuple[str, Callable[..., Any]]] = []
    for item in _listed_checks():
        path = dotted_path(item) if callable(item) else str(item)
        check: Callable[..., Any] = functools.partial(_load, "DOCKERFLOW_CHECKS", item)
        with suppress(ValueError):
            check = check()
        found.append((path, check))
    return found


def dotted_path(check: Any) -> str:
    """Return the dotted path of a function, of a partial's function, or of an object's class."""
    inner: Any = check.func if isinstance(check, functools.partial) else check
    name = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    return f"{inner.__module__}.{name}"


def problems() -> list[str]:
    """Return a sentence for each invalid setting, with its name, its value and the remedy."""
    found: list[str] = []
    RequestSettings.read(get_setting, found.append)
    EndpointSettings.read(get_setting, found.append)
    checks = (functools.partial(_load, "DOCKERFLOW_CHECKS", item) for item in _listed_checks())
    loads: list[Callable[[], object]] = [*checks, version_callback]
    for load in loads:
        try:
            load()
        except ValueError as error:
            found.append(str(error))
    return found


def _listed_checks() -> list[object]:
    default = DEFAULT_CHECKS if apps.is_installed("dockerflow.django") else ()
    value = get_setting("DOCKERFLOW_CHECKS", default)
    if value is None:
        return []
    if isinstance(value, str):
        return [path.strip() for path in value.split(",") if path.strip()]
    return list(cast("Iterable[object]", value)) if isinstance(value, Iterable) else [value]


def _load(name: str, value: object) -> Callable[..., Any]:
    found: Any = value
    problem, cause = "is not callable", None
    if isinstance(value, str):
        try:
            found = import_string(value)
        except Exception as error:  # a module may raise anything while it is imported
            # The error's text may contain secrets, so it goes only to the log.
            problem, cause = f"can't be imported ({type(error).__name__})", error
    if callable(found):
        return cast("Callable[..., Any]", found)
    problem = f"{name} is {mask_urls(repr(value))}, which {problem}"
    raise ValueError(f"{problem}; set it to the dotted path of a callable") from cause
