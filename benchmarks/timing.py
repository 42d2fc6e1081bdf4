"""Measure how long work takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from multiprocessing import get_context

Work = Callable[[int], object]
"""Does something that often."""

TimeFunc = Callable[[int], float]
"""What pyperf times: does the work that often, and returns the seconds it took."""

_BLOCK = 50


def timed(work: Work, clock: Callable[[], float] = time.process_time) -> TimeFunc:
    """Return a function that measures work, by CPU time unless another clock is given."""

    def seconds(loops: int) -> float:
        start = clock()
        work(loops)
        return clock() - start

    return seconds


def added(bare: TimeFunc, whole: TimeFunc) -> TimeFunc:
    """Return a function that measures how much longer the whole work takes than the bare work.

    The two alternate in short blocks, so that both run while the machine has the same speed.
    """

    def seconds(loops: int) -> float:
        difference = 0.0
        for start in range(0, loops, _BLOCK):
            count = min(_BLOCK, loops - start)
            difference += whole(count) - bare(count)
        return max(difference, 1e-9)  # pyperf refuses times of zero or less

    return seconds


def in_child(make: Callable[[], TimeFunc]) -> TimeFunc:
    """Fork, and return a function that measures in the child; call it before building anything.

    Django has one configuration per process, and Sanic rewrites its classes for one application.
    """
    fork = get_context("fork")
    here, there = fork.Pipe()

    def serve() -> None:
        seconds = make()
        while True:
            there.send(seconds(there.recv()))

    fork.Process(target=serve, daemon=True).start()

    def seconds(loops: int) -> float:
        here.send(loops)
        return float(here.recv())

    return seconds
