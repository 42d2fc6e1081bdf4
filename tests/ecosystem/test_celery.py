"""Celery workers: their lines, and the id of the request that sent a task."""

from __future__ import annotations

import contextlib
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from dockerflow.flask import Dockerflow
from tests.servers.web import ROOT, WebServer
from tests.services.beats import wait_until

POOLS = ["solo", "threads"]

# Behind the guide's module, for what may happen to a task.
MORE_TASKS = """
@app.task(bind=True, max_retries=1)
def tries_twice(self):
    log.info("try %s", self.request.retries)
    self.retry(countdown=0)


@app.task(ignore_result=True)
def then(result):
    log.info("next")
"""

# The configuration that Celery is told to leave alone.
OWN_HANDLER = """
import logging
import os

from celery import Celery

from dockerflow.logging import MozlogHandler

logging.basicConfig(handlers=[MozlogHandler()])
app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": "queue", "data_folder_out": "queue"}
app.conf.worker_hijack_root_logger = False
os.makedirs("queue", exist_ok=True)


@app.task
def ship(order):
    print("printed")
    logging.getLogger("orders").info("shipped", extra={"order": order})
"""


def guide() -> str:
    """Return the module that docs/guides/logging.md shows."""
    page = (ROOT / "docs" / "guides" / "logging.md").read_text()
    (module,) = re.findall(
        r"```{code-block} python\n:caption: tasks\.py\n\n(.*?)```", page, re.DOTALL
    )
    return str(module)


class Worker(WebServer):
    """A worker of a module ``tasks`` in its folder, which holds its queue, too."""

    def __init__(self, pool: str, module: str) -> None:
        super().__init__(())
        self.words = ("-W", "ignore", "-m", "celery", "--quiet", "-A", "tasks", "worker")
        self.words += ("--loglevel", "INFO", "--concurrency", "2", "--pool", pool)
        self.stop_signal = self.kill_signal
        (self.dir / "tasks.py").write_text(module)

    def ready(self) -> bool:
        return " ready." in self.log

    def line(self, message: str) -> dict[str, Any]:
        """Wait for the one line with a message, and return its fields."""

        def found() -> list[dict[str, Any]]:
            fields: list[dict[str, Any]] = [line["Fields"] for line in self.lines()]
            return [each for each in fields if re.fullmatch(message, each.get("msg", ""))]

        wait_until(lambda: found() != [])
        (fields,) = found()
        return fields


@pytest.fixture
def worker(request: pytest.FixtureRequest, pool: str) -> Iterator[Worker]:
    with contextlib.closing(Worker(pool, request.param)) as worker:
        worker.start()
        yield worker


@pytest.fixture
def tasks(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The worker's module, as an application imports it."""
    monkeypatch.chdir(worker.dir)
    monkeypatch.syspath_prepend(worker.dir)
    module = importlib.import_module("tasks")
    yield module
    module.app.close()
    del sys.modules["tasks"]


def request(view: Any, request_id: str) -> None:
    """Have a view called by a request."""
    app = Flask(__name__)
    Dockerflow(app)
    app.add_url_rule("/", view_func=lambda: view() and "sent")
    assert app.test_client().get("/", headers={"X-Request-ID": request_id}).text == "sent"


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("worker", [guide() + MORE_TASKS], indirect=True, ids=["guide"])
def test_request_id(worker: Worker, tasks: Any) -> None:
    """The lines of a task bear the id of its request: of the next one, of a retry, of a failure."""
    request(lambda: (tasks.ship.s(17) | tasks.then.s()).delay(), "ships")
    request(tasks.tries_twice.delay, "retries")
    alone = tasks.ship.delay(18)
    assert worker.line("try 1")["rid"] == worker.line("try 0")["rid"] == "retries"
    failed = worker.line(r".*tries_twice.* raised unexpected: MaxRetriesExceededError.*")
    assert failed["rid"] == "retries"
    assert failed["error"].startswith("MaxRetriesExceededError")
    assert failed["traceback"].startswith("Uncaught exception:")
    assert worker.line("next")["rid"] == "ships"
    wait_until(lambda: len([line for line in worker.lines() if line["Type"] == "orders"]) == 5)
    shipped = [line["Fields"] for line in worker.lines() if "order" in line["Fields"]]
    assert {each["order"]: each["rid"] for each in shipped} == {17: "ships", 18: alone.id}


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("worker", [OWN_HANDLER], indirect=True, ids=["own handler"])
def test_handler_that_celery_leaves_alone(worker: Worker) -> None:
    """With worker_hijack_root_logger False, lines and prints of tasks come out as mozlog."""
    send = "import tasks; tasks.ship.delay(17)"
    subprocess.run([sys.executable, "-c", send], cwd=worker.dir, env=worker.environ, check=True)
    assert worker.line("shipped") == {"order": 17, "msg": "shipped"}
    assert worker.line("printed") == {"msg": "printed"}
    worker.line(r"Task tasks\.ship.* succeeded .*")
