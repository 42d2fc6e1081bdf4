"""Running checks: isolation, concurrency, time limits, shared runs, the caller's context."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import logging
import multiprocessing
import os
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

from dockerflow import checks, health
from dockerflow.checks import Check, CheckEnvironment, CheckRegistry, ChecksResults

LOGGER = "dockerflow.checks.registry"

Run = Callable[..., ChecksResults]


def run_sync(registry: CheckRegistry, **options: Any) -> ChecksResults:
    return registry.run_checks(**options)


def run_async(registry: CheckRegistry, **options: Any) -> ChecksResults:
    return asyncio.run(registry.run_checks_async(**options))


@pytest.fixture(params=[run_sync, run_async], ids=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a registry's checks from sync and from async code."""
    run: Run = request.param
    return run


@pytest.fixture
def registry() -> CheckRegistry:
    """An empty registry."""
    return CheckRegistry()


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """The hanging checks wait for this."""
    event = threading.Event()
    yield event
    event.set()
    for thread in threading.enumerate():
        if thread.name.startswith("dockerflow-check-"):
            thread.join()


def texts(results: ChecksResults, name: str) -> dict[str, str]:
    return results.details[name]["messages"]


# ---------------------------------------------------------------------- each on its own


def test_generator_that_raises(registry: CheckRegistry, run: Run) -> None:
    """Messages that a generator yields before it raises are kept, with the error."""

    @registry.register
    def sync() -> Iterator[checks.CheckMessage]:
        yield checks.Warning("first", id="t.1")
        raise RuntimeError("boom")

    @registry.register(name="async")
    async def other() -> AsyncIterator[checks.CheckMessage]:
        yield checks.Warning("first", id="t.1")
        raise RuntimeError("boom")

    results = run(registry)
    for name in ("sync", "async"):
        assert texts(results, name) == {"t.1": "first", health.ERROR_CHECK_RAISED: "RuntimeError"}


@pytest.mark.parametrize(
    "result",
    ["fine", {"status": "ok"}, 0, 1j, checks.Error, [None], checks.CheckMessage("no level")],
    ids=repr,
)
def test_wrong_results(registry: CheckRegistry, run: Run, result: Any) -> None:
    """A result that is not a message is an error that names its type."""
    registry.register(lambda: result, name="odd")
    assert list(texts(run(registry), "odd")) == [health.ERROR_CHECK_RESULT]


def test_right_results_are_kept_beside_wrong_ones(registry: CheckRegistry, run: Run) -> None:
    """One invalid item loses no message."""
    registry.register(lambda: ["x", checks.Warning("m", id="t.1")], name="odd")
    assert texts(run(registry), "odd")["t.1"] == "m"


class Pinger:
    """A check that is an object, and has methods that are checks."""

    def __call__(self) -> checks.CheckMessage:
        return checks.Info("m")

    async def ping(self) -> list[checks.CheckMessage]:
        return [checks.Info("m")]


class Foreign:
    """A message of another framework."""

    level, msg, id = 20, "m", None


def plain() -> tuple[Foreign]:
    return (Foreign(),)


async def generator() -> AsyncIterator[checks.CheckMessage]:
    yield checks.Info("m")


KINDS: dict[str, Check] = {
    "function": plain,
    "async generator": generator,
    "object": Pinger(),
    "method": Pinger().ping,
    "partial": functools.partial(plain),
    "partial of partial": functools.partial(functools.partial(Pinger().ping)),
    "returns coroutine": lambda: Pinger().ping(),
    "returns async generator": lambda: generator(),
    "returns generator": lambda: (checks.Info("m") for _ in range(1)),
}


