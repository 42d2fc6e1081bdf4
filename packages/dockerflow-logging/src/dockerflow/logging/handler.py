"""A handler that writes mozlog to standard output."""

from __future__ import annotations

import logging
import sys
from io import TextIOWrapper
from operator import attrgetter, is_

from .conversion import DEFAULT_LOGGER_NAME, LiveName, SpentName
from .direct import DirectLines, is_stock, of_formatter, of_handler
from .formatter import MozlogFormatter, with_fresh_stack
from .marks import MARK, marked_below
from .records import is_as_made, is_untouched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO

    _StreamHandler = logging.StreamHandler[Any]
else:
    _StreamHandler = logging.StreamHandler

_FLUSH: object = _StreamHandler.flush if is_untouched(_StreamHandler.flush) else None
_IS_UNTOUCHED = _FLUSH is not None and is_untouched(
    *(logging.Handler.handle, logging.Handler.filter, logging.Handler.format),
    *(logging.Handler.acquire, logging.Handler.release),
)
# What handle() returns where no filter is asked; from Python 3.12 on, the record.
_PASSED = sys.version_info < (3, 12)


class MozlogHandler(_StreamHandler):
    """A stream handler with a :class:`MozlogFormatter`.

    :param stream: where lines go; without one, to the ``sys.stdout`` of the moment.
    :param name: the ``Logger`` of the lines, for records whose caller gave no ``logger_name``. A
        formatter with a name of its own keeps that, unless this one is given.
    """

    def __init__(self, stream: TextIO | None = None, name: str = DEFAULT_LOGGER_NAME) -> None:
        self._stream: Any = None
        super().__init__(stream)
        self._stream = stream  # the base class has put stderr where there was none
        self.logger_name = name
        self._spent: SpentName
        self._mark: str
        self._rename(name)
        self.setFormatter(MozlogFormatter())
        if MARK:
            # A dict that shares no keys: once handle() has asked for one that does, each look into
            # it takes Python 3.11 three times as long.
            self.__dict__ = dict(self.__dict__)

    @property
    def stream(self) -> Any:
        """The stream in use; setting it to None goes back to the ``sys.stdout`` of the moment."""
        stream = self._stream
        if stream is None:
            stream = sys.stdout
            if stream is None:  # a process without one (pythonw, some daemons)
                stream = sys.stderr
        return stream

    @stream.setter
    def stream(self, stream: Any) -> None:
        self._stream = stream

    if MARK and _IS_UNTOUCHED:  # to compare all each time would take longer than it saves

        def handle(self, record: logging.LogRecord) -> Any:
            """Write *record* as one line, unless a filter keeps it back.

            :returns: what logging's own does in this version of Python.
            """
            # All in one place, since the eight calls of logging's way take half as long as the
            # formatter. Whatever of them is overridden or patched is called: in that way.
            if (
                type(self) is not MozlogHandler
                or not (_watched.__flags__ == _FLAGS or _is_as_found())
                # A method that is put on an instance makes it larger.
                or len(self.__dict__) != _HANDLER_SIZE
                or not (lock := self.lock)
            ):
                return super().handle(record)
            passed: Any = _PASSED or record
            if self.filters:
                passed = self.filter(record)
                if isinstance(passed, logging.LogRecord):
                    record = passed
            if not passed:
                return passed
            lock.acquire()  # "with" takes twice as long
            try:
                formatter = self.formatter or self  # which has one for handlers without
                attributes = record.__dict__
                if (
                    "logger_name" not in attributes  # takes a third of get()
                    or (given := attributes["logger_name"]) is None
                    or type(given) is SpentName
                ):
                    if self._spent.plain is not self.logger_name:
                        self._rename(self.logger_name)
                    attributes["logger_name"] = self._mark
                    try:
                        line = formatter.format(record) + _TERMINATOR
                    finally:
                        attributes["logger_name"] = self._spent
                else:
                    line = formatter.format(record) + _TERMINATOR
                stream = self._stream
                if stream is None:
                    stream = sys.stdout
                if type(stream) is not TextIOWrapper:
                    self._write(line)
                    return passed
                try:
                    stream.write(line)
                    stream.flush()
                except RecursionError:  # as in _write()
                    with_fresh_stack(_write_and_flush, stream, line)
            except Exception:
                self.handleError(record)
            finally:
                lock.release()
            return passed

    def emit(self, record: logging.LogRecord) -> None:
        """Write *record* as one line.

        Its ``logger_name`` is set to this handler's name while and after it is written, in a way
        that other formatters of this package can tell from a name that the caller gave.
        """
        try:
            attributes = record.__dict__
            given = attributes.get("logger_name")
            named = given is None or type(given) is SpentName
            if named:
                if self._spent.plain is not self.logger_name:
                    self._rename(self.logger_name)
                attributes["logger_name"] = self._mark
            try:
                line = self.format(record)
            finally:
                if named:
                    attributes["logger_name"] = self._spent
            self._write(line + self.terminator)
        except Exception:
            self.handleError(record)

    def _write(self, line: str) -> None:
        stream = self.stream
        if stream is None:
            return
        try:
            stream.write(line)
            if getattr(self.flush, "__func__", None) is not _FLUSH:  # a mock has none
                self.flush()
            elif (flush := getattr(stream, "flush", None)) is not None:
                flush()  # what StreamHandler.flush does, without taking handle()'s lock again
        except RecursionError:
            # No room left on the stack for a stream written in Python: the caller's recursion is
            # the caller's affair, the record is ours. flush() would wait for our own lock.
            with_fresh_stack(_write_and_flush, stream, line)

    def direct_lines(
        self, logger: logging.Logger, level: int, forget: Callable[[object], object]
    ) -> DirectLines | None:
        """Return what writes lines without a record, if nobody would see the records.

        :param logger: a logger whose records get to this handler alone.
        :param level: their level.
        :param forget: called when the lines can't be written any more.
        """
        formatter = self.formatter
        if (
            type(formatter) is not MozlogFormatter
            or type(self) is not MozlogHandler
            # A method that is put on an instance makes it larger.
            or len(self.__dict__) != _HANDLER_SIZE
            or len(formatter.__dict__) != _FORMATTER_SIZE
            or not _are_as_made()
            or not all(map(is_stock, self.filters))
        ):
            return None
        try:
            lines = DirectLines(logger, level, self, formatter, forget)
        except Exception:  # tables that have been replaced by something else
            return None
        # Once more: what is changed from here on, the lines see.
        return lines if _are_as_made() else None

    def _rename(self, name: str) -> None:
        self._spent = SpentName(name)
        self._mark = self._spent if name == DEFAULT_LOGGER_NAME else LiveName(name)


