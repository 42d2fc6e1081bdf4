"""The settings of an application: attributes of its ``state``, read when they are used."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.types import ASGIApp

from dockerflow.endpoints import enabled
from dockerflow.logging.request_id import DEFAULT_HEADER
from dockerflow.logging.summary import REQUEST_SETTINGS

# The state whose attributes are a dictionary of this name: to look there saves a call in Python,
# and the AttributeError of an attribute that is not there. None where a release has none.
_OPEN = State if isinstance(vars(State()).get("_state"), dict) else None
_attributes: Callable[[object], Iterable[str]] = operator.attrgetter("_state")


def setting(app: object, name: str, default: object = None) -> Any:
    """Return a setting as it is now.

    :param app: an application with a ``state``, or anything else, which has the defaults.
    """
    state = getattr(app, "state", None)
    if type(state) is _OPEN and name not in _attributes(state):
        return default
    return getattr(state, name, default)


def _header_key(name: str) -> bytes:
    """Return the name of a header as ASGI has it."""
    return name.lower().encode("latin-1")


@dataclass(frozen=True, slots=True)
class RequestSettings:
    """The settings that the observation of a request depends on."""

    id_key: bytes = _header_key(DEFAULT_HEADER)
    id_in_response: bool = True
    exclude_paths: object = None  # as it was set
    log_querystring: bool = False


def request_settings(app: object) -> RequestSettings:
    """Return the settings of an application as they are now."""
    state = getattr(app, "state", None)
    # Saves asking one by one, where there is none of them.
    if type(state) is _OPEN and REQUEST_SETTINGS.isdisjoint(_attributes(state)):
        return _DEFAULTS
    return RequestSettings(
        _header_key(str(setting(app, "DOCKERFLOW_REQUEST_ID_HEADER_NAME") or DEFAULT_HEADER)),
        enabled(setting(app, "DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER", True)),
        setting(app, "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS"),
        enabled(setting(app, "DOCKERFLOW_SUMMARY_LOG_QUERYSTRING")),
    )


_DEFAULTS = RequestSettings()


def application_inside(app: ASGIApp) -> Starlette | None:
    """Return the application that other middleware has been laid around, if there is one.

    A middleware outside of the application finds it so, since the scope does not name it yet.
    """
    inner: Any = app
    for _ in range(100):  # of which none is known to lead in a circle
        if inner is None or isinstance(inner, Starlette):
            return inner
        inner = getattr(inner, "app", None)
    return None
