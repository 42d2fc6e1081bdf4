"""Write the table of all clauses on its page: ``python -m tests.check.page``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dockerflow.check.clauses import Clause
from tests.packaging.distributions import ROOT

PAGE = ROOT / "docs" / "check.md"
HEAD = "| id | name | level | clause |\n|---|---|---|---|\n"


def table(clauses: Iterable[Clause]) -> str:
    """Return the rows of the table."""
    return "".join(
        f"| {each.id} | `{each.name}` | {each.level} | {cell(each.says)} |\n" for each in clauses
    )


def cell(text: str) -> str:
    """Return a text as it is written in a cell of Markdown, with the endpoints as code."""
    escaped = re.sub(r"([|<*\[\\])", r"\\\1", text)
    return re.sub(r"(/__\w+__)", r"`\1`", escaped)


def main() -> None:
    """Write the table, which is the end of the page."""
    from dockerflow.check.catalogue import CATALOGUE

    before, head, _ = PAGE.read_text().partition(HEAD)
    PAGE.write_text(before + head + table(CATALOGUE.values()))


if __name__ == "__main__":
    main()
