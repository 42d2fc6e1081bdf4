"""Sentry with the recipes of docs/tools, whose DSN points to a test server."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import pathlib
import re
import threading
from typing import Any

import pytest
from sentry_sdk.envelope import Envelope

from tests.docs.page import ROOT, select_tabs
from tests.servers.web import WebServer
from tests.services.apps.celery import app, ends
from tests.services.beats import wait_until
from tests.services.servers import RedisServer

APPS = "tests.ecosystem.apps.reporting"
GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}")
UVICORN = ("-m", "uvicorn", "--no-access-log", "--port", "{port}", "--factory")

# Each name begins with that of the framework.
SERVERS = {
    "django-wsgi": (*GUNICORN, f"{APPS}:wsgi()"),
    "django-asgi": (*UVICORN, f"{APPS}:asgi", "--lifespan", "off"),
    "fastapi": (*UVICORN, f"{APPS}:fastapi"),
    "flask": (*GUNICORN, f"{APPS}:flask()"),
    "sanic": ("-m", APPS, "{port}"),
}

# The event titles of each path.
EXPECTED = {
    "/": [],
    "/boom": ["RuntimeError: boom"],
    "/__error__": ["Exception: This is a test exception from the /__error__ endpoint."],
    "/status/503": [],
    "/missing": [],
    "/abort/404": [],
    "/abort/503": [],
    "/handled": [],
    "/api/refused": [],  # from Flask-RESTX
    "/__heartbeat__": ["LookupError: no such queue", "queue.E001: the queue is full"],
}


class Project(http.server.ThreadingHTTPServer):
    """A Sentry project: keeps the events that it receives."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Endpoint)
        self.events: list[dict[str, Any]] = []
        self.dsn = f"http://key@127.0.0.1:{self.server_port}/1"
        threading.Thread(target=self.serve_forever, args=(0.05,)).start()

    def close(self) -> None:
        """Stop the server."""
        self.shutdown()
        self.server_close()


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Takes envelopes: https://develop.sentry.dev/sdk/data-model/envelopes/.

    sentry-sdk 1 sends events without envelopes, to another path.
    """

    server: Project

    def do_POST(self) -> None:
        """Keep the events."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        if self.path.endswith("/store/"):
            self.server.events.append(json.loads(body))
        else:
            items = Envelope.deserialize(body).items
            events = (json.loads(each.get_bytes()) for each in items if each.type == "event")
            self.server.events.extend(events)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Don't write to stderr."""


PAGE = (ROOT / "docs/tools/sentry.md").read_text()
FRAMEWORKS = {"django": "Django", "fastapi": "FastAPI", "flask": "Flask", "sanic": "Sanic"}
Reports = dict[str, list[dict[str, Any]]]


def write_recipe(start: str, folder: pathlib.Path) -> str:
    """Write the shared module of the page and what starts it; return the path of the latter."""
    (reporting,) = re.findall(r":caption: reporting\.py\n(.*?)```", PAGE, re.DOTALL)
    (folder / "reporting.py").write_text(reporting)
    path = folder / "start.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(folder)!r})\n{start}")
    return str(path)


def reports_of(name: str, start: str, folder: pathlib.Path) -> Reports:
    """Request each path, with itself as request id; return the events of each.

    :param name: the server.
    :param start: what runs before the application is made, beside a ``version.json``.
    """
    (folder / "version.json").write_text('{"version": "2026.12.1", "commit": "abc"}')
    with contextlib.closing(Project()) as project:
        server = WebServer(SERVERS[name])
        server.environ["RECIPE"] = write_recipe(start, folder)
        server.environ["SENTRY_DSN"] = project.dsn
        with contextlib.closing(server):
            server.start()
            for path in EXPECTED:
                server.get(path, path)
                server.summary(path)
            server.get("/boom", "last")
            wait_until(lambda: "last" in map(request_id, project.events))
    reports: Reports = {path: [] for path in EXPECTED}
    for event in project.events:
        reports.setdefault(request_id(event), []).append(event)
    return reports


@pytest.fixture(scope="module", params=SERVERS)
def reports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """The events of each path, with the recipe of the framework's tab."""
    framework = FRAMEWORKS[request.param.partition("-")[0]]
    (start,) = re.findall(r"```python\n(.*?)```", select_tabs(PAGE, framework), re.DOTALL)
    start = start.replace("OutOfStock", "Teapot")  # what the application handles
    return reports_of(request.param, start, tmp_path_factory.mktemp("site"))


@pytest.mark.parametrize("path", EXPECTED)
def test_events(reports: Reports, path: str) -> None:
    """An unhandled exception makes one event, a check's message one, and nothing else any."""
    assert sorted(map(title, reports[path])) == EXPECTED[path]


def test_tag_and_release(reports: Reports) -> None:
    """Each event has the id of its request, and the version of ``version.json``."""
    for rid, events in reports.items():
        for event in events:
            assert event["tags"]["request_id"] == rid
            assert event["release"] == "2026.12.1"


def test_without_the_recipe(tmp_path: pathlib.Path) -> None:
    """Of the summaries, only those of unhandled exceptions make events."""
    reports = reports_of("flask", "import sentry_sdk\nsentry_sdk.init()\n", tmp_path)
    summaries = {
        path: [title(event) for event in events if event.get("logger") == "request.summary"]
        for path, events in reports.items()
    }
    summaries = {path: titles for path, titles in summaries.items() if titles and path != "last"}
    assert summaries == {
        "/boom": ["boom"],
        "/__error__": ["This is a test exception from the /__error__ endpoint."],
    }


class Worker(WebServer):
    """A Celery worker with two processes."""

    def __init__(self, redis: RedisServer, **environ: str) -> None:
        module = "tests.ecosystem.apps.reporting_celery"
        words = ("worker", "--loglevel", "INFO", "--concurrency", "2", "--without-mingle")
        super().__init__(("-m", "celery", "--quiet", "-A", module, *words))
        self.environ |= {"BROKER_URL": redis.url, **environ}

    def ready(self) -> bool:
        return " ready." in self.log


def test_celery(tmp_path: pathlib.Path) -> None:
    """A task that fails is one event with its id, a killed process one; nothing else is."""
    page = (ROOT / "docs/tools/celery.md").read_text()
    (start,) = re.findall(r":caption: worker\.py\n(.*?)```", page, re.DOTALL)
    recipe = write_recipe(start, tmp_path)
    with contextlib.closing(Project()) as project, contextlib.closing(RedisServer()) as redis:
        redis.start()
        app.conf.update(broker_url=redis.url, result_backend=redis.url)
        environ = {"RECIPE": recipe, "SENTRY_DSN": project.dsn}
        with contextlib.closing(Worker(redis, **environ)) as worker:
            worker.start()
            for how in ("well", "expected", "ignore", "reject", "retry", "kill", "error"):
                ends.apply_async((how,), headers={"request_id": how})
            wait_until(lambda: worker.log.count('"task.summary"') == 8)
            worker.stop()
        app.close()
    killed, failed = sorted(project.events, key=title, reverse=True)
    assert title(failed) == "ValueError: broken"
    assert failed["tags"]["request_id"] == "error"
    assert title(killed).startswith("WorkerLostError")


def request_id(event: dict[str, Any]) -> str:
    """Return the id of the request that an event belongs to."""
    headers = {name.lower(): value for name, value in event["request"]["headers"].items()}
    return str(headers["x-request-id"])


def title(event: dict[str, Any]) -> str:
    """Return the exception of an event, or else its message."""
    if "exception" in event:
        error = event["exception"]["values"][-1]
        return f"{error['type']}: {error['value']}"
    return str(event["logentry"]["message"])
