"""Formatting log records, by these packages and by other formatters, set up as they document it."""

from __future__ import annotations

import json
import logging
import sys
import uuid
from collections.abc import Callable
from importlib import import_module
from itertools import cycle, islice
from typing import Any

from dockerflow.logging import MozlogFormatter

from .applications import HEADERS
from .timing import TimeFunc, timed


def _record(message: str, *args: object, **attributes: object) -> logging.LogRecord:
    made = logging.LogRecord(
        "shop.orders", logging.INFO, "orders.py", 117, message, args, None, "submit"
    )
    vars(made).update(attributes)
    return made


def _summary(number: int) -> logging.LogRecord:
    """Return the record of one request, with the nine fields that both packages write."""
    return _record(
        "",
        name="request.summary",
        errno=0,
        agent=HEADERS["User-Agent"],
        lang=HEADERS["Accept-Language"],
        method="GET",
        path=f"/api/v1/items/{number}",
        uid="",
        rid=str(uuid.uuid4()),
        code=200,
        t=number % 40,
    )


def _exception(number: int) -> logging.LogRecord:
    """Return a record of an exception that came through five frames."""

    def fall(depth: int) -> None:
        if depth:
            fall(depth - 1)
        raise LookupError(f"no order {number}")

    made = _record("Order %d failed", number)
    try:
        fall(3)
    except LookupError:
        made.exc_info = sys.exc_info()
    return made


def _text(letters: str) -> Callable[[int], logging.LogRecord]:
    return lambda number: _record(f"{number}: {letters * 10_000}"[:10_000])


_RECORDS: dict[str, Callable[[int], logging.LogRecord]] = {
    "summary": _summary,
    "arguments": lambda number: _record("Sent %d items of %s in %.1f ms", number, "A-17", 1.5),
    "message": lambda number: _record(f"Order {number} sent"),
    "exception": _exception,
    "ascii": _text("the quick brown fox jumps over the lazy dog. "),
    "cyrillic": _text("съешь же ещё этих мягких французских булок. "),
    "emoji": _text("the quick brown 🦊 jumps over the lazy 🐶. "),
}


def _jsonlogger(module: str, name: str) -> logging.Formatter:
    make: Callable[[str], logging.Formatter] = getattr(import_module(module), name)
    return make("%(created)f %(name)s %(levelno)d %(process)d %(message)s")


def _structlog() -> logging.Formatter:
    stdlib: Any = import_module("structlog.stdlib")
    processors: Any = import_module("structlog.processors")
    orjson: Any = import_module("orjson")

    def serialize(value: Any, **options: Any) -> str:
        return str(orjson.dumps(value, **options), "utf-8")

    made: logging.Formatter = stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            *(stdlib.add_log_level, stdlib.add_logger_name, stdlib.ExtraAdder()),
            *(processors.TimeStamper(fmt="iso"), processors.format_exc_info),
        ],
        processors=[
            stdlib.ProcessorFormatter.remove_processors_meta,
            processors.JSONRenderer(serializer=serialize),
        ],
    )
    return made


# The others are imported by name, since only one environment has them.
_FORMATTERS: dict[str, Callable[[], logging.Formatter]] = {
    "dockerflow": lambda: MozlogFormatter(logger_name="shop"),
    "jsonlogger": lambda: _jsonlogger("pythonjsonlogger.json", "JsonFormatter"),
    "jsonlogger_orjson": lambda: _jsonlogger("pythonjsonlogger.orjson", "OrjsonFormatter"),
    "structlog": _structlog,
}


def measure(work: str, package: str) -> TimeFunc:
    """Return what formats 256 different records, again and again.

    :raises AssertionError: A line is no JSON object, or does not name its logger.
    """
    formatter = _FORMATTERS[package]()
    pool = [_RECORDS[work](number) for number in range(256)]
    for each in pool:
        line = formatter.format(each)
        assert each.name in json.loads(line).values(), line
    following = cycle(pool)

    def format_records(count: int) -> None:
        for each in islice(following, count):
            formatter.format(each)
            each.exc_text = None  # the standard library keeps a traceback's text there

    return timed(format_records)
