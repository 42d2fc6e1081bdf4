"""One release, one version: what must agree when a version is set."""

from __future__ import annotations

import re
import sys
import tomllib

import pytest

from tests.packaging.distributions import ADAPTERS, CORE, DISTRIBUTIONS, LOGGING, ROOT, Distribution


def released() -> str:
    """The version of the newest release in the changelog."""
    found = re.search(r"^## \[(\d\S*)\] - \d{4}-\d\d-\d\d$", changelog(), re.MULTILINE)
    assert found is not None
    return found[1]


def changelog() -> str:
    return (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_the_changelog_names_every_version(distribution: Distribution) -> None:
    """Each pyproject.toml has the version of the changelog's newest release, year.month.number."""
    assert re.fullmatch(r"20\d\d\.([1-9]|1[0-2])\.\d+", released())
    assert distribution.project["version"] == released()


@pytest.mark.parametrize("distribution", ADAPTERS, ids=str)
def test_an_adapter_takes_core_and_logging_of_its_release_line(distribution: Distribution) -> None:
    """An adapter requires the month of core and logging that it was tested with."""
    year, month, _ = released().split(".")
    ours = [each for each in distribution.project["dependencies"] if each.startswith("dockerflow")]
    line = f"{year}.{month}.0"
    assert ours == [f"{CORE.name}~={line}", f"{LOGGING.name}~={line}"]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_every_distribution_ships_the_licence(distribution: Distribution) -> None:
    """Each package has its own copy of LICENSE: hatchling silently leaves out one from above."""
    assert (distribution.folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_every_package_is_tested() -> None:
    """Each folder below packages is a row of the table that these tests go through."""
    assert {each.name for each in DISTRIBUTIONS} == {
        path.name for path in (ROOT / "packages").iterdir() if path.is_dir()
    }


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_every_package_is_known_to_every_tool(distribution: Distribution) -> None:
    """The tools that need each package's source by name have it."""
    assert f'"packages/{distribution.name}"' in (ROOT / "hatch.toml").read_text()
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    source = f"packages/{distribution.name}/src"
    assert source in tools["coverage"]["run"]["source_dirs"]
    assert f"$MYPY_CONFIG_FILE_DIR/{source}" in tools["mypy"]["mypy_path"]
    assert source in [each["root"] for each in tools["basedpyright"]["executionEnvironments"]]
    layers = " ".join(tools["importlinter"]["contracts"][0]["layers"])
    assert {f"dockerflow.{leaf}" for leaf in distribution.leaves} <= set(layers.split())


def test_python_is_one_that_is_supported() -> None:
    """The tests run on a Python that the classifiers name."""
    classifier = "Programming Language :: Python :: {}.{}".format(*sys.version_info)
    assert all(classifier in each.project["classifiers"] for each in DISTRIBUTIONS)
