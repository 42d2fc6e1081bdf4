"""A handler that writes in a thread of its own."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import weakref
from logging.handlers import QueueListener
from typing import TextIO

from .handler import MozlogHandler


class QueuedMozlogHandler(MozlogHandler):
    """A :class:`MozlogHandler` whose lines are written by a thread.

    A slow reader of standard output holds up nobody who logs: lines wait in memory. They are made
    in the thread that logs, with its request id and with values as they are at that time.

    Each process starts its thread with its first record. What waits is written when the handler is
    closed and when the process ends; from then on records are written at once. A process that a
    signal ends loses what waits: SIGKILL, and SIGTERM where nothing handles it. uvicorn ends by
    it after its shutdown, and some processes end by ``os._exit()``: call ``logging.shutdown()``
    before, at the end of the ``lifespan`` of an ASGI application for example. With gevent, call
    ``monkey.patch_all()`` at the top of ``gunicorn.conf.py``, before the thread is started.

    :param stream: where lines go; without one, to the ``sys.stdout`` there is now.
    :param name: the ``Logger`` of the lines; it wins over that of the formatter.
    """

    def __init__(self, stream: TextIO | None = None, name: str = "Dockerflow") -> None:
        super().__init__(stream, name)
        self._writer = _LineWriter(self.stream)
        self._listener: QueueListener | None = None
        self._pid: int | None = None  # of the process that has started the listener, or closed it

    def handle(self, record: logging.LogRecord) -> bool:
        """Handle a record as every handler does, but for one that the stream itself logs.

        That one does not wait for this handler's lock: ``logging.shutdown()`` holds it while it
        waits for the thread that writes, which is the one that logs here.

        :param record: any record.
        :returns: whether it passed the filters.
        """
        if not self._writer.is_writing_here():
            return super().handle(record)
        record.logger_name = self.logger_name
        passed = bool(self.filter(record))
        if passed:
            self._write_aside(record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        """Make the line of a record, for the thread to write.

        :param record: its ``logger_name`` becomes that of this handler.
        """
        record.logger_name = self.logger_name
        try:
            pid = os.getpid()
            line = logging.makeLogRecord({"msg": self.format(record), "process": pid})
            if self._pid != pid:  # a fork copies a queue, but no threads
                self._start()
            if self._listener is None:
                self._writer.handle(line)
            else:
                self._listener.queue.put_nowait(line)
        except Exception:
            self.handleError(record)

    def setStream(self, stream: TextIO) -> TextIO | None:  # noqa: N802 - logging's own name
        """Write to another stream from now on, as ``logging.StreamHandler`` does.

        :param stream: where lines go, those that wait too.
        :returns: the stream until now, None if it is the same.
        """
        self._writer.setStream(stream)
        return super().setStream(stream)

    def close(self) -> None:
        """Write what waits, and end the thread."""
        self.acquire()
        try:
            if self._listener is not None and self._pid == os.getpid():
                self._listener.stop()
            self._listener, self._pid = None, os.getpid()
        finally:
            self.release()
        super().close()

    def _start(self) -> None:
        self._listener = None
        listener = QueueListener(queue.SimpleQueue(), self._writer)
        try:
            listener.start()
        except RuntimeError:  # there is no thread to be had
            return
        self._listener, self._pid = listener, os.getpid()
        # Its child processes end without atexit, by which logging closes all handlers.
        multiprocessing = sys.modules.get("multiprocessing.util")
        if multiprocessing is not None:
            multiprocessing.Finalize(None, self.close, exitpriority=-100)


class _LineWriter(MozlogHandler):
    """Writes lines that are there already."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(logging.Formatter())
        _writers.add(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, unless it is the parent's: a fork copies the greenlets of gevent."""
        if record.process == os.getpid():
            super().emit(record)

    def is_writing_here(self) -> bool:
        """Return whether this thread is in the middle of writing a line."""
        return self._writing_thread == threading.get_ident()


_writers: weakref.WeakSet[_LineWriter] = weakref.WeakSet()


def _before_fork() -> None:
    """Wait until no line is half written: the child gets copies of a stream's buffer and lock."""
    for writer in _writers:
        writer.acquire()


def _after_fork_in_parent() -> None:
    for writer in _writers:
        writer.release()


if hasattr(os, "register_at_fork"):
    # In the child, logging gives all handlers new locks.
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent)
