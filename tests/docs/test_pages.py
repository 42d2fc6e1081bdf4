"""Every code block of the documentation is executed, and does what its page says."""

from __future__ import annotations

import pathlib
from importlib.util import find_spec

import pytest

from tests.docs.pages import WITHOUT_CODE, blocks
from tests.docs.running import Page
from tests.packaging.distributions import ROOT
from tests.services.servers import PostgresServer, RedisServer

DOCS = ROOT / "docs"
FRAMEWORKS = ("django", "fastapi", "flask", "sanic")


def pages() -> list[pathlib.Path]:
    """List the pages, but those of frameworks whose adapter is not installed."""
    return [
        path
        for path in sorted(DOCS.rglob("*.md"))
        if "_build" not in path.parts
        if path.stem not in FRAMEWORKS or find_spec(f"dockerflow.{path.stem}") is not None
    ]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(DOCS)))
def test_every_code_block_of_a_page_does_what_it_says(
    path: pathlib.Path, tmp_path: pathlib.Path, request: pytest.FixtureRequest
) -> None:
    """Each code block of a page is executed in order, and prints what the page shows."""
    markdown = path.read_text()
    environ: dict[str, str] = {}
    if "REDIS_URL" in markdown:
        redis: RedisServer = request.getfixturevalue("redis_server")
        environ["REDIS_URL"] = redis.url
    if "DATABASE_URL" in markdown:
        postgres: PostgresServer = request.getfixturevalue("postgres_server")
        scheme = "postgresql" if path.stem == "django" else "postgresql+psycopg"
        environ["DATABASE_URL"] = postgres.url(scheme)
    failures = Page(str(path.relative_to(ROOT)), markdown, tmp_path, environ).run()
    assert not failures, "\n\n".join(["what the page says is not what happens:", *failures])


@pytest.mark.parametrize("name", sorted(WITHOUT_CODE))
def test_what_pages_include_has_no_code(name: str) -> None:
    """A file that is part of a page has no code blocks that nobody would execute."""
    assert list(blocks((DOCS / name).read_text())) == []


def test_there_are_pages() -> None:
    """The documentation is Markdown alone, so that no page is left out here."""
    assert len(pages()) > 10
    assert not [*DOCS.rglob("*.rst"), *DOCS.rglob("*.ipynb")]
