"""The configurations of guides/logging.md, in servers and workers that are really started."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.docs.processes import PageServer
from tests.docs.shown import files_of, write_files
from tests.services.beats import wait_until

FILES = files_of("guides/logging.md")
PATH = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

Start = Callable[[str], PageServer]


@pytest.fixture
def start(tmp_path: pathlib.Path) -> Iterator[Start]:
    """Start a server or a worker in the folder of the page's files."""
    write_files(FILES, tmp_path)
    started: list[PageServer] = []

    def start(command: str) -> PageServer:
        environ = {"PATH": PATH, "HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"}
        started.append(PageServer(f"exec {command}", tmp_path, environ))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.close()


def run(folder: pathlib.Path, script: str) -> str:
    """Run a script that may import the page's files, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines(server: PageServer) -> list[dict[str, Any]]:
    """Return all lines of a server's log, each of which must be JSON."""
    return [json.loads(line) for line in server.log.splitlines()]


@pytest.mark.parametrize(
    "command",
    ["gunicorn acme:app", "uvicorn asgi:app --port {port} --log-config logging.yaml"],
)
def test_all_that_a_server_says_is_mozlog(command: str, start: Start) -> None:
    """Every line of the server is mozlog, from its start to its end, and none is there twice."""
    server = start(command)
    server.status("/")
    server.stop()
    assert {line["Logger"] for line in lines(server)} == {"acme"}
    assert [line["Type"] for line in lines(server)].count("orders") == 1
    said = [line["Fields"]["msg"] for line in lines(server)]
    assert any(text.startswith(("Shutting down", "Finished server")) for text in said)


WORKER = "celery --quiet -A tasks worker --concurrency 1"


def test_task_of_a_request(start: Start, tmp_path: pathlib.Path) -> None:
    """What a worker says of a task bears the id of the request that has sent it."""
    worker = start(WORKER)
    send = "from tasks import ship; from dockerflow.logging import request_id_context as context\n"
    run(tmp_path, f"{send}context.set('of-the-request'); ship.delay(1)")
    assert said_by(worker, "orders") == {"order": 1, "rid": "of-the-request", "msg": "shipped"}
    assert said_by(worker, "celery.app.trace")["rid"] == "of-the-request"


def test_task_of_nobodys_request(start: Start, tmp_path: pathlib.Path) -> None:
    """A task that no request has sent bears its own id."""
    worker = start(WORKER)
    id = run(tmp_path, "from tasks import ship; print(ship.delay(1).id)").strip()
    assert said_by(worker, "orders")["rid"] == id


def said_by(worker: PageServer, logger: str) -> dict[str, Any]:
    """Wait for the line of a logger, which must be the only one, and return its fields."""

    def found() -> list[dict[str, Any]]:
        whole = worker.log.rpartition("\n")[0].splitlines()
        return [line for line in map(json.loads, whole) if line["Type"] == logger]

    wait_until(lambda: bool(found()))
    (line,) = found()
    fields: dict[str, Any] = line["Fields"]
    return fields


def test_eager_task(tmp_path: pathlib.Path) -> None:
    """A task that is run within a request has the request's id, and leaves it there."""
    write_files(FILES, tmp_path)
    printed = run(
        tmp_path,
        "import tasks; from dockerflow.logging import request_id_context as context\n"
        "tasks.configure_logging(); context.set('of-the-request')\n"
        "tasks.ship.apply(args=(1,)); tasks.log.info('after')",
    )
    told = [line for line in map(json.loads, printed.splitlines()) if line["Type"] == "orders"]
    assert [line["Fields"]["msg"] for line in told] == ["shipped", "after"]
    assert {line["Fields"]["rid"] for line in told} == {"of-the-request"}
