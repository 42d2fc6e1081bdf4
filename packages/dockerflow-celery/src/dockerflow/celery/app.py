"""Connect an application to the receivers that observe it."""

from __future__ import annotations

import functools
import os

from celery import Celery, signals

from . import tasks
from .worker import LivenessFile, capture_warnings, quieten_celery, set_up_logging


def observe(app: Celery, *, liveness_file: str | os.PathLike[str] | None = None) -> None:
    """Observe the tasks of an application, and configure the logging of its workers.

    Call it where the application is created, so that it also runs in processes that send tasks.

    :param app: the application; if logging is not configured, its name becomes the ``Logger`` of
        the lines.
    :param liveness_file: the path of a file that a worker touches regularly while it is alive.
    """
    # Module-level functions are connected only once, even if several applications are observed.
    signals.before_task_publish.connect(tasks.send_request_id)
    signals.task_received.connect(tasks.note_received)
    signals.task_prerun.connect(tasks.start)
    signals.task_postrun.connect(tasks.finish)
    signals.task_failure.connect(tasks.record_failure)
    signals.task_internal_error.connect(tasks.record_internal_error)
    signals.task_retry.connect(tasks.record_retry)
    signals.task_revoked.connect(tasks.record_revoked)
    signals.celeryd_init.connect(capture_warnings)
    quieten_celery()
    # weak=False: nothing else references the partial, or the methods below.
    signals.setup_logging.connect(functools.partial(set_up_logging, app), weak=False)
    if liveness_file is not None:
        file = LivenessFile(liveness_file)
        signals.worker_ready.connect(file.start, weak=False)
        signals.heartbeat_sent.connect(file.touch, weak=False)
        signals.worker_shutdown.connect(file.stop, weak=False)