def _write_and_flush(stream: Any, line: str) -> None:
    stream.write(line)
    stream.flush()


def _are_as_made() -> bool:
    return (
        _IS_UNTOUCHED
        and is_as_made()
        and _of_class(MozlogHandler) == _FOUND
        and (of_handler(MozlogHandler), of_formatter(MozlogFormatter)[:2]) == _AS_MADE
    )


def _is_as_found() -> bool:
    global _watched
    # First of all: a class for every record would take longer than the record.
    if not all(map(is_, _of_class(MozlogHandler), _FOUND)):
        return False
    # Another thread must not take the mark for an answer before all has been compared.
    fresh = marked_below(MozlogHandler)
    if not all(map(is_, _of_class(MozlogHandler), _FOUND)):
        return False
    _watched = fresh
    return True


#: Find what ``MozlogHandler.handle`` does without, or takes for granted.
_of_class = attrgetter(
    *("__base__.handle", "filter", "acquire", "release", "emit", "format", "flush"),
    *("_write", "stream", "terminator"),
)
_watched = marked_below(MozlogHandler)
#: As long as it bears the mark.
_FLAGS = _watched.__flags__
_FOUND = _of_class(MozlogHandler)
_HANDLER_SIZE = len(MozlogHandler().__dict__)
_FORMATTER_SIZE = len(MozlogFormatter().__dict__)
_AS_MADE = of_handler(MozlogHandler), of_formatter(MozlogFormatter)[:2]
_TERMINATOR = MozlogHandler.terminator
