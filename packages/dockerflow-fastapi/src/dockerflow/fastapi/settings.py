"""The settings of an application: attributes of its ``state``, read when they are used."""

from __future__ import annotations

from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.types import ASGIApp

from dockerflow.endpoints import enabled
from dockerflow.logging.request_id import DEFAULT_HEADER

_STATE_NAMES_ITS_ATTRIBUTES = hasattr(State, "__iter__")  # newer releases' do


def setting(app: object, name: str, default: object = None) -> Any:
    """Return a setting as it is now.

    :param app: an application with a ``state``, or anything else, which has the defaults.
    """
    state = getattr(app, "state", None)
    # Saves the AttributeError of an attribute that is not there, ten times as slow as this.
    if type(state) is State and _STATE_NAMES_ITS_ATTRIBUTES and name not in state:
        return default
    return getattr(state, name, default)


class RequestSettings(NamedTuple):
    """The settings that the observation of a request depends on."""

    id_header: str = DEFAULT_HEADER
    id_in_response: bool = True
    exclude_paths: object = None  # as it was set
    log_querystring: bool = False

    @classmethod
    def of(cls, app: object) -> RequestSettings:
        """Return the settings of an application as they are now."""
        state = getattr(app, "state", None)
        # Saves asking one by one, where there is none of them.
        if type(state) is State and _STATE_NAMES_ITS_ATTRIBUTES and _OF_REQUESTS.isdisjoint(state):
            return _DEFAULTS
        return cls(
            id_header=str(setting(app, "DOCKERFLOW_REQUEST_ID_HEADER_NAME") or DEFAULT_HEADER),
            id_in_response=enabled(setting(app, "DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER", True)),
            exclude_paths=setting(app, "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS"),
            log_querystring=enabled(setting(app, "DOCKERFLOW_SUMMARY_LOG_QUERYSTRING")),
        )


_OF_REQUESTS = frozenset(
    {
        "DOCKERFLOW_REQUEST_ID_HEADER_NAME",
        "DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER",
        "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS",
        "DOCKERFLOW_SUMMARY_LOG_QUERYSTRING",
    }
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
