"""What the READMEs say is what happens, and what they and Contributing name is there."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable

import pytest

from tests.packaging.distributions import (
    ADAPTERS,
    CELERY,
    CHECK,
    CORE,
    DISTRIBUTIONS,
    LOGGING,
    ROOT,
    Distribution,
)
from tests.packaging.environments import Environment, run
from tests.packaging.test_workflows import INSTALL, exists, scripts

TEST = "python3 -m hatch run test"
CONTRIBUTING = (ROOT / "docs" / "contributing.md").read_text()


def blocks(markdown: str, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def without_moment(text: str) -> str:
    """Blot out what differs from run to run: the time, the host and the process."""
    text = re.sub(r'"(Timestamp|Pid)": \d+', r'"\1": 0', text)
    return re.sub(r'"Hostname": "[^"]*"', '"Hostname": ""', text)


@pytest.mark.parametrize("distribution", [CORE, LOGGING], ids=str)
def test_the_example_of_a_package_prints_what_its_readme_says(
    distribution: Distribution, environment: Callable[[], Environment]
) -> None:
    """A README has an install line, and an example that prints what it shows.

    Those of the adapters are served: see test_served.
    """
    readme = (distribution.folder / "README.md").read_text()
    assert f"python3 -m pip install {distribution.name}\n" in readme
    (code,), (output,) = blocks(readme, "python"), blocks(readme, "text")
    alone = environment()
    alone.install(distribution.pinned())
    assert without_moment(alone.run(code)) == without_moment(output)


def test_the_line_of_celerys_readme(environment: Callable[[], Environment]) -> None:
    """A task of the README, run at once, is recorded as it shows, on a line with these fields."""
    readme = (CELERY.folder / "README.md").read_text()
    assert f"python3 -m pip install {CELERY.name}\n" in readme
    (code,), (line,) = blocks(readme, "python"), blocks(readme, "json")
    alone = environment()
    alone.install(CELERY.pinned())
    printed = alone.value(f"{code}\nship.apply((17,), task_id='1')")["Fields"]
    shown = json.loads(line)["Fields"]
    differing = {"queue": "celery", "t": shown["t"], "task_id": shown["task_id"]}
    assert {**printed, **differing, "rid": shown["rid"]} == shown


def test_the_commands_of_the_checkers_readme(environment: Callable[[], Environment]) -> None:
    """Alone from its wheel, the command has those that the README lists, and they find faults."""
    readme = (CHECK.folder / "README.md").read_text()
    assert f"python3 -m pip install {CHECK.name}\n" in readme
    alone = environment()
    alone.install(CHECK.pinned())
    program = alone.python.parent / "dockerflow-check"
    named = set(re.findall(r"^\| `dockerflow-check (\w+)", readme, re.MULTILINE))
    shown = run(program, "--help").partition("Commands:\n")[2]
    assert set(re.findall(r"^  (\w+)", shown, re.MULTILINE)) == named | {"list"}
    (alone.work / "Dockerfile").write_text("FROM scratch\n")
    done = subprocess.run([program, "dockerfile", "Dockerfile"], cwd=alone.work, check=False)
    assert done.returncode == 1


def test_the_checkers_pytest_plugin(environment: Callable[[], Environment]) -> None:
    """With its extra, a bare ``pytest --dockerflow-url`` has a test for each clause on HTTP."""
    whole = environment()
    whole.install(CHECK.pinned("pytest"))
    options = ("--dockerflow-url", "http://127.0.0.1:9", "--collect-only", "--quiet")
    collected = run(whole.python, "-I", "-m", "pytest", *options, cwd=whole.work)
    clauses = set(re.findall(r"\bHTTP\d\d\b", collected))
    assert clauses == set(re.findall(r"\bHTTP\d\d\b", (ROOT / "docs" / "check.md").read_text()))


def test_ci_runs_the_test_command_of_the_readme() -> None:
    """CI installs and tests with the very commands that the README gives."""
    assert f"{INSTALL}\n{TEST}\n" in blocks((ROOT / "README.md").read_text(), "")
    steps = (ROOT / ".ci" / "run").read_text()
    assert f"\n{INSTALL} || exit 1\n" in steps
    assert f"\nstep {TEST}\n" in steps


def test_hatch_has_one_version() -> None:
    """The hatch that the README installs is the one that the tests build with."""
    version = INSTALL.rpartition("hatch")[2]
    for name in (
        "README.md",
        "examples/README.md",
        "docs/contributing.md",
        ".ci/run",
        ".readthedocs.yaml",
        "hatch.toml",
    ):
        assert set(re.findall(r"\bhatch(==[\d.]+)", (ROOT / name).read_text())) == {version}, name


def test_the_table_of_commands_is_right() -> None:
    """Contributing lists every script of hatch.toml's default environment, and none else."""
    table = CONTRIBUTING.partition("\n| command |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    commands = {name for cell in cells for name in re.findall(r"`([\w:-]+)", cell)}
    assert {name for name in commands if not exists(name)} == set()
    assert {name for name in commands if ":" not in name} == set(scripts("default"))


def test_contributing_names_files_there_are() -> None:
    """The files and folders that it names exist, but for what an example would add."""
    folders = r"\.ci|\.github|docs|examples|packages|release|tests"
    named = set(re.findall(rf"`((?:{folders})/[\w./-]+)`", CONTRIBUTING)) - {"docs/_build"}
    missing = {name for name in named if not (ROOT / name).exists()}
    assert missing == {name for name in named if "bottle" in name} != set()


def test_the_picture_has_every_package() -> None:
    """The picture shows each distribution, and its description says what imports what."""
    picture = (ROOT / "docs" / "house.svg").read_text()
    described = picture[picture.index("<desc") : picture.index("</desc>")]
    assert [each.name for each in DISTRIBUTIONS if each.name not in described] == []
    shown = set(re.findall(r"<text[^>]*>([^<]*)</text>", picture))
    leaves = (each.leaves[0] for each in [*ADAPTERS, CELERY, CHECK])
    assert {CORE.name, LOGGING.name, *leaves} <= shown
