"""A handler that writes mozlog to standard output."""

from __future__ import annotations

import logging
import sys
from io import TextIOWrapper

from .conversion import DEFAULT_LOGGER_NAME, LiveName, SpentName
from .direct import DirectLines, is_stock
from .formatter import MozlogFormatter, with_fresh_stack
from .marks import MARK, Noted, WatchedClasses
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


class MozlogHandler(_StreamHandler, Noted):
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
        if type(self) is MozlogHandler:
            self._plain_class = MozlogHandler

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
                type(self) is not self._plain_class
                or not (_classes.below.__flags__ == _FLAGS or _classes.are_as_found())
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
            or formatter._plain_class is not MozlogFormatter  # pyright: ignore[reportPrivateUsage] - it is this package's
            or type(self) is not self._plain_class
            or not _are_as_made()
            or not all(map(is_stock, self.filters))
        ):
            return None
        try:
            lines = DirectLines(logger, level, self, formatter, _are_as_made, forget)
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
        _is_as_made()
        and is_as_made()
        and MozlogFormatter.format is _FORMATTER_FORMAT
        and MozlogFormatter.convert_record is _CONVERT_RECORD
        and MozlogFormatter.__getattribute__ is _GET
    )


def _is_as_made() -> bool:
    """Tell whether the class has what ``handle()`` does without, or takes for granted."""
    return (
        _IS_UNTOUCHED
        and _StreamHandler.handle is _BASE_HANDLE
        and MozlogHandler.handle is _HANDLE
        and MozlogHandler.filter is _FILTER
        and MozlogHandler.acquire is _ACQUIRE
        and MozlogHandler.release is _RELEASE
        and MozlogHandler.emit is _EMIT
        and MozlogHandler.format is _FORMAT
        and MozlogHandler.flush is _FLUSH
        and MozlogHandler._write is _WRITE  # pyright: ignore[reportPrivateUsage] - of this module
        and MozlogHandler.stream is _STREAM
        and MozlogHandler.terminator is _TERMINATOR
        and MozlogHandler.__getattribute__ is _GET
    )


_classes = WatchedClasses(_is_as_made, MozlogHandler)
_FLAGS = _classes.flags
_GET = object.__getattribute__
_BASE_HANDLE, _HANDLE = _StreamHandler.handle, MozlogHandler.handle
_FILTER, _ACQUIRE, _RELEASE = MozlogHandler.filter, MozlogHandler.acquire, MozlogHandler.release
_EMIT, _FORMAT = MozlogHandler.emit, MozlogHandler.format
_WRITE = MozlogHandler._write  # pyright: ignore[reportPrivateUsage] - of this module
_STREAM, _TERMINATOR = MozlogHandler.stream, MozlogHandler.terminator
_FORMATTER_FORMAT, _CONVERT_RECORD = MozlogFormatter.format, MozlogFormatter.convert_record
