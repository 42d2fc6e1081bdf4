"""Queues and other processes between a logger and the handler that writes mozlog."""

from __future__ import annotations

import json
import logging
import logging.handlers
import multiprocessing
import pickle
import queue
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from dockerflow.django.middleware import DockerflowMiddleware
from dockerflow.logging import MozlogFormatter, MozlogHandler, RequestIdLogFilter
from tests.adapters.harness import Framework, Options, installed_frameworks

# Another process, with the standard library alone: the records it receives, by their loggers.
RECEIVER = """
import json, logging, pickle, sys
assert not any("site-packages" in path for path in sys.path)
for data in pickle.load(sys.stdin.buffer):
    sent = pickle.loads(data)
    record = logging.makeLogRecord(sent) if isinstance(sent, dict) else sent
    print(json.dumps([record.name, record.getMessage(), record.rid, record.logger_name]))
"""


# Within a process, and between processes, as in a recipe of docs/cookbook/log-formats.md.
class RecordQueueHandler(logging.handlers.QueueHandler):
    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


class LineQueueHandler(logging.handlers.QueueHandler):
    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return logging.makeLogRecord({"msg": self.format(record)})


class PickledQueueHandler(logging.handlers.QueueHandler):
    """Passes records on as a multiprocessing queue does."""

    def enqueue(self, record: logging.LogRecord) -> None:
        self.queue.put_nowait(pickle.dumps(record))


class SentSocketHandler(logging.handlers.SocketHandler):
    """Keeps the data that a SocketHandler sends, without the four bytes of its length."""

    def __init__(self, sent: queue.SimpleQueue[bytes]) -> None:
        super().__init__("localhost", 0)
        self.sent = sent

    def send(self, s: Any) -> None:
        self.sent.put(s[4:])


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, without the handlers of pytest."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    root.handlers[:] = []
    root.setLevel(logging.INFO)
    yield root
    root.setLevel(level)
    root.handlers[:] = handlers


def fail() -> None:
    """Log a line and raise, like a broken check."""
    logging.getLogger("app").warning("odd", extra={"set": {1}, "error": "own"})
    raise ValueError("broken")


def serve_requests(framework: Framework) -> None:
    """Make an application serve a request and a heartbeat, whose check fails."""
    app = framework.start(Options(checks={"fail": fail}))
    try:
        app.request("/id", headers={"X-Request-ID": "mine"})
        app.request("/__heartbeat__", headers={"X-Request-ID": "beat"})
    finally:
        app.close()


@pytest.mark.parametrize("between", ["threads", "processes"])
@pytest.mark.parametrize("framework", installed_frameworks(), ids=lambda each: each.name)
def test_queue_listener(
    framework: Framework, between: str, root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines from behind a queue are the same as without it: rid, extra and exception."""
    formatter = MozlogFormatter()
    handler: logging.handlers.QueueHandler
    writer: logging.Handler
    if between == "threads":
        handler, writer = RecordQueueHandler(queue.SimpleQueue()), MozlogHandler()
    else:  # this queue pickles, even for a listener in the same process
        handler = LineQueueHandler(multiprocessing.Queue())
        writer = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    handler.addFilter(RequestIdLogFilter())
    direct: list[dict[str, Any]] = []

    class Direct(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            direct.append(json.loads(formatter.format(record)))

    root.addHandler(handler)
    root.addHandler(Direct())
    listener = logging.handlers.QueueListener(handler.queue, writer)
    listener.start()
    try:
        serve_requests(framework)
    finally:
        listener.stop()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == direct
    fields = {line["Type"]: line["Fields"] for line in lines}
    assert fields["app"]["rid"] == fields["dockerflow.checks.registry"]["rid"] == "beat"
    assert (fields["app"]["set"], fields["app"]["error"]) == ([1], "own")
    assert fields["dockerflow.checks.registry"]["error"] == "ValueError('broken')"
    assert "in fail" in fields["dockerflow.checks.registry"]["traceback"]
    assert fields["request.summary"]["code"] == 500


@pytest.mark.parametrize("kind", [PickledQueueHandler, SentSocketHandler])
@pytest.mark.parametrize("framework", installed_frameworks(), ids=lambda each: each.name)
def test_process_without_the_package(
    framework: Framework, kind: Callable[[Any], logging.Handler], root: logging.Logger
) -> None:
    """Records written as mozlog can be unpickled where dockerflow is not installed."""
    sent: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    handlers = [MozlogHandler(), kind(sent)]
    handlers[0].addFilter(RequestIdLogFilter())
    handlers[1].addFilter(lambda record: not hasattr(record, "request"))  # Django's own class
    for handler in handlers:
        root.addHandler(handler)
    serve_requests(framework)
    pickles = pickle.dumps([sent.get() for _ in range(sent.qsize())])
    receiver = [sys.executable, "-I", "-S", "-c", RECEIVER]
    done = subprocess.run(receiver, input=pickles, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    received = [json.loads(line) for line in done.stdout.splitlines()]
    assert ["app", "in handler", "mine", "Dockerflow"] in received
    assert ["app", "odd", "beat", "Dockerflow"] in received
    names = {name for name, *_ in received}
    assert names >= {"dockerflow.checks.registry", "request.summary"}


def test_request_of_django() -> None:
    """A request that can be pickled, as in an ``extra``, still can, without objects of ours."""
    pickles: list[bytes] = []

    def respond(request: HttpRequest) -> HttpResponse:
        pickles.append(pickle.dumps(request))
        return HttpResponse()

    request = RequestFactory().get("/")
    respond(request)
    DockerflowMiddleware(respond)(request)
    pickles.append(pickle.dumps(request))
    assert [b"dockerflow." in each for each in pickles] == [False] * 3
