"""The workflows call the commands of the repository, and have no logic of their own.

Their form, and what is unsafe in them, is the affair of ``hatch run lint``.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml

from tests.packaging.distributions import DISTRIBUTIONS, ROOT
from tests.packaging.test_readme import INSTALL

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ENVIRONMENTS: dict[str, Any] = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]
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
    """Tell whether ``hatch run <command>`` names a script of hatch.toml."""
    environment, _, name = command.rpartition(":")
    environment = environment or "default"
    return environment in ENVIRONMENTS and name in scripts(environment)


def commands(job: dict[str, Any]) -> list[str]:
    """Return what a job runs, line for line, with its matrix written out."""
    matrix: dict[str, list[str]] = job.get("strategy", {}).get("matrix", {})
    found: list[str] = []
    for step in job["steps"]:
        run = step.get("run")
        if run is None:
            continue
        lines = [run]
        for name, value in step.get("env", {}).items():
            variable = re.fullmatch(r"\$\{\{ matrix\.(\w+) \}\}", value)
            assert variable is not None, value
            lines = [
                line.replace(f'"${name}"', each) for line in lines for each in matrix[variable[1]]
            ]
        found += lines
    return found


def hatch_commands(job: dict[str, Any]) -> set[str]:
    """Return the commands of hatch that a job runs."""
    return {each.removeprefix(HATCH) for each in commands(job) if each.startswith(HATCH)}


def ci_run() -> set[str]:
    """Return the commands of hatch that .ci/run runs."""
    text = (ROOT / ".ci" / "run").read_text()
    return set(re.findall(rf"^ *step {re.escape(HATCH)}(\S+)$", text, re.MULTILINE))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_scripts_of_hatch_and_no_more(path: Any) -> None:
    """Each line that a workflow runs installs the README's hatch, or calls a script there is."""
    for job in workflow(path.stem)["jobs"].values():
        for command in commands(job):
            name = re.fullmatch(rf"{re.escape(HATCH)}([\w:-]+)", command)
            assert command == INSTALL or (name is not None and exists(name[1])), command
        assert "if" not in job
        assert not [step for step in job["steps"] if "if" in step or "shell" in step]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_job_may_do_what_it_needs_and_not_for_ever(path: Any) -> None:
    """No job has rights but those that it names, a job ends by itself, runs don't overlap."""
    content = workflow(path.stem)
    assert content["permissions"] == {}
    assert content["concurrency"]["group"]
    for job in content["jobs"].values():
        assert set(job["permissions"].items()) <= {("contents", "read"), ("id-token", "write")}
        assert 0 < job["timeout-minutes"] <= 60


def test_ci_runs_what_the_repository_runs() -> None:
    """The CI workflow runs the commands of .ci/run; add a step to both."""
    assert hatch_commands(workflow("ci")["jobs"]["run"]) == ci_run()


def test_ci_runs_the_whole_matrix() -> None:
    """What .ci/run leaves out of ``hatch run matrix`` is run by the CI workflow."""
    words = [command.split() for command in ENVIRONMENTS["default"]["scripts"]["matrix"]]
    matrix = {name for _, _, name, *_ in words}
    jobs = workflow("ci")["jobs"]
    assert hatch_commands(jobs["matrix"]) == matrix - hatch_commands(jobs["run"])
    (setup,) = [step for step in jobs["matrix"]["steps"] if "setup-python" in step.get("uses", "")]
    prefix = "Programming Language :: Python :: "
    pythons = {
        name.removeprefix(prefix)
        for name in DISTRIBUTIONS[0].project["classifiers"]
        if re.fullmatch(rf"{prefix}3\.\d+", name)
    }
    assert set(setup["with"]["python-version"].split()) == pythons


def test_scripts_call_scripts_there_are() -> None:
    """Where a script of hatch.toml calls another by hatch, that one exists."""
    called = re.findall(r"\bhatch run (?:-- )?([\w:-]+)", (ROOT / "hatch.toml").read_text())
    assert {"default:wheels", "newest:test", "lowest-flask:test"} <= set(called)
    assert [name for name in called if not exists(name)] == []


def test_the_release_is_confirmed_checked_and_uploaded_without_a_password() -> None:
    """The tag is confirmed first, and the upload's job alone may prove to PyPI who it is."""
    content = workflow("release")
    assert list(content[True]) == ["push"]  # YAML 1.1 takes "on" for a boolean
    assert list(content[True]["push"]) == ["tags"]
    build, upload = content["jobs"]["build"], content["jobs"]["upload"]
    assert [each for each in commands(build) if each != INSTALL] == [
        f"{HATCH}release:confirm",
        f"{HATCH}release:check",
    ]
    assert "id-token" not in build["permissions"]
    assert upload["needs"] == "build"
    assert upload["environment"]["name"] == "pypi"
    assert upload["permissions"] == {"id-token": "write"}
    publish = upload["steps"][-1]
    assert publish["uses"].startswith("pypa/gh-action-pypi-publish@")
    assert not {"user", "password", "repository-url"} & set(publish["with"])
    assert publish["with"]["attestations"] is True
    assert "secrets." not in (ROOT / ".github" / "workflows" / "release.yml").read_text()


def test_before_a_commit_the_same_commands_run() -> None:
    """pre-commit has the ruff of hatch.toml, and its other hooks are scripts that CI runs."""
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    pinned = re.findall(r'"ruff==([\d.]+)"', (ROOT / "hatch.toml").read_text())
    assert [f"v{each}" for each in pinned] == [
        repo["rev"] for repo in repos if repo["repo"].endswith("/ruff-pre-commit")
    ]
    local = [hook["entry"] for repo in repos if repo["repo"] == "local" for hook in repo["hooks"]]
    assert local
    assert {entry.removeprefix(HATCH) for entry in local} <= ci_run()
