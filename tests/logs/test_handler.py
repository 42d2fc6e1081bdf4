"""MozlogHandler, on its own and beside others."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import pickle
import queue
import sys
import threading
from typing import Any

import pytest

from dockerflow.logging import MozlogFormatter, MozlogHandler

from .lines import parse, record


def app_logger(*handlers: logging.Handler) -> logging.Logger:
    """Return a logger that is shared with no other test."""
    logger = logging.Logger("app")  # noqa: LOG001 - see above
    for handler in handlers:
        logger.addHandler(handler)
    return logger


class Failing(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError("disk full")


class Logging(io.StringIO):
    """As a well-known recipe replaces sys.stdout: what is written is logged."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self.logger = logger

    def write(self, text: str) -> int:
        for line in text.rstrip().splitlines():
            self.logger.info(line)
        return len(text)


def test_a_stream_that_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is logged while a record is being written goes to the process's standard output."""
    real = io.StringIO()
    monkeypatch.setattr(sys, "__stdout__", real)
    logger = app_logger()
    monkeypatch.setattr(sys, "stdout", Logging(logger))
    logger.addHandler(MozlogHandler())
    logger.info("the message")
    logger.info("another")
    first, second = map(parse, real.getvalue().splitlines())
    assert first["Fields"]["Fields"]["msg"] == "the message"
    assert second["Fields"]["Fields"]["msg"] == "another"


def test_stdout_replaced_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stdout that logs, set after the handler was made, is not written to by the handler."""
    before = io.StringIO()
    monkeypatch.setattr(sys, "stdout", before)
    logger = app_logger(MozlogHandler())
    monkeypatch.setattr(sys, "stdout", Logging(logger))
    logger.info("logged")
    print("printed")
    found = [parse(line)["Fields"]["msg"] for line in before.getvalue().splitlines()]
    assert found == ["logged", "printed"]


@pytest.mark.parametrize("real", [None, Failing()])
def test_nowhere_to_write(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a standard output, it goes to standard error; without both, nothing is raised."""
    monkeypatch.setattr(sys, "__stdout__", real)
    errors = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", errors)
    logger = app_logger()
    logger.addHandler(MozlogHandler(Logging(logger)))
    logger.info("the message")
    assert "the message" in errors.getvalue()
    monkeypatch.setattr(sys, "__stderr__", None)
    logger.info("unheard")


def test_a_failing_stream_and_a_stderr_that_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both streams come back to the handler, the fault is said on standard output."""
    real = io.StringIO()
    monkeypatch.setattr(sys, "__stdout__", real)
    logger = app_logger(MozlogHandler(Failing()))
    monkeypatch.setattr(sys, "stderr", Logging(logger))
    logger.info("the message")
    assert "disk full" in real.getvalue()


def test_a_repr_that_logs() -> None:
    """What a __repr__ logs while a record is formatted is a line before that record's."""
    stream = io.StringIO()
    logger = app_logger(MozlogHandler(stream))

    class Query:
        def __repr__(self) -> str:
            logger.info("looking")
            return "<Query>"

    logger.info("found", extra={"query": Query()})
    first, second = (parse(line)["Fields"] for line in stream.getvalue().splitlines())
    assert first == {"msg": "looking"}
    assert second == {"query": "<Query>", "msg": "found"}


def test_threads_wait_for_each_other() -> None:
    """A record of another thread is written to the stream, and not taken for a nested one."""
    lines: list[str] = []
    others: list[threading.Thread] = []

    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            if not others:
                others.append(threading.Thread(target=logger.info, args=("second",)))
                others[0].start()
            lines.append(text)
            return len(text)

    logger = app_logger(MozlogHandler(Slow()))
    logger.info("first")
    others[0].join()
    assert [parse(line.rstrip())["Fields"]["msg"] for line in lines] == ["first", "second"]


def test_a_stream_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """A stream that fails is reported as logging does; one of any encoding takes every line."""
    handler = MozlogHandler(Failing())
    handler.handle(record("x"))
    assert "disk full" in capsys.readouterr().err
    raw = io.BytesIO()
    handler.setStream(io.TextIOWrapper(raw, encoding="ascii", errors="strict"))
    handler.handle(record("größe 😀 \udc80"))
    assert json.loads(raw.getvalue())["Fields"]["msg"] == "größe 😀 \\udc80"


def test_its_name() -> None:
    """The handler's name is the Logger of its lines, whatever formatter, caller and others say."""
    stream = io.StringIO()
    handler = MozlogHandler(stream, name="mine")
    handler.setFormatter(MozlogFormatter(logger_name="formatter"))
    made = record(logger_name="of the caller")
    handler.handle(made)
    assert made.__dict__["logger_name"] == "mine"
    handler.logger_name = "changed"
    app_logger(handler, MozlogHandler(stream, "other")).handle(made)
    lines = [parse(line) for line in stream.getvalue().splitlines()]
    assert [line["Logger"] for line in lines] == ["mine", "changed", "other"]
    assert type(pickle.loads(pickle.dumps(made)).logger_name) is str


class Keeping(logging.handlers.QueueHandler):
    """As the guide says: within a process, a record needs no preparation."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


@pytest.mark.parametrize("cls", [logging.handlers.QueueHandler, Keeping])
def test_queue_handlers(cls: type[logging.handlers.QueueHandler]) -> None:
    """Through a queue a record keeps message, extra and exception."""
    lines: queue.Queue[logging.LogRecord] = queue.Queue()
    stream = io.StringIO()
    logger = app_logger(cls(lines))
    listener = logging.handlers.QueueListener(lines, MozlogHandler(stream, name="listener"))
    listener.start()
    try:
        raise ValueError("v")
    except ValueError:
        logger.exception("failed %s", "here", extra={"a": {1}})
    listener.stop()
    parsed = parse(stream.getvalue().rstrip("\n"))
    assert parsed["Logger"] == "listener"
    assert parsed["Fields"]["a"] == [1]
    assert "failed here" in parsed["Fields"]["msg"]
    assert "ValueError" in stream.getvalue()
    if cls is Keeping:
        assert parsed["Fields"]["error"] == "ValueError('v')"
