"""What the pages of the documentation show is what happens."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec

import pytest

from tests.docs.page import frameworks_of, run
from tests.packaging.distributions import DISTRIBUTIONS, REPOSITORY, ROOT
from tests.services.servers import PostgresServer, RedisServer

DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
READMES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("examples/*.md"),
        *ROOT.glob("packages/*/*.md"),
        *ROOT.glob(".github/**/*.md"),
    ]
)
README = ROOT / "README.md"
ANY_FRAMEWORK = {DOCS / "guides" / "asgi.md", DOCS / "guides" / "wsgi.md"}

# Files for CI and Compose, by the schemas that check-jsonschema brings along.
SCHEMAS = {
    "compose.yaml": "vendor.compose-spec",
    ".github/workflows/image.yaml": "vendor.github-workflows",
    ".github/workflows/dockerflow.yaml": "vendor.github-workflows",
    ".circleci/config.yml": "vendor.circle-ci",
    ".gitlab-ci.yml": "vendor.gitlab-ci",
}


def runnable(path: pathlib.Path) -> bool:
    """Return whether a page has code whose libraries are installed.

    The two pages on any framework run in ``hatch run any:test``, those of docs/tools in ``hatch run
    ecosystem``, and all others where Sphinx is installed.
    """
    needed = "pyramid" if path in ANY_FRAMEWORK else "sphinx"
    return (
        find_spec(needed) is not None
        and path.parent.name != "tools"
        and re.search(r"```(?!\{(eval-rst|toctree|include))", path.read_text()) is not None
    )


@pytest.mark.parametrize(
    "block",
    [
        "console\n$ echo right\nwrong",
        "console\n$ false",
        'json\n{"printed": "by nobody"}',
        "python\nassert False",
        "pycon\n>>> 1 + 1\n3",
        "{code-block} json\n:caption: version.json\n\n{",
    ],
)
def test_a_page_that_shows_what_does_not_happen_fails(block: str, tmp_path: pathlib.Path) -> None:
    """Whatever kind of block is wrong, running its page fails and names its line."""
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n```{block}\n```\n")
    done = run(page, tmp_path, {})
    assert done.returncode == 1
    assert re.match(f"{page}:[34]: ", done.stdout)


def test_the_blocks_of_other_tabs_are_left_out(tmp_path: pathlib.Path) -> None:
    """Of the tabs for frameworks only that of the chosen one is run; all others are."""
    page = tmp_path / "page.md"
    tabs = "\n".join(
        f":::{{tab-item}} {label}\n```python\nassert False\n```\n:::"
        for label in ("Django", "Flask", "GitLab")
    )
    page.write_text(f"# Title\n\n::::{{tab-set}}\n{tabs}\n::::\n")
    assert frameworks_of(page.read_text()) == ["Django", "Flask"]
    done = run(page, tmp_path, {}, "Flask")
    assert re.findall(r"page.md:(\d+): ", done.stdout) == ["10", "15"]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("path", "framework"),
    [
        pytest.param(path, name, id="-".join(filter(None, [str(path.relative_to(DOCS)), name])))
        for path in PAGES
        if runnable(path)
        for name in frameworks_of(path.read_text())
    ],
)
def test_a_page_shows_what_happens(
    path: pathlib.Path, framework: str, tmp_path: pathlib.Path, request: pytest.FixtureRequest
) -> None:
    """The code of a page runs, in its order and for each framework, and prints what it shows."""
    environ: dict[str, str] = {}
    markdown = path.read_text()
    if "REDIS_URL" in markdown:
        redis: RedisServer = request.getfixturevalue("redis_server")
        environ["REDIS_URL"] = redis.url
    if "DATABASE_URL" in markdown:
        postgres: PostgresServer = request.getfixturevalue("postgres_server")
        is_django = "Django" in {framework, path.stem.title()}
        scheme = "postgresql" if is_django else "postgresql+psycopg"
        environ["DATABASE_URL"] = postgres.url(scheme)
        request.addfinalizer(postgres.clear)  # pages apply migrations
    done = run(path, tmp_path, environ, framework)
    assert done.returncode == 0, done.stdout
    for name, schema in SCHEMAS.items():
        if (tmp_path / name).exists():
            check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, name]
            subprocess.run(check, cwd=tmp_path, check=True)


@pytest.mark.parametrize("path", [*PAGES, *READMES], ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_to_be_installed_exists(path: pathlib.Path) -> None:
    """Each distribution, extra and command of Hatch that a page names exists."""
    text = path.read_text()
    extras = {one.name: one.project.get("optional-dependencies", {}) for one in DISTRIBUTIONS}
    for name, of_it in re.findall(r"pip install.*?(dockerflow-\w+)(?:\[([\w,-]+)\])?", text):
        assert name in extras
        assert set(of_it.split(",")) - {""} <= set(extras[name])
    environments = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]
    for environment, script in re.findall(r"hatch run (?:([\w-]+):)?([\w-]+)", text):
        assert script in environments[environment or "default"]["scripts"]


@pytest.mark.parametrize("path", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_of_a_readme_resolve(path: pathlib.Path) -> None:
    """The files that a Markdown file outside of the documentation links to exist."""
    text = path.read_text().replace(f"{REPOSITORY}/blob/main", str(ROOT))
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text)
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_readme_shows_the_code_of_the_landing_page() -> None:
    """Each program and command of the README is on the landing page, whose code runs."""
    landing_page = (DOCS / "index.md").read_text()
    shown = re.findall(r"```(?:console|python)\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(shown) > 10
    assert [block for block in shown if block not in landing_page] == []
