"""Run checks: independently, at the same time, with time limits, and once for many callers.

A sync check runs in its own daemon thread. For a sync caller, an async check does too, with its own
event loop; for an async caller, it is a task on the running loop. A check that exceeds its limit is
left running: the heartbeat stops waiting for it, and later heartbeats do not start it again while
it runs.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import threading
import time
from collections.abc import AsyncIterable, Callable, Collection, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, cast

from dockerflow.health import ERROR_CHECK_RAISED, ERROR_CHECK_TIMEOUT

from .environment import Check, CheckEnvironment
from .findings import Finding, Outcome, findings_of, log_findings, log_slowness, raised
from .kept import KeptOutcomes
from .messages import ERROR

_Task = asyncio.Future[None] | Future[None]


@dataclass(eq=False)
class Job:
    """One check that a heartbeat runs.

    :param limit: the seconds it may take, ``None`` for no limit.
    :param unlogged_ids: ids of messages that are not logged.
    :param registry: the registry that runs it; two registries never share a run.
    :param kept: the outcomes that the registry keeps.
    :param keep: the seconds for which an outcome without any message is kept.
    """

    name: str
    check: Check
    limit: float | None
    unlogged_ids: Collection[str]
    environment: CheckEnvironment
    registry: object
    kept: KeptOutcomes
    keep: float


def run_jobs(jobs: Sequence[Job], *, inline: bool) -> list[tuple[str, Outcome]]:
    """Run checks for a sync caller.

    :param inline: whether to run the checks one after another in this thread, without time limits
        and sharing, and to pass on ``SystemExit`` and ``KeyboardInterrupt``.
    :returns: the name and the outcome of each check.
    """
    shared = {
        job: _join(job, None)
        for job in jobs
        if not inline and not job.environment.inline(job.check)
    }
    # The others run in the meantime.
    own = {job: _run_inline(job) for job in jobs if job not in shared}
    return [(job.name, own[job] if job in own else shared[job].result(job.limit)) for job in jobs]


async def run_jobs_async(jobs: Sequence[Job], *, inline: bool) -> list[tuple[str, Outcome]]:
    """Run checks for an async caller like :func:`run_jobs`, without blocking its event loop.

    :param inline: the same, but in the caller's task; a sync check then blocks the event loop.
    """
    loop = asyncio.get_running_loop()
    for key, run in list(_runs.items()):  # forget runs of closed loops, which can't end any more
        if run.loop is not None and run.loop.is_closed():
            _runs.pop(key, None)
    shared = {
        job: _join(job, loop)
        for job in jobs
        if not inline and (not job.environment.inline(job.check) or is_async(job.check))
    }
    own = {job: await _run_inline_async(job) for job in jobs if job not in shared}
    return [
        (job.name, own[job] if job in own else await shared[job].result_async(job.limit))
        for job in jobs
    ]


def is_async(check: Check) -> bool:
    """Return whether ``check`` returns a coroutine or an asynchronous generator when called."""
    while isinstance(check, functools.partial):
        check = check.func
    return any(
        inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
        for function in (check, type(check).__call__)
    )


# ---------------------------------------------------------------------- calling a check


def _call(job: Job, findings: list[Finding], run_async: Callable[[Any], object]) -> None:
    """Add what a check returns or raises to ``findings``; ``run_async`` runs an async result."""
    try:
        with job.environment.scope():
            result = job.environment.call(job.check)
            if inspect.isawaitable(result) or isinstance(result, AsyncIterable):
                run_async(result)
            else:
                findings.extend(findings_of(result))
    except BaseException as error:
        findings.append(raised(error))


def _run_in_own_loop(job: Job, findings: list[Finding], result: Any, *, in_greenlet: bool) -> None:
    """Run the coroutine or generator that an async check returned, in this thread.

    :param in_greenlet: whether threads are greenlets of one OS thread, as under gevent and
        eventlet: an event loop here would be the loop of the whole application.
    """
    if not in_greenlet:
        job.environment.run_async(_call_async(lambda: result, nullcontext, findings))
        return
    if inspect.iscoroutine(result):
        result.close()
    text = "async checks can't run if threads are greenlets (gevent, eventlet): "
    findings.append(Finding(ERROR, text + "make it a sync check", ERROR_CHECK_RAISED))


async def _call_async(
    call: Callable[[], object],
    scope: Callable[[], AbstractContextManager[object]],
    findings: list[Finding],
) -> None:
    """Add what a check returns or raises to ``findings``, from a task.

    :raises asyncio.CancelledError: if the task was cancelled from outside.
    """
    try:
        with scope():
            result = call()
            if inspect.isawaitable(result):
                result = await result
            if isinstance(result, AsyncIterable):
                async for item in cast("AsyncIterable[object]", result):
                    findings.extend(findings_of([item]))
            else:
                findings.extend(findings_of(result))
    except GeneratorExit:  # the event loop is gone
        raise
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        findings.append(raised(error))


def _threads_are_greenlets() -> bool:
    """Return whether a new thread runs in this OS thread."""
    native_ids: list[int] = []
    thread = threading.Thread(target=lambda: native_ids.append(threading.get_native_id()))
    thread.start()
    thread.join()
    return native_ids == [threading.get_native_id()]


def _run_inline(job: Job) -> Outcome:
    started = time.monotonic()
    findings: list[Finding] = []

    def run_async(result: Any) -> None:
        _run_in_own_loop(job, findings, result, in_greenlet=_threads_are_greenlets())

    job.environment.context().run(_call, job, findings, run_async)
    return _ended_inline(job, findings, started)


async def _run_inline_async(job: Job) -> Outcome:
    started = time.monotonic()
    findings: list[Finding] = []
    await _call_async(lambda: job.environment.call(job.check), job.environment.scope, findings)
    return _ended_inline(job, findings, started)


def _ended_inline(job: Job, findings: list[Finding], started: float) -> Outcome:
    duration = time.monotonic() - started
    for finding in findings:
        if isinstance(finding.error, SystemExit | KeyboardInterrupt):
            raise finding.error  # servers use them to shut down a worker
    log_findings(job.name, findings, job.unlogged_ids)
    return Outcome(findings, duration)


# ---------------------------------------------------------------------- runs that callers share


class _Run:
    """One run of a check, which any number of heartbeats may wait for.

    :param caller_loop: the event loop of an async caller, ``None`` for a sync caller.
    :ivar loop: the event loop that the check runs on: ``caller_loop``, or ``None`` if in a thread.
    """

    def __init__(self, job: Job, caller_loop: asyncio.AbstractEventLoop | None) -> None:
        self.job = job
        self.caller_loop = caller_loop
        self.loop = caller_loop if caller_loop is not None and is_async(job.check) else None
        self.started = time.monotonic()
        # Runs are the same if their process, registry, application, check and event loop are.
        # Objects are compared by id. What holds the key also holds the owners, so that no new
        # object can get the id of an old one.
        check: Any = job.check
        # Each access to a method makes a new bound method, of the same two objects.
        parts = (check.__self__, check.__func__) if inspect.ismethod(check) else (check,)
        self.owners = (job.registry, job.environment.app, self.loop, *parts)
        self.key = (os.getpid(), *map(id, self.owners))
        self._findings: list[Finding] = []
        self._result: Future[Outcome] = Future()
        self._result.set_running_or_notify_cancel()  # cancelling a caller must not cancel the run
        self._waiters: dict[asyncio.AbstractEventLoop, asyncio.Future[Outcome]] = {}
        self._task: _Task | None = None  # event loops only hold weak references to tasks
        self._timeout_logged = False

    def start(self) -> None:
        """Start the check and return at once."""
        environment = self.job.environment
        try:
            context = environment.context()
            if self.loop is not None:
                call = functools.partial(environment.call, self.job.check)
                self._watch(self.loop.create_task(self._in_task(call), context=context))
            else:
                threading.Thread(
                    target=context.run,
                    args=(self._in_thread, threading.get_native_id()),
                    name=f"dockerflow-check-{self.job.name}",
                    daemon=True,
                ).start()
        except Exception as error:  # "can't start new thread"
            self._findings.append(raised(error, "the check could not be started ({})"))
            self._end()

    def _in_thread(self, caller: int) -> None:
        def run_async(result: Any) -> None:
            if self.caller_loop is None:
                in_greenlet = threading.get_native_id() == caller
                _run_in_own_loop(self.job, self._findings, result, in_greenlet=in_greenlet)
            else:  # the coroutine of a plain function: its clients belong to the caller's loop
                self.loop = self.caller_loop
                task = self._in_task(lambda: result)
                self._watch(asyncio.run_coroutine_threadsafe(task, self.loop))

        _call(self.job, self._findings, run_async)
        if self._task is None:
            self._end()

    def _in_task(self, call: Callable[[], object]) -> Coroutine[Any, Any, None]:
        return _call_async(call, self.job.environment.scope, self._findings)

    def _watch(self, task: _Task) -> None:
        self._task = task
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: _Task) -> None:
        # Only a task that was cancelled from outside ends with an exception.
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None:
            self._findings.append(raised(error))
        self._end()

    def _end(self) -> None:
        job, findings = self.job, self._findings
        duration = time.monotonic() - self.started
        log_findings(job.name, findings, job.unlogged_ids)
        if job.limit is not None and duration > job.limit / 2:
            log_slowness(job.name, duration, job.limit)
        if job.limit is not None and duration > job.limit:
            text = f"took longer than {job.limit:g} s; it is not started again for {job.limit:g} s"
            self._keep([Finding(ERROR, text, ERROR_CHECK_TIMEOUT)], job.limit)
        elif not findings and job.keep > 0:
            self._keep([], job.keep)
        _runs.pop(self.key, None)
        self._result.set_result(Outcome(findings, duration))

    def _keep(self, findings: list[Finding], seconds: float) -> None:
        outcome = Outcome(findings, is_kept=True)
        self.job.kept.add(self.key, self.owners, outcome, seconds)

    def end_with(self, outcome: Outcome) -> None:
        """End with a kept outcome instead of starting the check."""
        self._result.set_result(outcome)

    def result(self, limit: float | None) -> Outcome:
        """Return the check's outcome, or after ``limit`` seconds an error: it is still running."""
        try:
            return self._result.result(self._remaining(limit))
        except TimeoutError:
            return self._timed_out(limit)

    async def result_async(self, limit: float | None) -> Outcome:
        """Do the same as :meth:`result` without blocking the event loop."""
        if not self._result.done():
            loop = asyncio.get_running_loop()
            # One for all heartbeats of a loop; otherwise a run that hangs would collect them.
            if loop not in self._waiters:
                self._waiters[loop] = asyncio.wrap_future(self._result)
            await asyncio.wait((self._waiters[loop],), timeout=self._remaining(limit))
        return self._result.result() if self._result.done() else self._timed_out(limit)

    def _remaining(self, limit: float | None) -> float | None:
        return None if limit is None else max(0.0, self.started + limit - time.monotonic())

    def _timed_out(self, limit: float | None) -> Outcome:
        assert limit is not None, "waiting without a limit ends with the run"
        findings = [Finding(ERROR, f"still running after {limit:g} s", ERROR_CHECK_TIMEOUT)]
        if not self._timeout_logged:
            self._timeout_logged = True
            log_findings(self.job.name, findings, self.job.unlogged_ids)
        return Outcome(findings, limit)


# The runs that have not ended. No lock: setdefault() and pop() of a dict are atomic, and a lock
# that another thread holds during a fork would stay locked in the child.
_runs: dict[tuple[int, ...], _Run] = {}


def _join(job: Job, loop: asyncio.AbstractEventLoop | None) -> _Run:
    """Return the current run of a check, one with its kept outcome, or a new one."""
    new = _Run(job, loop)
    kept = job.kept.get(new.key)
    if kept is not None:
        new.end_with(kept)
        return new
    run = _runs.setdefault(new.key, new)
    if run is new:
        run.start()
    return run
