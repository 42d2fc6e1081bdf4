"""Kept results, pauses after the limit, and durations of checks."""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest

from dockerflow import checks, health
from dockerflow.checks import CheckEnvironment, CheckRegistry, ChecksResults
from tests.core.test_running import Run, registry, release, run, run_async, run_sync

__all__ = ["registry", "release", "run"]

LOGGER = "dockerflow.checks.registry"

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def check() -> mock.Mock:
    """A check without any message, which counts its calls."""
    return mock.Mock(return_value=[])


def test_keep(registry: CheckRegistry, run: Run, check: mock.Mock, clock: mock.Mock) -> None:
    """A clean result is reused for as many seconds as the check was registered with."""
    registry.register(check, name="one", keep=30)
    assert run(registry).kept == set()
    clock.return_value += 29.9
    results = run(registry)
    assert (results.statuses, results.kept) == ({"one": "ok"}, {"one"})
    assert results.durations == {"one": 0}
    assert check.call_count == 1
    clock.return_value += 0.1
    assert run(registry).kept == set()
    assert check.call_count == 2


def test_keep_of_the_heartbeat(registry: CheckRegistry, run: Run) -> None:
    """A check's own number takes precedence over the heartbeat's, even if it is 0."""
    registry.register(list, name="own", keep=0)
    registry.register_partial(list, name="other", keep=20)
    registry.register(tuple, name="common")
    run(registry, keep=30)
    assert run(registry, keep=30).kept == {"other", "common"}
    assert run(registry).kept == {"other", "common"}
    assert run(registry, checks=[("own", registry.checks["common"])]).kept == {"own"}
    for _ in range(2):  # a check that is not registered under this name
        assert run(registry, checks=[("other", set)]).kept == set()


@pytest.mark.parametrize("message", [checks.Debug("m", id="t.1"), "no message", Exception()])
def test_no_failure_is_kept(
    registry: CheckRegistry, run: Run, check: mock.Mock, message: object
) -> None:
    """A result with any message is not reused, not even a silenced one."""
    check.side_effect = [message] if isinstance(message, Exception) else [[message]]
    registry.register(check, name="one", keep=30)
    run(registry, silenced_check_ids=["t.1"])
    check.side_effect = None
    assert run(registry).kept == set()
    assert check.call_count == 2


def clear(registry: CheckRegistry) -> CheckRegistry:
    found = dict(registry.checks)
    registry.clear_checks()
    for name, check in found.items():
        registry.register(check, name=name, keep=30)
    return registry


def forget(registry: CheckRegistry) -> CheckRegistry:
    registry.forget_results()
    return registry


def copy(registry: CheckRegistry) -> CheckRegistry:
    other = CheckRegistry()
    other.register(registry.checks["one"], name="one", keep=30)
    return other


@pytest.mark.parametrize("change", [clear, forget, copy])
def test_forgotten(
    registry: CheckRegistry,
    run: Run,
    check: mock.Mock,
    change: Callable[[CheckRegistry], CheckRegistry],
) -> None:
    """Nothing is kept after clear_checks() or forget_results(), or for another registry."""
    registry.register(check, name="one", keep=30)
    run(registry)
    assert run(change(registry)).kept == set()
    assert check.call_count == 2


def test_forgotten_while_it_runs(registry: CheckRegistry, release: threading.Event) -> None:
    """If results are forgotten while a check runs, its result is not kept."""

    def check() -> None:
        release.wait()

    registry.register(check, name="one", timeout=0.01)
    registry.run_checks()
    registry.clear_checks()
    release.set()
    join()
    registry.register(check, name="one", keep=30)
    assert registry.run_checks().kept == set()


def test_replaced_check(registry: CheckRegistry, run: Run, check: mock.Mock) -> None:
    """A kept result of a check is not used for another check of its name."""
    registry.register(list, name="one", keep=30)
    run(registry)
    registry.register(check, name="one", keep=30)
    assert run(registry).kept == set()
    assert run(registry).kept == {"one"}
    check.assert_called_once_with()


def test_applications(registry: CheckRegistry, run: Run) -> None:
    """A result that one application has kept is not used by another."""
    registry.register(list, name="one", keep=30)
    one, two = CheckEnvironment(app="one"), CheckEnvironment(app="two")
    run(registry, environment=one)
    assert run(registry, environment=two).kept == set()
    assert run(registry, environment=one).kept == {"one"}


def test_environment(registry: CheckRegistry, run: Run) -> None:
    """An adapter's number for a check takes precedence over the one it was registered with."""
    registry.register(list, name="one", keep=30)
    registry.register(tuple, name="two")
    environment = CheckEnvironment(keep=lambda check: 0 if check is list else 10)
    run(registry, environment=environment)
    assert run(registry, environment=environment).kept == {"two"}


def test_without_a_clock(registry: CheckRegistry, run: Run, check: mock.Mock) -> None:
    """Without a timeout nothing is kept, and no kept result is reused."""
    registry.register(check, name="one", keep=30)
    assert run(registry, timeout=None).kept == run(registry).kept == set()
    assert run(registry, timeout=None).kept == set()
    assert check.call_count == 3


