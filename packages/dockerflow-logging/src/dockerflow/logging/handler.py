"""A handler that writes mozlog to standard output."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from typing import TextIO

from .formatter import MozlogFormatter


class MozlogHandler(logging.StreamHandler[TextIO]):
    """A stream handler with a :class:`MozlogFormatter`.

    A stream that logs what is written to it, such as a replaced ``sys.stdout``, would get its own
    records again for ever. To prevent that, a record that is logged while another is being written
    goes to ``sys.__stdout__``, or to ``sys.__stderr__`` if that fails.

    :param stream: where lines go; by default to the current ``sys.stdout``.
    :param name: the ``Logger`` of the lines; it overrides that of the formatter.
    """

    def __init__(self, stream: TextIO | None = None, name: str = "Dockerflow") -> None:
        super().__init__(sys.stdout if stream is None else stream)
        self.logger_name = name
        self._writing_thread: int | None = None
        self.setFormatter(MozlogFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record as one line.

        :param record: its ``logger_name`` becomes that of this handler.
        """
        record.logger_name = self.logger_name
        if self._writing_thread == threading.get_ident():
            self._write_aside(record)
            return
        try:
            line = self.format(record) + self.terminator
            self._writing_thread = threading.get_ident()
            _write(self.stream, line)
            self.flush()
        except Exception:
            self.handleError(record)
        finally:
            self._writing_thread = None

    def _write_aside(self, record: logging.LogRecord) -> None:
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                with contextlib.suppress(Exception):  # try the next one
                    _write(stream, self.format(record) + self.terminator)
                    stream.flush()
                    return


def _write(stream: TextIO, line: str) -> None:
    try:
        stream.write(line)
    except UnicodeEncodeError:  # mozlog is ASCII, other formats are not
        stream.write(line.encode("ascii", "backslashreplace").decode())
