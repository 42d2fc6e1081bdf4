"""Every package is known to every tool."""

from __future__ import annotations

import tomllib

import pytest

from tests.packaging.distributions import DISTRIBUTIONS, ROOT, Distribution


def test_every_package_is_tested() -> None:
    """Each folder below packages is a row of the table that these tests go through.

    No two have a leaf in common: to uninstall one leaves the others whole.
    """
    folders = (path.name for path in (ROOT / "packages").iterdir() if path.is_dir())
    assert {each.name for each in DISTRIBUTIONS} == set(folders)
    leaves = [leaf for each in DISTRIBUTIONS for leaf in each.leaves]
    assert len(leaves) == len(set(leaves))


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
