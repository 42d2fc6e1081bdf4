"""The packages that ``pip install -U`` of an adapter upgrades with it."""

from __future__ import annotations

import datetime
import pathlib
import shutil
import sys
from collections.abc import Callable

import pytest

from release.__main__ import newest, prepare
from tests.packaging.distributions import ADAPTERS, CORE, LOGGING, ROOT
from tests.packaging.environments import Environment, run

(FLASK,) = (each for each in ADAPTERS if each.framework == "Flask")
TOGETHER = (CORE, LOGGING, FLASK)


@pytest.fixture
def next_release(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with the wheels of the next release in the same month."""
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "packages", checkout / "packages")
    changelog = (ROOT / "CHANGELOG.md").read_text()
    version = newest(changelog)
    year, month, _ = map(int, version.split("."))
    if "## [Unreleased]" not in changelog:
        changelog += f"## [Unreleased]\n\n[Unreleased]: x/{version}...HEAD\n"
    (checkout / "CHANGELOG.md").write_text(changelog)
    prepare(checkout, datetime.date(year, month, 28))
    for each in TOGETHER:
        build = (sys.executable, "-m", "uv", "build", "--wheel", "--out-dir", tmp_path / "wheels")
        run(*build, checkout / "packages" / each.name)
    return tmp_path / "wheels"


def test_core_and_logging_move_along(
    next_release: pathlib.Path, environment: Callable[[], Environment]
) -> None:
    """Upgrading only an adapter upgrades core and logging to its release, and it still imports."""
    service = environment()
    service.install("pip", *(each.pinned() for each in TOGETHER))
    before = service.installed()
    links = [f"--find-links={folder}" for folder in (service.wheels, next_release)]
    service.pip("install", "-U", FLASK.name, "--no-index", *links)
    after = service.installed()
    (version,) = {after[each.name] for each in TOGETHER}
    assert version not in {before[each.name] for each in TOGETHER}
    service.run("import dockerflow.flask")
