"""Where the summaries of FastAPI and Starlette go, with logging configured and without."""

from __future__ import annotations

import logging
import logging.handlers
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from dockerflow.checks import CheckRegistry
from dockerflow.fastapi import Dockerflow, output
from dockerflow.fastapi.middleware import MozlogRequestSummaryLogger
from dockerflow.logging import MozlogFormatter, MozlogHandler
from tests.adapters.asgi import (
    Serve,
    create_app,
    serving,
)
from tests.adapters.conftest import Log


@pytest.fixture
def app() -> FastAPI:
    """An application without any extension."""
    return create_app()


@pytest.fixture
def registry() -> CheckRegistry:
    """An empty registry."""
    return CheckRegistry()


@pytest.fixture
def dockerflow(app: FastAPI, registry: CheckRegistry) -> Dockerflow:
    """The extension of the application."""
    return Dockerflow(app, registry=registry)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an application as a server does."""
    with serving() as serve:
        yield serve


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """The logger of the summaries, as in a process that has not served a request."""
    monkeypatch.setattr(output, "_prepared", False)
    logger = logging.getLogger("request.summary")
    logger.setLevel(logging.NOTSET)
    logger.handlers.clear()
    return logger


def test_output_of_an_application_without_logging(
    app: FastAPI,
    dockerflow: Dockerflow,
    serve: Serve,
    fresh: logging.Logger,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without any logging configuration, each summary is one line of mozlog on stdout."""
    assert (fresh.level, fresh.handlers) == (logging.NOTSET, [])  # nothing before a request
    server = serve(app)
    for path in ("/", "/id"):
        server.request(path)
    lines = capsys.readouterr().out.splitlines()
    assert ['"/"' in lines[0], '"/id"' in lines[1], len(lines)] == [True, True, 2]
    assert fresh.level == logging.INFO
    assert [type(handler) for handler in fresh.handlers] == [MozlogHandler]


def test_own_logger(app: FastAPI, serve: Serve, fresh: logging.Logger, log: Log) -> None:
    """A logger of one's own gets the summaries, and nothing is set up."""
    app.add_middleware(MozlogRequestSummaryLogger, logger=logging.getLogger("mine"))
    serve(app).request("/")
    (line,) = log.of("mine")
    assert line["Fields"]["path"] == "/"
    assert log.summaries == []
    assert (fresh.level, fresh.handlers) == (logging.NOTSET, [])


def mozlog(handler: logging.Handler) -> logging.Handler:
    handler.setFormatter(MozlogFormatter())
    return handler


def listened_to() -> logging.Handler:
    """Build what dictConfig makes of a queue handler from Python 3.12 on."""
    lines: queue.Queue[Any] = queue.Queue()
    handler = logging.handlers.QueueHandler(lines)
    listener = logging.handlers.QueueListener(lines, mozlog(logging.NullHandler()))
    setattr(handler, "listener", listener)  # noqa: B010 - not there before 3.12
    return handler


@pytest.mark.parametrize(
    ("make", "enough"),
    [
        (lambda: mozlog(logging.NullHandler()), True),
        (lambda: MozlogHandler(), True),
        (lambda: logging.handlers.MemoryHandler(9, target=mozlog(logging.NullHandler())), True),
        (listened_to, True),
        (lambda: logging.NullHandler(), False),
        (lambda: logging.handlers.QueueHandler(queue.Queue()), False),
    ],
)
@pytest.mark.parametrize("where", ["", "request", "request.summary"])
def test_output_of_an_application_with_logging(
    fresh: logging.Logger, make: Callable[[], logging.Handler], enough: bool, where: str
) -> None:
    """A handler that writes mozlog is looked for on the record's whole way, and then enough."""
    handler = make()
    logger = logging.getLogger(where)
    logger.addHandler(handler)
    try:
        output.prepare_output()
    finally:
        logger.removeHandler(handler)
    assert bool(fresh.handlers) is not enough


def test_output_out_of_reach(fresh: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler behind a logger that does not propagate, or for errors alone, is not reached."""
    root = logging.getLogger()
    handler = mozlog(logging.NullHandler())
    root.addHandler(handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(fresh, "propagate", False)
            output.prepare_output()
        assert len(fresh.handlers) == 1
        fresh.handlers.clear()
        monkeypatch.setattr(output, "_prepared", False)
        handler.setLevel(logging.ERROR)
        output.prepare_output()
        assert len(fresh.handlers) == 1
    finally:
        root.removeHandler(handler)


def test_level_of_the_application(fresh: logging.Logger) -> None:
    """A level that the application has set stays."""
    fresh.setLevel(logging.ERROR)
    output.prepare_output()
    assert fresh.level == logging.ERROR


def test_imports() -> None:
    """Importing the adapter imports no library of an extra, and configures no logger."""
    code = (
        "import logging, sys, dockerflow.fastapi\n"
        "print(sorted({'redis', 'sqlalchemy', 'alembic'} & set(sys.modules)))\n"
        "print('request.summary' in logging.root.manager.loggerDict)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert (process.stdout, process.stderr) == ("[]\nFalse\n", "")


CONFIGURED = """
import asyncio
from logging.config import dictConfig
from fastapi import FastAPI
from dockerflow.fastapi import Dockerflow
app = FastAPI()
Dockerflow(app)
dictConfig({
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "mozlog",
                             "stream": "ext://sys.stdout"}},
    "formatters": {"mozlog": {"()": "dockerflow.logging.MozlogFormatter"}},
    "loggers": {"request.summary": {"handlers": ["console"], "level": "DEBUG"}},
})
async def receive(): ...
async def send(message): ...
scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
for _ in range(2):
    asyncio.run(app(dict(scope), receive, send))
"""


def test_documented_configuration() -> None:
    """A handler on the summaries' own logger, configured after the extension, writes each once."""
    process = subprocess.run(
        [sys.executable, "-c", CONFIGURED], check=False, capture_output=True, text=True
    )
    assert [line.count('"request.summary"') for line in process.stdout.splitlines()] == [1, 1]
    assert process.stderr == ""
