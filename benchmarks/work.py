"""One piece of work, measured by pyperf in a process of its own.

``python -m benchmarks.work NAME --in-process -o FILE``, in the environment that is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from multiprocessing import get_context
from typing import Any

import pyperf

Work = Callable[[int], object]
"""Does something that often."""

TimeFunc = Callable[[int], float]
"""What pyperf times: does the work that often, and returns the seconds it took."""

_BLOCK = 50


def timed(work: Work, clock: Callable[[], float] = time.process_time) -> TimeFunc:
    """Return what measures work, by CPU time unless another clock is given."""

    def seconds(loops: int) -> float:
        start = clock()
        work(loops)
        return clock() - start

    return seconds


def added(bare: TimeFunc, whole: TimeFunc) -> TimeFunc:
    """Return what measures how much more time the whole work takes than the bare one.

    The two take turns in short blocks, so that both see the machine at the same speed.
    """

    def seconds(loops: int) -> float:
        difference = 0.0
        for start in range(0, loops, _BLOCK):
            count = min(_BLOCK, loops - start)
            difference += whole(count) - bare(count)
        return max(difference, 1e-9)  # pyperf takes no time of zero or less

    return seconds


def in_child(make: Callable[[], TimeFunc]) -> TimeFunc:
    """Return what measures in a process of its own; call it before this one makes anything.

    Django has one configuration for a process, and Sanic rewrites its classes for one application.
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


def main() -> None:
    """Measure the work that is named on the command line."""
    runner: Any = pyperf.Runner(processes=1, warmups=2, values=5, min_time=0.02)
    runner.argparser.add_argument("name", help="such as logging.summary.structlog")
    options = runner.parse_args()
    module, work, package = f"{options.name}.dockerflow".split(".")[:3]
    if work == "request":
        options.loops = 200  # a difference says nothing of how long it takes to measure
    measure: Callable[[str, str], TimeFunc] = import_module(f"benchmarks.subjects.{module}").measure
    runner.bench_time_func(options.name, measure(work, package))


if __name__ == "__main__":
    main()
