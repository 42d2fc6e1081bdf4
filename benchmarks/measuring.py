"""Rounds of workers, and their cycles of short blocks."""

from __future__ import annotations

import contextlib
import math
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import count as count_up
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from .estimates import added_ratio, added_seconds, estimate, ratio
from .process import NotMeasured, Worker
from .results import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .estimates import Cycle
    from .rows import Environment, Row, Side


@dataclass(frozen=True)
class Effort:
    """How long to look.

    :ivar rounds: How many times all workers of a row are made anew.
    :ivar block: The length of a block, in seconds.
    :ivar share: The seconds of a round that are for the cycles of one row.
    :ivar least: The fewest cycles of a round.
    """

    rounds: int
    block: float
    share: float
    least: int


FULL = Effort(rounds=5, block=0.010, share=0.6, least=4)
QUICK = Effort(rounds=1, block=0.004, share=0.12, least=1)

_MOST = 200  # cycles of a round


class Calibrated:
    """A worker with the count of work that takes a block."""

    def __init__(self, worker: Worker, block: float) -> None:
        self._worker = worker
        self._count = 1
        wanted = block * 1e9
        # The first runs warm up (caches, lazy imports, specialised bytecode), and say too much.
        while (taken := self._taken(wanted)) < wanted / 2:
            self._count = min(self._count * 10, math.ceil(self._count * wanted / max(taken, 1)))
        self._count = max(1, round(self._count * wanted / taken))
        #: How long one block takes, in seconds.
        self.block = max(block, taken / 1e9) if self._count == 1 else block

    def _taken(self, wanted: float) -> int:
        """Return the nanoseconds that the work takes: at best, where it does not take long."""
        taken = self._worker.run(self._count)
        for _ in range(2):
            if taken < 10 * wanted:
                taken = min(taken, self._worker.run(self._count))
        return taken

    def seconds(self) -> float:
        """Run one block, and return the seconds of one piece of work."""
        return self._worker.run(self._count) / 1e9 / self._count


def orders(number: int) -> Iterable[list[int]]:
    """Yield, for ever, in what order the blocks of the next cycle come: each worker in each place.

    :param number: How many workers there are.
    """
    forward = list(range(number))
    for turn in count_up():
        start = turn // 2 % number
        order = forward[start:] + forward[:start]
        yield order if turn % 2 == 0 else order[::-1]


def cycles_of(
    workers: Mapping[Side, Calibrated], sides: tuple[Side, ...], effort: Effort
) -> list[Cycle]:
    """Return the times of a round's cycles, each in the order of *sides*."""
    # A worker that stands for two sides, as a bare application does, runs one block for both.
    distinct = list(dict.fromkeys(sides))
    length = sum(workers[side].block for side in distinct)
    number = min(_MOST, max(effort.least, int(effort.share / length)))
    # Where the core is not ours alone, blocks take longer than their CPU time.
    late = time.monotonic() + 4 * number * length
    cycles: list[Cycle] = []
    for order in orders(len(distinct)):
        times = {distinct[place]: workers[distinct[place]].seconds() for place in order}
        cycles.append(tuple(times[side] for side in sides))
        if len(cycles) >= number or (len(cycles) >= effort.least and time.monotonic() > late):
            return cycles
    raise AssertionError("the orders never end")


class Bench:
    """Measures rows with workers of two environments.

    :param pythons: The interpreter of each environment.
    :param effort: How long to look.
    :param core: The core that the workers keep to; None leaves them where they are.
    :param say: Told how far it has got.
    """

    def __init__(
        self,
        pythons: Mapping[Environment, str],
        effort: Effort,
        core: int | None,
        say: Callable[[str], None],
    ) -> None:
        self._pythons = pythons
        self._effort = effort
        self._core = core
        self._say = say
        self._missing: dict[Side, str] = {}

    def measure(self, rows: Iterable[Row]) -> list[Result]:
        """Measure all *rows*.

        :raises WorkerFailed: An output is wrong.
        """
        rows = list(rows)
        groups: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            # Those that use the same workers: of one framework, of one kind of record.
            groups[row.ours[-1][1].partition(".")[0]].append(row)
        # Rounds of a row are spread over the whole run, and what is wrong shows in the first pass.
        turns = [(name, turn) for turn in range(self._effort.rounds) for name in groups]
        rounds: dict[str, list[list[Cycle]]] = defaultdict(list)
        with contextlib.ExitStack() as stack:
            following = self._start(groups[turns[0][0]], stack)
            for (name, turn), (after, _) in pairwise([*turns, ("", 0)]):
                self._say(f"{name}, round {turn + 1} of {self._effort.rounds}")
                workers = following
                for row, cycles in self._round(groups[name], workers):
                    rounds[row.name].append(cycles)
                # While these look at their output a last time, those of the next round get ready.
                for worker in workers.values():
                    worker.end()
                following = self._start(groups[after], stack) if after else {}
                for worker in workers.values():
                    worker.confirm()
                    worker.close()
        return [_result(row, rounds[row.name], self._missing) for row in rows]

    def _start(self, rows: list[Row], stack: contextlib.ExitStack) -> dict[Side, Worker]:
        sides = dict.fromkeys(side for row in rows for side in row.sides)
        return {
            side: stack.enter_context(Worker(self._pythons[side[0]], side[1]))
            for side in sides
            if side not in self._missing
        }

    def _round(
        self, rows: list[Row], workers: Mapping[Side, Worker]
    ) -> Iterable[tuple[Row, list[Cycle]]]:
        """Yield the cycles of each row that can be measured."""
        for side, worker in workers.items():
            try:
                worker.wait_ready(self._core)
            except NotMeasured as error:
                self._missing[side] = str(error)
        ready = {
            side: Calibrated(worker, self._effort.block)
            for side, worker in workers.items()
            if side not in self._missing
        }
        for row in rows:
            sides = tuple(side for side in row.sides if side in ready)
            if sides == row.sides or (sides == row.ours and row.limit is not None):
                yield row, cycles_of(ready, sides, self._effort)


def _result(row: Row, rounds: list[list[Cycle]], missing: Mapping[Side, str]) -> Result:
    why = "; ".join(missing[side] for side in dict.fromkeys(row.sides) if side in missing)
    every = [one for cycles in rounds for one in cycles]
    if not every:
        return Result(name=row.name, note=why or "not measured")
    if len(every[0]) < len(row.sides):  # ours alone
        return Result(row.name, ours=median(ours for (ours,) in every), cycles=len(every), note=why)
    if row.added:
        theirs, ours = added_seconds(every)
        found = estimate(rounds, added_ratio)
    else:
        theirs, ours = median(one[0] for one in every), median(one[1] for one in every)
        found = estimate(rounds, ratio)
    return Result(row.name, found, theirs, ours, len(every))
