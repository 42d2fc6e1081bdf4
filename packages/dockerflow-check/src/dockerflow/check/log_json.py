"""Read a line of a log as strict JSON (RFC 8259), and say why it is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from . import log_faults as faults
from .log_faults import Fault

_BLANKS = " \t\r\n"  # RFC 8259, section 2


def read_line(raw: bytes) -> tuple[dict[str, Any] | None, set[Fault]]:
    """Read a line.

    :param raw: the line, without its end.
    :returns: its object, None if it has none, and its faults. The object behind other text is
        taken if it has a name of mozlog.
    """
    found: set[Fault] = set()
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        found.add(faults.NOT_UTF_8)
        text = raw.decode("utf-8", "replace")
    if text.startswith("\ufeff"):
        found.add(faults.BYTE_ORDER_MARK)
        text = text[1:]
    text = text.strip(_BLANKS)
    if not text:
        return None, found | {faults.EMPTY}
    if text.startswith("{"):
        value, more = _object(text)
        return value, found | more
    if "{" in text:
        value, more = _object(text[text.index("{") :])
        if value is not None and not value.keys().isdisjoint(faults.ENVELOPE):
            return value, found | more | {faults.TEXT_BEFORE}
    return None, found | {faults.NO_OBJECT if _is_json(text) else faults.NO_JSON}


def walk(value: object) -> Iterator[tuple[object, int]]:
    """Return all values within a value, and the names in its objects.

    :param value: what JSON was read to.
    :returns: each value, with the number of objects that it is within.
    """
    # A list instead of recursion: a line may be nested as deep as the parser can read it.
    waiting: list[tuple[object, int]] = [(value, 0)]
    while waiting:
        value, objects = waiting.pop()
        yield value, objects
        if isinstance(value, dict):
            members = cast("dict[str, object]", value).items()
            waiting += ((inner, objects + 1) for pair in members for inner in pair)
        elif isinstance(value, list):
            waiting += ((inner, objects) for inner in cast("list[object]", value))


def _object(text: str) -> tuple[dict[str, Any] | None, set[Fault]]:
    """Read text that begins with a brace."""
    found: set[Fault] = set()
    try:
        value, end = _read(text, found)
    except RecursionError:
        return None, {faults.TOO_DEEP}
    except json.JSONDecodeError:
        try:
            value, end = _read(text, found, strict=False)
        except ValueError:
            return None, {faults.BROKEN_JSON}
        found.add(faults.CONTROL_CHARACTER)
    except ValueError:  # of int(), see sys.set_int_max_str_digits()
        return None, {faults.TOO_MANY_DIGITS}
    if end < len(text):
        return None, {faults.TEXT_BEHIND}
    if "\\u" in text and any(isinstance(each, str) and _is_broken(each) for each, _ in walk(value)):
        found.add(faults.SURROGATE)
    return value, found


def _read(text: str, found: set[Fault], *, strict: bool = True) -> tuple[Any, int]:
    """Return the value at the beginning of a text, and where it ends.

    :param found: the faults, to which those of the value are added.
    :param strict: whether control characters are refused.
    """

    def pairs(given: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(given)
        if len(value) < len(given):
            found.add(faults.TWICE)
        return value

    def constant(name: str) -> float:
        found.add(faults.NOT_A_NUMBER)
        return float(name.replace("Infinity", "inf"))

    decoder = json.JSONDecoder(object_pairs_hook=pairs, parse_constant=constant, strict=strict)
    return decoder.raw_decode(text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_broken(text: str) -> bool:
    """Return whether a string has a lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
