"""The documentation builds without a warning, its links resolve, and it has all that is public."""

from __future__ import annotations

import logging
import pathlib
import re
import subprocess
import sys
import types
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

from dockerflow import health
from dockerflow.endpoints import EndpointSettings
from dockerflow.logging import DEFAULT_HEADER
from tests.docs.pages import blocks
from tests.docs.reference import DOCS, EXAMPLES, documented_modules, public_names
from tests.packaging.distributions import DISTRIBUTIONS, ROOT

Site = dict[pathlib.Path, BeautifulSoup]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Build the pages as `hatch run docs` does, and read them."""
    folder = tmp_path_factory.mktemp("site")
    options = ("--fail-on-warning", "--keep-going", "--nitpicky", "--quiet")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(DOCS), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return {
        path.relative_to(folder): BeautifulSoup(path.read_text(), "html.parser")
        for path in folder.rglob("*.html")
    }


@pytest.fixture(scope="module")
def described(site: Site) -> dict[str, str]:
    """List the names of the reference, with what is said of each."""
    found: dict[str, str] = {}
    for page in site.values():
        for term in page.select("dl.py > dt[id]"):
            description = term.find_next_sibling("dd")
            found[str(term["id"])] = description.get_text().strip() if description else ""
    return found


def test_every_page_is_built(site: Site) -> None:
    """Every Markdown file is a page of the site; Sphinx warns of those that no table names."""
    pages = {path.relative_to(DOCS) for path in DOCS.rglob("*.md") if "_build" not in path.parts}
    assert pages <= {path.with_suffix(".md") for path in site}


def test_every_code_block_of_the_site_is_one_of_the_tests(site: Site) -> None:
    """A page shows no code but what test_pages.py executes, the reference that of docstrings."""
    examples = {"".join(example.split()) for example in EXAMPLES.values()}
    for path, page in site.items():
        source = (DOCS / path).with_suffix(".md")
        markdown = source.read_text() if source.exists() else ""
        executed = {"".join(block.text.split()) for block in blocks(markdown)}
        if "automodule" in markdown or not markdown:
            executed |= examples
        shown = {"".join(each.get_text().split()) for each in page.select("pre")}
        assert shown <= executed, path


def test_every_link_inside_the_site_resolves(site: Site) -> None:
    """What a page links to, and the anchor there, exist; raw HTML included."""
    anchors = {
        path: {str(tag["id"]) for tag in page.select("[id]")} | {""} for path, page in site.items()
    }
    dead: list[str] = []
    for path, page in site.items():
        for link in page.select("a[href]"):
            parts = urlsplit(str(link["href"]))
            if parts.scheme or parts.netloc:
                continue
            target = pathlib.Path("x", path.parent, unquote(parts.path)) if parts.path else path
            place = pathlib.Path(*_resolved(target)) if parts.path else path
            if parts.fragment not in anchors.get(place, ()):
                dead.append(f"{path}: {link['href']}")
    assert dead == []


def _resolved(path: pathlib.Path) -> list[str]:
    parts: list[str] = []
    for part in path.parts[1:]:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return parts


@pytest.mark.parametrize(
    "path",
    sorted([*ROOT.glob("*.md"), *ROOT.glob("packages/*/*.md"), *ROOT.glob(".github/**/*.md")]),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_relative_link_of_a_readme_resolves(path: pathlib.Path) -> None:
    """The files that a Markdown file outside of the documentation links to exist."""
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


# --- the reference ------------------------------------------------------------------------------


def test_every_public_name_is_in_the_reference(described: dict[str, str]) -> None:
    """What modules list in ``__all__`` is described, by its own name or as one of core's."""
    missing = [
        f"{module.__name__}.{name}"
        for module in documented_modules()
        for name in public_names(module)
        if not isinstance(getattr(module, name), types.ModuleType)
        and not described.get(f"{module.__name__}.{name}")
        and not described.get(f"dockerflow.checks.{name}")
    ]
    assert missing == []


def test_every_description_says_something(described: dict[str, str]) -> None:
    """No name of the reference stands there without a word about it."""
    assert described
    assert [name for name, text in described.items() if not text] == []


# --- tables -------------------------------------------------------------------------------------


def rows(page: pathlib.Path) -> list[tuple[str, str]]:
    """Read the first two columns of a page's tables, where the first one is code."""
    return re.findall(r"^\| ((?:Django: )?`[^|]*`) \| ([^|]*?) \|", page.read_text(), re.MULTILINE)


def test_every_check_id_is_in_the_table() -> None:
    """The table of ids has each constant of ``dockerflow.health`` with its value."""
    table = rows(DOCS / "reference" / "check-ids.md")
    constants = {
        f"`{name}`": f"`{value}`"
        for name, value in vars(health).items()
        if isinstance(value, str) and name.isupper()
    }
    assert {name: id for id, name in table} == constants


def test_every_setting_is_in_the_tables() -> None:
    """The settings of the reference are those of the README and of the code, with the defaults."""
    reference = dict(rows(DOCS / "reference" / "settings.md"))
    readme = rows(ROOT / "README.md")
    of_readme = {
        name.removeprefix("Django: "): default for name, default in readme if "DOCKERFLOW_" in name
    }
    in_code = {
        f"`{name}`"
        for distribution in DISTRIBUTIONS
        for path in distribution.source.rglob("*.py")
        for name in re.findall(r"\bDOCKERFLOW_[A-Z]\w+", path.read_text())
    }
    assert reference == of_readme
    assert set(reference) == in_code
    unset = EndpointSettings(lambda name, default: default, logging.getLogger(__name__))
    of_code = {
        "HEARTBEAT_FAILED_STATUS_CODE": str(unset.failed_status),
        "CHECK_TIMEOUT": f"{unset.check_timeout:g}",
        "ERROR_ENDPOINT": str(unset.error_endpoint),
        "REQUEST_ID_HEADER_NAME": f"`{DEFAULT_HEADER}`",
    }
    assert {name: reference[f"`DOCKERFLOW_{name}`"] for name in of_code} == of_code


def test_every_distribution_is_in_the_table() -> None:
    """The table of distributions has each of them, with its import names and its extras."""
    page = (DOCS / "reference" / "index.md").read_text()
    for distribution in DISTRIBUTIONS:
        names = ", ".join(f"`dockerflow.{leaf}`" for leaf in distribution.leaves)
        extras = sorted(distribution.project.get("optional-dependencies", ()))
        shown = " ".join(["|", ", ".join(f"`{extra}`" for extra in extras), "|"]).replace("  ", " ")
        assert f"\n| `{distribution}` | {names} {shown}\n" in page