@pytest.mark.parametrize("check", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("timeout", [5, None])
def test_kinds_of_checks(
    registry: CheckRegistry, run: Run, check: Check, timeout: float | None
) -> None:
    """Any callable is a check, sync or async, and may return any iterable of messages."""
    registry.register(check, name="one")
    results = run(registry, timeout=timeout)
    assert texts(results, "one") == {"one": "m"}
    assert results.level == checks.INFO


def test_no_threads_left(
    registry: CheckRegistry, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that can't be started is an error of that run; the next run tries again."""

    def start(self: threading.Thread) -> None:
        if self.name.startswith("dockerflow-check-"):
            raise RuntimeError("can't start new thread")
        original(self)

    original = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    registry.register(list, name="one")
    text = "the check could not be started (RuntimeError)"
    for _ in range(2):
        assert texts(run(registry), "one") == {health.ERROR_CHECK_RAISED: text}
    monkeypatch.undo()
    assert run(registry).statuses == {"one": "ok"}


def test_broken_log_handler(
    registry: CheckRegistry,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A log handler that raises neither blocks nor breaks the heartbeat."""
    broken = mock.Mock(level=0, handle=mock.Mock(side_effect=OSError("disk full")))
    monkeypatch.setattr(logging.getLogger(LOGGER), "handlers", [broken])
    registry.register(lambda: checks.Warning("m"), name="one")
    assert run(registry).statuses == {"one": "warning"}
    assert "disk full" in capsys.readouterr().err


def test_names_given_twice(registry: CheckRegistry, run: Run) -> None:
    """Two checks given under one name are both counted."""
    pairs = [("one", lambda: checks.Error("m", id="t.1")), ("one", lambda: checks.Info("n"))]
    results = run(registry, checks=pairs)
    assert texts(results, "one") == {"t.1": "m", "one": "n"}
    assert results.level == checks.ERROR


# ---------------------------------------------------------------------- time limits


def test_hung_check(
    registry: CheckRegistry, run: Run, release: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """A hung check takes one thread and one line for a thousand heartbeats; its result is logged.

    After its end, it is started again, after a pause as long as its limit.
    """
    threads: list[threading.Thread] = []

    @registry.register
    def hung() -> checks.CheckMessage:
        threads.append(threading.current_thread())
        release.wait()
        return checks.Warning("at last", id="t.1")

    text = "still running after 0.0001 s"
    before = threading.active_count()
    for _ in range(1000 if run is run_sync else 100):
        results = run(registry, timeout=0.0001)
        assert texts(results, "hung") == {health.ERROR_CHECK_TIMEOUT: text}
    assert threading.active_count() == before + 1
    release.set()
    threads[0].join()
    assert caplog.messages == [f"dockerflow.health.E013: {text}", "t.1: at last"]
    assert caplog.records[0].__dict__["check"] == "hung"
    while run(registry).statuses != {"hung": "warning"}:
        assert len(threads) == 1
    assert len(threads) == 2


def test_hung_checks_cost_no_memory(registry: CheckRegistry, release: threading.Event) -> None:
    """A run that hangs keeps no references to heartbeats that have ended."""
    registry.register(release.wait, name="hung")

    async def main() -> None:
        counts: list[int] = []
        for _ in range(2):
            for _ in range(20):
                await registry.run_checks_async(timeout=0.0001)
            counts.append(sum(issubclass(type(each), asyncio.Future) for each in gc.get_objects()))
        assert counts[0] == counts[1]

    asyncio.run(main())


def test_own_limit(registry: CheckRegistry, run: Run, release: threading.Event) -> None:
    """A check's own limit takes precedence over the heartbeat's."""
    registry.register(release.wait, name="hung", timeout=0.05)
    results = run(registry, timeout=1000)
    assert texts(results, "hung") == {health.ERROR_CHECK_TIMEOUT: "still running after 0.05 s"}


def test_no_limit(registry: CheckRegistry, run: Run) -> None:
    """If a check's own limit is None, the heartbeat waits for it, whatever its own limit."""
    late = threading.Event()

    @registry.register(timeout=None)
    def slow() -> checks.CheckMessage:
        assert late.wait(30)
        return checks.Info("done")

    @registry.register(timeout=None)
    async def slow_async() -> checks.CheckMessage:
        await asyncio.to_thread(late.wait, 30)
        return checks.Info("done")

    timer = threading.Timer(0.3, late.set)  # after the time limit
    timer.start()
    results = run(registry, timeout=0.01)
    timer.join()
    assert results.statuses == {"slow": "info", "slow_async": "info"}


def test_hung_async_check_is_not_started_again(registry: CheckRegistry, clock: mock.Mock) -> None:
    """An async check past its limit continues: it is neither cancelled nor started again."""
    starts: list[bool] = []

    async def heartbeats() -> None:
        release, ended = asyncio.Event(), asyncio.Event()

        @registry.register
        async def hung() -> None:
            starts.append(True)
            await release.wait()
            ended.set()

        for _ in range(3):
            results = await registry.run_checks_async(timeout=0.02)
            assert list(texts(results, "hung")) == [health.ERROR_CHECK_TIMEOUT]
        release.set()
        await ended.wait()
        await asyncio.sleep(0)  # its task ends after it
        clock.return_value += 0.02  # as long as its limit
        assert (await registry.run_checks_async()).statuses == {"hung": "ok"}

    asyncio.run(heartbeats())
    assert len(starts) == 2


# ---------------------------------------------------------------------- shared runs


def test_concurrent_heartbeats_share_a_run(
    registry: CheckRegistry, release: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """Fifty heartbeats at once run a check once, share its result, and log it once."""
    calls: list[bool] = []
    arrived = threading.Semaphore(0)

    @registry.register
    def slow() -> checks.CheckMessage:
        calls.append(True)
        release.wait()
        return checks.Warning("m", id="t.1")

    def pairs() -> list[tuple[str, Check]]:
        # the second starts when the first has joined the run
        return [("slow", slow), ("arrived", lambda: arrived.release())]

    async def several() -> list[ChecksResults]:
        heartbeats = (registry.run_checks_async(pairs(), timeout=30) for _ in range(25))
        return await asyncio.gather(*heartbeats)

    with ThreadPoolExecutor(26) as pool:
        futures = [pool.submit(registry.run_checks, pairs(), timeout=30) for _ in range(25)]
        of_one_loop = pool.submit(asyncio.run, several())
        for _ in range(50):
            assert arrived.acquire(timeout=30)
        release.set()
        results = [*(future.result() for future in futures), *of_one_loop.result()]
    assert len(calls) == 1
    assert [texts(result, "slow") for result in results] == [{"t.1": "m"}] * 50
    assert caplog.messages == ["t.1: m"]


def test_not_shared_between_applications(registry: CheckRegistry) -> None:
    """The same check runs once for each application and each registry."""
    barrier = threading.Barrier(3)

    def check() -> None:
        barrier.wait(30)

    registry.register(check)
    other = CheckRegistry()
    other.register(check)

    def heartbeat(registry: CheckRegistry, app: object) -> dict[str, str]:
        return registry.run_checks(timeout=30, environment=CheckEnvironment(app=app)).statuses

    with ThreadPoolExecutor() as pool:
        statuses = list(pool.map(heartbeat, [registry, registry, other], ["one", "two", "one"]))
    assert statuses == [{"check": "ok"}] * 3


def test_not_shared_between_event_loops(registry: CheckRegistry) -> None:
    """An async check runs once for each event loop in which a heartbeat runs it."""
    barrier = threading.Barrier(2)

    @registry.register
    async def check() -> None:
        await asyncio.to_thread(barrier.wait, 30)

    with ThreadPoolExecutor() as pool:
        results = list(pool.map(functools.partial(run_async, timeout=30), [registry] * 2))
    assert [result.statuses for result in results] == [{"check": "ok"}] * 2


def test_sharing_is_by_object_not_by_name(registry: CheckRegistry) -> None:
    """Two checks of one name never share a run, and a bound method always shares its own."""
    barrier = threading.Barrier(2)
    calls: list[bool] = []

    class Service:
        def ping(self) -> None:
            calls.append(True)
            barrier.wait(30)

    service = Service()
    registry.run_checks([("a", service.ping), ("a", lambda: barrier.wait(30) and None)], timeout=30)
    assert len(calls) == 1
    registry.run_checks(
        [("a", service.ping), ("b", service.ping), ("c", lambda: barrier.wait(30) and None)]
    )
    assert len(calls) == 2


@pytest.mark.parametrize("plain", [False, True])
def test_closed_loop(registry: CheckRegistry, *, plain: bool) -> None:
    """A run ends when its event loop is closed, even if its task is unfinished."""
    starts: list[asyncio.AbstractEventLoop] = []
    started = asyncio.Event()

    async def hung() -> None:
        starts.append(asyncio.get_running_loop())
        started.set()
        await asyncio.Event().wait()

    registry.register((lambda: hung()) if plain else hung, name="hung")

    async def until_started(count: int) -> None:
        heartbeat = asyncio.ensure_future(registry.run_checks_async(timeout=30))
        await started.wait()
        assert len(starts) == count
        heartbeat.cancel()

    for count in (1, 2):
        started = asyncio.Event()
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda loop, context: None)  # it reports the unfinished task
        loop.run_until_complete(until_started(count))
        loop.close()
        assert starts[-1] is loop
    assert len(starts) == 2


@pytest.fixture
def loops(registry: CheckRegistry) -> list[asyncio.AbstractEventLoop]:
    """The event loops in which two async checks have run."""
    loops: list[asyncio.AbstractEventLoop] = []

    @registry.register
    async def check() -> None:
        loops.append(asyncio.get_running_loop())

    registry.register(lambda: check(), name="returns coroutine")
    return loops


def test_no_loop_is_left(registry: CheckRegistry, loops: list[asyncio.AbstractEventLoop]) -> None:
    """Async checks of sync callers leave neither a thread nor an event loop behind."""
    before = set(threading.enumerate())
    for timeout in (30, None):
        assert set(registry.run_checks(timeout=timeout).statuses.values()) == {"ok"}
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    assert [loop.is_closed() for loop in loops] == [True] * 4


def test_clients_of_the_callers_loop(
    registry: CheckRegistry, loops: list[asyncio.AbstractEventLoop]
) -> None:
    """In async code each async check runs on the caller's loop, however it was defined."""

    async def main() -> None:
        results = await registry.run_checks_async()
        assert set(results.statuses.values()) == {"ok"}
        assert loops == [asyncio.get_running_loop()] * 2

    asyncio.run(main())


@pytest.mark.parametrize("timeout", [5, None])
def test_greenlets(
    registry: CheckRegistry, monkeypatch: pytest.MonkeyPatch, timeout: float | None
) -> None:
    """If threads are greenlets, sync checks work and async ones are refused by name."""

    @registry.register
    async def check() -> None:
        raise AssertionError

    registry.register(lambda: check(), name="returns coroutine")
    registry.register(list, name="sync")
    monkeypatch.setattr(threading, "get_native_id", lambda: 1)  # as under gevent and eventlet
    results = registry.run_checks(timeout=timeout)
    assert results.statuses == {"check": "error", "returns coroutine": "error", "sync": "ok"}
    for name in ("check", "returns coroutine"):
        assert "make it a sync check" in texts(results, name)[health.ERROR_CHECK_RAISED]


def test_no_event_loop(registry: CheckRegistry) -> None:
    """Without an asyncio event loop, as under trio, the async function raises a clear error."""
    coroutine = registry.run_checks_async()
    with pytest.raises(RuntimeError, match="no running event loop"):
        coroutine.send(None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork(registry: CheckRegistry, release: threading.Event) -> None:
    """After a fork the child starts without runs, even if some hang in its parent."""
    parent = os.getpid()

    @registry.register
    def hung() -> None:
        if os.getpid() == parent:
            release.wait()

    @registry.register(name="async")
    async def other() -> None:
        if os.getpid() == parent:
            release.wait()

    registry.run_checks(timeout=0.01)
    fork = multiprocessing.get_context("fork")
    queue = fork.SimpleQueue()

    def heartbeat() -> None:
        queue.put(registry.run_checks(timeout=10).statuses)

    child = fork.Process(target=heartbeat)
    child.start()
    child.join()
    assert queue.get() == {"hung": "ok", "async": "ok"}


# ---------------------------------------------------------------------- cancellation


def test_cancelled_request_stays_cancelled(
    registry: CheckRegistry, release: threading.Event
) -> None:
    """A request cancelled while it waits stays cancelled; others that wait get the result."""
    entered = threading.Event()

    @registry.register
    def slow() -> checks.CheckMessage:
        entered.set()
        release.wait()
        return checks.Info("m")

    async def main() -> None:
        cancelled = asyncio.create_task(registry.run_checks_async(timeout=30))
        waiting = asyncio.create_task(registry.run_checks_async(timeout=30))
        await asyncio.to_thread(entered.wait)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        release.set()
        assert (await waiting).statuses == {"slow": "info"}

    asyncio.run(main())


@pytest.mark.parametrize("started", [False, True])
def test_cancelled_run(registry: CheckRegistry, *, started: bool) -> None:
    """A run whose task is cancelled, as at a loop's shutdown, is not a success."""
    registry.register(asyncio.Event().wait, name="slow")

    async def main() -> None:
        before = asyncio.all_tasks()
        heartbeat = asyncio.create_task(registry.run_checks_async(timeout=30))
        await asyncio.sleep(0)
        if started:
            await asyncio.sleep(0)
        (run,) = asyncio.all_tasks() - before - {heartbeat}
        run.cancel()
        results = await heartbeat
        assert texts(results, "slow") == {health.ERROR_CHECK_RAISED: "CancelledError"}

    asyncio.run(main())


@pytest.mark.parametrize("timeout", [30, None])
def test_own_cancelled_error(registry: CheckRegistry, timeout: float | None) -> None:
    """A CancelledError that a check raises is an error of the check, not the end of the request."""

    @registry.register
    async def broken() -> None:
        raise asyncio.CancelledError

    @registry.register
    def broken_sync() -> None:
        raise asyncio.CancelledError

    results = asyncio.run(registry.run_checks_async(timeout=timeout))
    assert results.statuses == {"broken": "error", "broken_sync": "error"}


def test_cancelled_request_without_clock(registry: CheckRegistry) -> None:
    """A request that is cancelled while it runs a check itself stays cancelled."""
    registry.register(asyncio.Event().wait, name="slow")

    async def main() -> None:
        heartbeat = asyncio.create_task(registry.run_checks_async(timeout=None))
        await asyncio.sleep(0)
        heartbeat.cancel()
        with pytest.raises(asyncio.CancelledError):
            await heartbeat

    asyncio.run(main())


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_exit_is_passed_on_without_clock(
    registry: CheckRegistry, run: Run, error: type[BaseException]
) -> None:
    """Without a time limit SystemExit and KeyboardInterrupt are raised, as workers expect."""

    @registry.register
    def check() -> None:
        raise error

    with pytest.raises(error):
        run(registry, timeout=None)


# ---------------------------------------------------------------------- the caller's context

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.mark.parametrize("timeout", [30, None])
def test_context(registry: CheckRegistry, run: Run, timeout: float | None) -> None:
    """A check runs in a copy of its caller's context."""
    seen: list[str] = []

    @registry.register
    async def check() -> None:
        seen.append(variable.get())

    @registry.register
    def sync() -> None:
        seen.append(variable.get())
        variable.set("check")

    context = contextvars.copy_context()
    context.run(variable.set, "caller")
    context.run(run, registry, timeout=timeout)
    assert seen == ["caller", "caller"]
    assert context[variable] == "caller"


@pytest.mark.parametrize("timeout", [30, None])
def test_scope(registry: CheckRegistry, run: Run, timeout: float | None) -> None:
    """Each check runs within its own scope, in its own thread or task."""
    entered: list[int] = []
    left: list[int] = []

    @contextmanager
    def scope() -> Generator[None]:
        entered.append(threading.get_ident())
        try:
            yield
        finally:
            left.append(threading.get_ident())

    inside: list[int] = []

    @registry.register
    def sync() -> None:
        inside.append(threading.get_ident())
        raise RuntimeError

    @registry.register(name="async")
    async def other() -> None:
        inside.append(threading.get_ident())

    run(registry, timeout=timeout, environment=CheckEnvironment(scope=scope))
    assert sorted(entered) == sorted(left) == sorted(inside)


def test_scope_that_raises(registry: CheckRegistry, run: Run) -> None:
    """A scope that raises at its exit is an error of the check, and no message is lost."""

    @contextmanager
    def scope() -> Generator[None]:
        yield
        raise RuntimeError("not left")

    registry.register(lambda: checks.Info("m"), name="one")
    results = run(registry, environment=CheckEnvironment(scope=scope))
    assert texts(results, "one") == {"one": "m", health.ERROR_CHECK_RAISED: "RuntimeError"}


def test_inline(registry: CheckRegistry, run: Run) -> None:
    """A check that must run in the caller's thread runs there, and the others run too."""
    threads: list[int] = []

    @registry.register
    def mine() -> None:
        threads.append(threading.get_ident())

    registry.register(list, name="other")
    results = run(registry, environment=CheckEnvironment(inline=lambda check: check is mine))
    assert results.statuses == {"mine": "ok", "other": "ok"}
    assert threads == [threading.get_ident()]


def test_arguments(registry: CheckRegistry, run: Run) -> None:
    """A framework's arguments reach each check, sync and async."""

    @registry.register
    def sync(*, app: str) -> checks.CheckMessage:
        return checks.Info(app)

    @registry.register(name="async")
    async def other(*, app: str) -> checks.CheckMessage:
        return checks.Info(app)

    def call(check: Check) -> object:
        return check(app="mine")

    for timeout in (30, None):
        results = run(registry, timeout=timeout, environment=CheckEnvironment(call=call))
        assert texts(results, "sync") == {"sync": "mine"}
        assert texts(results, "async") == {"async": "mine"}


# ---------------------------------------------------------------------- the module's functions


def test_run_checks_takes_pairs() -> None:
    """run_checks and run_checks_async take pairs of name and check, silenced ids, and a limit."""
    pairs = [("one", lambda: [checks.Error("m", id="t.1"), checks.Info("n", id="t.2")])]
    expected = ChecksResults(
        details={"one": {"status": "info", "level": 20, "messages": {"t.2": "n"}}},
        statuses={"one": "info"},
        level=20,
    )
    assert checks.run_checks(pairs, ["t.1"]) == expected
    assert asyncio.run(checks.run_checks_async(pairs, ["t.1"], 5)) == expected
    assert checks.run_checks(iter(pairs), silenced_check_ids="t.1") == expected
    assert checks.run_checks([]) == ChecksResults()


def test_unlogged_ids(registry: CheckRegistry, caplog: pytest.LogCaptureFixture) -> None:
    """A silenced id is not logged, unless an adapter names the unlogged ids itself."""
    registry.register(lambda: [checks.Error("m", id="t.1"), checks.Info("n", id="t.2")], name="one")
    caplog.set_level(logging.INFO)
    registry.run_checks(silenced_check_ids=["t.1"])
    registry.run_checks(
        silenced_check_ids=["t.1"], environment=CheckEnvironment(unlogged_ids=["t.2"])
    )
    assert caplog.messages == ["t.2: n", "t.1: m"]
