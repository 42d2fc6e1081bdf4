"""The record that sums up a request, a task or another piece of work.

For adapters of frameworks; no promise of stability.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
import traceback
from collections.abc import Generator, Mapping
from typing import Any

REQUEST_SUMMARY = "request.summary"
"""The logger of the summaries of requests, and so the ``Type`` of their lines."""

TASK_SUMMARY = "task.summary"
"""The same for tasks."""

# What every LogRecord has, whatever the version of Python, and what handlers and formatters add.
RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {
    *("message", "asctime", "taskName", "logger_name"),
}


def milliseconds_since(started: int) -> int:
    """Return the whole milliseconds since a moment.

    :param started: what ``time.monotonic_ns()`` was then.
    """
    return (time.monotonic_ns() - started) // 1_000_000


def describe(error: BaseException) -> str:
    """Return the text of an exception, or the name of its type where it has none."""
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


def write_summary(
    logger: logging.Logger, level: int, message: str, fields: Mapping[str, Any]
) -> None:
    """Log one record, whatever names its fields have.

    :param logger: the logger, such as ``request.summary``.
    :param level: the level of the record.
    :param message: its text, taken as it is.
    :param fields: what else it says; one with the name of a record's own attribute becomes
        ``extra_`` and that name.
    """
    if not logger.isEnabledFor(level):
        return
    # What logger.log() does, without looking up the stack for a caller that would be this line.
    record = logger.makeRecord(logger.name, level, __file__, 0, message, (), None, "write_summary")
    # Given as `extra`, a name that the application's record factory sets would be a KeyError.
    attributes = vars(record)
    for name, value in fields.items():
        attributes[f"extra_{name}" if name in RECORD_ATTRIBUTES else name] = value
    logger.handle(record)


@contextlib.contextmanager
def harmless(what: str) -> Generator[None]:
    """Have no exception leave the block: each is reported as ``logging.Handler`` reports its own.

    :param what: the name of the logger that is written to.
    """
    try:
        yield
    except Exception:
        if logging.raiseExceptions and sys.stderr:  # as logging.Handler.handleError() does
            sys.stderr.write(f"--- Logging error in {what} ---\n")
            traceback.print_exc(file=sys.stderr)
