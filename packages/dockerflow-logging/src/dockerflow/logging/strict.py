"""Encode any values as strict JSON (RFC 8259), in bounded time and space.

For the modules of this package; no promise of stability.
"""

# This module works with values of any type.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from json.encoder import c_make_encoder, encode_basestring_ascii  # type: ignore[attr-defined] # not in typeshed
from typing import Any

from .values import has_own_repr, natural, unreadable

MAX_DEPTH = 20
"""Containers nested deeper than this become a placeholder."""

MAX_VALUES = 10_000
"""Values in one field beyond this number are left out; a shared one counts at each occurrence."""

_TEXT = frozenset({str})
_SCALARS = frozenset({str, int, float, bool, type(None)})

# JSONEncoder makes a new C encoder for each value. Some interpreters have no C encoder.
_encoder = json.JSONEncoder(allow_nan=False)
_encode: Callable[[object, Any], Iterable[str]] = _encoder.iterencode
if c_make_encoder is not None:
    _options = (": ", ", ", False, False, False)  # separators; no sorting, no skipping, no NaN
    _encode = c_make_encoder(None, _encoder.default, encode_basestring_ascii, None, *_options)


def encode(line: dict[str, Any]) -> str:
    """Return a line as strict JSON, in ASCII and without line breaks.

    :param line: the content, with values of any type.
    """
    try:
        if _is_flat(line):  # the encoder has no limits, so it only gets flat lines
            text = "".join(_encode(line, 0))
            if "\\" in text:
                _refuse_surrogates(line)
            return text
    except Exception:  # noqa: S110 - NaN, an int of too many digits, a lone surrogate: see below
        pass
    return "".join(_encode(_plain_line(line), 0))


def _is_flat(line: dict[str, Any]) -> bool:
    """Return whether the encoder can take a line as it is.

    It can if ``Fields``, the only container of mozlog, holds only scalars; or, in a line without
    ``Fields``, if each value is a scalar or a small object of scalars.
    """
    fields = line.get("Fields")
    if type(fields) is dict:
        return _SCALARS.issuperset(map(type, fields.values()))
    return all(type(value) in _SCALARS or _is_small_object(value) for value in line.values())


def _is_small_object(value: Any) -> bool:
    return (
        type(value) is dict
        and len(value) <= MAX_VALUES
        and _TEXT.issuperset(map(type, value))
        and _SCALARS.issuperset(map(type, value.values()))
    )


def _refuse_surrogates(value: Any) -> None:
    """Raise a UnicodeEncodeError for a lone surrogate, which is not valid in a text."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, dict):
        _refuse_surrogates([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for each in value:
            _refuse_surrogates(each)


def _plain_line(line: dict[str, Any]) -> dict[str, Any]:
    """Copy a line; each value and field has its own limits, so a large one does not cut others."""
    fields = line.get("Fields")
    if not isinstance(fields, dict):
        return _plain_values(line)
    return _plain_values({**line, "Fields": None}) | {"Fields": _plain_values(fields)}


def _plain_values(values: dict[str, Any]) -> dict[str, Any]:
    return _with_text_keys((name, plain(value)) for name, value in values.items())


def plain(value: object) -> Any:
    """Return a copy of *value* that is made of plain JSON types.

    :param value: any object; a value that JSON can't express becomes a text.
    :returns: dicts with str keys, lists, strs without lone surrogates, ints, finite floats, bools
        and None, within :data:`MAX_DEPTH` and :data:`MAX_VALUES`.
    """
    return _Copier().copy(value, 0)


class _Copier:
    def __init__(self) -> None:
        self.left = MAX_VALUES

    def copy(self, value: Any, depth: int) -> Any:
        self.left -= 1
        kind: Any = type(value)
        if value is None or kind is bool:
            return value
        if issubclass(kind, str):
            return _clean(value)
        if issubclass(kind, int):
            return _whole(value)
        if issubclass(kind, float):
            return float(value) if math.isfinite(value) else json.dumps(float(value))
        if depth > MAX_DEPTH:
            return f"<{kind.__qualname__} object, nested too deep>"
        try:
            if issubclass(kind, dict):
                return _with_text_keys(self._items(value, depth))
            if issubclass(kind, list) or (issubclass(kind, tuple) and not has_own_repr(kind)):
                return self._array(value, depth)
            return self.copy(natural(value), depth + 1)
        except Exception as error:
            return unreadable(value, error)

    def _array(self, values: Collection[object], depth: int) -> list[Any]:
        made: list[Any] = []
        for value in values:
            if self.left <= 0:
                made.append(f"<{len(values) - len(made)} more values>")
                break
            made.append(self.copy(value, depth + 1))
        return made

    def _items(self, pairs: Mapping[object, object], depth: int) -> Iterable[tuple[object, Any]]:
        for count, (key, value) in enumerate(pairs.items()):
            if self.left <= 0:
                yield "...", f"<{len(pairs) - count} more values>"
                break
            yield key, self.copy(value, depth + 1)


def _with_text_keys(pairs: Iterable[tuple[object, Any]]) -> dict[str, Any]:
    """Return a dict of *pairs*; a repeated name gets a number, so that no pair is lost."""
    made: dict[str, Any] = {}
    for key, value in pairs:
        name = text = _key_text(key)
        numbers = itertools.count(len(made))
        while name in made:
            name = f"{text} ({next(numbers)})"
        made[name] = value
    return made


def _key_text(key: object) -> str:
    try:
        form = key if isinstance(key, str | int | float | None) else natural(key)
        if form is None or isinstance(form, bool):
            return {None: "null", True: "true", False: "false"}[form]  # as json.dumps() does
        return _clean(form if isinstance(form, str) else str(form))
    except Exception as error:
        return _clean(unreadable(key, error))


def _clean(text: str) -> str:
    r"""Return *text* without lone surrogates: each becomes six characters, such as ``\udc80``."""
    return text.encode("utf-8", "backslashreplace").decode()


def _whole(number: int) -> int | str:
    number = int(number)
    try:
        str(number)
    except ValueError:  # more digits than sys.get_int_max_str_digits()
        return hex(number)
    return number


class SafeJSONEncoder(json.JSONEncoder):
    """A JSON encoder that accepts any value, for ``json.dumps(value, cls=...)``."""

    def default(self, o: object) -> object:
        """Return the natural form of a value that JSON has no type for."""
        try:
            return natural(o)
        except Exception as error:
            return unreadable(o, error)

    def encode(self, o: object) -> str:
        """Return *o* as JSON; values that the standard encoder refuses become texts."""
        try:
            return super().encode(o)
        except Exception:
            return super().encode(plain(o))
