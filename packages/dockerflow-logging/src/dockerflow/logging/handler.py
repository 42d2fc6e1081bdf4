"""A handler that writes mozlog to standard output."""

from __future__ import annotations

import logging
import os
import sys
import time
from io import TextIOWrapper

from .conversion import DEFAULT_LOGGER_NAME, LiveName, SpentName
from .formatter import MozlogFormatter, with_fresh_stack
from .records import is_untouched, make_record
from .request_id import RequestIdLogFilter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    _StreamHandler = logging.StreamHandler[Any]
else:
    _StreamHandler = logging.StreamHandler


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
        self._size = len(self.__dict__) + 1

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
            self._write(line)
        except Exception:
            self.handleError(record)

    def _write(self, line: str) -> None:
        stream = self.stream
        if stream is None:
            return
        try:
            stream.write(line + self.terminator)
            if getattr(self.flush, "__func__", None) is not _FLUSH:  # a mock has none
                self.flush()
            elif (flush := getattr(stream, "flush", None)) is not None:
                flush()  # what StreamHandler.flush does, without taking handle()'s lock again
        except RecursionError:
            # No room left on the stack for a stream written in Python: the caller's recursion is
            # the caller's affair, the record is ours. flush() would wait for our own lock.
            with_fresh_stack(lambda: (stream.write(line + self.terminator), stream.flush()))

    def write_plain(
        self, logger: logging.Logger, level: int, text: str, fields: dict[str, Any]
    ) -> bool:
        """Write what :meth:`handle` would, if nobody but this package would see the record.

        For records that are written with every request: without the record, it takes half the time.

        :param logger: one whose record would get to this handler alone, as ``only_handler`` says.
        :param level: the record's level.
        :param text: its message.
        :param fields: its ``extra``.
        :returns: whether that is done; if not, nothing has happened.
        """
        formatter = self.formatter
        if (
            type(formatter) is not MozlogFormatter
            or type(self) is not MozlogHandler
            # A method that is put on an instance makes it larger.
            or len(self.__dict__) != self._size
            or len(formatter.__dict__) != _FORMATTER_SIZE
            or _passed_over() != _STANDARD
            or (self.filters and not all(_leaves(one, fields) for one in self.filters))
        ):
            return False
        name = self.logger_name
        if name == DEFAULT_LOGGER_NAME:
            name = formatter.logger_name
        try:
            line = formatter.ordinary_line(
                fields, time.time(), logger.name, level, os.getpid(), str.__str__(name), text
            )
        except Exception:  # it is for the careful way
            return False
        self.acquire()
        try:
            stream = self._stream
            if type(stream) is TextIOWrapper:  # of the standard library, and not in Python
                stream.write(line + self.terminator)
                stream.flush()
            else:
                self._write(line)
        except Exception:
            self.handleError(make_record(logger, level, text, fields))
        finally:
            self.release()
        return True

    def _rename(self, name: str) -> None:
        self._spent = SpentName(name)
        self._mark = self._spent if name == DEFAULT_LOGGER_NAME else LiveName(name)


_FLUSH: object = _StreamHandler.flush if is_untouched(_StreamHandler.flush) else None
_FORMATTER_SIZE = len(MozlogFormatter().__dict__)


def _passed_over() -> tuple[object, ...]:
    """Return the methods that :meth:`MozlogHandler.write_plain` does not call."""
    return (
        MozlogHandler.handle,
        MozlogHandler.filter,
        MozlogHandler.emit,
        MozlogHandler.format,
        MozlogHandler.flush,
        MozlogFormatter.format,
        MozlogFormatter.convert_record,
        RequestIdLogFilter.filter,
    )


_STANDARD = (
    _passed_over()
    if is_untouched(logging.Handler.handle, logging.Handler.filter, logging.Handler.format)
    and _FLUSH is not None
    else None
)


def _leaves(one: object, fields: dict[str, Any]) -> bool:
    """Tell whether a filter would leave a record with these fields as it is."""
    return type(one) is RequestIdLogFilter and "rid" in fields and "filter" not in one.__dict__
