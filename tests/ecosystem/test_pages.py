"""The recipes of the documentation do what they say."""

from __future__ import annotations

import pathlib

import pytest

from tests.docs.page import ROOT, run

PAGES = sorted(ROOT.glob("docs/tools/*.md"))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_shows_what_happens(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """The code of a page runs, in its order, and prints what the page shows."""
    done = run(path, tmp_path, {})
    assert done.returncode == 0, done.stdout
