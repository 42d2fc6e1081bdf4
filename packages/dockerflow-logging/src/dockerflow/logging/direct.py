"""Lines of records that nobody but one handler of this package would see, without the record.

For what is logged with every request that takes half the time. A line is the one that its record
would give; where there could be another, none is written here.
"""

from __future__ import annotations

import logging
import os
import time
from io import TextIOWrapper
from logging import Logger, LogRecord
from operator import attrgetter
from weakref import ref

from .conversion import DEFAULT_LOGGER_NAME, JSON_BLANKS, severity_of
from .encoder import Unusual
from .records import FORKS_UNSEEN, TAKEN, make_record, of_logger, of_record, only_handler
from .request_id import RequestIdLogFilter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .fast import Layout
    from .formatter import MozlogFormatter
    from .handler import MozlogHandler

#: Find what the class of a handler has that has no part in such a line, and of a formatter what has
#: none, or is not its instance's own.
of_handler = attrgetter("handle", "filter", "emit", "format", "flush")
of_formatter = attrgetter(
    *("format", "convert_record", "LOGGING_FORMAT_VERSION", "SYSLOG_LEVEL_MAP"),
    "EXCLUDED_LOGRECORD_ATTRS",
)
_MEANINGFUL = TAKEN | {"logger_name"}


class DirectLines:
    """Writes the lines of a logger and level while all that they depend on is as it was found.

    It keeps neither the logger nor the handler alive.

    :param logger: the logger; nothing of it is subclassed, patched or filtered.
    :param level: the level.
    :param handler: the handler that alone gets such records; nothing of it and its formatter is
        subclassed or patched.
    :param formatter: its formatter.
    :param forget: called when the logger or the handler is no more.
    :raises Exception: any, where lines take more than is done here.
    """

    __slots__ = (
        "_attributes",
        "_changes",
        "_excluded",
        "_fast",
        "_formatter",
        "_handler",
        "_head",
        "_host",
        "_layout",
        "_level",
        "_logger",
        "_name",
        "_name_of_formatter",
        "_of_formatter",
        "_of_handler",
        "_of_logger",
        "_of_record",
        "_pid",
        "_severities",
        "_severity",
        "_size",
        "_size_of_formatter",
        "_size_of_handler",
        "_types",
    )

    def __init__(
        self,
        logger: logging.Logger,
        level: int,
        handler: MozlogHandler,
        formatter: MozlogFormatter,
        forget: Callable[[object], object],
    ) -> None:
        self._logger = ref(logger, forget)
        self._level = level
        self._handler = ref(handler, forget)
        self._formatter = formatter
        self._layout: Layout | None = None
        self._pid = 0
        self._head = ""
        self._types = type(logger), type(handler), type(formatter)
        self._attributes = handler.__dict__, formatter.__dict__
        self._size = len(logger.__dict__)
        self._size_of_handler = len(handler.__dict__)
        self._size_of_formatter = len(formatter.__dict__)
        self._name = handler.logger_name
        self._name_of_formatter = formatter.logger_name
        self._host = formatter.hostname
        self._of_logger = of_logger(Logger)
        self._of_record = of_record(LogRecord)
        self._of_handler = of_handler(type(handler))
        self._of_formatter = of_formatter(type(formatter))
        self._severities = formatter.SYSLOG_LEVEL_MAP
        self._severity = formatter.SYSLOG_LEVEL_MAP[level]
        excluded: Any = formatter.EXCLUDED_LOGRECORD_ATTRS
        self._excluded = excluded
        self._changes: int = excluded.changes
        self._fast = formatter._fast  # pyright: ignore[reportPrivateUsage] - it is this package's
        self._fast.latest(excluded)

    def hold(self, logger: logging.Logger) -> bool:
        """Tell whether all is as it was found.

        :param logger: the logger.
        :raises Exception: any, where something has been put in place that can't be looked at.
        """
        # Written out, since each call and loop costs a twentieth of a line.
        handler_of = self._handler
        handler: Any = handler_of()
        if handler is None:
            return False
        formatter = self._formatter
        own_of_handler, own_of_formatter = self._attributes
        if (
            (type(logger), type(handler), type(formatter)) != self._types
            # A method that is put on an instance makes it larger.
            or len(logger.__dict__) != self._size
            or len(own_of_handler) != self._size_of_handler
            or len(own_of_formatter) != self._size_of_formatter
            or of_logger(Logger) != self._of_logger
            or of_record(LogRecord) != self._of_record
            or of_handler(type(handler)) != self._of_handler
            or of_formatter(type(formatter)) != self._of_formatter
            or logging._logRecordFactory is not LogRecord  # type: ignore[attr-defined] # saves a call
            or handler.formatter is not formatter
            or handler.logger_name is not self._name
            or formatter.logger_name is not self._name_of_formatter
            or formatter.hostname is not self._host
            or self._severities.get(self._level) != self._severity
            or self._excluded.changes != self._changes
            or logger.filters
            or (handler.filters and not all(map(is_stock, handler.filters)))
        ):
            return False
        handlers = logger.handlers
        if (
            len(handlers) == 1
            and handlers[0] is handler
            and handler.level <= self._level
            and not logger.propagate
        ):
            return True
        return only_handler(logger, self._level) is handler

    def write(self, logger: logging.Logger, text: str, fields: dict[str, Any]) -> bool:
        """Write what the handler would, given a record.

        :param logger: the logger.
        :param text: the record's message.
        :param fields: its ``extra``.
        :returns: whether that is done; if not, nothing has happened.
        """
        try:
            handler: Any = self._handler()
            if handler.filters and "rid" not in fields:
                return False
            if text and (type(text) is not str or text.lstrip(JSON_BLANKS).startswith("{")):
                return False
            names = [*fields]
            layout = self._layout
            if layout is None or layout.names != names:
                layout = self._find_layout(names, fields)
            if not self._head or (FORKS_UNSEEN and os.getpid() != self._pid):
                self._find_head(logger.name, handler.logger_name)
            line = layout.line(fields, time.time(), self._head, text) + handler.terminator
            lock = handler.lock
            lock.acquire()  # "with" takes twice as long
        except Exception:  # it is for the careful way
            return False
        try:
            stream = handler._stream
            if type(stream) is TextIOWrapper:  # of the standard library, and not in Python
                stream.write(line)
                stream.flush()
            else:
                handler._write(line)
        except Exception:
            handler.handleError(make_record(logger, self._level, text, fields))
        finally:
            lock.release()
        return True

    def _find_layout(self, names: list[str], fields: dict[str, Any]) -> Layout:
        if not _MEANINGFUL.isdisjoint(names):
            raise Unusual
        self._layout = layout = self._fast.layout(names, fields)
        return layout

    def _find_head(self, name: str, logger_name: str) -> None:
        formatter = self._formatter
        if logger_name == DEFAULT_LOGGER_NAME:
            logger_name = formatter.logger_name
        severity = severity_of(formatter, self._level)
        version = formatter.LOGGING_FORMAT_VERSION
        self._pid = pid = os.getpid()
        head = self._fast.head(name, logger_name, formatter.hostname, version, severity, pid)
        self._head = head.text


def is_stock(one: object) -> bool:
    """Tell whether a filter leaves a record that has an id as it is."""
    return (
        type(one) is RequestIdLogFilter
        and RequestIdLogFilter.filter is _FILTER
        and "filter" not in one.__dict__
    )


_FILTER = RequestIdLogFilter.filter
