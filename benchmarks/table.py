"""The results in words and figures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .rows import GROUPS, ROWS, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .results import Result, Run

_ROWS = {row.name: row for row in ROWS}


def duration(seconds: float) -> str:
    """Return a time in a unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{_digits(seconds / size)} {unit}"
    return f"{_digits(seconds / 1e-6)} µs"


def _digits(number: float) -> str:
    """Return a number to two digits, to three where the first is a 1 or they need no point."""
    if not math.isfinite(number) or abs(number) >= 1000:
        return "> 999" if number > 0 else "< -999"
    if abs(number) >= 20:
        return f"{number:.0f}"
    return f"{number:.2f}" if abs(number) < 2 else f"{number:.1f}"


def row_of(result: Result) -> Row:
    """Return the row that a result is for."""
    return _ROWS[result.name]


def reached(result: Result) -> str:
    """Return whether the aim was reached: yes, no, nearly (within the interval), or nothing."""
    row = row_of(result)
    if row.limit is not None and result.ours is not None:
        return "yes" if result.ours <= row.limit else "no"
    if row.factor is None or result.factor is None:
        return ""
    if result.factor.value >= row.factor:
        return "yes"
    return "nearly" if result.factor.high >= row.factor else "no"


def factor(result: Result) -> str:
    """Return how many times faster, or a dash."""
    return "-" if result.factor is None else _digits(result.factor.value)


def interval(result: Result) -> str:
    """Return the interval of the factor, where there were cycles enough for one."""
    if result.factor is None or result.cycles < 5:
        return ""
    return f"{_digits(result.factor.low)} to {_digits(result.factor.high)}"


def grouped(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the results by group, in the order of the table."""
    return {
        group: some
        for group in GROUPS
        if (some := [one for one in results if row_of(one).group == group])
    }


def as_text(run: Run) -> str:
    """Return the table for a terminal, with the aims."""
    lines = [f"Python {run.python}, {run.machine}", _versions(run), ""]
    head = ("", "there", "here", "factor", "interval", "aim", "reached")
    table: list[tuple[str, ...]] = [head]
    for group, results in grouped(run.results).items():
        table.append((group.upper(), "", "", "", "", "", ""))
        for one in results:
            times = ["-" if t is None else duration(t) for t in (one.theirs, one.ours)]
            title = row_of(one).title.replace("`", "")
            table.append((title, *times, factor(one), interval(one), row_of(one).aim, reached(one)))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        lines.append("  ".join(padded).rstrip())
    lines += ["", *(f"{one.name}: {one.note}" for one in run.results if one.note)]
    return "\n".join(lines).rstrip() + "\n"


def as_markdown(runs: Sequence[Run]) -> str:
    """Return the tables for the page: the times of the first run, and the factors of all."""
    first, *others = runs
    parts: list[str] = []
    for group, results in grouped(first.results).items():
        shown = [one for one in results if one.ours is not None]
        if not shown:
            continue
        them = "`dockerflow` 2026.3.4" if not row_of(shown[0]).peer else "the other"
        head = ["", them, "these packages", f"factor, Python {first.minor}", "95 % interval"]
        head += [f"Python {other.minor}" for other in others]
        parts += [f"### {group}", "", _line(head), _line(["---", *["--:"] * (len(head) - 1)])]
        for one in shown:
            times = ["-" if t is None else duration(t) for t in (one.theirs, one.ours)]
            cells = [row_of(one).title, *times, _bold(factor(one)), interval(one)]
            parts.append(_line([*cells, *(_other(other, one.name) for other in others)]))
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _other(run: Run, name: str) -> str:
    return next((factor(one) for one in run.results if one.name == name), "-")


def _bold(cell: str) -> str:
    return cell if cell == "-" else f"**{cell}**"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _versions(run: Run) -> str:
    return ", ".join(f"{name} {version}" for name, version in run.versions.items())


def setting(runs: Sequence[Run]) -> str:
    """Return the sentence that says with what and on what was measured."""
    pythons = " and ".join(", ".join(run.python for run in runs).rsplit(", ", 1))
    return f"Measured on {runs[0].machine}, with Python {pythons}; {_versions(runs[0])}."
