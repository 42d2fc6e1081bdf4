"""A handler that writes in its own thread."""

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

    A slow reader of standard output does not block the code that logs: lines wait in memory. They
    are made in the thread that logs, with its request id and the values at that time.

    Each process starts its thread at its first record. Waiting lines are written when the handler
    is closed and when the process ends; later records are written directly. Waiting lines are lost
    if a signal ends the process: SIGKILL, or SIGTERM without a handler. uvicorn ends itself with
    SIGTERM after its shutdown, and some processes end with ``os._exit()``: call
    ``logging.shutdown()`` before, for example at the end of an ASGI application's ``lifespan``.
    With gevent, call ``monkey.patch_all()`` at the top of ``gunicorn.conf.py``, before the thread
    starts.

    :param stream: where lines go; by default to the current ``sys.stdout``.
    :param name: the ``Logger`` of the lines; it overrides that of the formatter.
    """

    def __init__(self, stream: TextIO | None = None, name: str = "Dockerflow") -> None:
        super().__init__(stream, name)
        self._writer = _LineWriter(self.stream)
        self._listener: QueueListener | None = None
        self._pid: int | None = None  # of the process that started or closed the listener

    def handle(self, record: logging.LogRecord) -> bool:
        """Handle a record as every handler does, except one that the stream itself logs.

        The writing thread logs that one, and must not wait for this handler's lock:
        ``logging.shutdown()`` holds the lock while it waits for that thread.

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
        """Make the line of a record, and pass it to the thread that writes.

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

        :param stream: where lines go, also those that wait.
        :returns: the previous stream, None if it is the same.
        """
        self._writer.setStream(stream)
        return super().setStream(stream)

    def close(self) -> None:
        """Write the waiting lines, and end the thread."""
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
        except RuntimeError:  # no new thread can be started
            return
        self._listener, self._pid = listener, os.getpid()
        # Its child processes end without atexit, which logging uses to close all handlers.
        multiprocessing = sys.modules.get("multiprocessing.util")
        if multiprocessing is not None:
            multiprocessing.Finalize(None, self.close, exitpriority=-100)


class _LineWriter(MozlogHandler):
    """Writes lines that are already formatted."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(logging.Formatter())
        _writers.add(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, unless it is the parent process's: a fork copies gevent's greenlets."""
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
