"""The metadata of the packages is true, and every tool includes every package."""

from __future__ import annotations

import re
import tomllib

import pytest
from trove_classifiers import classifiers as known

from tests.packaging.distributions import ADAPTERS, DISTRIBUTIONS, REPOSITORY, ROOT, Distribution

each = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)

HATCH = (ROOT / "hatch.toml").read_text()


def in_matrix(environment: str, variable: str) -> set[str]:
    """Return the values of a variable in an environment's matrix."""
    matrix = tomllib.loads(HATCH)["envs"][environment]["matrix"]
    return {value for row in matrix for value in row[variable]}


PYTHONS = sorted({"3.11"} | in_matrix("newest", "python"))


@each
def test_classifiers_are_known(distribution: Distribution) -> None:
    """Each classifier exists on the index, occurs once, in order, and is true.

    The Pythons are the default environment's and the matrix's.
    """
    found: list[str] = distribution.project["classifiers"]
    assert set(found) <= set(known)
    assert found == sorted(set(found))
    assert "Typing :: Typed" in found
    pythons = [name.rpartition(" ")[2] for name in found if ":: Python :: 3." in name]
    assert pythons == PYTHONS


@pytest.mark.parametrize("distribution", [each for each in ADAPTERS if each.framework], ids=str)
def test_frameworks_are_those_that_are_tested(distribution: Distribution) -> None:
    """An adapter has the classifiers of its framework, if any, and of its tested versions."""
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


@each
def test_the_readme_stands_alone(distribution: Distribution) -> None:
    """A README has no link, image or reference that works only in the repository."""
    readme = (distribution.folder / "README.md").read_text()
    text = re.sub(r"^```.*?^```$", "", readme, flags=re.MULTILINE | re.DOTALL)
    targets: list[str] = re.findall(r"\]\(([^)]*)\)", text)
    targets += re.findall(r"^\[[^]]+\]: *(\S+)", text, re.MULTILINE)
    targets += re.findall(r"\b(?:href|src)=[\"']([^\"']*)", text)
    targets += re.findall(r"<(\w+:[^>]*)>", text)
    assert [target for target in targets if not target.startswith("https://")] == []
    assert "https://dockerflow.readthedocs.io/" in targets


def test_the_badges_are_true() -> None:
    """Each badge of the README agrees with packages, licence and workflows."""
    readme = (ROOT / "README.md").read_text()
    badges = dict(re.findall(r"^\[!\[(.*?)\]\((\S+?)\)\]\(\S+?\)$", readme, re.MULTILINE))
    assert badges == {
        "CI": f"{REPOSITORY}/actions/workflows/ci.yml/badge.svg?branch=main",
        "Documentation": "https://readthedocs.org/projects/dockerflow/badge/?version=latest",
        "PyPI": "https://img.shields.io/pypi/v/dockerflow-core",
        "Python": f"https://img.shields.io/badge/python-{'%20%7C%20'.join(PYTHONS)}-blue",
        "License": "https://img.shields.io/badge/license-MPL--2.0-blue",
    }


def test_every_package_is_tested() -> None:
    """Each folder below packages is a row of the table that these tests use.

    No two share a package below dockerflow: uninstalling one does not damage the others.
    """
    folders = {path.name for path in (ROOT / "packages").iterdir() if path.is_dir()}
    assert {each.name for each in DISTRIBUTIONS} == folders
    leaves = [leaf for each in DISTRIBUTIONS for leaf in each.leaves]
    assert len(leaves) == len(set(leaves))


@each
def test_every_package_is_known_to_every_tool(distribution: Distribution) -> None:
    """Tools that need each package's source by name have it."""
    assert f'"packages/{distribution.name}"' in HATCH
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    source = f"packages/{distribution.name}/src"
    assert source in tools["coverage"]["run"]["source_dirs"]
    assert f"$MYPY_CONFIG_FILE_DIR/{source}" in tools["mypy"]["mypy_path"]
    assert source in [each["root"] for each in tools["basedpyright"]["executionEnvironments"]]
    layers = " ".join(tools["importlinter"]["contracts"][0]["layers"])
    assert {f"dockerflow.{leaf}" for leaf in distribution.leaves} <= set(layers.split())
