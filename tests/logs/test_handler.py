"""MozlogHandler, alone and with other handlers."""

from __future__ import annotations

import io
import logging
import logging.config
import logging.handlers
import pickle
import queue
import sys
import threading
from typing import Any

import pytest

from dockerflow.logging import MozlogFormatter, MozlogHandler, request_id_context

from .lines import fields, parse_all, record


def app_logger(*handlers: logging.Handler) -> logging.Logger:
    """Return a logger that no other test uses."""
    logger = logging.Logger("app")  # noqa: LOG001 - see above
    for handler in handlers:
        logger.addHandler(handler)
    return logger


class Failing(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError("disk full")


class Logging(io.StringIO):
    """Replaces sys.stdout as in a well-known recipe: written text is logged."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self.logger = logger

    def write(self, text: str) -> int:
        for line in text.rstrip().splitlines():
            self.logger.info(line)
        return len(text)


def messages(stream: io.StringIO) -> list[object]:
    """Return the messages of a stream's lines, and of lines that were logged as a message."""
    found = [line["Fields"] for line in parse_all(stream.getvalue())]
    return [each["msg"] if "msg" in each else each["Fields"]["msg"] for each in found]


def test_a_stream_that_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that is logged while another is written goes to the process's standard output."""
    real = io.StringIO()
    monkeypatch.setattr(sys, "__stdout__", real)
    logger = app_logger()
    monkeypatch.setattr(sys, "stdout", Logging(logger))
    logger.addHandler(MozlogHandler())
    logger.info("the message")
    logger.info("another")
    assert messages(real) == ["the message", "another"]


def test_stdout_replaced_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler doesn't write to a stdout that logs and that was set after it was made."""
    before = io.StringIO()
    monkeypatch.setattr(sys, "stdout", before)
    logger = app_logger(MozlogHandler())
    monkeypatch.setattr(sys, "stdout", Logging(logger))
    logger.info("logged")
    print("printed")
    assert messages(before) == ["logged", "printed"]


@pytest.mark.parametrize("real", [None, Failing()])
def test_nowhere_to_write(real: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without standard output, lines go to standard error; without both, nothing is raised."""
    errors = io.StringIO()
    monkeypatch.setattr(sys, "__stdout__", real)
    monkeypatch.setattr(sys, "__stderr__", errors)
    logger = app_logger()
    logger.addHandler(MozlogHandler(Logging(logger)))
    logger.info("the message")
    assert messages(errors) == ["the message"]
    monkeypatch.setattr(sys, "__stderr__", None)
    logger.info("unheard")


def test_a_failing_stream_and_a_stderr_that_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """If both streams lead back to the handler, the error is shown on standard output."""
    real = io.StringIO()
    monkeypatch.setattr(sys, "__stdout__", real)
    logger = app_logger(MozlogHandler(Failing()))
    monkeypatch.setattr(sys, "stderr", Logging(logger))
    logger.info("the message")
    assert "disk full" in real.getvalue()


def test_a_repr_that_logs() -> None:
    """A record that a __repr__ logs during formatting is written before the formatted record."""
    stream = io.StringIO()
    logger = app_logger(MozlogHandler(stream))

    class Query:
        def __repr__(self) -> str:
            logger.info("looking")
            return "<Query>"

    logger.info("found", extra={"query": Query()})
    assert messages(stream) == ["looking", "found"]


def test_threads_wait_for_each_other() -> None:
    """A record of another thread is written to the stream, and not taken for a nested one."""

    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            if not other.ident:
                other.start()
            return super().write(text)

    stream = Slow()
    logger = app_logger(MozlogHandler(stream))
    other = threading.Thread(target=logger.info, args=("second",))
    logger.info("first")
    other.join()
    assert messages(stream) == ["first", "second"]


def test_a_stream_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """An error of the stream is reported as logging does."""
    MozlogHandler(Failing()).handle(record("x"))
    assert "disk full" in capsys.readouterr().err


def test_each_line_is_flushed() -> None:
    """Each line is flushed from a buffered stream at once."""
    raw = io.BytesIO()
    handler = MozlogHandler(io.TextIOWrapper(raw))
    handler.handle(record("x"))
    assert raw.getvalue().endswith(b"\n")


def test_its_name() -> None:
    """The handler's name is the Logger of its lines, whatever formatter or caller set."""
    stream = io.StringIO()
    handler = MozlogHandler(stream, name="mine")
    handler.setFormatter(MozlogFormatter(logger_name="formatter"))
    made = record(logger_name="of the caller")
    handler.handle(made)
    assert made.__dict__["logger_name"] == "mine"
    handler.logger_name = "changed"
    app_logger(handler, MozlogHandler(stream, "other")).handle(made)
    assert [line["Logger"] for line in parse_all(stream.getvalue())] == ["mine", "changed", "other"]
    assert type(pickle.loads(pickle.dumps(made)).logger_name) is str


class Keeping(logging.handlers.QueueHandler):
    """As the guide says, a record needs no preparation within a process."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record


def test_queue_handlers() -> None:
    """Behind a queue a record keeps message, extra and exception."""
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    logger = app_logger(logging.handlers.QueueHandler(records), Keeping(records))
    try:
        raise ValueError("v")
    except ValueError:
        logger.exception("failed %s", "here", extra={"a": {1}})
    prepared, kept = (fields(records.get_nowait()) for _ in range(2))
    assert (prepared["a"], kept["a"]) == ([1], [1])
    assert "failed here" in prepared["msg"]
    assert "ValueError: v" in str(prepared), "logging has made text of it"
    assert (kept["msg"], kept["error"]) == ("failed here", "ValueError('v')")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="dictConfig makes queues from 3.12 on")
def test_queue_of_dict_config(capsys: pytest.CaptureFixture[str]) -> None:
    """Set up by a dictionary, a line from behind a queue also has its id, extra and exception."""
    keeping: dict[str, Any] = {
        "class": f"{__name__}.Keeping",
        "filters": ["request_id"],
        "handlers": ["mozlog"],
    }
    configuration: dict[str, Any] = {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": "dockerflow.logging.RequestIdLogFilter"}},
        "handlers": {
            "mozlog": {"class": "dockerflow.logging.MozlogHandler", "name": "acme"},
            "queue": keeping,
        },
        "loggers": {"queued": {"level": "INFO", "propagate": False, "handlers": ["queue"]}},
    }
    logging.config.dictConfig(configuration)
    handler: Any = logging.getLogger("queued").handlers[0]
    handler.listener.start()
    token = request_id_context.set("mine")
    try:
        raise ValueError("v")
    except ValueError:
        logging.getLogger("queued").exception("failed", extra={"a": {1}})
    finally:
        request_id_context.reset(token)
        handler.listener.stop()
        logging.getLogger("queued").handlers.clear()
    (line,) = parse_all(capsys.readouterr().out)
    traceback = line["Fields"].pop("traceback")
    assert line["Fields"] == {"a": [1], "rid": "mine", "msg": "failed", "error": "ValueError('v')"}
    assert traceback.endswith("ValueError('v')\n")
