"""The runs of checks that are under way, each shared by all who wait for it.

A sync check runs in a daemon thread of its own, an async check as a task: on the event loop of an
async caller, or on one long-lived loop in a daemon thread, which sync callers share. Sync and async
callers start the same :class:`Run` and differ only in how they wait for it. What does not end in
time is left behind: nobody waits for it, and it is not started again while it lasts.
"""

from __future__ import annotations

import contextvars
import inspect
import os
import threading
import time
from collections.abc import AsyncIterable, Callable, Iterable
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, TypeGuard

from .outcome import Finding, findings_of, log_findings, raised, timed_out

# asyncio, 20 ms, is imported where a check or its caller is async: by others it is not needed.
if TYPE_CHECKING:
    import asyncio

    from .job import Job
    from .surroundings import Surroundings

# How long a heartbeat that meets a run already past its time waits all the same, in seconds: enough
# for one that ends at this moment, too little to hold up a prober.
LATE_GRACE = 0.25


class Run:
    """One run of a check, which any number of heartbeats may wait for."""

    def __init__(self, job: Job) -> None:
        self.job = job  # it keeps alive the objects by whose ids the run is found
        self.started = time.monotonic()
        self._findings: list[Finding] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._waiters: set[asyncio.Future[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None  # where it lives, once it has a task
        self._task: asyncio.Task[None] | None = None
        self._overdue = False
        self._timeout_logged = False

    @property
    def over(self) -> bool:
        """Whether it has ended, or can't any more, because its loop has been closed under it."""
        return self._ended.is_set() or (self._loop is not None and self._loop.is_closed())

    # ------------------------------------------------------------------ waiting

    def result(self, limit: float | None) -> list[Finding]:
        """Wait, blocking the thread, for what the check says, or to say that it is running."""
        if not self._ended.is_set():
            self._ended.wait(self._seconds_left(limit))
        return self._findings_by(limit)

    async def result_async(self, limit: float | None) -> list[Finding]:
        """Wait, in the running loop, for what the check says, or to say that it is running."""
        import asyncio

        waiter = asyncio.get_running_loop().create_future()
        with self._lock:
            if not self._ended.is_set():
                self._waiters.add(waiter)
        if waiter in self._waiters:
            try:
                await asyncio.wait((waiter,), timeout=self._seconds_left(limit))
            finally:
                with self._lock:
                    self._waiters.discard(waiter)
        return self._findings_by(limit)

    def _seconds_left(self, limit: float | None) -> float | None:
        if limit is None:
            return None
        return max(self.started + limit - time.monotonic(), min(limit, LATE_GRACE))

    def _findings_by(self, limit: float | None) -> list[Finding]:
        if self._ended.is_set():
            return self._findings
        assert limit is not None, "a wait without a limit was over before the run"
        return [self._timed_out(limit)]

    def _timed_out(self, limit: float) -> Finding:
        finding = timed_out(limit)
        with self._lock:
            logged, self._timeout_logged = self._timeout_logged, True
        if not logged:
            log_findings(self.job.name, [finding], self.job.silenced_ids)
        return finding

    # ------------------------------------------------------------------ running

    def start(self) -> None:
        """Start the check where it belongs, and return at once."""
        try:
            context = self.job.around.context()
            if self.job.is_async:
                self.start_task(self.job.call, context)
            else:
                threading.Thread(
                    target=context.run,
                    args=(self._in_thread, context),
                    name=f"dockerflow-check-{self.job.name}",
                    daemon=True,
                ).start()
        except Exception as error:  # "can't start new thread", or the adapter's context raised
            self._end([raised(error)])

    def _in_thread(self, context: contextvars.Context) -> None:
        findings: list[Finding] = []
        awaitable: object = None
        try:
            with self.job.around.scope():
                result = self.job.call()
                if is_awaitable(result):
                    awaitable = result
                else:
                    extend(findings, result)
        except BaseException as error:
            findings.append(raised(error))
        if awaitable is None or findings:
            self._end(findings)
            return
        try:  # a plain function that returned a coroutine: it goes on where async checks run
            self.start_task(lambda: awaitable, context.copy())
        except RuntimeError as error:  # that loop has been closed
            self._end([raised(error)])

    def start_task(self, call: Callable[[], object], context: contextvars.Context) -> None:
        """Call, and await what the call returns, in a task on the loop of the job."""
        loop = self._loop = self.job.loop or _background_loop()

        def create() -> None:
            self._task = loop.create_task(self._in_task(call), name=self.job.name, context=context)

        if loop is _running_loop():
            create()
        else:
            loop.call_soon_threadsafe(create)

    async def _in_task(self, call: Callable[[], object]) -> None:
        import asyncio

        task = asyncio.current_task()
        assert task is not None
        timer = None
        if self.job.limit is not None:
            timer = task.get_loop().call_later(self.job.limit, self._cancel, task)
        findings: list[Finding] = []
        unlogged: list[Finding] = []
        try:
            await collect(call, self.job.around, findings)
        except asyncio.CancelledError as error:
            if self._overdue:
                assert self.job.limit is not None
                unlogged.append(self._timed_out(self.job.limit))
            elif task.cancelling():  # from outside: the loop is being shut down
                unlogged.append(raised(error))
                raise
            else:
                findings.append(raised(error))
        finally:
            if timer is not None:
                timer.cancel()
            if task.get_loop().is_closed():  # the garbage collector ends it, by GeneratorExit
                unlogged, findings = findings, []
            self._end(findings, unlogged)

    def _cancel(self, task: asyncio.Task[None]) -> None:
        # Asked to end, so that a client gives its connection back; nobody waits whether it does.
        self._overdue = True
        task.cancel()

    def _end(self, findings: list[Finding], unlogged: Iterable[Finding] = ()) -> None:
        log_findings(self.job.name, findings, self.job.silenced_ids)
        _forget(self)
        with self._lock:
            self._findings = [*findings, *unlogged]
            self._ended.set()
            waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            with suppress(RuntimeError):  # the loop of one who waited may have been closed
                waiter.get_loop().call_soon_threadsafe(_wake, waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def is_awaitable(result: object) -> bool:
    """Say whether a check's result is a coroutine or an asynchronous generator."""
    return inspect.isawaitable(result) or isinstance(result, AsyncIterable)


def extend(findings: list[Finding], result: object) -> None:
    """Add what a check returned; what a generator said before it raised is kept."""
    findings.extend(findings_of(result))


def _is_async_iterable(result: object) -> TypeGuard[AsyncIterable[object]]:
    return isinstance(result, AsyncIterable)


async def collect(
    call: Callable[[], object],
    around: Surroundings,
    findings: list[Finding],
    passed_on: tuple[type[BaseException], ...] = (),
) -> None:
    """Add to ``findings`` what the check says, or what it raises.

    :raises asyncio.CancelledError: as the check does, and likewise what is in ``passed_on``.
    """
    from asyncio import CancelledError

    try:
        with around.scope():
            result = call()
            if inspect.isawaitable(result):
                result = await result
            if _is_async_iterable(result):
                async for item in result:
                    extend(findings, [item])
            else:
                extend(findings, result)
    except CancelledError:
        raise
    except passed_on:
        raise
    except BaseException as error:
        findings.append(raised(error))


# ---------------------------------------------------------------------- which runs there are

_lock = threading.Lock()
_runs: dict[tuple[object, ...], Run] = {}
_background: asyncio.AbstractEventLoop | None = None
_left_by_parent: list[object] = []


def join(job: Job) -> Run:
    """Return the run of this check that is under way, or start one."""
    if job.is_async:
        import_module("asyncio")  # now: it is none of the time that the check may take
    key = job.key
    with _lock:
        for other in [other for other, run in _runs.items() if run.over]:
            del _runs[other]
        run = _runs.get(key)
        if run is not None:
            return run
        run = _runs[key] = Run(job)
    try:
        run.start()
    except BaseException:  # a signal's handler raised: leave no run behind that never started
        _forget(run, wait=True)
        raise
    return run


def _forget(run: Run, *, wait: bool = False) -> None:
    # The garbage collector ends the tasks that a closed loop has left, and it may have been set off
    # by who holds the lock. To wait would be for ever; the next one to join a run clears up.
    if _lock.acquire(blocking=wait):
        try:
            if _runs.get(run.job.key) is run:
                del _runs[run.job.key]
        finally:
            _lock.release()


def _background_loop() -> asyncio.AbstractEventLoop:
    """Return the loop on which the async checks of sync callers live, started at first use."""
    import asyncio

    global _background
    with _lock:
        if _background is None:
            _background = asyncio.new_event_loop()
            threading.Thread(
                target=_run_forever, args=(_background,), name="dockerflow-checks", daemon=True
            ).start()
        return _background


def _run_forever(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        # A task that a check left behind may raise SystemExit, which asyncio lets out of the loop.
        with suppress(BaseException):
            loop.run_forever()


def _after_fork_in_child() -> None:
    # The parent's threads are not here, and one of them may have held the lock.
    global _lock, _background
    _lock = threading.Lock()
    # Kept, since to collect the parent's loop and tasks is to be warned that they are unfinished.
    _left_by_parent.extend((_background, *_runs.values()))
    _runs.clear()
    _background = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
