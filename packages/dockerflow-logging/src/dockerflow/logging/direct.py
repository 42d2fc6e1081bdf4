"""Lines of records that nobody but one handler of this package would see, without the record.

For what is logged with every request that takes a third of the time. A line is the one that its
record would give; where there could be another, none is written here.
"""

from __future__ import annotations

import logging
import os
import time
from io import TextIOWrapper
from logging import LogRecord
from weakref import ref

from . import marks
from .conversion import DEFAULT_LOGGER_NAME, JSON_BLANKS, severity_of
from .encoder import TEXTS, Unusual, has_lone_surrogates
from .marks import WatchedClasses
from .plain import quote
from .records import FORKS_UNSEEN, TAKEN, make_record, only_handler
from .request_id import RequestIdLogFilter
from .summary import summary_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .fast import Layout
    from .formatter import MozlogFormatter
    from .handler import MozlogHandler

    #: ``method``, ``path``, ``agent``, ``lang``, ``uid`` and ``rid`` of a request.
    UsualFields = tuple[str, str, str, str, object, str | None]

_MEANINGFUL = TAKEN | {"logger_name"}
_USUAL = frozenset({"errno", "agent", "lang", "method", "path", "uid", "rid", "code", "t"})

# Browsers, probes and methods come again and again: to look one up takes a tenth of the time.
_MAX_QUOTED = 512
_MAX_QUOTED_LENGTH = 512


class _Quoted(dict[str, str]):
    """Texts as JSON. Past a number of them it starts again from empty."""

    def __missing__(self, text: str) -> str:
        if type(text) is not str:
            raise Unusual
        said = quote(text)
        if len(text) <= _MAX_QUOTED_LENGTH:
            if len(self) >= _MAX_QUOTED:
                self.clear()
            self[text] = said
        return said


quoted = _Quoted()

_NOBODY, _QUOTED_NOBODY = "", '""'  # who has asked, most of all


class DirectLines:
    """Writes the lines of a logger and level while all that they depend on is as it was found.

    It keeps neither the logger nor the handler alive.

    :param logger: the logger; nothing of it is patched or filtered.
    :param level: the level.
    :param handler: the handler that alone gets such records; nothing of it and its formatter is
        patched.
    :param formatter: its formatter.
    :param are_as_made: tells whether all methods that have no part in a line are as they were made.
    :param forget: called when the logger or the handler is no more.
    :raises Exception: any, where lines take more than is done here.
    """

    __slots__ = ("_logger", "holding", "write", "write_usual")

    def __init__(
        self,
        logger: logging.Logger,
        level: int,
        handler: MozlogHandler,
        formatter: MozlogFormatter,
        are_as_made: Callable[[], bool],
        forget: Callable[[object], object],
    ) -> None:
        self._logger = ref(logger, forget)
        handler_of = ref(handler, forget)
        # Functions with cells: to look there takes half the time of an attribute.
        self.holding = _make_holding(logger, level, handler_of, formatter, are_as_made)
        self.write, self.write_usual = _make_writers(
            logger, level, handler_of, formatter, self.holding
        )


def _make_holding(
    logger: logging.Logger,
    level: int,
    handler_of: Callable[[], Any],
    formatter: MozlogFormatter,
    are_as_made: Callable[[], bool],
) -> Callable[[logging.Logger], Any]:
    handler: MozlogHandler = handler_of()
    class_of_logger: type[Any] = type(logger)
    class_of_formatter: type[Any] = type(formatter)
    latest_change = marks.latest_change
    name, name_of_formatter = handler.logger_name, formatter.logger_name
    host, version = formatter.hostname, formatter.LOGGING_FORMAT_VERSION
    size = len(logger.__dict__)
    severities = formatter.SYSLOG_LEVEL_MAP
    severity = severities[level]
    excluded: Any = formatter.EXCLUDED_LOGRECORD_ATTRS
    changes = excluded.changes

    def are_as_found() -> bool:
        handler: Any = handler_of()
        return (
            are_as_made()
            and class_of_formatter.LOGGING_FORMAT_VERSION is version
            and class_of_formatter.SYSLOG_LEVEL_MAP is severities
            and class_of_formatter.EXCLUDED_LOGRECORD_ATTRS is excluded
            # What is set on the objects is noted, and a property of their classes comes before it.
            and handler.formatter is formatter
            and handler.level <= level
            and handler.logger_name is name
            and formatter.logger_name is name_of_formatter
            and formatter.hostname is host
        )

    classes = WatchedClasses(
        are_as_found, type(handler), class_of_formatter, class_of_logger, LogRecord
    )
    flags = classes.flags
    if not are_as_found():  # what is changed from here on, the mark tells
        raise RuntimeError

    def holding(logger: logging.Logger) -> Any:
        """Return the handler, if all is as it was found; None if it is not.

        :raises Exception: any, where something is there that can't be looked at.
        """
        # Written out, since each call and loop costs a twentieth of a line.
        handler: Any = handler_of()
        if (
            not (classes.below.__flags__ == flags or classes.are_as_found())
            or type(logger) is not class_of_logger
            or marks.latest_change is not latest_change
            or len(logger.__dict__) != size  # a method that is put there makes it larger
            or logging._logRecordFactory is not LogRecord  # type: ignore[attr-defined] # saves a call
            or severities[level] is not severity
            or excluded.changes != changes
            or logger.filters
            or (handler.filters and not all(map(is_stock, handler.filters)))
        ):
            return None
        handlers = logger.handlers
        if (
            len(handlers) == 1 and handlers[0] is handler and not logger.propagate  # most of all
        ) or only_handler(logger, level) is handler:
            return handler
        return None

    return holding


