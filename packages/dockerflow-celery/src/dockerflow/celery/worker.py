"""The process of a worker or of beat: its logging, and the file that says that it lives."""

from __future__ import annotations

import logging.config
import os
import pathlib
from collections.abc import Callable

from celery import Celery
from celery.utils.log import get_multiprocessing_logger

from dockerflow.logging import dict_config

logger = logging.getLogger("dockerflow.celery")

# Celery's own lines of each task ("received", "succeeded"), where the summary says it.
_TASK_LOGGERS = ("celery.app.trace", "celery.worker.strategy")


def quieten_celery() -> None:
    """Turn off Celery's own lines of each task, but for what is wrong with one."""
    for name in _TASK_LOGGERS:
        each = logging.getLogger(name)
        if each.level == logging.NOTSET:
            each.setLevel(logging.WARNING)


def capture_warnings(**_: object) -> None:
    """Log warnings already now.

    Celery does that only after it has warned that it runs as root. It is not done where no logging
    is configured yet: the warning would be lost.
    """
    if logging.getLogger().handlers:
        logging.captureWarnings(True)


def set_up_logging(app: Celery, loglevel: int, **_: object) -> None:
    """Leave the application's logging as it is, or configure it: a receiver of ``setup_logging``.

    Since there is a receiver, Celery itself neither replaces the handlers of the root logger nor
    ``sys.stdout``.

    :param app: the application.
    :param loglevel: that of the command line.
    :raises SystemExit: if the environment asks for a format that is none.
    """
    if not logging.getLogger().handlers:
        try:
            config = dict_config(app.main or "celery", loglevel)
        except ValueError as error:
            # After any other exception of a receiver, Celery 5.3 goes on, and writes no line.
            raise SystemExit(f"{app.main or 'celery'}: {error}") from error
        logging.config.dictConfig(config)
    pool = get_multiprocessing_logger()  # of the prefork pool, which says that a child has died
    if pool is not None and not pool.handlers:
        pool.propagate = True
        pool.setLevel(logging.WARNING)
    quieten_celery()  # again: dictConfig() resets the loggers below those that it names


class LivenessFile:
    """A file whose age says how long ago the worker was alive.

    :param path: where it is.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = pathlib.Path(path)
        self._is_ready = False
        self._has_failed = False

    def start(self, **_: object) -> None:
        """Make the file: the worker takes tasks."""
        self._is_ready = True
        self.touch()

    def touch(self, **_: object) -> None:
        """Make it fresh, unless the worker is still starting, or stopping."""
        if self._is_ready:
            self._try(self.path.touch)

    def stop(self, **_: object) -> None:
        """Remove it: the worker has ended."""
        self._is_ready = False
        self._try(lambda: self.path.unlink(missing_ok=True))

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            if not self._has_failed:
                logger.error(
                    "liveness_file is %r, which can't be written (%s); set it to a file in a folder"
                    " that the worker may write to, such as '/tmp/worker-alive'",
                    str(self.path),
                    error.strerror,
                )
            self._has_failed = True
        else:
            self._has_failed = False
