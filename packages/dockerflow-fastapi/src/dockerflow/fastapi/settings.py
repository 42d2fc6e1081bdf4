"""The settings of an application: attributes of its ``state``, read when they are used."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp


def setting(app: object, name: str, default: object = None) -> Any:
    """Return a setting as it is now.

    :param app: an application with a ``state``, or anything else, which has the defaults.
    """
    return getattr(getattr(app, "state", None), name, default)


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
