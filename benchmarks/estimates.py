"""From the times of many cycles to one figure with its interval.

A cycle is one short block of each worker, one right after another, so its times have seen the same
speed of the machine: only they are ever divided by one another.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: The times of one cycle, in seconds for one piece of work: theirs, ours; or, for what is added to
#: something bare: their bare, theirs, our bare, ours.
Cycle = tuple[float, ...]

_RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A figure and the interval that it lies in with a confidence of 95 %.

    :ivar value: The figure.
    :ivar low: The lower bound.
    :ivar high: The upper bound.
    """

    value: float
    low: float
    high: float


def ratio(cycles: Sequence[Cycle]) -> float:
    """Return how many times faster ours is: the median of the ratios within the cycles."""
    return median(theirs / ours for theirs, ours in cycles)


def added_ratio(cycles: Sequence[Cycle]) -> float:
    """Return how many times less ours adds to the bare work.

    The quotient of two small differences says little within one cycle, and in sums of them the
    machine's slow moments would weigh most. So the medians of three ratios come first: of theirs
    to the bare work, of ours, and of one bare work to the other.
    """
    theirs = median(one[1] / one[0] for one in cycles) - 1
    ours = median(one[3] / one[2] for one in cycles) - 1
    bare = median(one[0] / one[2] for one in cycles)
    return theirs * bare / ours if ours > 0 else math.inf


def added_seconds(cycles: Sequence[Cycle]) -> tuple[float, float]:
    """Return what theirs and ours add to the bare work, at the usual speed of the machine."""
    theirs = median(one[1] / one[0] for one in cycles) - 1
    ours = median(one[3] / one[2] for one in cycles) - 1
    return theirs * median(one[0] for one in cycles), ours * median(one[2] for one in cycles)


def estimate(
    rounds: Sequence[Sequence[Cycle]], figure: Callable[[Sequence[Cycle]], float]
) -> Estimate:
    """Return the figure of all cycles and its interval, by a bootstrap in two steps.

    Rounds are drawn first, then cycles of each: what one process happens to have (where its memory
    lies, its hash seed) is the same in all cycles of a round, so a round counts as one of few.

    :param rounds: The cycles of each round of processes.
    :param figure: What is asked of the cycles.
    """
    every = [one for cycles in rounds for one in cycles]
    draw = random.Random(len(every))  # noqa: S311 - the same cycles always give the same interval
    found = sorted(
        figure(
            [
                one
                for some in draw.choices(rounds, k=len(rounds))
                for one in draw.choices(some, k=len(some))
            ]
        )
        for _ in range(_RESAMPLES)
    )
    edge = round(0.025 * _RESAMPLES)
    return Estimate(figure(every), found[edge], found[-1 - edge])
