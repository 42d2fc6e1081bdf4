"""From the times of cycles to a figure and its interval."""

from __future__ import annotations

import math
import random

import pytest

from benchmarks.estimates import Cycle, added_ratio, added_seconds, estimate, ratio
from benchmarks.measuring import orders


def bimodal(cycle: Cycle, number: int, seed: int = 1) -> list[Cycle]:
    """Return cycles on a machine that is at half its speed in some of them, and noisy."""
    draw = random.Random(seed)
    cycles: list[Cycle] = []
    for _ in range(number):
        slow = draw.choice((1.0, 2.0))
        cycles.append(tuple(time * slow * draw.gauss(1, 0.02) for time in cycle))
    return cycles


def test_the_ratio_is_the_median_of_the_ratios_within_the_cycles() -> None:
    """Of three cycles with the ratios 2, 3 and 10, the figure is 3."""
    assert ratio([(10.0, 5.0), (300.0, 100.0), (10.0, 1.0)]) == 3


def test_a_ratio_is_found_on_a_machine_of_two_speeds() -> None:
    """Whatever the speed in each cycle, a ratio of 3 is found, and the interval is narrow."""
    found = estimate([bimodal((30.0, 10.0), 200)], ratio)
    assert found.low <= found.value <= found.high
    assert found.low < 3.02
    assert found.high > 2.98
    assert found.high - found.low < 0.06


def test_what_is_added_is_compared_without_the_bare_work() -> None:
    """A request of 140 beside a bare one of 100 adds four times what one of 110 adds."""
    assert added_ratio([(100.0, 140.0, 100.0, 110.0)] * 3) == pytest.approx(4)
    assert added_seconds([(100.0, 140.0, 100.0, 110.0)] * 3) == pytest.approx((40, 10))


def test_the_bare_work_of_the_two_environments_may_differ() -> None:
    """The same additions to bare works of different length have the same quotient."""
    assert added_ratio([(200.0, 240.0, 100.0, 110.0)]) == pytest.approx(4)


def test_what_is_added_is_found_on_a_machine_of_two_speeds() -> None:
    """Whatever the speed in each cycle, a quotient of 3 is found within the noise of the blocks."""
    found = estimate([bimodal((100.0, 145.0, 100.0, 115.0), 200)], added_ratio)
    assert found.low < 3 < found.high
    assert 2.7 < found.value < 3.3


def test_adding_nothing_is_infinitely_better() -> None:
    """Where ours is not slower than the bare work, there is no quotient, and no error."""
    assert added_ratio([(100.0, 140.0, 100.0, 100.0)]) == math.inf


def test_rounds_that_differ_widen_the_interval() -> None:
    """Two rounds with the ratios 2 and 4 leave all between open, however many cycles they have."""
    found = estimate([[(2.0, 1.0)] * 500, [(4.0, 1.0)] * 501], ratio)
    assert (found.low, found.high) == (2, 4)


def test_the_same_cycles_give_the_same_interval() -> None:
    """The interval is drawn with a fixed seed, so that the same times always say the same."""
    rounds = [bimodal((30.0, 10.0), 20, seed) for seed in range(5)]
    assert estimate(rounds, ratio) == estimate(rounds, ratio)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_each_worker_comes_in_each_place(number: int) -> None:
    """In twice as many cycles as workers, each is in each place twice, and orders are reversed."""
    taken = [order for order, _ in zip(orders(number), range(2 * number), strict=False)]
    for place in range(number):
        assert sorted(order[place] for order in taken) == sorted([*range(number)] * 2)
    assert taken[1::2] == [order[::-1] for order in taken[::2]]
