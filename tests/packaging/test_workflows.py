"""The workflows call the commands of the repository, and have no logic of their own.

``hatch run lint`` checks their syntax and security.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml

from tests.packaging.distributions import ROOT
from tests.packaging.test_packages import PYTHONS

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ENVIRONMENTS: dict[str, Any] = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]
INSTALL = "python3 -m pip install hatch==1.18.2"
HATCH = "python3 -m hatch run "


def workflow(name: str) -> dict[Any, Any]:
    """Read a workflow."""
    return dict(yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text()))


def scripts(environment: str) -> dict[str, Any]:
    """Return the scripts of an environment, those of its template included."""
    table: dict[str, Any] = ENVIRONMENTS[environment]
    template = table.get("template", environment if table.get("detached") else "default")
    above = {} if template == environment else scripts(template)
    return {**above, **table.get("scripts", {})}


def exists(command: str) -> bool:
    """Return whether ``hatch run <command>`` names a script of hatch.toml."""
    environment, _, name = command.rpartition(":")
    environment = environment or "default"
    return environment in ENVIRONMENTS and name in scripts(environment)


def commands(job: dict[str, Any]) -> list[str]:
    """Return the commands of a job, with those of its matrix filled in."""
    matrix: list[str] = job.get("strategy", {}).get("matrix", {}).get("command", [])
    lines: list[str] = [step["run"] for step in job["steps"] if "run" in step]
    return [
        line.replace('"$COMMAND"', command)
        for line in lines
        for command in (matrix if "$COMMAND" in line else [""])
    ]


def hatch_commands(job: dict[str, Any]) -> set[str]:
    """Return the hatch commands of a job."""
    return {each.removeprefix(HATCH) for each in commands(job) if each.startswith(HATCH)}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_scripts_of_hatch_and_no_more(path: Any) -> None:
    """Each line of a workflow installs the README's hatch, or calls an existing script."""
    for job in workflow(path.stem)["jobs"].values():
        for command in commands(job):
            name = re.fullmatch(rf"{re.escape(HATCH)}([\w:-]+)", command)
            assert command == INSTALL or (name is not None and exists(name[1])), command
        assert "if" not in job
        for step in job["steps"]:
            assert not {"if", "shell"} & step.keys()
            assert step.get("env", {}) in ({}, {"COMMAND": "${{ matrix.command }}"})


def test_ci_runs_what_the_repository_runs() -> None:
    """The CI workflow runs the commands of .ci/run; add a step to both."""
    steps = re.findall(rf"^step {HATCH}(\S+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert hatch_commands(workflow("ci")["jobs"]["run"]) == set(steps)


def test_ci_runs_the_whole_matrix() -> None:
    """The CI workflow runs the part of ``hatch run matrix`` that .ci/run leaves out."""
    words = [command.split() for command in ENVIRONMENTS["default"]["scripts"]["matrix"]]
    matrix = {name for _, _, name, *_ in words}
    jobs = workflow("ci")["jobs"]
    assert hatch_commands(jobs["matrix"]) == matrix - hatch_commands(jobs["run"])
    (setup,) = [step for step in jobs["matrix"]["steps"] if "setup-python" in step.get("uses", "")]
    assert sorted(setup["with"]["python-version"].split()) == PYTHONS


def test_scripts_call_scripts_there_are() -> None:
    """If a script of hatch.toml calls another by hatch, that one exists."""
    called = re.findall(r"\bhatch run (?:-- )?([\w:-]+)", (ROOT / "hatch.toml").read_text())
    assert {"default:wheels", "newest:test", "lowest-flask:test"} <= set(called)
    assert [name for name in called if not exists(name)] == []


def test_the_release_is_confirmed_checked_and_uploaded_without_a_password() -> None:
    """The tag is confirmed first, and only the upload's job can get an identity token for PyPI."""
    jobs = workflow("release")["jobs"]
    assert [each for each in commands(jobs["build"]) if each != INSTALL] == [
        f"{HATCH}release:confirm",
        f"{HATCH}release:check",
    ]
    assert jobs["build"]["permissions"] == {"contents": "read"}
    assert jobs["upload"]["needs"] == "build"
    assert jobs["upload"]["permissions"] == {"id-token": "write"}
    publish = jobs["upload"]["steps"][-1]
    assert publish["uses"].startswith("pypa/gh-action-pypi-publish@")
    assert not {"user", "password", "repository-url"} & set(publish["with"])
