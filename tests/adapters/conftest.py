"""Fixtures of the adapter tests: each framework in turn, and its log."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dockerflow.logging import MozlogFormatter, RequestIdLogFilter
from tests.adapters.harness import ASGIApp, Framework, Options, RunningApp, installed_frameworks

Serve = Callable[..., ASGIApp]


@pytest.fixture(params=installed_frameworks(), ids=lambda framework: framework.name)
def framework(request: pytest.FixtureRequest) -> Framework:
    """Each framework whose adapter is installed."""
    framework: Framework = request.param
    return framework


@pytest.fixture
def start(framework: Framework) -> Iterator[Callable[..., RunningApp]]:
    """Start the framework's application; keywords are the fields of ``Options``."""
    running: list[RunningApp] = []

    def start(**options: Any) -> RunningApp:
        running.append(framework.start(Options(**options)))
        return running[-1]

    yield start
    for app in running:
        app.close()


class Log(logging.Handler):
    """The records of all loggers, formatted by mozlog at the moment they are logged."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(RequestIdLogFilter())
        self.setFormatter(MozlogFormatter(logger_name="tests"))
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Format the record now, in the thread and context that logged it."""
        line = self.format(record)
        assert "\n" not in line
        self.lines.append(json.loads(line, parse_constant=pytest.fail))

    def of(self, logger: str) -> list[dict[str, Any]]:
        """Return the lines of one logger."""
        return [line for line in self.lines if line["Type"] == logger]

    @property
    def summaries(self) -> list[dict[str, Any]]:
        """The fields of the request summaries."""
        return [line["Fields"] for line in self.of("request.summary")]

    @property
    def summary(self) -> dict[str, Any]:
        """The fields of the only request summary."""
        (fields,) = self.summaries
        assert isinstance(fields, dict)
        return fields


@pytest.fixture(autouse=True)
def _summary_logger() -> Iterator[None]:
    """Restore the logger of the summaries afterwards: an adapter may configure it."""
    logger = logging.getLogger("request.summary")
    level, handlers = logger.level, logger.handlers[:]
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


@pytest.fixture
def log() -> Iterator[Log]:
    """Collect the records from level INFO on."""
    handler = Log()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve ASGI applications, each on an event loop of its own."""
    with contextlib.ExitStack() as stack:

        def serve(app: Any) -> ASGIApp:
            return stack.enter_context(contextlib.closing(ASGIApp(app)))

        yield serve
