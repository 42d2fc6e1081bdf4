"""The page of the documentation, and its pictures, made of the kept results."""

from __future__ import annotations

from .picture import PALETTES, draw
from .process import ROOT
from .results import RESULTS, Run
from .table import as_markdown, setting

DOCS = ROOT / "docs"
PAGE = DOCS / "benchmarks.md"

BEGIN, END = (
    "<!-- results: written by `hatch run bench:all --write-docs` -->",
    "<!-- end of results -->",
)


def kept() -> list[Run]:
    """Return the kept runs, one of each version of Python, the lowest first."""
    paths = sorted(
        RESULTS.glob("python-*.json"), key=lambda path: int(path.stem.rpartition(".")[2])
    )
    return [Run.load(path.read_text(encoding="utf-8")) for path in paths]


def pictures(run: Run) -> dict[str, str]:
    """Return the SVG texts by file name."""
    return {f"benchmarks-{name}.svg": draw(run, colours) for name, colours in PALETTES.items()}


def with_results(text: str, runs: list[Run]) -> str:
    """Return the page's text with the results of *runs* in their place.

    :raises ValueError: The place is not there.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has no place for the results, between {BEGIN} and {END}")
    return f"{before}{begin}\n\n{setting(runs)}\n\n{as_markdown(runs)}\n{end}{after}"


def write() -> None:
    """Write the kept results into the page, and its pictures beside it."""
    runs = kept()
    PAGE.write_text(with_results(PAGE.read_text(encoding="utf-8"), runs), encoding="utf-8")
    for name, svg in pictures(runs[0]).items():
        (DOCS / name).write_text(svg, encoding="utf-8")
