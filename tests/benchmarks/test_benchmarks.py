"""The benchmarks: their calculations, their output, and that they run."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET

import pytest

from benchmarks.__main__ import PAGE, measure
from benchmarks.results import Result, duration, pictures, tables, with_results
from benchmarks.rows import ROWS
from benchmarks.timing import added

ROW = next(row for row in ROWS if row.name == "logging.message")


def test_the_ratio_is_the_median_of_those_of_the_rounds() -> None:
    """Times are compared only within a round, so the speed of the machine cancels out."""
    result = Result(ROW, ours=[1e-6, 4e-6, 2e-6], theirs=[2e-6, 12e-6, 8e-6])
    assert result.cells == ("8.0 µs", "2.0 µs", "3.00", "2.00 to 4.00")


def test_what_is_added_is_the_difference() -> None:
    """The time of the bare work is subtracted from that of the whole work."""
    assert added(lambda loops: loops * 1.0, lambda loops: loops * 1.5)(120) == pytest.approx(60)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0521, "52 ms"), (2.5e-6, "2.5 µs"), (2e-7, "0.20 µs")]
)
def test_times_are_shown_in_a_unit_that_is_easily_read(seconds: float, text: str) -> None:
    """A time has the unit that suits its size."""
    assert duration(seconds) == text


def test_the_page_and_the_pictures_show_each_row() -> None:
    """Each row is in the table; each comparison with the existing package is in the pictures."""
    results = [Result(row, [1e-6], [2e-6] if row.is_compared else []) for row in ROWS]
    page = with_results(PAGE.read_text(encoding="utf-8"), tables(results))
    assert [row.name for row in ROWS if f"| {row.title} |" not in page] == []
    assert with_results(page, tables(results)) == page
    for picture in pictures(results).values():
        shown = "".join(ET.fromstring(picture).itertext())
        compared = [row for row in ROWS if row.is_compared and not row.peer]
        assert [row.name for row in compared if row.title.replace("`", "") not in shown] == []


def test_a_row_is_measured() -> None:
    """Both sides of a row are measured alternately, and shown in the table."""
    path = os.environ.get("PYTHONPATH", "")
    result = measure(ROW, ours=path, reference=path, rounds=2)
    assert len(result.ours) == len(result.theirs) == 2
    assert all(0 < time < 1 for time in result.ours + result.theirs)
    assert ROW.title in tables([result])
