"""MozlogHandler, on its own and beside others."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import logging.handlers
import pickle
import queue
import sys
from typing import Any

import pytest

from dockerflow.logging import MozlogFormatter, MozlogHandler

from .lines import parse, record


def logger_of(line: str) -> str:
    return str(parse(line.rstrip("\n"))["Logger"])


def test_the_stdout_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a stream it writes to sys.stdout as it is when a record comes."""
    handler = MozlogHandler()
    handler.handle(record("captured"))
    assert json.loads(capsys.readouterr().out)["Fields"] == {"msg": "captured"}
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        handler.handle(record("redirected"))
        assert handler.stream is stream
    assert "redirected" in stream.getvalue()
    handler.handle(record("again"))
    assert "again" in capsys.readouterr().out


def test_a_stream_of_its_own() -> None:
    """A stream that is given stays, until another is set."""
    first, second = io.StringIO(), io.StringIO()
    handler = MozlogHandler(first)
    handler.handle(record("one"))
    assert handler.setStream(second) is first
    handler.handle(record("two"))
    assert "one" in first.getvalue()
    assert "two" not in first.getvalue()
    assert first.getvalue().count("\n") == 1
    assert "two" in second.getvalue()
    handler.setStream(None)
    assert handler.stream is sys.stdout


def test_no_stdout_at_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a process without standard output it turns to standard error."""
    handler = MozlogHandler()
    monkeypatch.setattr(sys, "stdout", None)
    handler.handle(record("said"))
    assert "said" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stderr", None)
    handler.handle(record("unheard"))


def test_any_encoding() -> None:
    """A stream of any encoding takes every line."""
    raw = io.BytesIO()
    handler = MozlogHandler(io.TextIOWrapper(raw, encoding="ascii", errors="strict"))
    handler.handle(record("größe 😀 \udc80"))
    assert json.loads(raw.getvalue())["Fields"]["msg"] == "größe 😀 \\udc80"


def test_its_name() -> None:
    """The handler's name is the Logger of its lines, and can be changed."""
    stream = io.StringIO()
    handler = MozlogHandler(stream, name="mine")
    made = record()
    handler.handle(made)
    assert made.__dict__["logger_name"] == "mine"
    handler.logger_name = "changed"
    handler.handle(record())
    first, second = stream.getvalue().splitlines()
    assert (logger_of(first), logger_of(second)) == ("mine", "changed")


def test_the_name_of_its_formatter() -> None:
    """A formatter with a name keeps it, unless the handler has been given one as well."""
    stream = io.StringIO()
    handler = MozlogHandler(stream)
    handler.setFormatter(MozlogFormatter(logger_name="formatter"))
    handler.handle(record())
    assert logger_of(stream.getvalue()) == "formatter"
    handler.logger_name = "handler"
    handler.handle(record())
    assert logger_of(stream.getvalue().splitlines()[1]) == "handler"


def test_other_handlers_keep_their_names() -> None:
    """The name on the record is no other handler's, be it before, after or with one formatter."""
    logger = logging.Logger("app")  # noqa: LOG001 - shared with no other test
    streams = [io.StringIO() for _ in range(4)]
    shared = MozlogFormatter(logger_name="shared")
    other = logging.StreamHandler(streams[0])
    other.setFormatter(MozlogFormatter(logger_name="other"))
    mine = MozlogHandler(streams[1], name="mine")
    mine.setFormatter(shared)
    sharing = logging.StreamHandler(streams[2])
    sharing.setFormatter(shared)
    second = MozlogHandler(streams[3], name="second")
    for order in ([other, mine, sharing, second], [second, sharing, mine, other]):
        logger.handlers = list(order)
        logger.warning("x")
        logger.warning("x", extra={"logger_name": "given"})
    names = [[logger_of(line) for line in stream.getvalue().splitlines()] for stream in streams]
    assert names == [
        ["other", "given"] * 2,
        ["mine", "given"] * 2,
        ["shared", "given"] * 2,
        ["second", "given"] * 2,
    ]


