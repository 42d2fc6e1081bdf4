"""Format log records with these packages and with others, each set up as its docs say."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import os
import sys
import uuid
from collections.abc import Callable
from importlib import import_module
from itertools import cycle, islice
from typing import Any

from dockerflow.logging import MozlogFormatter, MozlogHandler, RequestIdLogFilter

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
    """Return a record of an exception that passed through five frames."""

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


_logging: Any = import_module("dockerflow.logging")  # the existing package has fewer names in it

# The others are imported by name, since only one environment has them.
_FORMATTERS: dict[str, Callable[[], logging.Formatter]] = {
    "dockerflow": lambda: MozlogFormatter(logger_name="shop"),
    "gcp": lambda: _logging.GoogleCloudFormatter(logger_name="shop"),
    "console": lambda: _logging.ConsoleFormatter(logger_name="shop"),
    "jsonlogger": lambda: _jsonlogger("pythonjsonlogger.json", "JsonFormatter"),
    "jsonlogger_orjson": lambda: _jsonlogger("pythonjsonlogger.orjson", "OrjsonFormatter"),
    "structlog": _structlog,
}


def measure(work: str, package: str) -> TimeFunc:
    """Return a function that formats 256 different records in a cycle.

    :raises AssertionError: A line is not a JSON object, or lacks its logger or path.
    """
    if work == "info":
        return _whole_calls(package)
    formatter = _FORMATTERS[package]()
    pool = [_RECORDS[work](number) for number in range(256)]
    for each in pool:
        line = formatter.format(each)
        assert getattr(each, "path", each.name) in line, line
        assert package == "console" or json.loads(line)
    following = cycle(pool)

    def format_records(count: int) -> None:
        for each in islice(following, count):
            formatter.format(each)
            each.exc_text = None  # the standard library keeps a traceback's text there

    return timed(format_records)


def _whole_calls(package: str) -> TimeFunc:
    """Return a function that logs messages as an application does, to a discarding stream."""
    sys.stdout = stream = io.StringIO()
    if package == "by_hand":
        handler = MozlogHandler(name="shop")
        handler.addFilter(RequestIdLogFilter())
        logging.basicConfig(level="INFO", handlers=[handler])
    else:
        logging.config.dictConfig(_logging.dict_config("shop", format="mozlog"))
    logger = logging.getLogger("shop.orders")
    logger.info("Order %d sent", 1)
    assert json.loads(stream.getvalue())["Fields"] == {"rid": None, "msg": "Order 1 sent"}
    sys.stdout = sys.__stdout__
    root_handler: Any = logging.root.handlers[0]
    root_handler.setStream(open(os.devnull, "w"))  # noqa: SIM115 - as long as the process lives

    def log_messages(count: int) -> None:
        for number in range(count):
            logger.info("Order %d sent", number)

    return timed(log_messages)