def _make_writers(  # noqa: C901, PLR0915 - two ways, which share what they keep
    logger: logging.Logger,
    level: int,
    handler_of: Callable[[], Any],
    formatter: MozlogFormatter,
    holding: Callable[[logging.Logger], Any],
) -> tuple[
    Callable[[logging.Logger, str, dict[str, Any]], bool],
    Callable[[logging.Logger, UsualFields, int, int], bool],
]:
    is_enabled = logger._cache.get  # type: ignore[attr-defined] # where isEnabledFor() looks first
    fast = formatter._fast  # pyright: ignore[reportPrivateUsage] - it is this package's
    fast.latest(formatter.EXCLUDED_LOGRECORD_ATTRS)
    has_usual_names = _USUAL.isdisjoint(formatter.EXCLUDED_LOGRECORD_ATTRS)
    terminator = handler_of().terminator
    layout: Layout | None = None
    head = ""
    pid = 0

    def write(logger: logging.Logger, text: str, fields: dict[str, Any]) -> bool:
        """Write what the handler would, given a record.

        :param logger: the logger.
        :param text: the record's message.
        :param fields: its ``extra``.
        :returns: whether that is done; if not, nothing has happened.
        """
        nonlocal layout
        try:
            handler: Any = handler_of()
            if handler.filters and "rid" not in fields:
                return False
            if text and (type(text) is not str or text.lstrip(JSON_BLANKS).startswith("{")):
                return False
            names = [*fields]
            if layout is None or layout.names != names:
                if not _MEANINGFUL.isdisjoint(names):
                    return False
                layout = fast.layout(names, fields)
            if not head or (FORKS_UNSEEN and os.getpid() != pid):
                find_head(logger, handler)
            line = layout.line(fields, time.time(), head, text) + terminator
            lock = handler.lock
            lock.acquire()  # "with" takes twice as long
        except Exception:  # it is for the careful way
            return False
        try:
            handler._write(line)
        except Exception:
            handler.handleError(make_record(logger, level, text, fields))
        finally:
            lock.release()
        return True

    def write_usual(logger: logging.Logger, usual: UsualFields, code: int, elapsed: int) -> bool:
        """Write what :func:`write` would for a request that did not fail.

        Neither a dictionary is made of the fields nor code for their names.

        :param logger: the logger.
        :param usual: what is known of the request.
        :param code: the status of the response.
        :param elapsed: the whole milliseconds that it took.
        :returns: whether that is done; if not, nothing has happened.
        """
        try:
            handler = holding(logger)
            if (
                handler is None
                or not has_usual_names
                or logger.disabled
                or is_enabled(level) is not True
            ):
                return False
            if not head or (FORKS_UNSEEN and os.getpid() != pid):
                find_head(logger, handler)
            method, path, agent, lang, uid, rid = usual
            line = (
                # Of a float __trunc__() is int(), in a third of the time.
                f'{{"Timestamp": {(time.time() * 1e9).__trunc__()}, {head}, '
                f'"Fields": {{"errno": 0, '
                f'"agent": {quoted[agent]}, "lang": {quoted[lang]}, '
                f'"method": {quoted[method]}, "path": {quote(path)}, '
                f'"uid": {_QUOTED_NOBODY if uid is _NOBODY else TEXTS[type(uid)](uid)}, '
                f'"rid": {quote(rid)}, '  # type: ignore[arg-type] # None is for the other way
                f'"code": {code}, "t": {elapsed}, "msg": ""}}}}{terminator}'
            )
            if "\\" in line and "\\ud" in line and has_lone_surrogates(line, usual):
                return False
            lock = handler.lock
            lock.acquire()
        except Exception:  # it is for the careful way
            return False
        try:
            stream = handler._stream
            if type(stream) is TextIOWrapper:  # of the standard library: saves calls
                stream.write(line)
                stream.flush()
            else:
                handler._write(line)
        except Exception:
            fields = summary_fields(*usual) | {"code": code, "t": elapsed}
            handler.handleError(make_record(logger, level, "", fields))
        finally:
            lock.release()
        return True

    def find_head(logger: logging.Logger, handler: MozlogHandler) -> None:
        nonlocal head, pid
        name = handler.logger_name
        pid = os.getpid()
        head = fast.head(
            logger.name,
            formatter.logger_name if name == DEFAULT_LOGGER_NAME else name,
            formatter.hostname,
            formatter.LOGGING_FORMAT_VERSION,
            severity_of(formatter, level),
            pid,
        ).text

    return write, write_usual


def is_stock(one: object) -> bool:
    """Tell whether a filter leaves a record that has an id as it is."""
    return (
        type(one) is RequestIdLogFilter
        and RequestIdLogFilter.filter is _FILTER
        and "filter" not in one.__dict__
    )


_FILTER = RequestIdLogFilter.filter
