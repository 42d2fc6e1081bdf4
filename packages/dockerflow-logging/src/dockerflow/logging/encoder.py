"""From any Python value to strict JSON text (RFC 8259).

There are two ways. ``encode`` hands a value to one C encoder made in advance, and believes the
result where it can tell cheaply that it is strict. ``jsonable`` is the other: it copies anything
whatever into plain dicts, lists, texts and numbers that encode without a question.
"""

from __future__ import annotations

import re

from .natural import SCALARS, TEXT_FORMS, form_of, natural, set_form, step
from .plain import MAX_DEPTH, jsonable, quote
from .reprs import class_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_MAX_CHECKED = 1000  # containers; a circle would go on for ever, and so would shared references
_MAX_TEXTS = 512  # types; those beyond are looked at anew for each value
_STR_ONLY: frozenset[type] = frozenset({str})
_INT_ONLY: frozenset[type] = frozenset({int})
_CONTAINERS = (dict, list, tuple)

# Finds, in ASCII JSON text, every escape in turn; group 1 is a surrogate without its partner. To
# compile it would be a tenth of the import.
_ESCAPES = r"\\(?:ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|(ud[89a-f][0-9a-f]{2})|.)"


class Unusual(ValueError):
    """A value that only the careful way can encode."""


def _default(value: object) -> object:
    """Give the C encoder the natural form of a value, if that can't hold a surprise."""
    return _plain_form(step(natural(value)))


def _plain_form(form: Any) -> object:
    """Return *form*, made of plain values, if it holds nothing but scalars."""
    cls = class_of(form)
    if cls in SCALARS:
        return form
    if cls is list:
        items = [one if type(one) in SCALARS else step(one) for one in form]
        if SCALARS.issuperset(map(type, items)):
            return items
    elif cls is dict and _plain_keys(form):
        pairs = {key: one if type(one) in SCALARS else step(one) for key, one in form.items()}
        if SCALARS.issuperset(map(type, pairs.values())):
            return pairs
    raise Unusual


def _make_encode() -> Callable[[object], str]:
    try:
        from _json import make_encoder
    except ImportError:  # an interpreter without the C encoder
        from json import JSONEncoder

        return JSONEncoder(
            check_circular=False, allow_nan=False, separators=(", ", ": "), default=_default
        ).encode
    # No dict of markers: circular values end in a RecursionError, and in the careful way.
    encode: Any = make_encoder(None, _default, quote, None, ": ", ", ", False, False, False)
    return lambda value: "".join(encode(value, 0))


#: Strict for values made by ``jsonable``; may raise anything, or repeat a key, for others.
raw_encode: Callable[[object], str] = _make_encode()


def encode(value: object) -> str:
    """Return *value* as one line of strict JSON in ASCII, whatever it is.

    :param value: any object.
    :returns: JSON text; what :func:`jsonable` has made of a part of *value* is written unchanged.
    """
    try:
        if is_plain((value,)):
            text = raw_encode(value)
            if "\\ud" not in text:
                return text
    except Exception:  # noqa: S110 - whatever it is, the other way knows what to say
        pass
    return raw_encode(jsonable(value, MAX_DEPTH + 2))


def _container_text(value: object) -> str:
    if is_plain((value,)):
        return raw_encode(value)
    raise Unusual


def _form_text(form: Callable[[Any], object]) -> Callable[[object], str]:
    def text(value: object) -> str:
        return quote(form(value))  # type: ignore[arg-type] # of TEXT_FORMS, which return a str

    def text_of_any(value: object) -> str:
        said: Any = form(value)
        if type(said) is str:
            return quote(said)
        return raw_encode(_plain_form(step(said)))

    if form in TEXT_FORMS:
        return text
    return _set_text if form is set_form else text_of_any


def _set_text(values: Any) -> str:
    members: list[Any] = list(values)
    kinds = frozenset(map(type, members))
    if kinds == _INT_ONLY:
        members.sort()
        return repr(members)
    if kinds == _STR_ONLY:
        members.sort()
        return f"[{', '.join(map(quote, members))}]"
    return raw_encode(_plain_form(set_form(values)))


def _float_text(value: float) -> str:
    if value - value == 0:
        return float.__repr__(value)
    raise Unusual


class _Texts(dict[type, "Callable[[Any], str]"]):
    def __missing__(self, cls: type) -> Callable[[Any], str]:
        if issubclass(cls, _CONTAINERS):
            raise Unusual
        scalar = issubclass(cls, (str, int, float))
        text: Callable[[Any], str] = raw_encode if scalar else _form_text(form_of(cls))  # pyright: ignore[reportUnknownArgumentType] - from the tuple above
        if len(self) < _MAX_TEXTS:
            self[cls] = text
        return text


#: How the fast way writes a value, by its type: as ``jsonable`` would, but for lone surrogates.
#: Each may raise anything, where only the careful way can tell what to write.
TEXTS = _Texts(
    {
        str: quote,
        int: int.__repr__,
        float: _float_text,
        bool: {True: "true", False: "false"}.__getitem__,
        type(None): {None: "null"}.__getitem__,
        dict: _container_text,
        list: _container_text,
        tuple: _container_text,
    }
)


def has_lone_surrogates(text: str, values: Iterable[object]) -> bool:
    """Tell whether JSON *text* that holds surrogate escapes may be taken as it is.

    :param text: ASCII JSON text made from *values*.
    :param values: what went into it; only scalars are looked at closely.
    """
    if any(re.findall(_ESCAPES, text)):
        return True
    for value in values:
        if type(value) is str:
            try:
                # Both halves of a pair, as two code points, are written like the real character.
                value.encode()
            except UnicodeEncodeError:
                return True
        elif type(value) not in SCALARS:
            return True
    return False


def _plain_keys(mapping: dict[Any, object]) -> bool:
    return _STR_ONLY.issuperset(map(type, mapping)) and "".join(mapping).isascii()


def is_plain(values: Iterable[Any]) -> bool:
    """Tell whether all containers among and within *values* are of the unsurprising kind.

    That is: exact dicts with ASCII text for keys, exact lists and exact tuples, not nested too
    deeply. Values of other types are the business of the encoder's hook.
    """
    checked = 0
    for _ in range(MAX_DEPTH - 1):  # well below the limit of the careful way
        inner: list[Any] = []
        for value in values:
            cls = class_of(value)
            if cls in SCALARS:
                continue
            if cls is dict:
                if not _plain_keys(value):
                    return False
                inner.extend(value.values())
            elif cls is list or cls is tuple:
                inner.extend(value)
            elif issubclass(cls, _CONTAINERS):
                return False
            else:
                continue
            checked += 1
            if checked > _MAX_CHECKED:
                return False
        if not inner:
            return True
        values = inner
    return False
