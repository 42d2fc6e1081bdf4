"""The complete output of servers when a single line has set up logging."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
from importlib.metadata import version
from typing import Any

import pytest
from packaging.version import Version

from dockerflow.logging import dict_config
from tests.servers.web import ROOT, WebServer
from tests.services.beats import wait_until

APPS = "tests.ecosystem.apps"
FASTAPI, FLASK = f"{APPS}.fastapi:app", f"{APPS}.flask_service:app"
SANIC_SCRIPT = (str(ROOT / "tests/ecosystem/apps/sanic_script.py"), "{port}")
FILE = ("--log-config", "logging.json")
MODULE = ("-c", f"python:{APPS}.log_config")
PATCHED = ("-c", f"python:{APPS}.log_config_gevent")
UVICORN = ("-m", "uvicorn", "--port={port}", *FILE, FASTAPI)
GUNICORN = ("-m", "gunicorn", "-b", "127.0.0.1:{port}", *MODULE)
UVICORN_RUN = f"""
import uvicorn
from dockerflow.logging import dict_config
uvicorn.run("{FASTAPI}", port={{port}}, log_config=dict_config("service"))
"""
# Django's command prints this itself: the results of checks, its address, and a warning.
RUNSERVER = "|".join(
    (
        *("Performing system checks...", "System check .*", "WARNINGS:", r"\?: .*", "\tHINT: .*"),
        *("You have .*", "Run 'python .*", r"\w+ \d+, \d+ - .*", "Django version .*"),
        *("Starting development server .*", "Quit the server .*", "WARNING: This is .*"),
        *("For more information .*", ""),
    )
)


SANIC_STARTED = "Worker ready" if Version(version("sanic")) >= Version("24") else "Starting worker"
ACCESS = ("django.server", "django.channels.server")


@dataclasses.dataclass
class Way:
    """A way to start a service.

    :param words: the arguments of ``python``.
    :param started: the message of a started process, and the number of such messages.
    :param last: the last message; None for servers that end silently.
    :param printed: a pattern of the lines that the server prints instead of logging them.
    """

    words: tuple[str, ...]
    started: tuple[str, int] = ("", 0)
    last: str | None = None
    printed: str | None = None
    paths: tuple[str, str] = ("/", "/boom")
    queue: bool = False


def uvicorn(*words: str, workers: int = 1, queue: bool = False) -> Way:
    started = ("Application startup complete", workers)
    return Way((*UVICORN, *words), started, "Finished server process", queue=queue)


def gunicorn(*words: str, workers: int = 1, queue: bool = False) -> Way:
    started = ("Booting worker", workers)
    way = (*GUNICORN, f"--workers={workers}", *words)
    return Way(way, started, "Shutting down: Master", queue=queue)


def sanic(*words: str, workers: int = 1, queue: bool = False) -> Way:
    return Way(words, (SANIC_STARTED, workers), "Server Stopped", queue=queue)


SANIC = ("-m", "sanic", "--port={port}", f"{APPS}.sanic_service:create_app", "--factory")
ORDERS = ("/orders/17", "/orders/500")
WAYS = {
    "uvicorn": uvicorn(),
    "uvicorn-run": dataclasses.replace(uvicorn(), words=("-c", UVICORN_RUN)),
    "uvicorn-2": uvicorn("--workers=2", workers=2),
    "uvicorn-2-queue": uvicorn("--workers=2", workers=2, queue=True),
    "gunicorn": gunicorn(FLASK),
    "gunicorn-queue": gunicorn(FLASK, workers=2, queue=True),
    "gunicorn-preload-queue": gunicorn("--preload", FLASK, workers=2, queue=True),
    "gunicorn-gthread": gunicorn("--threads=2", FLASK, workers=2),
    "gunicorn-gevent-queue": gunicorn("-k", "gevent", *PATCHED, FLASK, queue=True),
    "gunicorn-uvicorn": gunicorn("--worker-class=uvicorn_worker.UvicornWorker", FASTAPI),
    "hypercorn": Way(("-m", "hypercorn", "-b", "127.0.0.1:{port}", *MODULE, FASTAPI)),
    # A worker of Granian that is stopped before it is ready hangs: the one here has answered.
    "granian": Way(
        ("-m", "granian", "--port={port}", "--interface=asgi", *FILE, FASTAPI),
        started=("Started worker-", 1),
        last="Shutting down granian",
    ),
    "sanic": sanic(*SANIC),
    "sanic-2-queue": sanic(*SANIC, "--workers=2", workers=2, queue=True),
    "sanic-run": sanic(*SANIC_SCRIPT, "spawn"),
    "sanic-run-2-queue": sanic(*SANIC_SCRIPT, "spawn", workers=2, queue=True),
    "sanic-run-fork-2-queue": sanic(*SANIC_SCRIPT, "fork", workers=2, queue=True),
    # With --verbosity 1, the default, Daphne prints a line for each request.
    "daphne": Way(
        ("-m", "daphne", "--verbosity=0", "--port={port}", f"{APPS}.shop.asgi:application"),
        paths=ORDERS,
    ),
    "runserver": Way(("-m", "django", "runserver", "{port}"), printed=RUNSERVER, paths=ORDERS),
    # Flask's command prints the name of its application with click.echo().
    "flask-run": Way(
        ("-m", "flask", "--app", f"{APPS}.flask_service", "run", "--port={port}"),
        started=("Running on http", 1),
        printed=r" \* (Serving Flask app|Debug mode).*",
    ),
}


def life(way: Way, **environ: str) -> list[str]:
    """Start a server, request a page and one that fails, stop it; return its output."""
    server = WebServer(("-W", "ignore", *way.words))
    said, times = way.started
    environ |= {"DJANGO_SETTINGS_MODULE": f"{APPS}.shop.settings", "WORKERS": str(times)}
    server.environ |= environ | ({"QUEUE": "1"} if way.queue else {})
    (server.dir / "logging.json").write_text(json.dumps(dict_config("service", queue=way.queue)))
    (server.dir / "assets").mkdir()
    with contextlib.closing(server):
        server.start()
        for rid, path in zip(("good", "bad"), way.paths, strict=True):
            server.get(path, rid)
        wait_until(lambda: server.log.count(said) >= times, timeout=60)
        if said == SANIC_STARTED:  # the service asks for it when it starts
            wait_until(lambda: "No change needed" in server.log)
        os.kill(server.pid, signal.SIGTERM)
        wait_until(lambda: not server.running, timeout=60)
        return server.log.splitlines()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_each_line_is_json(way: Way) -> None:
    """Every line is mozlog, no line is doubled, and requests have summaries, not access lines."""
    written = life(way)
    logged = [each for each in written if not re.fullmatch(way.printed or "(?!)", each)]
    lines: list[dict[str, Any]] = [json.loads(each) for each in logged]
    said = [
        (line["Type"], line["Pid"], line["Fields"]["rid"], line["Fields"].get("msg", ""))
        for line in lines
    ]
    summaries = [line["Fields"] for line in lines if line["Type"] == "request.summary"]
    assert [(each["rid"], each["code"]) for each in summaries if each["rid"] != "ready"] == [
        ("good", 200),
        ("bad", 500),
    ]
    own = [each for each in said if each[0] != "request.summary" and "No change" not in each[3]]
    assert len(set(own)) == len(own)
    assert sum(way.started[0] in message for *_, message in said) >= way.started[1]
    types = {line["Type"] for line in lines}
    assert not [each for each in types if each in ACCESS or each.endswith(".access")]
    assert not [message for *_, message in said if " - - [" in message]  # as Werkzeug writes them
    if way.last is not None:
        ends = [message for *_, message in said if message.startswith(way.last)]
        assert len(ends) == (way.started[1] if way.last.startswith("Finished") else 1)


def test_console() -> None:
    """With the format console, no line is JSON."""
    lines = life(WAYS["gunicorn"], DOCKERFLOW_LOG_FORMAT="console")
    assert len(lines) > 8
    assert not [line for line in lines if line.startswith("{")]


def test_access_log() -> None:
    """With access_log, gunicorn's line for each request is mozlog, too."""
    lines = [json.loads(line) for line in life(WAYS["gunicorn"], ACCESS_LOG="1")]
    access = [line["Fields"]["msg"] for line in lines if line["Type"] == "gunicorn.access"]
    assert sum("/boom" in each for each in access) == 1


@pytest.mark.parametrize("queue", [False, True])
def test_crash_at_import(queue: bool) -> None:
    """An application that can't be imported is reported as mozlog, with the traceback."""
    server = WebServer((*GUNICORN, FLASK))
    server.environ |= {"CRASH": "1"} | ({"QUEUE": "1"} if queue else {})
    with contextlib.closing(server):
        with pytest.raises(RuntimeError, match="does not answer"):
            server.start()
        # gunicorn prints the text of the exception, and its line break a moment later.
        written = re.sub("^crash", "", server.log, flags=re.MULTILINE)
    lines = [json.loads(line) for line in written.splitlines() if line]
    (crash,) = [line["Fields"] for line in lines if "error" in line["Fields"]]
    assert crash["error"] == "RuntimeError('crash')"
    assert "flask_service.py" in crash["traceback"]
