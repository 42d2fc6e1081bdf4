"""The version: stated by the changelog's newest release, set everywhere, and checked."""

from __future__ import annotations

import datetime
import pathlib
import shutil

import pytest

from release.__main__ import faults, newest, prepare
from tests.packaging.distributions import ROOT

TODAY = datetime.date(2031, 2, 3)
URL = "https://example.org"
CHANGELOG = f"""\
# Changelog

## [Unreleased]

### Fixed

- It.

## [2030.12.1] - 2030-12-24

[Unreleased]: {URL}/compare/2030.12.1...HEAD
[2030.12.1]: {URL}/releases/tag/2030.12.1
"""


@pytest.fixture
def checkout(tmp_path: pathlib.Path) -> pathlib.Path:
    """A checkout of our packages, whose changelog has unreleased changes."""
    shutil.copytree(ROOT / "packages", tmp_path / "packages", ignore=shutil.ignore_patterns("src"))
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    return tmp_path


def test_ours_agree() -> None:
    """This repository's packages have the version of its changelog's newest release."""
    assert faults(ROOT) == []


def test_a_release_is_prepared(checkout: pathlib.Path) -> None:
    """The unreleased changes become a dated release, and all packages have its version."""
    assert prepare(checkout, TODAY) == "2031.2.0"
    changelog = (checkout / "CHANGELOG.md").read_text()
    assert "## [2031.2.0] - 2031-02-03\n\n### Fixed\n" in changelog
    assert f"[2031.2.0]: {URL}/compare/2030.12.1...2031.2.0\n" in changelog
    assert "Unreleased" not in changelog
    assert faults(checkout, tag="2031.2.0") == []
    flask = (checkout / "packages" / "dockerflow-flask" / "pyproject.toml").read_text()
    assert '\nversion = "2031.2.0"\n' in flask
    assert '"dockerflow-core~=2031.2.0"' in flask
    assert '"dockerflow-logging~=2031.2.0"' in flask


def test_releases_of_a_month_are_counted(checkout: pathlib.Path) -> None:
    """The second release of a month has the next number."""
    assert prepare(checkout, datetime.date(2030, 12, 31)) == "2030.12.2"


def test_a_release_of_nothing_is_refused(checkout: pathlib.Path) -> None:
    """Without unreleased changes the preparation is refused."""
    prepare(checkout, TODAY)
    with pytest.raises(ValueError, match=r"no '## \[Unreleased\]'.*say there what"):
        prepare(checkout, TODAY)


def test_what_does_not_agree_is_named(checkout: pathlib.Path) -> None:
    """Each version, requirement, link and tag that differs from the newest release is named."""
    prepare(checkout, TODAY)
    file = checkout / "packages" / "dockerflow-flask" / "pyproject.toml"
    text = file.read_text().replace('version = "2031.2.0"', 'version = "1"')
    file.write_text(text.replace("core~=2031.2.0", "core~=2031.1.0"))
    changelog = checkout / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace("\n[2031.2.0]: ", "\n[other]: "))
    version, requirement, link, tag = faults(checkout, tag="2031.1.0")
    assert version.startswith('packages/dockerflow-flask/pyproject.toml: version = "1')
    assert "dockerflow-core~=2031.1.0, the changelog's newest release is 2031.2.0" in requirement
    assert "no link for 2031.2.0" in link
    assert "the tag is 2031.1.0" in tag


def test_unreleased_changes_are_not_tagged(checkout: pathlib.Path) -> None:
    """Unreleased changes make the check of a tag fail, but not a check without a tag."""
    prepare(checkout, TODAY)
    file = checkout / "CHANGELOG.md"
    file.write_text(file.read_text().replace("## [2031", "## [Unreleased]\n\n## [2031", 1))
    assert faults(checkout) == []
    assert "run release:prepare" in faults(checkout, tag="2031.2.0")[0]


def test_a_changelog_without_a_release_is_refused() -> None:
    """A changelog without a release is refused, because only it states the version."""
    with pytest.raises(ValueError, match=r"no release; write '## \[2026"):
        newest("# Changelog\n\n## [1.0] - 2026-11-20\n")