def test_inline(registry: CheckRegistry, check: mock.Mock) -> None:
    """The result of a check that runs in its caller's thread is not kept."""
    registry.register(check, name="one", keep=30)
    environment = CheckEnvironment(inline=lambda check: True)
    registry.run_checks(environment=environment)
    assert registry.run_checks(environment=environment).kept == set()


def test_event_loops(registry: CheckRegistry) -> None:
    """The result of an async check is valid only in its event loop, whose clients it used."""
    check = mock.AsyncMock(return_value=[])
    registry.register(check, name="one", keep=30)

    async def twice() -> list[set[str]]:
        return [(await registry.run_checks_async()).kept for _ in range(2)]

    assert [asyncio.run(twice()) for _ in range(2)] == [[set(), {"one"}]] * 2


@pytest.mark.parametrize("passing", ["time", "loops"])
def test_memory(registry: CheckRegistry, clock: mock.Mock, passing: str) -> None:
    """The next result removes outdated ones, and frees the objects that they were about."""

    class App:
        pass

    async def check() -> None:
        pass

    run = run_sync if passing == "time" else run_async
    registry.register(check, name="one", keep=30)
    references: list[weakref.ref[App]] = []

    def heartbeat() -> None:
        app = App()
        references.append(weakref.ref(app))
        run(registry, environment=CheckEnvironment(app=app))

    for _ in range(10):
        heartbeat()
        clock.return_value += 30 if passing == "time" else 0
    gc.collect()
    assert sum(reference() is not None for reference in references) <= 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork(registry: CheckRegistry) -> None:
    """After a fork the child has none of its parent's results."""
    registry.register(list, name="one", keep=30)
    registry.run_checks()
    fork = multiprocessing.get_context("fork")
    queue = fork.SimpleQueue()
    child = fork.Process(target=lambda: queue.put(registry.run_checks().kept))
    child.start()
    child.join()
    assert (queue.get(), registry.run_checks().kept) == (set(), {"one"})


@pytest.mark.parametrize("keep", [-1, "soon", float("inf"), True])
def test_wrong_keep(registry: CheckRegistry, keep: Any) -> None:
    """An invalid keep is refused, with the name of the check."""
    with pytest.raises(ValueError, match=r"keep=\) of the check 'one' is .*; set it to a number"):
        registry.register(list, name="one", keep=keep)
    with pytest.raises(ValueError, match=r"keep= is .*; set it to a number"):
        registry.run_checks(keep=keep)


# ---------------------------------------------------------------------- after its limit


def join() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("dockerflow-check-"):
            thread.join()


@pytest.mark.parametrize("keep", [None, 1000])
def test_pause(
    registry: CheckRegistry,
    release: threading.Event,
    clock: mock.Mock,
    caplog: pytest.LogCaptureFixture,
    keep: float | None,
) -> None:
    """A check that took longer than its limit pauses as long, and heartbeats say so."""
    calls = mock.Mock()

    def check() -> None:
        calls()
        release.wait()

    registry.register(check, name="one", timeout=0.05, keep=keep)
    first = registry.run_checks()
    assert first.durations == {"one": 0.05}
    release.set()
    join()
    clock.return_value += 0.049
    results = registry.run_checks()
    text = "took longer than 0.05 s; it is not started again for 0.05 s"
    assert results.details["one"]["messages"] == {health.ERROR_CHECK_TIMEOUT: text}
    assert (results.kept, results.durations) == ({"one"}, {"one": 0})
    assert (calls.call_count, len(caplog.records)) == (1, 1)
    clock.return_value += 0.001
    assert registry.run_checks().statuses == {"one": "ok"}
    assert calls.call_count == 2


# ---------------------------------------------------------------------- durations


@pytest.fixture
def time() -> Iterator[mock.Mock]:
    """The clock of running checks, which stands still until a check sets its ``return_value``."""
    with mock.patch("dockerflow.checks.runner.time") as time:
        time.monotonic.return_value = 1000.0
        yield time.monotonic


def takes(time: mock.Mock, seconds: float) -> Callable[[], None]:
    def check() -> None:
        time.return_value += seconds

    return check


@pytest.mark.parametrize("timeout", [60, None])
def test_durations(
    registry: CheckRegistry, run: Run, time: mock.Mock, timeout: float | None
) -> None:
    """The results hold the seconds that each check took, which don't count in comparisons."""
    registry.register(takes(time, 20), name="one")
    results = run(registry, timeout=timeout)
    assert results.durations == {"one": 20}
    assert results == ChecksResults(statuses={"one": "ok"})


@pytest.mark.parametrize(("seconds", "logged"), [(30, 0), (31, 1), (61, 1)])
def test_slow_checks_are_logged(
    registry: CheckRegistry,
    run: Run,
    time: mock.Mock,
    caplog: pytest.LogCaptureFixture,
    seconds: float,
    logged: int,
) -> None:
    """A check that took more than half of its limit is logged once, at INFO, with its time."""
    caplog.set_level(logging.INFO, LOGGER)
    registry.register(takes(time, seconds), name="one", timeout=60)
    registry.register(list, name="no limit", timeout=None)
    run(registry)
    slow = [record for record in caplog.records if record.levelname == "INFO"]
    assert len(slow) == logged
    for record in slow:
        assert (record.__dict__["check"], record.__dict__["t"]) == ("one", seconds * 1000)
        assert record.getMessage() == f"one: took {seconds}.0 s, its limit is 60 s"
