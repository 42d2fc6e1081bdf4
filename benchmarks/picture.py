"""The picture of the results, in SVG for a light and a dark page: bars of how many times faster."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

from .rows import FRAMEWORKS
from .table import duration, factor

if TYPE_CHECKING:
    from .results import Result, Run


class Palette(NamedTuple):
    """The colours of a picture; its background is the page's."""

    text: str
    faint: str
    bar: str
    interval: str


PALETTES = {
    "light": Palette(text="#1f2328", faint="#8b939c", bar="#2f6fb7", interval="#12365e"),
    "dark": Palette(text="#e2e6ea", faint="#7d858f", bar="#5b9ce0", interval="#cfe3f8"),
}

_WIDTH, _LEFT, _RIGHT = 760, 220, 190  # of all, of the titles, of the figures at the bars' ends
_LINE, _HEAD, _BAR = 22, 34, 14
_LONGEST = 16  # times faster; longer bars are cut

# What is shown under which heading: names of rows, and what stands before their bars.
_PANELS: dict[str, dict[str, str]] = {
    "Log records: times faster": {
        "logging.summary": "the record of a request",
        "logging.message": "a message with arguments",
        "logging.exception": "an exception, 5 frames",
        "logging.odd": "datetimes, UUIDs, sets, objects",
        "logging.text": "10 kB of ASCII text",
        "logging.pipe": "logger.info, to a pipe",
    },
    "Added to each request: times less": {
        f"{framework}.request": label for framework, label in FRAMEWORKS.items()
    },
    "/__lbheartbeat__: times faster": {
        f"{framework}.lbheartbeat": label for framework, label in FRAMEWORKS.items()
    },
    "/__heartbeat__ with 16 checks of 50 ms: times faster": {
        f"{framework}.sixteen_sync": label for framework, label in FRAMEWORKS.items()
    },
    "Imports: times faster": {
        "imports.formatter": "MozlogFormatter",
        "imports.checks": "dockerflow.checks",
        "imports.flask_beyond": "dockerflow.flask, after flask",
    },
}


def draw(run: Run, palette: Palette) -> str:
    """Return the picture as SVG text.

    :param run: The results of one version of Python.
    :param palette: The colours.
    """
    parts: list[str] = []
    y = 0
    found = {one.name: one for one in run.results if one.factor is not None}
    for heading, labels in _PANELS.items():
        shown = labels.keys() & found.keys()
        if shown:
            y += _HEAD
            parts.append(_text(0, y - 9, heading, palette.text, 'font-weight="600"'))
        for name in filter(shown.__contains__, labels):
            parts += _bar(found[name], labels[name], y, palette)
            y += _LINE
    x = _x(1)
    parts.insert(0, f'<path d="M{x} 24V{y + 4}" stroke="{palette.faint}" stroke-dasharray="2 3"/>')
    parts.append(
        _text(x, y + 20, "1: as fast as dockerflow 2026.3.4", palette.faint, 'font-size="12"')
    )
    body = "\n".join(parts)
    label = (
        f"How many times faster these packages are than dockerflow 2026.3.4, on Python {run.minor}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 28}" width="{_WIDTH}"'
        f' role="img" aria-label="{escape(label)}"'
        f' font-family="system-ui, -apple-system, \'Segoe UI\', sans-serif" font-size="13">\n'
        f"<title>{escape(label)}</title>\n{body}\n</svg>\n"
    )


def _x(times: float) -> float:
    """Return where a bar of so many times ends."""
    room = _WIDTH - _LEFT - _RIGHT
    return round(_LEFT + room * min(times, _LONGEST) / _LONGEST, 1)


def _bar(one: Result, label: str, y: int, palette: Palette) -> list[str]:
    assert one.factor is not None
    end = _x(one.factor.value)
    middle = y + _LINE / 2
    top = middle - _BAR / 2
    parts = [
        _text(_LEFT - 10, middle + 4.5, label, palette.text, 'text-anchor="end"'),
        f'<path d="M{_LEFT} {top}h{end - _LEFT:.1f}v{_BAR}H{_LEFT}z" fill="{palette.bar}"/>',
    ]
    if one.factor.value > _LONGEST:
        # Two strokes across the bar's end say that it goes on.
        at = end - 14
        parts += [
            f'<path d="M{at + step:.1f} {top + _BAR + 3}l6 {-_BAR - 6}" stroke="{palette.text}"/>'
            for step in (0, 5)
        ]
    else:
        low, high = _x(one.factor.low), _x(one.factor.high)
        parts.append(
            f'<path d="M{low} {middle}H{high}" stroke="{palette.interval}" stroke-width="2"/>'
        )
    assert one.theirs is not None
    assert one.ours is not None
    times = f"{duration(one.theirs)} → {duration(one.ours)}"
    at = max(end, _x(one.factor.high)) + 7
    parts.append(
        f'<text x="{at:.1f}" y="{middle + 4.5}" fill="{palette.text}" font-weight="600">'
        f"{escape(factor(one))}"
        f'<tspan dx="8" fill="{palette.faint}" font-weight="400" font-size="12">{times}</tspan>'
        "</text>"
    )
    return parts


def _text(x: float, y: float, words: str, colour: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" fill="{colour}" {more}>{escape(words)}</text>'
