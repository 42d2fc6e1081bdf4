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

# Each reads the packages of that interpreter's environment, and none of the repository's settings.
CHECKERS: dict[str, Callable[[pathlib.Path, pathlib.Path], list[str]]] = {
    "mypy": lambda python, folder: [
        *("mypy", "--strict", "--config-file=", f"--cache-dir={folder / '.cache'}"),
        *("--python-executable", str(python), str(folder)),
    ],
    "basedpyright": lambda python, folder: [
        *("basedpyright", "--pythonpath", str(python), "--project", str(folder)),
    ],
}


@pytest.fixture(params=["editable", "wheels"])
def python(request: pytest.FixtureRequest, environment: Callable[[], Environment]) -> pathlib.Path:
    """An interpreter that has the packages, with all extras."""
    if request.param == "editable":
        return pathlib.Path(sys.executable)
    installed = environment()
    for each in DISTRIBUTIONS:
        extras = ",".join(each.project.get("optional-dependencies", {}))
        name = f"{each.name}[{extras}]" if extras else each.name
        installed.install(f"{name}=={each.project['version']}")
    installed.install("django-stubs")  # Django itself has no types
    return installed.python


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with the consumers alone, away from the source."""
    folder = tmp_path / "consumers"
    folder.mkdir()
    for consumer in CONSUMERS:
        shutil.copy(consumer, folder)
    settings = {"typeCheckingMode": "strict", "failOnWarnings": True}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    return folder


def check(checker: str, python: pathlib.Path, folder: pathlib.Path) -> tuple[int, str]:
    result = subprocess.run(
        [sys.executable, "-m", *CHECKERS[checker](python, folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr


@pytest.mark.parametrize("checker", CHECKERS)
def test_consumers_see_types(checker: str, python: pathlib.Path, folder: pathlib.Path) -> None:
    """Every documented name has the type that the consumers expect, and misuse is an error."""
    code, output = check(checker, python, folder)
    assert code == 0, output


@pytest.mark.parametrize("checker", CHECKERS)
def test_a_wrong_type_is_found(checker: str, folder: pathlib.Path) -> None:
    """A consumer that expects another type than there is fails, so that the others can fail."""
    for consumer in folder.glob("consumer_*.py"):
        consumer.unlink()
    wrong = "from dockerflow.checks import level_to_text\nlevel: int = level_to_text(30)\n"
    (folder / "wrong.py").write_text(wrong)
    code, output = check(checker, pathlib.Path(sys.executable), folder)
    assert code != 0
    assert "wrong.py" in output


def test_there_is_a_consumer_for_every_distribution() -> None:
    """Each distribution has a consumer file of its name."""
    names = {path.stem.removeprefix("consumer_") for path in CONSUMERS}
    assert names == {each.name.removeprefix("dockerflow-") for each in DISTRIBUTIONS}