def test_the_name_after_pickling() -> None:
    """A copy of a record that has been through the handler carries nobody's name for Logger."""
    handler = MozlogHandler(io.StringIO(), name="mine")
    made = record()
    handler.handle(made)
    other = MozlogFormatter(logger_name="other")
    assert logger_of(other.format(pickle.loads(pickle.dumps(made)))) == "other"
    assert logger_of(other.format(copy.deepcopy(made))) == "other"


class Failing(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError("disk full")


def test_a_stream_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """A stream that fails is reported as logging does, and the application goes on."""
    MozlogHandler(Failing()).handle(record("x"))
    assert "disk full" in capsys.readouterr().err


class Recursive(io.StringIO):
    """A stream written in Python: it needs stack of its own."""

    def write(self, text: str) -> int:
        return self.nested(text, 8)

    def nested(self, text: str, depth: int) -> int:
        return self.nested(text, depth - 1) if depth else super().write(text)


def test_little_stack() -> None:
    """A record that is logged near the end of a recursion is written all the same."""
    stream = Recursive()
    handler = MozlogHandler(stream)
    logged = 0

    def down() -> None:
        nonlocal logged
        try:
            down()
        except RecursionError:
            handler.emit(record(f"level {logged}"))
            logged += 1
            if logged < 30:
                raise

    with contextlib.suppress(RecursionError):
        down()
    for line in stream.getvalue().splitlines():
        parse(line)
    assert stream.getvalue().count("level ") >= 25


def test_queue_handlers() -> None:
    """Through a queue a record keeps message, extra and exception."""
    lines: queue.Queue[logging.LogRecord] = queue.Queue()
    stream = io.StringIO()
    logger = logging.Logger("app")  # noqa: LOG001 - shared with no other test
    logger.addHandler(logging.handlers.QueueHandler(lines))
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
    assert "ValueError: v" in stream.getvalue()


def test_overridden_format() -> None:
    """A subclass may change the line on its way out."""

    class Mine(MozlogHandler):
        def format(self, record: logging.LogRecord) -> str:
            return "prefix " + super().format(record)

    stream = io.StringIO()
    Mine(stream).handle(record())
    assert stream.getvalue().startswith("prefix {")


def test_other_formatters(capsys: pytest.CaptureFixture[str]) -> None:
    """Any formatter will do, and sees the handler's name on the record."""
    handler = MozlogHandler(name="mine")
    handler.setFormatter(logging.Formatter("%(logger_name)s: %(message)s"))
    handler.handle(record("x"))
    assert capsys.readouterr().out == "mine: x\n"


def test_levels_and_closing() -> None:
    """It is a StreamHandler: levels, filters, terminator, flush and repr are that one's."""
    stream = io.StringIO()
    handler: Any = MozlogHandler(stream)
    assert isinstance(handler, logging.StreamHandler)
    handler.terminator = "\r\n"
    handler.handle(record())
    assert stream.getvalue().endswith("}\r\n")
    handler.flush()
    assert "MozlogHandler" in repr(handler)
    handler.close()


def test_overridden_flush() -> None:
    """A subclass that flushes in its own way does, once a record."""
    flushed: list[str] = []

    class Mine(MozlogHandler):
        def flush(self) -> None:
            flushed.append(self.stream.getvalue())

    stream = io.StringIO()
    handler = Mine(stream)
    handler.handle(record("x"))
    assert flushed == [stream.getvalue()]
    handler.close()


def test_replaced_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flush that is put on the handler itself is called, once a record."""
    flushed: list[int] = []
    handler = MozlogHandler(io.StringIO())
    monkeypatch.setattr(handler, "flush", lambda: flushed.append(1))
    handler.handle(record("x"))
    assert flushed == [1]


def test_flushing(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line is flushed; a stream that can't be is written to all the same."""

    class Counting(io.StringIO):
        flushes = 0

        def flush(self) -> None:
            self.flushes += 1

    stream = Counting()
    MozlogHandler(stream).handle(record("x"))
    assert stream.flushes == 1

    class Bare:
        written = ""

        def write(self, text: str) -> None:
            self.written += text

    bare: Any = Bare()
    handler = MozlogHandler(bare)
    for _ in range(2):
        handler.handle(record("x"))
    assert [parse(line)["Fields"] for line in bare.written.splitlines()] == [{"msg": "x"}] * 2
    assert capsys.readouterr().err == ""
