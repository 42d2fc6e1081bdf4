"""What those read who come to contribute: what it names is there."""

from __future__ import annotations

import pathlib
import re

import pytest

from tests.packaging.distributions import ADAPTERS, DISTRIBUTIONS, ROOT
from tests.packaging.test_metadata import REPOSITORY
from tests.packaging.test_workflows import exists

PAGE = (ROOT / "docs" / "contributing.md").read_text()
PAGES = [*ROOT.glob("*.md"), *ROOT.glob(".github/*.md")]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_between_files_resolve(path: pathlib.Path) -> None:
    """A relative link leads to a file, and one to this repository's own pages to such a page."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(f"{REPOSITORY}/"):
            page = target.removeprefix(f"{REPOSITORY}/").partition("/")
            assert page[0] in {"actions", "blob", "compare", "issues", "security"}, target
        elif "://" not in target:
            assert (path.parent / target.partition("#")[0]).exists(), target


def test_the_page_names_files_there_are() -> None:
    """The files and folders that it names exist, but for what an example would add."""
    named = re.findall(r"`((?:\.ci|\.github|docs|examples|packages|release|tests)/[\w./-]+)`", PAGE)
    added = [name for name in named if "bottle" in name]
    assert len(added) > 3
    built = {"docs/_build"}
    missing = [name for name in {*named} - {*added} - built if not (ROOT / name).exists()]
    assert missing == []


def test_the_page_names_commands_there_are() -> None:
    """The commands that it names are scripts of hatch.toml."""
    table = PAGE[PAGE.index("| command |") : PAGE.index("## Tests")]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    commands = [name for row in rows for name in re.findall(r"`([\w:-]+)`", row)]
    commands += re.findall(r"`(release:\w+)`", PAGE)
    assert {"test", "wheels", "release:prepare"} <= set(commands)
    assert [name for name in commands if not exists(name)] == []


def test_the_picture_has_every_package() -> None:
    """The picture shows each distribution, and its description says what imports what."""
    picture = (ROOT / "docs" / "house.svg").read_text()
    described = picture[picture.index("<desc") : picture.index("</desc>")]
    assert [each.name for each in DISTRIBUTIONS if each.name not in described] == []
    shown = re.findall(r"<text[^>]*>([^<]*)</text>", picture)
    assert {"dockerflow-core", "dockerflow-logging"} <= set(shown)
    assert {each.leaves[0] for each in ADAPTERS} <= set(shown)
