"""Fixtures of the release: a checkout, and its commands."""

from __future__ import annotations

import pathlib
import re

import pytest

from release import repository
from release.__main__ import main
from tests.packaging.checkout import CHANGELOG, Run, content
from tests.packaging.distributions import DISTRIBUTIONS


@pytest.fixture
def root(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A repository of our packages whose newest release is 2026.10.3, with nothing uncommitted."""
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    for each in DISTRIBUTIONS:
        text = (each.folder / "pyproject.toml").read_text()
        text = re.sub(r'(dockerflow-\w+)~=[\d.]+"', r'\1~=2026.10.0"', text)
        text = re.sub(r'^version = ".*"$', 'version = "2026.10.3"', text, flags=re.MULTILINE)
        text += '\n[tool.other]\nversion = "1"\n'
        (tmp_path / "packages" / each.name).mkdir(parents=True)
        (tmp_path / "packages" / each.name / "pyproject.toml").write_text(text)
    monkeypatch.setattr(repository, "changed_files", lambda root: [])
    return tmp_path


@pytest.fixture
def run(root: pathlib.Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command, and return what it prints; one that is refused writes nothing."""

    def run(*words: str, code: int = 0) -> str:
        before = content(root)
        try:
            ended = main(list(words), root)
        except SystemExit as end:  # argparse's
            ended = 1 if end.code == 2 else 0
        output = capfd.readouterr()
        assert ended == code, output
        if code:
            assert content(root) == before
        return output.err if code else output.out

    return run


@pytest.fixture
def released(root: pathlib.Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The repository at the tag of its release, in the workflow of GitHub Actions, built."""
    run("prepare", "2026.11.0", "--date", "2026-11-20")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "Dockerflow/dockerflow-python")
    monkeypatch.setenv("GITHUB_REF", "refs/tags/2026.11.0")
    monkeypatch.setattr(repository, "git", lambda root, *words: "2026.11.0\nother\n")
    (root / "dist").mkdir()
    for each in DISTRIBUTIONS:
        stem = f"{each.name.replace('-', '_')}-2026.11.0"
        (root / "dist" / f"{stem}-py3-none-any.whl").touch()
        (root / "dist" / f"{stem}.tar.gz").touch()
    return root
