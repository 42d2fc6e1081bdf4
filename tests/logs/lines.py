"""Records to format, a loader that takes nothing but strict JSON, and a value that misbehaves."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from dockerflow.logging import MozlogFormatter

NAMES = ["Timestamp", "Type", "Logger", "Hostname", "EnvVersion", "Severity", "Pid", "Fields"]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    assert len(made) == len(pairs), f"a name stands twice: {[name for name, _ in pairs]}"
    return made


def parse(line: str) -> dict[str, Any]:
    """Parse one line of strict mozlog JSON, or fail."""
    assert line.isascii()
    assert line.isprintable(), "no line break, no control character"
    parsed: dict[str, Any] = json.loads(line, object_pairs_hook=_object, parse_constant=pytest.fail)
    json.dumps(parsed, ensure_ascii=False).encode()  # no lone surrogates
    assert list(parsed) == NAMES
    assert [type(parsed[name]) for name in ("Timestamp", "Pid", "Fields")] == [int, int, dict]
    return parsed


def parse_all(text: str) -> list[dict[str, Any]]:
    """Parse the lines of a stream."""
    return [parse(line) for line in text.splitlines()]


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
    vars(made).update(extra)
    return made


def fields(made: logging.LogRecord, formatter: MozlogFormatter | None = None) -> dict[str, Any]:
    """Return the Fields of the line of a record, after a check that it is strict."""
    found: dict[str, Any] = parse((formatter or MozlogFormatter()).format(made))["Fields"]
    return found


class Broken:
    """Raises whatever it is told to, from whatever it is asked."""

    def __init__(self, error: type[Exception] = OSError) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error("repr")

    def __str__(self) -> str:
        raise self.error("str")

    def __getattr__(self, name: str) -> Any:
        raise self.error(name)
