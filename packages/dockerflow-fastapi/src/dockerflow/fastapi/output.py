"""Where the request summaries go in an application that has not configured its logging."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator

from dockerflow.logging import MozlogHandler
from dockerflow.logging.summary import REQUEST_SUMMARY


class DefaultHandler(MozlogHandler):
    """The handler of an application without any."""


def prepare_output() -> None:
    """Have request summaries written as mozlog to standard output, if nobody else writes them.

    The logger is set to INFO where it has no level, and given a handler where neither it nor a
    logger above it has one. Where ``sys.stdout`` has been replaced since, that handler is replaced.
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
    """Return what handles the records of a logger, as ``Logger.callHandlers`` finds it."""
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


def _is_visible(handler: logging.Handler) -> bool:
    """Return whether somebody sees a handler's lines; those of pytest's handlers nobody does."""
    stream = getattr(handler, "stream", None)
    return not (
        isinstance(handler, logging.NullHandler)
        or isinstance(stream, io.StringIO)
        or getattr(stream, "name", None) == os.devnull
    )
