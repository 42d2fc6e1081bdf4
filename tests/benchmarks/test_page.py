"""The table, the page and its pictures."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from benchmarks import page, table
from benchmarks.environments import Described, Unequal, compare
from benchmarks.estimates import Estimate
from benchmarks.picture import PALETTES, draw
from benchmarks.results import Result, Run
from benchmarks.rows import ROWS, Environment, chosen

RUN = Run(
    python="3.11.7",
    machine="A machine, 2 cores",
    versions={"flask": "3.1.3"},
    results=[
        Result("logging.summary", Estimate(3.25, 3.1, 3.4), 5.3e-6, 1.63e-6, 500),
        Result("logging.exception", Estimate(12.6, 12.4, 13.1), 64e-6, 5.1e-6, 500),
        Result("flask.request", Estimate(2.5, 2.4, 2.6), 43e-6, 17.2e-6, 500),
        Result("flask.sixteen_sync", Estimate(15.2, 15.1, 15.3), 0.806, 0.053, 5),
        Result("flask.sixteen_async", None, None, 0.061, 5, "no async checks there"),
        Result("imports.flask_beyond", Estimate(80.0, 70.0, 90.0), 97e-3, 1.2e-3, 50),
        Result("sanic.request", note="there is no subject sanic.request"),
    ],
)
BEFORE = "# Benchmarks\n\n"
AFTER = "\n\n## Method\n"


def described(python: str = "3.11.7", **versions: str) -> Described:
    """Return an environment."""
    return Described("python", "site", python, versions)


def test_the_table_says_what_was_reached() -> None:
    """An aim is reached by the figure, nearly by its interval, or not; a limit by the time."""
    reached = {one.name: table.reached(one) for one in RUN.results}
    assert reached == {
        "logging.summary": "yes",
        "logging.exception": "nearly",
        "flask.request": "no",
        "flask.sixteen_sync": "yes",
        "flask.sixteen_async": "no",
        "imports.flask_beyond": "yes",
        "sanic.request": "",
    }


def test_the_table_for_a_terminal_has_times_factor_interval_and_aim() -> None:
    """A row of the printed table holds all that was found, and the aim."""
    lines = table.as_text(RUN).splitlines()
    (row,) = [line for line in lines if "request.summary" in line]
    assert " ".join(row.split()).endswith("record 5.3 µs 1.63 µs 3.2 3.1 to 3.4 3.2 yes")
    assert "sanic.request: there is no subject sanic.request" in lines


def test_the_page_shows_users_no_aims() -> None:
    """A table of the page has times, factor and interval, and a column for each other Python."""
    newer = Run(
        "3.13.0", "A machine", {}, [Result("logging.summary", Estimate(3.5, 3, 4), 4e-6, 1e-6)]
    )
    markdown = table.as_markdown([RUN, newer])
    row = "| format a `request.summary` record | 5.3 µs | 1.63 µs | **3.2** | 3.1 to 3.4 | 3.5 |"
    assert row in markdown.splitlines()
    assert "reached" not in markdown
    assert "sanic" not in markdown


def test_results_are_read_as_they_were_written() -> None:
    """A run that was kept in a file is the same when it is read again."""
    assert Run.load(RUN.dump()) == RUN


def test_a_picture_has_a_bar_for_each_figure() -> None:
    """The bars are as long as the factors, longer ones than the scale are cut."""
    widths: dict[float, float] = {}
    for palette in PALETTES.values():
        picture = ET.fromstring(draw(RUN, palette))
        drawn = [path.attrib["d"] for path in picture.iter("{http://www.w3.org/2000/svg}path")]
        bars = [float(width) for one in drawn for width in re.findall(r"h([\d.]+)v", one)]
        widths = dict(zip((3.25, 12.6, 2.5, 15.2, 80.0), bars, strict=True))
    unit = widths[2.5] / 2.5
    assert widths[12.6] == pytest.approx(12.6 * unit, rel=0.01)
    assert widths[80.0] == pytest.approx(16 * unit, rel=0.01)


def test_results_replace_those_of_another_run() -> None:
    """Writing the results into a page twice is as once, and leaves the rest of it untouched."""
    place = f"{page.BEGIN}\nold\n{page.END}"
    once = page.with_results(f"{BEFORE}{place}{AFTER}", [RUN])
    assert once.startswith(BEFORE + page.BEGIN)
    assert once.endswith(page.END + AFTER)
    assert "old" not in once
    assert page.with_results(once, [RUN]) == once


def test_a_page_without_a_place_for_the_results_is_refused() -> None:
    """Where the marks are gone, nothing is written."""
    with pytest.raises(ValueError, match="no place"):
        page.with_results("# Benchmarks\n", [RUN])


def test_the_page_agrees_with_the_kept_results() -> None:
    """The tables and pictures of the documentation are those of the results in the repository."""
    runs = page.kept()
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.with_results(text, runs) == text
    for name, picture in page.pictures(runs[0]).items():
        assert (page.DOCS / name).read_text(encoding="utf-8") == picture, name


def test_the_kept_results_are_of_all_rows() -> None:
    """No row is left out of the results that the documentation shows."""
    for run in page.kept():
        assert [one.name for one in run.results] == [row.name for row in ROWS]
        missing = {one.name for one in run.results if one.ours is None}
        assert missing <= ({"peers.django_guid"} if run.minor == "3.12" else set())


def test_each_row_has_a_name_of_its_own() -> None:
    """A row is found by its name, and rows by what their names begin with."""
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert {row.name for row in chosen(["logging.su", "imports.checks"])} == {
        "logging.summary",
        "imports.checks",
        "imports.checks_beyond",
    }
    with pytest.raises(LookupError, match="no row begins with 'logs'"):
        chosen(["logs"])


@pytest.mark.parametrize(
    ("ours", "reference", "said"),
    [
        (described(flask="3.1"), described(flask="3.0", dockerflow="1"), "flask 3.1 and 3.0"),
        (described("3.11"), described("3.12", dockerflow="1"), "Python 3.11 and 3.12"),
        (described(), described(), "the reference has no dockerflow"),
    ],
    ids=["version", "python", "reference"],
)
def test_environments_that_differ_are_refused(
    ours: Described, reference: Described, said: str
) -> None:
    """A comparison with other frameworks or another Python is refused, with the remedy."""
    names: dict[Environment, str] = {"ours": "bench-ours", "reference": "bench-reference"}
    with pytest.raises(Unequal) as refused:
        compare(ours, reference, names)
    assert said in str(refused.value)
    assert "hatch env remove bench-ours && hatch env remove bench-reference" in str(refused.value)


def test_environments_may_differ_in_what_is_compared() -> None:
    """Ours has other distributions named dockerflow, and packages that the reference has not."""
    compare(
        described(**{"flask": "3.1", "dockerflow-core": "2026.11.0", "orjson": "3"}),
        described(flask="3.1", dockerflow="2026.3.4"),
        {"ours": "a", "reference": "b"},
    )
