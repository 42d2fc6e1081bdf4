"""Turn the measured times into the tables and pictures of docs/benchmarks.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import groupby
from statistics import median

from .rows import REFERENCE, Row

_PLACE = re.compile(
    r"(?<=<!-- results: written by `hatch run bench:all --write-docs` -->\n\n).*"
    r"(?=\n\n<!-- end of results -->)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Result:
    """The measurements of a row.

    :ivar ours: in each round, the seconds that these packages took for one piece of work.
    :ivar theirs: the same for the other package; empty if there is none.
    """

    row: Row
    ours: list[float]
    theirs: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times faster these packages were in each round."""
        return [theirs / ours for theirs, ours in zip(self.theirs, self.ours, strict=True)]

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Their time, our time, the median of the ratios, and the lowest and highest ratio."""
        ours = duration(median(self.ours))
        if not self.theirs:
            return "-", ours, "-", ""
        ratios = self.ratios
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        return duration(median(self.theirs)), ours, f"{median(ratios):.2f}", spread


def duration(seconds: float) -> str:
    """Return a time in a readable unit."""
    size, unit = (1e-3, "ms") if seconds >= 1e-3 else (1e-6, "µs")
    number = seconds / size
    digits = 0 if number >= 20 else 1 if number >= 1 else 2
    return f"{number:.{digits}f} {unit}"


def tables(results: Iterable[Result]) -> str:
    """Return a Markdown table for each group of rows."""
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
    """Return a page with its results replaced.

    :raises ValueError: The page has no place for them.
    """
    before, *after = _PLACE.split(page)
    if not after:
        raise ValueError(f"docs/benchmarks.md has no comments around its results: {_PLACE.pattern}")
    return before + text + after[0]


# The colours of text, of faint text, and of bars, on a light and on a dark page.
_COLOURS = {"light": ("#1f2328", "#8b939c", "#2f6fb7"), "dark": ("#e2e6ea", "#7d858f", "#5b9ce0")}
# So narrow that it is readable on a phone: each title stands above its bar.
_WIDTH, _LEFT, _LINE = 440, 2, 40
_LONGEST = 16  # bars end at this ratio


def pictures(results: Iterable[Result]) -> dict[str, str]:
    """Return the comparison with the existing package as SVG, by file name."""
    shown = [each for each in results if each.theirs and not each.row.peer]
    return {f"benchmarks-{name}.svg": _draw(shown, *each) for name, each in _COLOURS.items()}


def _draw(results: list[Result], text: str, faint: str, bar: str) -> str:
    y, parts, one = 0, list[str](), _end_of_bar(1)
    for group, members in groupby(results, lambda each: each.row.group):
        y += 36
        parts.append(
            f'<text y="{y - 8}" fill="{text}" font-size="16" font-weight="600">{group}</text>'
        )
        for each in members:
            title = escape(each.row.title.replace("`", ""))
            theirs, ours, ratio, _ = each.cells
            end = _end_of_bar(median(each.ratios))
            parts.append(f"""\
<text x="{_LEFT}" y="{y + 15}" fill="{text}">{title}</text>
<path d="M{_LEFT} {y + 21}H{end}v14H{_LEFT}z" fill="{bar}"/>
<text x="{max(end, one) + 7}" y="{y + 33}" fill="{text}" font-weight="600">{ratio}\
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
