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

# The attributes of every LogRecord in any version of Python, and those of handlers and formatters.
RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {
    *("message", "asctime", "taskName", "logger_name"),
}


def milliseconds_since(started: int) -> int:
    """Return the whole milliseconds since a moment.

    :param started: the value of ``time.monotonic_ns()`` at that moment.
    """
    return (time.monotonic_ns() - started) // 1_000_000


def describe(error: BaseException) -> str:
    """Return the text of an exception, or the name of its type if it has none."""
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


def write_summary(
    logger: logging.Logger, level: int, message: str, fields: Mapping[str, Any]
) -> None:
    """Log one record with fields of any name.

    :param logger: the logger, such as ``request.summary``.
    :param level: the level of the record.
    :param message: its text, used as it is.
    :param fields: its fields; a name that is an attribute of every record is prefixed with
        ``extra_``.
    """
    if not logger.isEnabledFor(level):
        return
    # As logger.log() does, but without searching the stack for the caller, which is always this.
    record = logger.makeRecord(logger.name, level, __file__, 0, message, (), None, "write_summary")
    # In `extra`, a name that the application's record factory also sets would raise a KeyError.
    attributes = vars(record)
    for name, value in fields.items():
        attributes[f"extra_{name}" if name in RECORD_ATTRIBUTES else name] = value
    logger.handle(record)


@contextlib.contextmanager
def harmless(what: str) -> Generator[None]:
    """Let no exception leave the block; report it as ``logging.Handler`` reports its own.

    :param what: the name of the logger that the block writes to.
    """
    try:
        yield
    except Exception:
        if logging.raiseExceptions and sys.stderr:  # as logging.Handler.handleError() does
            sys.stderr.write(f"--- Logging error in {what} ---\n")
            traceback.print_exc(file=sys.stderr)
