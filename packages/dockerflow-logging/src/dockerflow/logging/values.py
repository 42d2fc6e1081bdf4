"""The natural JSON form of Python values that JSON has no type for.

For the modules of this package; no promise of stability.
"""

# This module works with values of any type.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import dataclasses
import functools
import inspect
import numbers
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import PurePath
from typing import Any
from uuid import UUID


def natural(value: object) -> object:
    """Return a form of *value* that is one step closer to JSON.

    ===========================================  ==================================================
    value                                        form
    ===========================================  ==================================================
    web request                                  text ``METHOD /path``, never with the query
    ``Enum`` member                              its value
    ``datetime``, ``date``, ``time``             ISO 8601 text
    ``timedelta``                                seconds, a number
    UUID, ``Decimal``, path, IP address, lazy    their text
    text
    ``numbers.Integral``, ``numbers.Real``       number
    mapping                                      object
    set, frozenset, set-like dict view           array, sorted if possible
    dataclass instance                           object of its fields, without those with
                                                 ``repr=False``; its ``repr`` if the class's author
                                                 wrote one
    anything else, bytes and exceptions too      its ``repr``
    ===========================================  ==================================================

    :param value: any object that is not an instance of a JSON type.
    :returns: the form, which may itself hold values that JSON has no type for.
    :raises Exception: whatever the methods of *value* raise.
    """
    kind = type(value)
    if kind.__name__ == "LocalProxy":
        # Werkzeug's proxies, such as flask.request: `__class__` is the class of the real object.
        # Not for other lazy objects: Django's `request.user` would be read from the database.
        kind = value.__class__
    return _form_of(kind)(value)  # type: ignore[arg-type] # each class is hashable


@functools.lru_cache(maxsize=1000)
def has_own_repr(kind: type) -> bool:
    """Return whether a tuple or dataclass has a ``__repr__`` that its author wrote.

    It may hide something, as that of SQLAlchemy's URL, a named tuple, hides the password.
    """
    function: Any = inspect.unwrap(kind.__repr__)  # @dataclass wraps the one that it generates
    if function is tuple[object].__repr__ or getattr(function, "__module__", None) == "collections":
        return False  # the latter for named tuples
    code = getattr(function, "__code__", None)
    return code is None or code.co_filename != "<string>"  # @dataclass compiles it from text


def unreadable(value: object, error: Exception) -> str:
    """Return a text in place of a value that raised *error* when it was read."""
    return f"<{type(value).__qualname__} object, which raised {type(error).__qualname__}>"


def safe_repr(value: object) -> str:
    """Return ``repr(value)``, or another text if that raises."""
    try:
        return repr(value)
    except Exception as error:
        return unreadable(value, error)


# ---------------------------------------------------------------------- forms by class


@functools.lru_cache(maxsize=1000)
def _form_of(kind: type) -> Callable[[Any], object]:
    names = [base.__name__ for base in kind.__mro__]
    if dataclasses.is_dataclass(kind):
        return repr if has_own_repr(kind) else _dataclass_form
    if any(name.endswith(_REQUEST_NAMES) for name in names):
        return _request_form
    for known, form in _FORMS:
        if issubclass(kind, known):
            return form
    return repr if _LAZY_TEXTS.isdisjoint(names) else str


# How the names of request classes end in Django, Werkzeug, Sanic, Starlette, aiohttp, Tornado,
# WebOb and httpx.
_REQUEST_NAMES = ("Request", "HTTPConnection", "WebSocket")

# Django's lazy texts, and those of Flask-Babel, WTForms and Babel.
_LAZY_TEXTS = frozenset({"Promise", "LazyString", "LazyProxy"})


def _request_form(value: Any) -> object:
    scope: Any = getattr(value, "scope", None)
    if type(scope) is dict:  # ASGI's; a websocket has no method
        method: Any = scope.get("method", "WEBSOCKET")
        path: Any = scope.get("path")
    else:
        method = getattr(value, "method", None)
        path = getattr(value, "path", None) or getattr(getattr(value, "url", None), "path", None)
    if isinstance(method, str) and isinstance(path, str):
        return f"{method} {path}"
    return repr(value)  # not a web request, despite its name


def _dataclass_form(value: Any) -> object:
    shown = [field.name for field in dataclasses.fields(value) if field.repr]
    return {name: getattr(value, name) for name in shown}


def _set_form(value: AbstractSet[Any]) -> object:
    try:
        return sorted(value)
    except TypeError:  # members of different types
        return sorted(value, key=repr)


# The first match counts. A datetime is also a date.
_FORMS: tuple[tuple[type | tuple[type, ...], Callable[[Any], object]], ...] = (
    (Enum, lambda member: member.value),
    ((date, time), lambda moment: moment.isoformat()),
    (timedelta, timedelta.total_seconds),
    ((UUID, Decimal, PurePath), str),
    ((IPv4Address, IPv6Address, IPv4Network, IPv6Network), str),
    (numbers.Integral, int),
    (numbers.Real, float),
    (memoryview, lambda view: repr(view.tobytes())),
    (Mapping, dict),
    (AbstractSet, _set_form),
)
