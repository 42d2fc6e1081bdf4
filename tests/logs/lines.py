"""Records to format, and a loader that takes nothing but strict JSON."""

from __future__ import annotations

import json
import logging
from typing import Any

from dockerflow.logging import MozlogFormatter

NAMES = ["Timestamp", "Type", "Logger", "Hostname", "EnvVersion", "Severity", "Pid", "Fields"]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), f"a name stands twice: {names}"
    for name in names:
        name.encode()  # no lone surrogates
    return dict(pairs)


def _refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse)


def _check(value: Any) -> None:
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, str):
            one.encode()
        elif isinstance(one, dict):
            todo.extend(one.values())
        elif isinstance(one, list):
            todo.extend(one)


def parse(line: str) -> dict[str, Any]:
    """Parse one line of strict mozlog JSON, or fail."""
    assert line.isascii()
    assert line.isprintable(), "no line break, no control character"
    parsed: dict[str, Any] = _decoder.decode(line)
    _check(parsed)
    assert list(parsed) == NAMES
    assert type(parsed["Timestamp"]) is int
    assert type(parsed["Pid"]) is int
    assert type(parsed["Fields"]) is dict
    return parsed


def record(
    msg: object = "hello",
    *args: object,
    level: int = logging.INFO,
    name: str = "app",
    exc_info: Any = None,
    **extra: object,
) -> logging.LogRecord:
    """Make a record as a logger would, with *extra* on it."""
    made = logging.LogRecord(name, level, "app.py", 7, msg, args, exc_info)
    made.__dict__.update(extra)
    return made


def fields(made: logging.LogRecord, formatter: MozlogFormatter | None = None) -> dict[str, Any]:
    """Return the Fields of the line of a record, after a check that it is strict."""
    parsed = parse((formatter or MozlogFormatter()).format(made))
    found: dict[str, Any] = parsed["Fields"]
    return found
