"""Heartbeats with one check, sync or async, and waiting for conditions."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

from dockerflow.checks import run_checks, run_checks_async

T = TypeVar("T")


class Beats:
    """Run heartbeats: in this thread, or all on one event loop, like an application.

    :param asynchronous: whether the application is one of an async framework.
    """

    def __init__(self, *, asynchronous: bool) -> None:
        self.asynchronous = asynchronous
        self._runner = asyncio.Runner()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a function on the application's event loop."""
        return self._runner.run(coroutine)

    def says(self, check: Callable[[], Any], timeout: float | None = 20) -> dict[str, str]:
        """Run one heartbeat and return the check's messages, by the last part of their id."""
        pairs = [("check", check)]
        if self.asynchronous:
            results = self.run(run_checks_async(pairs, timeout=timeout))
        else:
            results = run_checks(pairs, timeout=timeout)
        if not results.details:
            assert results.statuses == {"check": "ok"}
            return {}
        messages = results.details["check"]["messages"]
        return {id.rpartition(".")[2]: text for id, text in messages.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._runner.close()


def check_threads() -> list[threading.Thread]:
    """Return the threads in which checks run now."""
    return [each for each in threading.enumerate() if each.name.startswith("dockerflow-check-")]


def wait_until(condition: Callable[[], bool], timeout: float = 20) -> None:
    """Poll until a condition holds that sends no notification.

    :raises TimeoutError: It still does not hold.
    """
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.01)
