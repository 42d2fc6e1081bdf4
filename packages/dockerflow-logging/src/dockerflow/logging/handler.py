"""A handler that writes mozlog to standard output."""

from __future__ import annotations

import logging
import sys

from .conversion import DEFAULT_LOGGER_NAME, LiveName, SpentName
from .direct import DirectLines, is_stock, of_formatter, of_handler
from .formatter import MozlogFormatter, with_fresh_stack
from .records import is_as_made, is_untouched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
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
            with_fresh_stack(lambda: (stream.write(line), stream.flush()))

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


def _are_as_made() -> bool:
    return (
        _IS_UNTOUCHED
        and is_as_made()
        and (of_handler(MozlogHandler), of_formatter(MozlogFormatter)[:2]) == _AS_MADE
    )


_FLUSH: object = _StreamHandler.flush if is_untouched(_StreamHandler.flush) else None
_HANDLER_SIZE = len(MozlogHandler().__dict__)
_FORMATTER_SIZE = len(MozlogFormatter().__dict__)
_AS_MADE = of_handler(MozlogHandler), of_formatter(MozlogFormatter)[:2]
_IS_UNTOUCHED = (
    is_untouched(logging.Handler.handle, logging.Handler.filter, logging.Handler.format)
    and _FLUSH is not None
)
