"""The receivers of Celery's signals that give tasks their ids and write their summaries.

The process that runs a task records the run when it ends. If that process was killed or the task
never started, its parent records the run: Celery then sends a signal in the parent of the prefork
pool, and in the single process of the other pools.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

from billiard.process import current_process
from celery.exceptions import Ignore, Reject, Retry, TimeLimitExceeded, WorkerLostError

from dockerflow.logging.request_id import new_request_id, request_id_context, sane_request_id
from dockerflow.logging.summary import (
    TASK_SUMMARY,
    describe,
    harmless,
    milliseconds_since,
    write_summary,
)

if TYPE_CHECKING:
    from celery import Task
    from celery.app.task import Context
    from celery.worker.request import Request

HEADER = "request_id"
"""The header of a message that carries the id."""

_RUN = "dockerflow_run"  # the attribute of a task's request


class _Run(NamedTuple):
    started: int
    request_id: str
    token: Token[str | None]


# Messages that this process has received and not yet recorded, while Celery references them.
_received: WeakValueDictionary[str, Request] = WeakValueDictionary()

# The last task that this thread has recorded. If one of its hooks fails after that, Celery reports
# an internal error.
_finished: ContextVar[str | None] = ContextVar("finished", default=None)

# ---------------------------------------------------------------------- ids


def send_request_id(headers: dict[str, Any], **_: object) -> None:
    """Send the id of the current request with a task."""
    if sane_request_id(headers.get(HEADER)) is not None:
        return  # set by a retry, or by the sender
    current = request_id_context.get()
    if not current:
        # If a task's process was killed, the parent process sends the task's error callbacks.
        killed = _received.get(headers.get("parent_id") or "")
        current = None if killed is None else killed.request_dict.get(HEADER)
    request_id = sane_request_id(current)
    if request_id is not None:
        headers[HEADER] = request_id


def _request_id(carried: object, task_id: str) -> str:
    return sane_request_id(carried) or sane_request_id(task_id) or new_request_id()


# ---------------------------------------------------------------------- where the task runs


def start(task_id: str, task: Task[..., Any], **_: object) -> None:
    """Put the id of a run into the context."""
    request = task.request
    carried = request_id_context.get() if request.is_eager else request.get(HEADER)
    request_id = _request_id(carried, task_id)
    run = _Run(time.monotonic_ns(), request_id, request_id_context.set(request_id))
    setattr(request, _RUN, run)


def finish(
    task_id: str, task: Task[..., Any], retval: object, state: str | None, **_: object
) -> None:
    """Record the run, and remove its id from the context."""
    run: _Run | None = task.request.get(_RUN)
    if run is None:
        return
    error = sys.exc_info()[1]
    if state is None:  # the exception is raised in the caller, or ends the process
        state = _state_of(error)
    else:
        error = retval if isinstance(retval, BaseException) else None
    # A SystemExit ends a process of the prefork pool; the parent records the run as lost.
    ends_process = error is not None and not isinstance(error, Exception) and _has_parent()
    try:
        if not ends_process:
            t = milliseconds_since(run.started)
            text = "terminated" if state == "REVOKED" else ""
            _record(task, task_id, task.request.get, state, error, text, rid=run.request_id, t=t)
    finally:
        _finished.set(task_id)
        request_id_context.reset(run.token)


def record_internal_error(
    sender: Task[..., Any],
    task_id: str,
    request: dict[str, Any] | None,
    exception: BaseException,
    **_: object,
) -> None:
    """Record a run that Celery could not start, for example because of invalid arguments."""
    if _finished.get() != task_id:
        _record(sender, task_id, (request or {}).get, "FAILURE", exception)


def _state_of(error: BaseException | None) -> str:
    # Raised in a revoked task of the gevent pool. By name, because gevent may not be installed.
    if type(error).__name__ == "GreenletExit":
        return "REVOKED"
    known = {Retry: "RETRY", Reject: "REJECTED", Ignore: "IGNORED"}
    return next((state for kind, state in known.items() if isinstance(error, kind)), "FAILURE")


def _has_parent() -> bool:
    """Return whether this is a process of the prefork pool."""
    return current_process().name != "MainProcess"


# ---------------------------------------------------------------------- where messages arrive


def note_received(request: Request, **_: object) -> None:
    """Keep a message, in case the process of its run can't record it."""
    _received[request.id] = request


def record_failure(
    sender: Task[..., Any], task_id: str, exception: BaseException, **_: object
) -> None:
    """Record a run whose process was killed; other failures are recorded where they happen."""
    if isinstance(exception, TimeLimitExceeded | WorkerLostError):
        _record_received(sender, task_id, sender.request, "FAILURE", exception)


def record_retry(sender: Task[..., Any], request: Context, **_: object) -> None:
    """Record a run that the worker has cancelled and will repeat, as in a cold shutdown."""
    _record_received(sender, str(request.id), request, "RETRY", message="cancelled")


def record_revoked(
    sender: Task[..., Any],
    request: Context,
    terminated: bool,
    signum: object,
    expired: bool,
    **_: object,
) -> None:
    """Record a run that was revoked before it started, or terminated by a signal."""
    task_id = str(request.id)
    if not terminated:
        how = "expired" if expired else "revoked"
        _record(sender, task_id, request.get, "REVOKED", message=how)
    elif signum != getattr(signal, "SIGUSR1", None):  # it raises SoftTimeLimitExceeded
        _record_received(sender, task_id, request, "REVOKED", message="terminated")


def _record_received(
    task: Task[..., Any],
    task_id: str,
    context: Context,
    state: str,
    error: BaseException | None = None,
    message: str = "",
) -> None:
    """Record the end of a run whose process can't record it.

    :param context: the task's request, which has the run if it is in this process.
    """
    if context.get(_RUN) is not None:
        return  # it runs here, and is recorded when it ends
    request = _received.pop(task_id, None)
    if request is not None:
        began: float | None = request.time_start
        t = None if began is None else max(0, int((time.time() - began) * 1000))
        _record(task, task_id, request.request_dict.get, state, error, message, t=t)


# ---------------------------------------------------------------------- the record


def _record(
    task: Task[..., Any],
    task_id: str,
    get: Callable[[str], Any],
    state: str,
    error: BaseException | None = None,
    message: str = "",
    *,
    rid: str | None = None,
    t: int | None = None,
) -> None:
    """Write the summary of a run.

    :param get: returns an attribute of the message by its name, or None if it is missing.
    :param error: why the run has failed or is retried.
    :param message: the text of the record, unless ``error`` provides it.
    """
    with harmless(TASK_SUMMARY):
        _received.pop(task_id, None)
        is_expected = bool(task.throws) and isinstance(error, task.throws)
        is_failure = state == "FAILURE" and not is_expected
        delivery: dict[str, Any] = get("delivery_info") or {}
        fields: dict[str, Any] = {
            "task": task.name,
            "task_id": task_id,
            "state": state,
            "retries": get("retries") or 0,
            "queue": delivery.get("routing_key"),
            "t": t,
            "rid": rid or _request_id(get(HEADER), task_id),
            "errno": 500 if is_failure else 0,
        }
        level = logging.ERROR if is_failure else logging.INFO
        text = describe(error) if error and state in ("FAILURE", "RETRY") else message
        known = {name: value for name, value in fields.items() if value is not None}
        write_summary(logging.getLogger(TASK_SUMMARY), level, text, known)
