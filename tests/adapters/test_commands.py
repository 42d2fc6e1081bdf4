"""The commands that run an application's checks in a process of their own."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from importlib.util import find_spec

import pytest

CHECKS = """
from dockerflow.checks import Error, Warning

def warns():
    return Warning("soon")

def fails():
    return Error("now")

async def hangs():
    await asyncio.sleep(60)
"""

REGISTERED = """
for check in (warns, fails, hangs):
    dockerflow.check(check, timeout=0.1 if check is hangs else ...)
"""

ON_ONE_LOOP = """
loops = set()

@dockerflow.check
async def first():
    loops.add(asyncio.get_running_loop())
    assert len(loops) == 1

@dockerflow.check
async def second():
    await first()
"""

APPLICATIONS = {
    "django": f"""
import asyncio, sys
import django
from django.conf import settings
from django.core.management import execute_from_command_line
{CHECKS}
settings.configure(
    INSTALLED_APPS=["dockerflow.django"],
    DOCKERFLOW_CHECKS=[warns, fails, hangs],
    DOCKERFLOW_CHECK_TIMEOUT=0.1,
    DOCKERFLOW_HEARTBEAT_GROUPS={{"gate": ["warns"]}},
    DATABASES={{}},
)
if __name__ == "__main__":
    execute_from_command_line(sys.argv)
""",
    "flask": f"""
import asyncio
from flask import Flask, current_app, request
from dockerflow.flask import Dockerflow
{CHECKS}
app = Flask("acme")
dockerflow = Dockerflow(app)
app.config["DOCKERFLOW_HEARTBEAT_SHOW_DETAILS"] = False
app.config["DOCKERFLOW_HEARTBEAT_GROUPS"] = '{{"gate": ["warns"]}}'
{REGISTERED}
dockerflow.check(lambda: None if current_app == app else 5, name="in_context")
""",
    "fastapi": f"""
import asyncio
from fastapi import FastAPI
from dockerflow.fastapi import Dockerflow
{CHECKS}
app = FastAPI()
dockerflow = Dockerflow(app)
app.state.DOCKERFLOW_HEARTBEAT_SHOW_DETAILS = False
app.state.DOCKERFLOW_HEARTBEAT_GROUPS = {{"gate": ["warns"]}}
{REGISTERED}
{ON_ONE_LOOP}
""",
    "sanic": f"""
import asyncio
from sanic import Sanic
from dockerflow.sanic import Dockerflow
{CHECKS}
app = Sanic("acme", configure_logging=False)
dockerflow = Dockerflow(app)
app.config.DOCKERFLOW_HEARTBEAT_SHOW_DETAILS = False
app.config.DOCKERFLOW_HEARTBEAT_GROUPS = {{"gate": ["warns"]}}
{REGISTERED}
{ON_ONE_LOOP}
""",
    "wsgi": f"""
import asyncio
from dockerflow.wsgi import Dockerflow
{CHECKS}
settings = {{"DOCKERFLOW_HEARTBEAT_SHOW_DETAILS": False}}
settings["DOCKERFLOW_HEARTBEAT_GROUPS"] = {{"gate": ["warns"]}}
dockerflow = application = Dockerflow(print, settings=settings)
{REGISTERED}
""",
    "asgi": f"""
import asyncio
from dockerflow.asgi import Dockerflow
{CHECKS}
settings = {{"DOCKERFLOW_HEARTBEAT_SHOW_DETAILS": False}}
settings["DOCKERFLOW_HEARTBEAT_GROUPS"] = {{"gate": ["warns"]}}
dockerflow = application = Dockerflow(print, settings=settings)
{REGISTERED}
{ON_ONE_LOOP}
""",
}
MODULE = ("-m", "dockerflow.checks")
COMMANDS = [
    ("django", ("service.py", "heartbeat")),
    ("flask", ("-m", "flask", "--app", "service", "heartbeat")),
    *((name, (*MODULE, "service:app")) for name in ("flask", "fastapi", "sanic")),
    *((name, (*MODULE, "service:dockerflow")) for name in ("flask", "fastapi", "sanic")),
    *((name, (*MODULE, "service:application")) for name in ("wsgi", "asgi")),
]
each_command = pytest.mark.parametrize(
    ("framework", "command"),
    [each for each in COMMANDS if find_spec(f"dockerflow.{each[0]}") is not None],
)


def run(folder: pathlib.Path, framework: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "service.py").write_text(APPLICATIONS[framework])
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@each_command
def test_heartbeat(tmp_path: pathlib.Path, framework: str, command: tuple[str, ...]) -> None:
    """The heartbeat's checks run with its time limits, and details are shown in any case."""
    done = run(tmp_path, framework, *command)
    assert done.returncode == 1, done.stderr
    title, *rows = done.stdout.splitlines()
    assert title.split() == ["status", "check", "time", "message"]
    said = {row.split()[1]: (row.split()[0], row.partition(" ms")[2].strip()) for row in rows}
    more = {"django": (), "wsgi": (), "flask": ("in_context",)}.get(framework, ("first", "second"))
    assert said == {
        **dict.fromkeys(more, ("ok", "")),
        "warns": ("warning", "soon"),
        "fails": ("error", "now"),
        "hangs": ("error", "dockerflow.health.E013: still running after 0.1 s"),
    }


@each_command
def test_json(tmp_path: pathlib.Path, framework: str, command: tuple[str, ...]) -> None:
    """With --json, standard output is the body of the heartbeat."""
    answer = json.loads(run(tmp_path, framework, *command, "--json").stdout)
    assert (answer["status"], answer["checks"]["warns"]) == ("error", "warning")
    assert answer["details"]["fails"]["messages"] == {"fails": "now"}


@each_command
def test_a_group(tmp_path: pathlib.Path, framework: str, command: tuple[str, ...]) -> None:
    """With --group only its checks run; an unknown one gives status 2 and the known groups."""
    done = run(tmp_path, framework, *command, "--group", "gate")
    _, row = done.stdout.splitlines()
    assert (done.returncode, row.split()[:2]) == (0, ["warning", "warns"])
    done = run(tmp_path, framework, *command, "--group", "none")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "There is no such group of checks. Groups: gate" in done.stderr
