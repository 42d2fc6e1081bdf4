"""What must be true of the changelog, and where packages must agree with it."""

from __future__ import annotations

import pathlib

import pytest

from release import repository
from release.changelog import Changelog
from release.version import Version
from tests.packaging.checkout import CHANGELOG, URL, Run, replace
from tests.packaging.distributions import ROOT

# ---------------------------------------------------------------------- the changelog's faults

FAULTS = {
    "title": ("# Changelog", "# News", ":1: begins with '# News'; begin with '# Changelog'"),
    "no section": ("## [Unreleased]", "## Soon", ":5: '## Soon' is no section; write '## [Unrel"),
    "no brackets": ("## [2026.10.3] -", "## 2026.10.3 -", ":16: '## 2026.10.3 - 2026-10-30' is no"),
    "no version": ("## [2026.10.3]", "## [1.0]", ":16: '1.0' is no version; write year.month"),
    "no date": ("[2026.10.3] - 2026-10-30", "[2026.10.3]", ":16: [2026.10.3] of None; write '## ["),
    "odd date": ("- 2026-10-30", "- 20261030", "of 20261030; write '## [2026.10.3] - ' and YYYY"),
    "wrong date": ("- 2026-10-30", "- 2026-10-32", "[2026.10.3] of 2026-10-32; write"),
    "other month": ("- 2026-10-30", "- 2026-11-01", "of 2026-11-01, another month; mend the"),
    "dated": ("[Unreleased]\n", "[Unreleased] - 2026-11-20\n", ":5: [Unreleased] of 2026-11-20"),
    "unknown group": ("### Added", "### New", ":7: 'New' is no group; use one of Added, Changed"),
    "empty group": ("- A check.\n  Of two lines.\n", "", ":7: 'Added' is empty; add a change"),
    "order of groups": ("### Fixed", "### Added", ":12: 'Added' below 'Added'; each group stands"),
    "groups turned": ("### Added", "### Security", ":12: 'Fixed' below 'Security'; each group"),
    "no group": ("### Security\n", "", ":21: a change before any group; put it below '### Added'"),
    "empty section": ("### Security\n\n- A header.\n", "", ":16: [2026.10.3] names no change; add"),
    "twice": (
        "[2026.9.0] - 2026-09-01",
        "[2026.10.3] - 2026-10-30",
        ":24: [2026.10.3] below [2026",
    ),
    "older": (
        "[2026.9.0] - 2026-09-01",
        "[2026.11.0] - 2026-11-01",
        ":24: [2026.11.0] below [2026",
    ),
    "no link": (f"[2026.9.0]: {URL}/releases/tag/2026.9.0\n", "", "link of [2026.9.0] is None; wr"),
    "link of nothing": ("[2026.9.0]: ", "[2026.8.0]: x\n[2026.9.0]: ", ":32: a link of [2026.8.0]"),
    "unreleased below": (
        "## [2026.10.3] - 2026-10-30",
        "## [2026.10.4] - 2026-10-31\n\n### Fixed\n\n- It.\n\n## [Unreleased]",
        ":22: [Unreleased] below a release; move it to the top",
    ),
    "order of dates": (
        "[2026.9.0] - 2026-09-01",
        "[2026.10.2] - 2026-10-31",
        ":16: [2026.10.3] of 2026-10-30, and the release before it of 2026-10-31; mend the date",
    ),
    "wrong link": (
        "3...HEAD",
        "3...main",
        f"3...main; write, at the end, '[Unreleased]: {URL}/compare/2026.10.3...HEAD'",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_changelog_is_linted(name: str, root: pathlib.Path, run: Run) -> None:
    """What is not as Keep a Changelog has it is named: line, what was found, and the remedy."""
    old, new, fault = FAULTS[name]
    replace(root, "CHANGELOG.md", old, new)
    for command in ("check", "prepare"):
        refusal = run(command, code=1)
        assert fault in refusal
        assert all(line.startswith("CHANGELOG.md:") for line in refusal.splitlines()[1:])


def test_a_changelog_without_faults_has_none(root: pathlib.Path, run: Run) -> None:
    """The changelog that these tests spoil is fine before, and so is an order of dates mended."""
    assert Changelog(CHANGELOG, URL).faults() == []
    assert run("check") == "2026.10.3: changelog and packages agree\n"


@pytest.mark.parametrize("text", ["", "# Changelog\n", CHANGELOG[: CHANGELOG.index("## [2")]])
def test_a_changelog_states_a_version(text: str, root: pathlib.Path, run: Run) -> None:
    """A changelog without a release is refused: nothing else states the version."""
    (root / "CHANGELOG.md").write_text(text)
    assert "no release in it" in run("check", code=1)
    (root / "CHANGELOG.md").unlink()
    assert "CHANGELOG.md" in run("check", code=1)


def test_versions_are_ordered_in_time() -> None:
    """The tenth release of a month is newer than the ninth, and October than September."""
    ordered = ["2025.12.0", "2026.9.9", "2026.9.10", "2026.10.0"]
    assert sorted(ordered, key=Version.parse) == ordered


# ---------------------------------------------------------------------- packages and changelog


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"2026.10.3"', '"2026.10.2"', "version 2026.10.2, the changelog says 2026.10.3; hatch ru"),
        ('version = "2026.10.3"', "", "version None, the changelog says 2026.10.3; write 'version"),
        ("core~=2026.10.0", "core~=2026.9.0", "requires 'dockerflow-core~=2026.9.0', not 'docker"),
        ("core~=2026.10.0", "core>=2026.10", "not 'dockerflow-core~=2026.10.0'; write that"),
        ("[project.urls]", "[other]", "[project.urls] Source: packages/dockerflow-core/"),
        ('dockerflow-python"\nIssues', 'fork"\nIssues', "of their one repository"),
        ("[project]", "[project", "mend its TOML"),
    ],
)
def test_packages_agree_with_the_changelog(
    old: str, new: str, fault: str, root: pathlib.Path, run: Run
) -> None:
    """A package that says something else is named, with what it says and the remedy."""
    name = "packages/dockerflow-sanic/pyproject.toml"
    replace(root, name, old, new)
    refusal = run("check", code=1)
    assert name in refusal
    assert fault in refusal


def test_prepare_writes_nothing_that_does_not_agree(root: pathlib.Path, run: Run) -> None:
    """A requirement that prepare can't set is refused before anything is written."""
    replace(root, "packages/dockerflow-flask/pyproject.toml", "core~=2026.10.0", "core>=2026.10")
    assert "write that" in run("prepare", "2026.11.0", "--date", "2026-11-20", code=1)


def test_ours_is_in_order() -> None:
    """This repository's changelog and packages have no fault."""
    assert repository.Repository(ROOT).faults() == []
