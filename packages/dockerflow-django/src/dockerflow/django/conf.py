"""The settings: read when they are used, so that ``override_settings`` works."""

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
    """Return a setting as it is now."""
    if name == "DOCKERFLOW_HEARTBEAT_SHOW_DETAILS":
        default = settings.DEBUG
    return getattr(settings, name, default)


@functools.cache
def request_settings() -> RequestSettings:
    """Return the settings of requests.

    They are read again when a middleware is made, and when Django says that one has changed. Of a
    value that makes no sense the default is used, and the fault is logged.
    """
    report = functools.partial(logger.error, "%s; until then the default is used")
    return RequestSettings.read(get_setting, report)


@functools.cache
def unlogged_ids() -> frozenset[str]:
    """Return the ids of ``SILENCED_SYSTEM_CHECKS``, as they were when a middleware was first made.

    An id that is appended to the list in place later is not counted from then on, but its messages
    are still logged, as the existing package did it. Other changes are told by Django's signal.
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
    """Return the callable of ``DOCKERFLOW_VERSION_CALLBACK``, None where it is not set.

    :raises ValueError: if it can't be imported.
    """
    value = get_setting("DOCKERFLOW_VERSION_CALLBACK")
    return None if value is None else _load("DOCKERFLOW_VERSION_CALLBACK", value)


def configured_checks() -> list[tuple[str, Callable[..., Any]]]:
    """Return the checks of ``DOCKERFLOW_CHECKS`` by their dotted paths.

    In place of one that can't be imported stands the import itself, which raises when it is run.
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
    """Return the dotted path of a function, or of what a partial or a callable object calls."""
    inner: Any = check.func if isinstance(check, functools.partial) else check
    name = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    return f"{inner.__module__}.{name}"


def problems() -> list[str]:
    """Return what is wrong with the settings: one sentence each, with name, value and remedy."""
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
    problem, cause = "is no callable", None
    if isinstance(value, str):
        try:
            found = import_string(value)
        except Exception as error:  # a module may raise anything while it is imported
            # Its text may hold secrets: it is for the log alone.
            problem, cause = f"can't be imported ({type(error).__name__})", error
    if callable(found):
        return cast("Callable[..., Any]", found)
    problem = f"{name} is {mask_urls(repr(value))}, which {problem}"
    raise ValueError(f"{problem}; set it to the dotted path of a callable") from cause
