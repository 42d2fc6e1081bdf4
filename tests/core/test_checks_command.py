"""``python -m dockerflow.checks``, for modules without a framework."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

SERVICE = """
import asyncio
from dockerflow import checks

registry = checks.CheckRegistry()
loops = set()
checks.register(lambda: None, name="in_default")

@registry.register
async def first():
    loops.add(asyncio.get_running_loop())

@registry.register(name="second\\x1b[2J")
async def second():
    loops.add(asyncio.get_running_loop())
    assert len(loops) == 1
    yield checks.Warning("one\\n\\u202etwo", id="acme.W001")
    yield checks.Info("three", id="acme.I001")

def make():
    return registry

def fail():
    failing = checks.CheckRegistry()
    failing.register(lambda: checks.Error("no", id="acme.E001"), name="failing")
    return failing

def broken():
    raise RuntimeError("in the factory")

other = 5
"""


def run(folder: pathlib.Path, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder that contains a module ``service``."""
    (folder / "service.py").write_text(SERVICE)
    command = [sys.executable, "-W", "error", "-m", "dockerflow.checks", *arguments]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == status, done.stderr
    return done


@pytest.mark.parametrize("target", ["service:registry", "service:make", "service:make()"])
def test_a_registry(tmp_path: pathlib.Path, target: str) -> None:
    """A table shows each check with all of its messages; async ones share an event loop."""
    title, first, second, third = run(tmp_path, target).stdout.splitlines()
    assert title.split() == ["status", "check", "time", "message"]
    assert (first.split()[:2], first.endswith(" ms")) == (["ok", "first"], True)
    assert second.split()[:2] == ["warning", r"second\x1b[2J"]
    assert second.endswith(r" ms  acme.W001: one\n\u202etwo")
    assert third == " " * title.index("message") + "acme.I001: three"


def test_the_default_registry(tmp_path: pathlib.Path) -> None:
    """Without an attribute, the checks of the default registry are run."""
    assert run(tmp_path, "service").stdout.splitlines()[1].split()[:2] == ["ok", "in_default"]
    assert run(tmp_path, "json").stdout == "There are no checks.\n"


def test_an_error(tmp_path: pathlib.Path) -> None:
    """At ERROR the exit status is 1; with --json the output is one line, as in the heartbeat."""
    (line,) = run(tmp_path, "service:fail", "--json", status=1).stdout.splitlines()
    assert json.loads(line) == {
        "status": "error",
        "checks": {"failing": "error"},
        "details": {
            "failing": {"status": "error", "level": 40, "messages": {"acme.E001": "no"}},
        },
    }
    assert "in the factory" in run(tmp_path, "service:broken", status=1).stderr


def test_a_module_that_exits(tmp_path: pathlib.Path) -> None:
    """A script that exits when it is imported does not count as passed."""
    (tmp_path / "script.py").write_text("import sys\nsys.exit(0)")
    assert "importing 'script' ended the process" in run(tmp_path, "script:app", status=2).stderr


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("missing",), "there is no module named 'missing'"),
        (("service.py",), "there is no module named 'service.py'"),
        (("./service",), "'./service' is not the name of a module, such as shop.app"),
        (("service:none",), "has no attribute 'none'"),
        (("service:other",), "service:other is of type int and has no Dockerflow extension"),
        (("service", "--group", "x"), "--group needs an application, such as shop:app"),
        ((), "required"),
    ],
)
def test_wrong_arguments(tmp_path: pathlib.Path, arguments: tuple[str, ...], fault: str) -> None:
    """A missing module or attribute gives status 2 and a message without a traceback."""
    done = run(tmp_path, *arguments, status=2)
    assert fault in done.stderr
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)
