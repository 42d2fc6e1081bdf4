"""The settings: read when they are used, so that ``override_settings`` works."""

from __future__ import annotations

import functools
import logging
import re
import traceback
from collections.abc import Callable, Iterable
from typing import Any, cast

from django.conf import Settings, UserSettingsHolder, global_settings, settings
from django.utils.module_loading import import_string

from dockerflow.endpoints import EndpointSettings, enabled
from dockerflow.logging.request_id import DEFAULT_HEADER
from dockerflow.logging.summary import REQUEST_SETTINGS, as_paths

logger = logging.getLogger("dockerflow.django")
_in_force = vars(settings)

DEFAULT_CHECKS = (
    "dockerflow.django.checks.check_database_connected",
    "dockerflow.django.checks.check_migrations_applied",
)

# https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def setting(name: str, default: Any = None) -> Any:
    """Return a setting as it is now."""
    # For a setting that is not there Django raises an AttributeError in each layer, which takes ten
    # times as long as to look into the layers.
    layer = _in_force.get("_wrapped")
    while type(layer) is UserSettingsHolder:
        attributes = layer.__dict__
        if name in attributes:
            return getattr(settings, name, default)
        layer = attributes["default_settings"]
    if (type(layer) is Settings or layer is global_settings) and name not in layer.__dict__:
        return default
    return getattr(settings, name, default)


endpoint_settings = EndpointSettings(setting, logger)


def report(message: str, *args: object, exc_info: bool = False) -> None:
    """Log an ERROR about the watching of a request, which changes nothing for the request."""
    try:
        logger.error(message, *args, exc_info=exc_info)
    except Exception:  # a handler of the application's
        if logging.raiseExceptions:
            traceback.print_exc()


_HEADER = "DOCKERFLOW_REQUEST_ID_HEADER_NAME"
_RESPONSE_HEADER = "DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER"
_QUERYSTRING = "DOCKERFLOW_SUMMARY_LOG_QUERYSTRING"
_EXCLUDE_PATHS = "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS"


class RequestSettings:
    """The settings that count for each request, and what they were read from.

    :param layer: what Django's settings are made of at this moment.
    """

    def __init__(self, layer: Any) -> None:
        attributes: dict[str, Any] = layer.__dict__
        self.layer = layer
        self.keys = attributes.keys()
        self.items = attributes.items()
        present = {name: attributes[name] for name in REQUEST_SETTINGS if name in attributes}
        self.absent = REQUEST_SETTINGS.difference(present)
        self.present = present.items()
        #: The names that a layer of override_settings hides, and those which it hid.
        self.deleted = attributes.get("_deleted")
        self.deleted_then = None if self.deleted is None else frozenset(self.deleted)

        #: The header of the request's id, as it is sent back.
        self.header = _request_id_header()
        #: Its name in ``request.META``.
        self.meta_key = "HTTP_" + self.header.upper().replace("-", "_")
        #: Its name in ``response.headers``, by which they are told apart; None if it isn't sent.
        self.header_key = self.header.lower() if enabled(setting(_RESPONSE_HEADER, True)) else None
        self.logs_query = enabled(setting(_QUERYSTRING, False))
        #: As it is set.
        self.exclude_paths: Any = setting(_EXCLUDE_PATHS)


_latest: RequestSettings | None = None


def request_settings() -> RequestSettings:
    """Return the settings of requests as they are now."""
    global _latest
    # To ask Django for four settings, most of them not set, takes twenty times as long as to see
    # that they are what they were: the same object, as long as no override_settings begins or ends,
    # and in it the same of them set, to the same values.
    latest = _latest
    layer = _in_force["_wrapped"]  # a request has loaded the settings
    if (
        latest is None
        or layer is not latest.layer
        or not latest.keys.isdisjoint(latest.absent)
        or (latest.present and not latest.present <= latest.items)
        or latest.deleted != latest.deleted_then
    ):
        latest = _latest = RequestSettings(layer)
    return latest


def _request_id_header() -> str:
    try:
        return _read_request_id_header()
    except ValueError as error:
        report("%s; until then %s is used", error, DEFAULT_HEADER)
        return DEFAULT_HEADER


def version_callback() -> Callable[[str], Any] | None:
    """Return the callable of ``DOCKERFLOW_VERSION_CALLBACK``, ``None`` where it isn't set.

    :raises ValueError: if it can't be imported.
    """
    value = setting("DOCKERFLOW_VERSION_CALLBACK")
    return None if value is None else _load(value, "DOCKERFLOW_VERSION_CALLBACK")


def configured_checks() -> list[tuple[str, Callable[..., Any]]]:
    """Return the checks of ``DOCKERFLOW_CHECKS`` by their dotted paths.

    One that can't be imported is replaced by a check that raises and says so.
    """
    value = setting("DOCKERFLOW_CHECKS", DEFAULT_CHECKS)
    items: Any = () if value is None else value
    if isinstance(value, str) or not isinstance(items, Iterable):
        items = (value,)
    found: list[tuple[str, Callable[..., Any]]] = []
    for item in cast("Iterable[Any]", items):
        try:
            check = _load(item, "DOCKERFLOW_CHECKS")
        except ValueError as error:
            check = _Unimportable(error)
        path = item if isinstance(item, str) else dotted_path(check)
        found.append((path, check))
    return found


def dotted_path(check: Any) -> str:
    """Return the dotted path of a function, or of what a partial or a callable object calls."""
    inner: Any = check.func if isinstance(check, functools.partial) else check
    name = getattr(inner, "__qualname__", None) or type(inner).__qualname__
    return f"{inner.__module__}.{name}"


def problems() -> list[str]:
    """Say what is wrong with the settings: one sentence each, with name, value and remedy."""
    found = [
        str(check.error) for _, check in configured_checks() if isinstance(check, _Unimportable)
    ]
    for read in (
        endpoint_settings.validate,
        lambda: as_paths(setting(_EXCLUDE_PATHS)),
        _read_request_id_header,
        version_callback,
    ):
        try:
            read()
        except ValueError as error:
            found.append(str(error))
    return found


class _Unimportable:
    def __init__(self, error: ValueError) -> None:
        self.error = error

    def __call__(self) -> Any:
        raise self.error


def _read_request_id_header() -> str:
    value = setting(_HEADER) or DEFAULT_HEADER
    if isinstance(value, str) and _TOKEN.fullmatch(value):
        return value
    raise ValueError(
        f"{_HEADER} is {value!r}; set it to the name of a header, such as X-Request-ID"
    )


def _load(value: Any, name: str) -> Callable[..., Any]:
    if callable(value):
        return value  # type: ignore[no-any-return]
    try:
        found = import_string(value)
    except Exception as error:  # a module may raise anything while it is imported
        raise ValueError(
            f"{name} names {value!r}, which can't be imported ({type(error).__name__}: {error}); "
            "set it to the dotted path of a callable"
        ) from error
    if not callable(found):
        raise ValueError(
            f"{name} names {value!r}, which is {found!r}; set it to the dotted path of a callable"
        )
    return found  # type: ignore[no-any-return]
