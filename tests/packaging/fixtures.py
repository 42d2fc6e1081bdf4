"""Pytest fixtures of the built distributions, for the tests of packaging and of types."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from itertools import count

import pytest

from tests.packaging.distributions import ROOT
from tests.packaging.environments import Environment, run


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder of all wheels and sdists: $DOCKERFLOW_DIST, or one built now."""
    if named := os.environ.get("DOCKERFLOW_DIST"):
        return ROOT / named
    folder = tmp_path_factory.mktemp("built")
    # The tests may run in an environment of the matrix, which the inner hatch must not use.
    environ = {k: v for k, v in os.environ.items() if k not in {"HATCH_ENV", "HATCH_ENV_ACTIVE"}}
    # A separate data directory, so that two test runs don't build in one environment.
    environ["HATCH_DATA_DIR"] = str(tmp_path_factory.mktemp("hatch"))
    build = (sys.executable, "-m", "hatch", "build", "--all", folder)
    run(*build, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL)
    return folder


@pytest.fixture
def environment(built: pathlib.Path, tmp_path: pathlib.Path) -> Callable[[], Environment]:
    """Make empty environments for one test."""
    numbers = count()
    return lambda: Environment(tmp_path / f"environment{next(numbers)}", built)
