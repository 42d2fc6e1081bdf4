"""Each example runs by its command, prints the README's output, and ends by Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.servers.web import ROOT, WebServer
from tests.services.beats import wait_until
from tests.services.servers import PostgresServer, RedisServer

README = (ROOT / "examples" / "README.md").read_text()
SCRIPTS: dict[str, str] = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]["example"][
    "scripts"
]
# How Django's settings name PostgreSQL, where the others have SQLAlchemy's URLs.
SCHEMES = {"django": "postgresql"}
# Django applies migrations; the others create their tables by themselves.
FURTHER_CHECKS = {"django": {"check_migrations_applied": "ok"}}

INSTALLED = [name for name in sorted(SCRIPTS) if find_spec(f"dockerflow.{name}") is not None]
SERVICES = [name for name in INSTALLED if name != "celery"]  # it answers no requests


class Example(WebServer):
    """An example, run in a copy of its folder."""

    stop_signal = signal.SIGINT  # Ctrl-C

    def __init__(self, framework: str, folder: pathlib.Path, **environ: str) -> None:
        super().__init__(())
        self.framework = framework
        self.folder = folder
        # Not the database that a run of the example may have left.
        left = shutil.ignore_patterns("__pycache__", "instance", "visits.db")
        source = ROOT / "examples" / framework
        shutil.copytree(source, folder / "examples" / framework, ignore=left)
        del self.environ["PYTHONPATH"]
        commands = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{self.environ['PATH']}"
        self.environ |= {"PATH": commands, "PORT": str(self.port), **environ}

    def command(self) -> list[str]:
        """Return the command line: the script of hatch.toml, as Hatch runs it."""
        script = SCRIPTS[self.framework].replace("{args}", "")

        def variable(match: re.Match[str]) -> str:
            name, default = match.groups()
            return self.environ.get(name, default)

        script = re.sub(r"\{env:(\w+):([^}]*)\}", variable, script)
        return ["bash", "-c", f"cd {self.folder} && {script}"]

    def body(self, path: str, request_id: str = "test") -> str:
        """Return the body of an answer."""
        return self.get(path, request_id).partition(b"\r\n\r\n")[2].decode()


@pytest.fixture(params=SERVICES)
def start(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> Iterator[Callable[..., Example]]:
    """Start each example, with environment variables."""
    started: list[Example] = []

    def start(postgres: PostgresServer | None = None, **environ: str) -> Example:
        if postgres is not None:
            scheme = SCHEMES.get(request.param, "postgresql+psycopg")
            environ["DATABASE_URL"] = postgres.url(scheme)
        started.append(Example(request.param, tmp_path, **environ))
        started[-1].start()
        return started[-1]

    yield start
    for example in started:
        example.close()


def transcript() -> list[tuple[str, str]]:
    """Return the paths that the README requests, with their answers."""
    (block,) = re.findall(r"^```console\n(\$ curl .*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [
        (urlsplit(url).path, answer)
        for url, answer in re.findall(r"^\$ curl (\S+)\n((?:[^$].*\n)*)", block, re.MULTILINE)
    ]


def without_moment(line: dict[str, Any]) -> dict[str, Any]:
    """Replace the parts that differ from run to run."""
    fields = {**line["Fields"], "t": 0, "rid": "", "agent": ""}
    return {**line, "Timestamp": 0, "Pid": 0, "Hostname": "", "Fields": fields}


def test_readme(start: Callable[..., Example]) -> None:
    """The example answers and logs as in the README, and Ctrl-C ends it without an error."""
    example = start()
    for path, shown in transcript():
        answer = example.body(path, "readme" + path)
        if path == "/__heartbeat__":
            parsed = json.loads(answer)
            for name, status in FURTHER_CHECKS.get(example.framework, {}).items():
                assert parsed["checks"].pop(name) == status
            answer = json.dumps(parsed)
        assert answer.rstrip("\n") == shown.rstrip("\n")
    (line,) = re.findall(r"^```json\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    example.summary("readme/")
    (logged,) = [each for each in example.lines("readme/") if each["Type"] == "request.summary"]
    assert without_moment(logged) == without_moment(json.loads(line))
    example.stop()
    assert "Traceback" not in example.log


def test_backing_services(
    start: Callable[..., Example], redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    """With PostgreSQL and Redis the example counts, and reports it when one of them is down."""
    example = start(REDIS_URL=redis_server.url, postgres=postgres_server)
    try:
        assert example.body("/") == "You are visitor number 1.\n"
        checks = json.loads(example.body("/__heartbeat__"))["checks"]
        assert checks["check_database_connected"] == checks["check_redis_connected"] == "ok"
        redis_server.stop()
        heartbeat = json.loads(example.body("/__heartbeat__"))
        assert heartbeat["status"] == "error"
        assert "dockerflow.health.E004" in heartbeat["details"]["check_redis_connected"]["messages"]
        if example.framework == "fastapi":  # its example listens for heartbeats that fail
            wait_until(lambda: '"worst": "error"' in example.log)
    finally:
        example.close()
        postgres_server.clear()


def test_database_down(start: Callable[..., Example], postgres_server: PostgresServer) -> None:
    """The example starts while its database is down, reports it, and recovers with it."""
    postgres_server.stop()
    example = start(postgres=postgres_server)
    assert json.loads(example.body("/__heartbeat__"))["status"] == "error"
    postgres_server.start()
    # Django's migrations are not applied yet, which is a warning.
    wait_until(lambda: json.loads(example.body("/__heartbeat__"))["status"] in ("ok", "warning"))


class Worker(Example):
    """The example of Celery."""

    stop_signal = signal.SIGTERM  # as containers do; Ctrl-C ends it at once

    def ready(self) -> bool:
        """Return whether the worker accepts tasks."""
        return pathlib.Path(self.environ["LIVENESS_FILE"]).exists()


@pytest.mark.skipif("celery" not in INSTALLED, reason="its adapter is not installed")
def test_celery(redis_server: RedisServer, tmp_path: pathlib.Path) -> None:
    """The worker counts in Redis, records each task, and removes its liveness file."""
    file = tmp_path / "alive"
    worker = Worker("celery", tmp_path, REDIS_URL=redis_server.url, LIVENESS_FILE=str(file))
    with contextlib.closing(worker):
        worker.start()
        send = "import worker; worker.count.apply_async(('/',), headers={'request_id': 'demo'})"
        folder = tmp_path / "examples" / "celery"
        subprocess.run([sys.executable, "-c", send], cwd=folder, env=worker.environ, check=True)
        wait_until(lambda: len(worker.lines("demo")) == 2)
        worker.stop()
        counted, summary = (each["Fields"] for each in worker.lines("demo"))
    assert (counted["path"], counted["visits"]) == ("/", 1)
    assert (summary["state"], summary["task"]) == ("SUCCESS", "count")
    assert not file.exists()
