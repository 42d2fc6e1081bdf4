"""The receivers of Celery's signals that give tasks their ids and write their summaries.

A run that starts is recorded when it ends, by the process that runs it. What that process can't
tell, since it has been killed or the task has never started, its parent does: signals say so to the
parent of the prefork pool, and to the one process of the other pools.
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


# Messages that this process has received and not recorded, for as long as Celery holds them.
_received: WeakValueDictionary[str, Request] = WeakValueDictionary()

# The task that this thread has recorded last: a hook that fails is an internal error after that.
_finished: ContextVar[str | None] = ContextVar("finished", default=None)

# ---------------------------------------------------------------------- ids


def send_request_id(headers: dict[str, Any], **_: object) -> None:
    """Send the id of the current request with a task."""
    if sane_request_id(headers.get(HEADER)) is not None:
        return  # of a retry, or the sender's own
    current = request_id_context.get()
    if not current:
        # The error callbacks of a task whose process was killed are sent by the parent process.
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
    """Record the run, and take its id out of the context."""
    run: _Run | None = task.request.get(_RUN)
    if run is None:
        return
    error = sys.exc_info()[1]
    if state is None:  # the exception is on its way to the caller, or ends the process
        state = _state_of(error)
    else:
        error = retval if isinstance(retval, BaseException) else None
    # A SystemExit ends a process of the prefork pool: its parent records the run as lost.
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
    """Record a run that Celery could not start, say for arguments that are none."""
    if _finished.get() != task_id:
        _record(sender, task_id, (request or {}).get, "FAILURE", exception)


def _state_of(error: BaseException | None) -> str:
    # What ends a task of the gevent pool that is revoked. Its package is not ours to import.
    if type(error).__name__ == "GreenletExit":
        return "REVOKED"
    known = {Retry: "RETRY", Reject: "REJECTED", Ignore: "IGNORED"}
    return next((state for kind, state in known.items() if isinstance(error, kind)), "FAILURE")


def _has_parent() -> bool:
    """Return whether this is a process of the prefork pool."""
    return current_process().name != "MainProcess"


# ---------------------------------------------------------------------- where messages arrive


def note_received(request: Request, **_: object) -> None:
    """Keep a message, for what may happen to its run."""
    _received[request.id] = request


def record_failure(
    sender: Task[..., Any], task_id: str, exception: BaseException, **_: object
) -> None:
    """Record a run whose process was killed; all other failures are told where they happen."""
    if isinstance(exception, TimeLimitExceeded | WorkerLostError):
        _record_received(sender, task_id, sender.request, "FAILURE", exception)


def record_retry(sender: Task[..., Any], request: Context, **_: object) -> None:
    """Record a run that the worker has cancelled, to be run again: at a cold shutdown it does."""
    _record_received(sender, str(request.id), request, "RETRY", message="cancelled")


def record_revoked(
    sender: Task[..., Any],
    request: Context,
    terminated: bool,
    signum: object,
    expired: bool,
    **_: object,
) -> None:
    """Record a run that was revoked, before it has started or by a signal to its process."""
    task_id = str(request.id)
    if not terminated:
        how = "expired" if expired else "revoked"
        _record(sender, task_id, request.get, "REVOKED", message=how)
    elif signum != getattr(signal, "SIGUSR1", None):  # which raises SoftTimeLimitExceeded there
        _record_received(sender, task_id, request, "REVOKED", message="terminated")


def _record_received(
    task: Task[..., Any],
    task_id: str,
    context: Context,
    state: str,
    error: BaseException | None = None,
    message: str = "",
) -> None:
    """Record how a run has ended whose process can't tell.

    :param context: the task's request, if it is there.
    """
    if context.get(_RUN) is not None:
        return  # it runs here, and ends yet
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

    :param get: returns what the message says of it by a name, None where it doesn't.
    :param error: why it has failed or is to be retried.
    :param message: what else is to be said.
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
