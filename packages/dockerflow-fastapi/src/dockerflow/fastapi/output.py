"""Where the request summaries go in an application that has not configured its logging."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

from dockerflow.logging import MozlogFormatter, MozlogHandler
from dockerflow.logging.summary import SUMMARY_LOGGER

_lock = threading.Lock()
_prepared = False


def prepare_output() -> None:
    """See to it, once in a process, that request summaries are written as mozlog.

    The logger is set to INFO where it has no level, and given a handler that writes to stdout where
    no handler that an INFO record would reach writes mozlog.
    """
    global _prepared
    if _prepared:
        return
    with _lock:
        if _prepared:
            return
        logger = logging.getLogger(SUMMARY_LOGGER)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
        if not any(_writes_mozlog(handler, logger.level) for handler in _reached_from(logger)):
            logger.addHandler(MozlogHandler())
        _prepared = True


def _reached_from(logger: logging.Logger) -> Iterator[logging.Handler]:
    current: logging.Logger | None = logger
    while current is not None:
        yield from current.handlers
        current = current.parent if current.propagate else None


def _writes_mozlog(handler: object, level: int) -> bool:
    if not isinstance(handler, logging.Handler) or handler.level > max(level, logging.INFO):
        return False
    if isinstance(handler.formatter, MozlogFormatter):
        return True
    # What stands behind a MemoryHandler, and behind a QueueHandler from Python 3.12 on.
    listener: Any = getattr(handler, "listener", None)
    # Saves importing it, twelve milliseconds: where nobody has, there is no such listener.
    handlers = sys.modules.get("logging.handlers")
    behind: tuple[object, ...] = ()
    if handlers is not None and isinstance(listener, handlers.QueueListener):
        behind = tuple(listener.handlers)
    return any(
        _writes_mozlog(other, level) for other in (getattr(handler, "target", None), *behind)
    )
