"""The natural JSON form of Python values that JSON has no type for.

``natural`` takes one step: it turns a value into something nearer to JSON and leaves what that
holds to the caller. Nothing is imported to find out what a value is: a value of some class exists
only where the module of that class has been imported already, so ``sys.modules`` knows.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from .reprs import is_interrupt, safe_repr, safe_text, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: Types that JSON has by itself and that hold nothing else.
SCALARS: frozenset[type] = frozenset({str, int, float, bool, type(None)})

_STR: set[type] = {str}
_NUMBERS: set[type] = {int, float, bool}
_JSON_TYPES = (str, int, float, dict, list, tuple)

#: Enough for the types that one service logs; past it the cache starts again from empty.
_MAX_FORMS = 512

_forms: dict[type, Callable[[Any], object]] = {}

# Read through the descriptors of `type` and not by name: a metaclass can answer anything to a name.
_mro: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__


def natural(value: object) -> object:
    """Take *value* one step towards JSON.

    ========================================  =====================================================
    value                                     form
    ========================================  =====================================================
    ``Enum`` member                           its value
    ``datetime``, ``date``, ``time``          ISO 8601 text
    ``timedelta``                             seconds, a number
    ``UUID``, ``Decimal``, path               its text
    dataclass instance                        object of its fields, without those of ``repr=False``
    web request                               text ``"METHOD /path"``
    mapping                                   object
    set, frozenset, dict view of that kind    array, sorted
    ``memoryview``                            the ``repr`` of its bytes
    anything else, bytes and exceptions too   its ``repr``
    ========================================  =====================================================

    :param value: any object; one that JSON knows already comes back as its ``repr``.
    :returns: a str, int, float, exact dict or exact list, or for an Enum member whatever it holds.
    """
    try:
        return form_of(type(value))(value)
    except BaseException as error:
        if is_interrupt(error):
            raise
        return safe_repr(value)


def form_of(cls: type) -> Callable[[Any], object]:
    """Return the function that gives the :func:`natural` form of values of the type *cls*.

    It may raise what a value's own methods raise.
    """
    form = _forms.get(cls)
    if form is None:
        form = _find_form(cls)
        if len(_forms) >= _MAX_FORMS:
            _forms.clear()
        _forms[cls] = form
    return form


def _find_form(cls: type) -> Callable[[Any], object]:
    mro = _mro(cls)
    if any(base is BaseException for base in mro):
        return safe_repr
    known = _known_form(mro)
    if known is not None:
        return known
    if any("__dataclass_fields__" in base.__dict__ for base in mro):
        return _dataclass_form(cls)
    if any(type_name(base).endswith(_REQUEST_NAMES) for base in mro):
        return _request_or(_find_plain_form(cls))
    return _find_plain_form(cls)


def _known_form(mro: tuple[type, ...]) -> Callable[[Any], object] | None:
    for module, name, form in _KNOWN:
        known = getattr(sys.modules.get(module), name, None)
        if known is not None and any(base is known for base in mro):
            return form
    return None


def is_secretive(value: object) -> bool:
    """Tell whether *value*, of a subclass of a JSON type, is to be shown by its repr alone."""
    return _known_form(_mro(type(value))) is safe_repr


def _find_plain_form(cls: type) -> Callable[[Any], object]:
    try:
        if issubclass(cls, Mapping):
            return _mapping_form
        if issubclass(cls, AbstractSet):
            return set_form
    except Exception:  # noqa: S110 - a metaclass that has something against being asked
        pass
    return safe_repr


def _enum_form(member: Any) -> object:
    return member._value_


def _iso_form(moment: Any) -> object:
    return str.__str__(moment.isoformat())


def _seconds_form(duration: Any) -> object:
    return duration.total_seconds()


def _proxy_form(proxy: Any) -> object:
    # `flask.request` is a werkzeug LocalProxy, and its repr is that of the request, query and all.
    return step(proxy._get_current_object())


def _memory_form(view: Any) -> object:
    return safe_repr(view.tobytes())


_KNOWN: tuple[tuple[str, str, Callable[[Any], object]], ...] = (
    ("enum", "Enum", _enum_form),
    ("datetime", "date", _iso_form),
    ("datetime", "time", _iso_form),
    ("datetime", "timedelta", _seconds_form),
    ("uuid", "UUID", safe_text),
    ("decimal", "Decimal", safe_text),
    ("pathlib", "PurePath", safe_text),
    ("builtins", "memoryview", _memory_form),
    ("werkzeug.local", "LocalProxy", _proxy_form),
    ("sqlalchemy.engine.url", "URL", safe_repr),  # a tuple with the password; its repr hides it
)


#: Forms that are always an exact str.
TEXT_FORMS = frozenset({_iso_form, safe_text, safe_repr, _memory_form})


def step(value: object) -> object:
    """Return what JSON knows as it is, and the :func:`natural` form of anything else."""
    # issubclass of the type: isinstance would ask the value's own __class__, which may do anything
    if value is None or issubclass(type(value), _JSON_TYPES):
        return value
    return natural(value)


def unreadable(error: BaseException) -> str:
    """Return the text that stands for a value which raised *error* when it was read."""
    return f"<unreadable: {safe_repr(error)}>"


def _dataclass_form(cls: type) -> Callable[[Any], object]:
    from dataclasses import fields

    # repr=False is how an author says "not for display", mostly of secrets.
    names = tuple(field.name for field in fields(cls) if field.repr)

    def form(instance: Any) -> object:
        values: dict[object, object] = {}
        for name in names:
            try:
                values[name] = getattr(instance, name)
            except BaseException as error:
                if is_interrupt(error):
                    raise
                values[name] = unreadable(error)
        return values

    return form


def _mapping_form(mapping: Any) -> object:
    pairs: dict[object, object] = {}
    size = len(mapping)
    try:
        for key in mapping:
            if len(pairs) > size:
                raise OverflowError(f"more keys than its length of {size}")
            try:
                pairs[key] = mapping[key]
            except BaseException as error:
                if is_interrupt(error):
                    raise
                pairs[key] = unreadable(error)
    except BaseException as error:
        if is_interrupt(error):
            raise
        if not pairs:
            return safe_repr(mapping)
        pairs[unreadable(error)] = safe_repr(mapping)
    return pairs


def _set_order(member: object) -> tuple[str, str]:
    return type_name(type(member)), safe_repr(member)


def set_form(values: Any) -> object:
    """Return the members of a set as a list, in an order that does not depend on their hashes."""
    members = list(values)
    kinds = set(map(type, members))
    if kinds == _STR or kinds <= _NUMBERS:
        members.sort()
    else:  # `<` between sets, for one, is no order, and between mixed types it is an error
        members.sort(key=_set_order)
    return members


# --- web requests, known by their shape ---------------------------------------------------------

#: How the request classes of Django, Werkzeug, Sanic, Starlette, aiohttp, Tornado and WebOb end.
_REQUEST_NAMES = ("Request", "HTTPConnection", "WebSocket")


def _request_or(otherwise: Callable[[Any], object]) -> Callable[[Any], object]:
    def form(value: Any) -> object:
        line = _request_line(value)
        return otherwise(value) if line is None else line

    return form


def _request_line(request: Any) -> str | None:
    """Return ``"METHOD /path"``, or None for an object that is no web request after all."""
    scope = _attribute(request, "scope")
    if _is_dict(scope):  # Starlette: a mapping whose items are headers, query and all
        method = scope.get("method") or str(scope.get("type", "")).upper()
        path = scope.get("path")
    else:
        method = _attribute(request, "method")
        path = _attribute(request, "path")
    if isinstance(method, str) and isinstance(path, str):
        return f"{safe_text(method)} {safe_text(path)}"
    return None


def _is_dict(value: object) -> bool:
    return type(value) is dict


def _attribute(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except BaseException as error:
        if is_interrupt(error):
            raise
        return None
