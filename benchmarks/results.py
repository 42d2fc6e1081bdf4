"""From the times of the rows to the tables of docs/benchmarks.md and its pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import groupby
from statistics import median

from .rows import REFERENCE, Row

_BEGIN = "<!-- results: written by `hatch run bench:all --write-docs` -->"
_END = "<!-- end of results -->"


@dataclass(frozen=True)
class Result:
    """What was measured for a row.

    :ivar ours: the seconds that one piece of our work took, in each round.
    :ivar theirs: likewise, in the same rounds; empty where there is nothing to compare with.
    """

    row: Row
    ours: list[float]
    theirs: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times faster ours was in each round, in order of size."""
        pairs = zip(self.theirs, self.ours, strict=bool(self.theirs))
        return sorted(theirs / ours for theirs, ours in pairs)

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Their time, ours, the median of the ratios, and the lowest and highest of them."""
        ours = duration(median(self.ours))
        if not self.theirs:
            return "-", ours, "-", ""
        low, *_, high = self.ratios * 2
        middle = median(self.ratios)
        return duration(median(self.theirs)), ours, f"{middle:.2f}", f"{low:.2f} to {high:.2f}"


def duration(seconds: float) -> str:
    """Return a time in a unit in which it is easily read."""
    for unit, size in (("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            number = seconds / size
            return f"{number:.0f} {unit}" if number >= 20 else f"{number:.1f} {unit}"
    return f"{seconds / 1e-6:.2f} µs"


def tables(results: Iterable[Result]) -> str:
    """Return one table for each group of rows, in Markdown."""
    lines: list[str] = []
    for group, members in groupby(results, lambda each: each.row.group):
        found = list(members)
        them = "the other" if found[0].row.peer else f"`dockerflow` {REFERENCE}"
        lines += ["", f"### {group}", ""]
        lines.append(f"|  | {them} | these packages | times faster | in all rounds |")
        lines.append("| --- | --: | --: | --: | --: |")
        for each in found:
            theirs, ours, ratio, spread = each.cells
            faster = f"**{ratio}**" if each.theirs else ratio
            lines.append(f"| {each.row.title} | {theirs} | {ours} | {faster} | {spread} |")
    return "\n".join(lines)


def with_results(page: str, text: str) -> str:
    """Return a page with a text in the place of its results.

    :raises ValueError: The page has no place for them.
    """
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"docs/benchmarks.md has no {_BEGIN} and {_END}; put both there")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


_COLOURS = {"light": ("#1f2328", "#8b939c", "#2f6fb7"), "dark": ("#e2e6ea", "#7d858f", "#5b9ce0")}
_WIDTH, _LEFT, _LINE, _LONGEST = 850, 390, 22, 16  # a bar ends at 16 times


def pictures(results: Iterable[Result]) -> dict[str, str]:
    """Return the comparison with the existing package as SVG, by file name.

    There are two, for a light and a dark page.
    """
    shown = [each for each in results if each.theirs and not each.row.peer]
    return {f"benchmarks-{name}.svg": _draw(shown, *each) for name, each in _COLOURS.items()}


def _draw(results: list[Result], text: str, faint: str, bar: str) -> str:
    y, parts, one = 0, list[str](), _end_of_bar(1)
    for group, members in groupby(results, lambda each: each.row.group):
        y += 36
        parts.append(f'<text y="{y - 8}" fill="{text}" font-weight="600">{group}</text>')
        for each in members:
            title = escape(each.row.title.replace("`", ""))
            theirs, ours, ratio, _ = each.cells
            end = _end_of_bar(median(each.ratios))
            parts.append(f"""\
<text x="{_LEFT - 10}" y="{y + 15}" fill="{text}" text-anchor="end">{title}</text>
<path d="M{_LEFT} {y + 4}H{end}v14H{_LEFT}z" fill="{bar}"/>
<text x="{max(end, one) + 7}" y="{y + 15}" fill="{text}" font-weight="600">{ratio}\
<tspan dx="8" fill="{faint}" font-weight="400" font-size="12">{theirs} → {ours}</tspan></text>""")
            y += _LINE
    them = f"dockerflow {REFERENCE}"
    label = f"How many times faster these packages are than {them}"
    lines = "\n".join(parts)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 28}" width="{_WIDTH}"
 role="img" aria-label="{label}" font-family="system-ui, sans-serif" font-size="13">
<title>{label}</title>
{lines}
<path d="M{one} 34V{y + 4}" stroke="{faint}" stroke-dasharray="2 3"/>
<text x="{one}" y="{y + 20}" fill="{faint}" font-size="12">1: as fast as {them}</text>
</svg>
"""


def _end_of_bar(ratio: float) -> float:
    return round(_LEFT + (_WIDTH - _LEFT - 160) * min(ratio, _LONGEST) / _LONGEST, 1)
