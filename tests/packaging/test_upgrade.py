"""What ``pip install -U`` of an adapter brings along."""

from __future__ import annotations

import datetime
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest

from release.__main__ import newest, prepare
from tests.packaging.distributions import ADAPTERS, CORE, LOGGING, ROOT
from tests.packaging.environments import Environment

FLASK = next(each for each in ADAPTERS if each.framework == "Flask")
TOGETHER = (CORE, LOGGING, FLASK)


@pytest.fixture(scope="module")
def next_release(built: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the wheels that were built, and those of a next release in the same month."""
    checkout = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "packages", checkout / "packages")
    changelog = (ROOT / "CHANGELOG.md").read_text()
    version = newest(changelog)
    year, month, _ = map(int, version.split("."))
    if "## [Unreleased]" not in changelog:
        changelog += f"## [Unreleased]\n\n[Unreleased]: x/{version}...HEAD\n"
    (checkout / "CHANGELOG.md").write_text(changelog)
    prepare(checkout, datetime.date(year, month, 28))
    wheels = tmp_path_factory.mktemp("wheels")
    for each in TOGETHER:
        package = checkout / "packages" / each.name
        build = ["uv", "build", "--quiet", "--wheel", str(package), "--out-dir", str(wheels)]
        subprocess.run([sys.executable, "-m", *build], check=True)
    for wheel in built.glob("*.whl"):
        shutil.copy(wheel, wheels)
    return wheels


def versions(environment: Environment) -> set[str]:
    installed = environment.installed()
    return {installed[each.name] for each in TOGETHER}


def test_core_and_logging_move_along(
    next_release: pathlib.Path, environment: Callable[[], Environment]
) -> None:
    """Whoever upgrades an adapter alone has core and logging of its release, and it imports."""
    service = environment()
    service.install("pip", *(each.pinned() for each in TOGETHER))
    assert versions(service) == {FLASK.project["version"]}
    upgrade = ["install", "-U", FLASK.name, "--no-index", f"--find-links={next_release}"]
    done = subprocess.run(
        [service.python, "-m", "pip", "--quiet", "--disable-pip-version-check", *upgrade],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (version,) = versions(service)
    assert version != FLASK.project["version"]
    assert service.run("import dockerflow.flask").returncode == 0
