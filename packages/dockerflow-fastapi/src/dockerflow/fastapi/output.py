"""The default output of request summaries, for applications that do not configure logging."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator

from dockerflow.logging import MozlogHandler
from dockerflow.logging.summary import REQUEST_SUMMARY


class DefaultHandler(MozlogHandler):
    """The handler that is added if there is no other."""


def prepare_output() -> None:
    """Write request summaries as mozlog to standard output, unless a handler already writes them.

    The logger is set to INFO if it has no level, and gets a handler if neither it nor a logger
    above it has one. If ``sys.stdout`` has been replaced since, that handler is replaced.
    """
    logger = logging.getLogger(REQUEST_SUMMARY)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    for handler in logger.handlers[:]:
        if isinstance(handler, DefaultHandler) and handler.stream is not sys.stdout:
            logger.removeHandler(handler)
    if not any(map(_is_visible, _handlers_of(logger))):
        logger.addHandler(DefaultHandler())


def _handlers_of(logger: logging.Logger | None) -> Iterator[logging.Handler]:
    """Yield the handlers of a logger's records, like ``Logger.callHandlers`` finds them."""
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


def _is_visible(handler: logging.Handler) -> bool:
    """Return whether a handler's output is visible; that of pytest's handlers is not."""
    stream = getattr(handler, "stream", None)
    return not (
        isinstance(handler, logging.NullHandler)
        or isinstance(stream, io.StringIO)
        or getattr(stream, "name", None) == os.devnull
    )
