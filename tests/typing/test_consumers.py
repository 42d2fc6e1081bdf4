"""The consumer files of this folder, under both type checkers, from source and from wheels."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.packaging.distributions import DISTRIBUTIONS
from tests.packaging.environments import Environment

CONSUMERS = sorted(pathlib.Path(__file__).parent.glob("consumer_*.py"))

CHECKERS = ("mypy", "basedpyright")


@pytest.fixture(params=["editable", "wheels"])
def python(request: pytest.FixtureRequest, environment: Callable[[], Environment]) -> pathlib.Path:
    """A Python interpreter with the packages and all extras."""
    if request.param == "editable":
        return pathlib.Path(sys.executable)
    installed = environment()
    # Django itself has no types, nor has Celery.
    stubs = "django-stubs", "celery-types"
    installed.install(*stubs, *(each.pinned(*each.extras) for each in DISTRIBUTIONS))
    return installed.python


def check(
    checker: str, python: pathlib.Path, folder: pathlib.Path
) -> subprocess.CompletedProcess[str]:
    """Check a folder with an interpreter's packages, without the repository's settings."""
    settings = {"typeCheckingMode": "strict", "failOnWarnings": True}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    options = {
        "mypy": ("--strict", "--config-file=", f"--python-executable={python}", folder),
        "basedpyright": ("--pythonpath", python, "--project", folder),
    }
    command = [sys.executable, "-m", checker, *map(str, options[checker])]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("checker", CHECKERS)
def test_consumers_see_types(checker: str, python: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Every documented name has the type that the consumers expect, and misuse is an error."""
    folder = tmp_path / "consumers"  # away from the source
    folder.mkdir()
    for consumer in CONSUMERS:
        shutil.copy(consumer, folder)
    result = check(checker, python, folder)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_wrong_type_is_found(checker: str, tmp_path: pathlib.Path) -> None:
    """A consumer that expects a wrong type fails, which proves that the others can fail."""
    wrong = "from dockerflow.checks import level_to_text\nlevel: int = level_to_text(30)\n"
    (tmp_path / "wrong.py").write_text(wrong)
    result = check(checker, pathlib.Path(sys.executable), tmp_path)
    assert result.returncode != 0
    assert "wrong.py" in result.stdout


def test_there_is_a_consumer_for_every_distribution() -> None:
    """Each distribution has a consumer file of its name."""
    names = {path.stem.removeprefix("consumer_") for path in CONSUMERS}
    assert names == {each.name.removeprefix("dockerflow-") for each in DISTRIBUTIONS}
