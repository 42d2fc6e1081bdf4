"""Records to format, the formats, strict parsers of their lines, and a value that misbehaves."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from dockerflow.logging import GoogleCloudFormatter, MozlogFormatter
from dockerflow.logging.google_cloud import mozlog_line

NAMES = ["Timestamp", "Type", "Logger", "Hostname", "EnvVersion", "Severity", "Pid", "Fields"]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    assert len(made) == len(pairs), f"a name stands twice: {[name for name, _ in pairs]}"
    return made


def parse_json(line: str) -> dict[str, Any]:
    """Parse one line of strict JSON, or fail."""
    assert line.isascii()
    assert line.isprintable(), "no line break, no control character"
    parsed: dict[str, Any] = json.loads(line, object_pairs_hook=_object, parse_constant=pytest.fail)
    json.dumps(parsed, ensure_ascii=False).encode()  # no lone surrogates
    return parsed


def parse(line: str) -> dict[str, Any]:
    """Parse one line of strict mozlog JSON, or fail."""
    parsed = parse_json(line)
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
    """Return the Fields of a record's line, after checking that the line is strict JSON."""
    found: dict[str, Any] = parse((formatter or MozlogFormatter()).format(made))["Fields"]
    return found


class EcsFormatter(MozlogFormatter):
    """A user's own formatter, as in docs/cookbook/log-formats.md."""

    NAMES: ClassVar = {"msg": "message", "error": "error.message", "traceback": "error.stack_trace"}

    def envelope(self, record: logging.LogRecord, fields: dict[str, Any]) -> dict[str, Any]:
        line = {
            "@timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "log.level": record.levelname.lower(),
            "log.logger": record.name,
        }
        for name, value in fields.items():
            line[self.NAMES.get(name, f"acme.{name}")] = value
        return line


def _fields_of_ecs(line: dict[str, Any]) -> dict[str, Any]:
    names = {new: name for name, new in EcsFormatter.NAMES.items()}
    found = {names.get(name, name.removeprefix("acme.")): value for name, value in line.items()}
    return {name: found[name] for name in list(found)[3:]}


@dataclass(frozen=True)
class Format:
    """A format whose lines are JSON.

    :ivar formatter: the formatter that writes it.
    :ivar fields_of: returns what mozlog has in ``Fields`` for the same record.
    """

    formatter: MozlogFormatter
    fields_of: Callable[[dict[str, Any]], dict[str, Any]]

    def fields(self, made: logging.LogRecord) -> dict[str, Any]:
        """Return the fields of a record's line, after checking that the line is strict JSON."""
        return self.fields_of(parse_json(self.formatter.format(made)))


FORMATS = {
    "mozlog": Format(MozlogFormatter(), lambda line: line["Fields"]),
    "gcp": Format(GoogleCloudFormatter(), lambda line: (mozlog_line(line) or {})["Fields"]),
    "ecs": Format(EcsFormatter(), _fields_of_ecs),
}
in_each_format = pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)


class Broken:
    """Raises a given exception from every method."""

    def __init__(self, error: type[Exception] = OSError) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error("repr")

    def __str__(self) -> str:
        raise self.error("str")

    def __getattr__(self, name: str) -> Any:
        raise self.error(name)
