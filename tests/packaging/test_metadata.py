"""What the packages say of themselves, and whether any index can show it."""

from __future__ import annotations

import re
import tomllib

import pytest
from trove_classifiers import classifiers as known

from tests.packaging.distributions import ADAPTERS, DISTRIBUTIONS, ROOT, Distribution

each = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)

REPOSITORY = "https://github.com/dockerflow/dockerflow-python"
ENVIRONMENTS = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]


def in_matrix(environment: str, variable: str) -> set[str]:
    """Return what an environment's matrix has for a variable."""
    return {value for row in ENVIRONMENTS[environment]["matrix"] for value in row[variable]}


def named(distribution: Distribution, prefix: str) -> set[str]:
    """Return what the classifiers below a prefix name."""
    found: list[str] = distribution.project["classifiers"]
    return {name.removeprefix(prefix) for name in found if name.startswith(prefix)}


@each
def test_classifiers_are_known(distribution: Distribution) -> None:
    """Each classifier is one that the index knows, and stands once, in order."""
    found = distribution.project["classifiers"]
    assert set(found) <= set(known)
    assert found == sorted(set(found))
    assert "Typing :: Typed" in found


@each
def test_the_pythons_are_those_that_are_tested(distribution: Distribution) -> None:
    """The Pythons that the classifiers name are the default environment's and the matrix's."""
    minors = named(distribution, "Programming Language :: Python :: 3.")
    assert {f"3.{minor}" for minor in minors} == {"3.11"} | in_matrix("newest", "python")


@pytest.mark.parametrize("distribution", ADAPTERS, ids=str)
def test_frameworks_are_those_that_are_tested(distribution: Distribution) -> None:
    """An adapter has the classifier of its framework, if any, and those of the lines tested."""
    framework = f"Framework :: {distribution.framework}".lower()
    lines = in_matrix(distribution.leaves[0], "line")
    wanted = {framework, *(f"{framework} :: {line}" for line in lines)}
    expected = {name for name in known if name.lower() in wanted}
    found = distribution.project["classifiers"]
    assert {name for name in found if name.lower().startswith(framework)} == expected


@each
def test_the_urls_lead_to_this_project(distribution: Distribution) -> None:
    """Each package names the documentation, the changelog, the source and the issues."""
    assert distribution.project["urls"] == {
        "Documentation": "https://dockerflow.readthedocs.io/",
        "Changelog": f"{REPOSITORY}/blob/main/CHANGELOG.md",
        "Source": REPOSITORY,
        "Issues": f"{REPOSITORY}/issues",
    }
    assert (ROOT / "CHANGELOG.md").is_file()


@each
def test_the_readme_stands_alone(distribution: Distribution) -> None:
    """A README has no link, image or reference that only the repository could resolve."""
    readme = (distribution.folder / "README.md").read_text()
    text = re.sub(r"^```.*?^```$", "", readme, flags=re.MULTILINE | re.DOTALL)
    targets: list[str] = re.findall(r"\]\(([^)]*)\)", text)
    targets += re.findall(r"^\[[^]]+\]: *(\S+)", text, re.MULTILINE)
    targets += re.findall(r"\b(?:href|src)=[\"']([^\"']*)", text)
    targets += re.findall(r"<(\w+:[^>]*)>", text)
    assert [target for target in targets if not target.startswith("https://")] == []
    assert "https://dockerflow.readthedocs.io/" in targets


def test_the_badges_are_true() -> None:
    """Each badge of the README says what packages, licence and workflows say."""
    readme = (ROOT / "README.md").read_text()
    badges = dict(re.findall(r"^\[!\[(.*?)\]\((\S+?)\)\]\(\S+?\)$", readme, re.MULTILINE))
    pythons = sorted({"3.11"} | in_matrix("newest", "python"), key=lambda name: int(name[2:]))
    assert badges == {
        "CI": f"{REPOSITORY}/actions/workflows/ci.yml/badge.svg?branch=main",
        "Documentation": "https://readthedocs.org/projects/dockerflow/badge/?version=latest",
        "PyPI": "https://img.shields.io/pypi/v/dockerflow-core",
        "Python": f"https://img.shields.io/badge/python-{'%20%7C%20'.join(pythons)}-blue",
        "License": "https://img.shields.io/badge/license-MPL--2.0-blue",
    }
    assert (ROOT / ".github" / "workflows" / "ci.yml").is_file()
    assert {each.project["license"] for each in DISTRIBUTIONS} == {"MPL-2.0"}
