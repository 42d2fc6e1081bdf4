"""The logging and the liveness file of a worker or beat process."""

from __future__ import annotations

import logging.config
import os
import pathlib
from collections.abc import Callable

from celery import Celery
from celery.utils.log import get_multiprocessing_logger

from dockerflow.logging import dict_config

logger = logging.getLogger("dockerflow.celery")

# Celery's own lines for each task ("received", "succeeded"), which the summary replaces.
_TASK_LOGGERS = ("celery.app.trace", "celery.worker.strategy")


def quieten_celery() -> None:
    """Turn off Celery's own lines for each task, except warnings and errors."""
    for name in _TASK_LOGGERS:
        each = logging.getLogger(name)
        if each.level == logging.NOTSET:
            each.setLevel(logging.WARNING)


def capture_warnings(**_: object) -> None:
    """Log Python's warnings from now on.

    Celery itself starts only after its warning that it runs as root. If logging is not configured
    yet, this does nothing, because that warning would be lost.
    """
    if logging.getLogger().handlers:
        logging.captureWarnings(True)


def set_up_logging(app: Celery, loglevel: int, **_: object) -> None:
    """Configure logging unless the application has done so; a receiver of ``setup_logging``.

    Because there is a receiver, Celery itself replaces neither the handlers of the root logger nor
    ``sys.stdout``.

    :param app: the application.
    :param loglevel: the level from the command line.
    :raises SystemExit: if the environment asks for an unknown format.
    """
    if not logging.getLogger().handlers:
        try:
            config = dict_config(app.main or "celery", loglevel)
        except ValueError as error:
            # After any other exception of a receiver, Celery 5.3 continues without any logs.
            raise SystemExit(f"{app.main or 'celery'}: {error}") from error
        logging.config.dictConfig(config)
    pool = get_multiprocessing_logger()  # the prefork pool's, which reports dead children
    if pool is not None and not pool.handlers:
        pool.propagate = True
        pool.setLevel(logging.WARNING)
    quieten_celery()  # again: dictConfig() resets the children of the loggers that it configures


class LivenessFile:
    """A file whose modification time shows when the worker was last alive.

    :param path: the path of the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = pathlib.Path(path)
        self._is_ready = False
        self._has_failed = False

    def start(self, **_: object) -> None:
        """Create the file: the worker accepts tasks."""
        self._is_ready = True
        self.touch()

    def touch(self, **_: object) -> None:
        """Touch the file, unless the worker is still starting, or stopping."""
        if self._is_ready:
            self._try(self.path.touch)

    def stop(self, **_: object) -> None:
        """Remove the file: the worker has ended."""
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
