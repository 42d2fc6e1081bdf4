"""Services that are not in Python, and have no package of ours: they are judged as well."""

from __future__ import annotations

import json
import pathlib
import shutil
import sys
from functools import partial

import pytest

from dockerflow.check.findings import Outcome
from dockerflow.check.http import check_http
from dockerflow.check.service import check_run

SERVICES = pathlib.Path(__file__).parent / "services"
VERSION = {
    "source": "https://github.com/example/shop",
    "version": "1.2.0",
    "commit": "3f2a9c1d8e",
    "build": "https://ci.example.org/shop/17",
}
NODE = shutil.which("node")
LANGUAGES = {
    "go": [sys.executable, str(SERVICES / "go_like.py")],
    "node": [NODE or "node", str(SERVICES / "shop.js")],
}


def broken(language: str, kind: str, tmp_path: pathlib.Path) -> dict[str, str]:
    """Check a service as `dockerflow-check run` does, and return what is wrong with it by id."""
    if language == "node" and NODE is None:
        pytest.skip("there is no node on PATH")
    file = tmp_path / "version.json"
    file.write_text(json.dumps(VERSION))
    findings = check_run(
        [*LANGUAGES[language], kind, str(file)],
        check_http=partial(check_http, error_endpoint=True, expected_version=VERSION),
    )
    wrong = (Outcome.FAILED, Outcome.WARNING)
    return {each.clause.id: each.text for each in findings if each.outcome in wrong}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_good_service(language: str, tmp_path: pathlib.Path) -> None:
    """A service that was written with care breaks no clause, whatever its language."""
    assert broken(language, "good", tmp_path) == {}


@pytest.mark.parametrize(
    ("language", "ids"),
    [
        ("go", {"HTTP05", "HTTP14", "HTTP15", "HTTP19", "HTTP21", "HTTP22", "LOG02"}),
        ("node", {"HTTP14", "HTTP15", "HTTP21", "HTTP23", "LOG02"}),
    ],
)
def test_a_first_draft(language: str, ids: set[str], tmp_path: pathlib.Path) -> None:
    """What such services usually lack is a warning each, and no MUST is broken."""
    found = broken(language, "usual", tmp_path)
    assert found.keys() == ids, found
