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
import threading
from collections.abc import Callable
from typing import Any

import pytest

from dockerflow.logging import MozlogFormatter, MozlogHandler, marks
from dockerflow.logging import handler as handler_module
from dockerflow.logging.marks import MARK

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


def a_file() -> io.TextIOWrapper:
    """Return what sys.stdout is, in memory."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


def written(stream: Any) -> str:
    """Return all that has been written to such a file."""
    text: str = stream.buffer.getvalue().decode()
    return text


class Plain(MozlogHandler):
    """A handler that overrides nothing, and yet goes logging's own way."""


def calls_of(work: Callable[[], object]) -> list[str]:
    """Return the names of the Python functions that are called."""
    called: list[str] = []

    def note(frame: Any, event: str, _: object) -> None:
        if event == "call":
            called.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return called


@pytest.mark.parametrize("standard", [False, True])
def test_few_calls(standard: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python marks classes, all that a handler does is one call, but for the formatter."""
    monkeypatch.setattr(sys, "stdout", a_file())
    for cls, short in ((MozlogHandler, bool(MARK)), (Plain, False)):
        handler, made = cls(None if standard else a_file()), record("x")
        handler.handle(made)
        called = calls_of(lambda handler=handler, made=made: handler.handle(made))  # type: ignore[misc]
        assert {"handle", "format"} <= set(called)
        assert {"filter", "emit", "_write"}.isdisjoint(called) == short


METHODS = [
    *("handle", "filter", "emit", "format", "flush", "_write"),
    *(() if sys.version_info >= (3, 13) else ("acquire", "release")),  # "with" calls neither
]


def through(before: Callable[..., Any], calls: list[str]) -> Callable[..., Any]:
    def method(*args: Any) -> Any:
        calls.append("called")
        return before(*args)

    return method


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        *((MozlogHandler, name) for name in METHODS),
        *((logging.StreamHandler, name) for name in METHODS if name not in {"emit", "_write"}),
        *((logging.Handler, name) for name in METHODS if name not in {"emit", "flush", "_write"}),
        (logging.Filterer, "filter"),
    ],
)
def test_patched_classes(cls: type, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that is patched on the class or one above has its say, until it is put back."""
    handler = MozlogHandler(a_file())
    handler.handle(record("x"))
    calls: list[str] = []
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(cls, name, through(getattr(cls, name), calls))
            for _ in range(2):
                calls.clear()
                handler.handle(record("x"))
                assert calls
        calls.clear()
        handler.handle(record("x"))
        assert not calls
    assert [parse(line)["Fields"] for line in written(handler.stream).splitlines()] == [
        {"msg": "x"}
    ] * 7


@pytest.mark.parametrize("name", METHODS)
def test_patched_handlers(name: str) -> None:
    """A method that is put on a handler has its say, and one that is a subclass's own."""
    calls: list[str] = []
    handler = MozlogHandler(a_file())
    handler.handle(record("x"))
    setattr(handler, name, through(getattr(handler, name), calls))
    cls = type("Mine", (MozlogHandler,), {name: through(getattr(MozlogHandler, name), calls)})
    other = cls(a_file())
    for one in handler, other:
        calls.clear()
        one.handle(record("x"))
        assert calls
        assert parse(written(one.stream).splitlines()[-1])["Fields"] == {"msg": "x"}


def test_changed_stream_and_terminator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another stream property and another end of line, of the class or the handler, count."""
    handler, other = MozlogHandler(a_file()), a_file()
    handler.handle(record("one"))
    with monkeypatch.context() as patch:
        patch.setattr(MozlogHandler, "stream", property(lambda _: other))
        handler.handle(record("two"))
    with monkeypatch.context() as patch:
        patch.setattr(logging.StreamHandler, "terminator", ";")
        handler.handle(record("three"))
    handler.terminator = "!"
    handler.handle(record("four"))
    lines = written(handler.stream).split('{"Timestamp"')[1:]
    assert [line[-1] for line in lines] == ["\n", ";", "!"]
    assert '"two"' in written(other)


def replaced(made: logging.LogRecord) -> Any:
    """Replace the record, where logging lets a filter do that: from Python 3.12 on."""
    return record("another", name=made.name, created=1.5)


def failing(made: logging.LogRecord) -> bool:
    raise OSError("the filter fails")


class Unfit:
    """A formatter that gives no text."""

    def format(self, made: logging.LogRecord) -> Any:
        return None


class Stopping(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        raise KeyboardInterrupt


class Gone(io.BytesIO):
    def write(self, text: Any) -> int:
        raise OSError("disk full")


class Falsy(logging.LogRecord):
    def __bool__(self) -> bool:
        return False


def without_lock(handler: Any) -> None:
    if sys.version_info < (3, 13):  # where logging can do without
        handler.lock = None


CASES: dict[str, Callable[[Any], object]] = {
    "ordinary": lambda _: None,
    "a filter that passes": lambda handler: handler.addFilter(lambda _: True),
    "a filter that passes by name": lambda handler: handler.addFilter(logging.Filter("app")),
    "a filter that does not": lambda handler: handler.addFilter(logging.Filter("other")),
    "a filter that says 0": lambda handler: handler.addFilter(lambda _: 0),
    "a filter that replaces": lambda handler: handler.addFilter(replaced),
    "a filter that fails": lambda handler: handler.addFilter(failing),
    "a filter that sets the formatter": lambda handler: handler.addFilter(
        lambda _: handler.setFormatter(logging.Formatter("mine: %(message)s")) or True
    ),
    "another name": lambda handler: setattr(handler, "logger_name", "other"),
    "the default name": lambda handler: setattr(handler, "logger_name", "Dockerflow"),
    "no formatter": lambda handler: handler.setFormatter(None),
    "another formatter": lambda handler: handler.setFormatter(
        logging.Formatter("%(logger_name)s %(message)s")
    ),
    "an unfit formatter": lambda handler: handler.setFormatter(Unfit()),
    "a formatter that stops all": lambda handler: handler.setFormatter(Stopping()),
    "no lock": without_lock,
    "a stream that fails": lambda handler: handler.setStream(io.TextIOWrapper(Gone())),
    "standard output": lambda handler: handler.setStream(None),
    "a stream in Python": lambda handler: handler.setStream(io.StringIO()),
    "a closed stream": lambda handler: handler.setStream(None) or handler.setStream(closed()),
    "a handler that stops at errors": lambda handler: handler.__dict__.update(
        formatter=Unfit(), handleError=lambda _: 1 / 0
    ),
}


def closed() -> io.TextIOWrapper:
    stream = a_file()
    stream.close()
    return stream


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("extra", [{}, {"logger_name": "given"}, {"a": 1}], ids=str)
@pytest.mark.parametrize("kind", [logging.LogRecord, Falsy])
def test_both_ways(
    case: str,
    extra: dict[str, Any],
    kind: type[logging.LogRecord],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A handler in one place and one that goes logging's way write, return and leave the same."""
    outcomes: list[Any] = []
    for cls in (MozlogHandler, Plain):
        handler: Any = cls(a_file(), name="mine")
        lock = handler.lock
        for _ in range(2):  # the second time with what the first has left
            CASES[case](handler)
            made = kind("app", 20, "app.py", 7, "hello %s", ("you",), None)
            made.__dict__.update(extra, created=1.5, process=7)
            try:
                passed = handler.handle(made)
            except BaseException as error:
                passed = repr(error)
            said = capsys.readouterr()
            stream = handler._stream
            text = ""
            if isinstance(stream, io.StringIO):
                text = stream.getvalue()
            elif stream is not None and not stream.closed:
                text = written(stream)
            names = {name: str(value) for name, value in made.__dict__.items()}
            del names["msecs"], names["relativeCreated"]
            logger_name = made.__dict__.get("logger_name")
            errors = [line for line in said.err.splitlines() if not line.startswith(" ")]
            outcome = [
                *("record" if passed is made else str(passed), text.replace("Plain", ""), names),
                *(type(logger_name), said.out, [line.replace(cls.__name__, "") for line in errors]),
            ]
            # Nobody holds the lock any more.
            assert lock.acquire(blocking=False)
            assert "count=1" in repr(lock)
            lock.release()
            outcomes.append(outcome)
    assert outcomes[:2] == outcomes[2:]


class Deep(io.BytesIO):
    """A buffer that needs more stack than the main thread has left."""

    def write(self, data: Any) -> int:
        if threading.current_thread() is threading.main_thread():
            raise RecursionError
        return super().write(data)


@pytest.mark.parametrize("cls", [MozlogHandler, Plain])
def test_little_stack_below_a_file(
    cls: type[MozlogHandler], capsys: pytest.CaptureFixture[str]
) -> None:
    """A record whose file has no stack left is written once, where there is stack."""
    handler = cls(io.TextIOWrapper(Deep(), encoding="utf-8"))
    for _ in range(2):
        handler.handle(record("x"))
    lines = written(handler.stream).splitlines()
    assert [parse(line)["Fields"] for line in lines] == [{"msg": "x"}] * 2
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not MARK, reason="Python marks no classes")
def test_changes_that_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of a class that has no part in a line is looked at once."""
    handler = MozlogHandler(a_file())
    handler.handle(record("x"))
    looked: list[str] = []
    look = through(marks.WatchedClasses.are_as_found, looked)
    monkeypatch.setattr(marks.WatchedClasses, "are_as_found", look)
    monkeypatch.setattr(logging.Handler, "of_another", "package", raising=False)
    for _ in range(3):
        handler.handle(record("x"))
    assert looked == ["called"]


@pytest.mark.skipif(not MARK, reason="Python marks no classes")
def test_changes_that_matter_make_no_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a method is patched, no class is made for each record."""
    handler = MozlogHandler(a_file())
    made: list[str] = []
    monkeypatch.setattr(marks, "_marked_below", through(marks._marked_below, made))
    monkeypatch.setattr(logging.Handler, "format", lambda *_: "patched")
    for _ in range(3):
        handler.handle(record("x"))
    assert written(handler.stream) == "patched\n" * 3
    assert made == []


@pytest.mark.skipif(not MARK, reason="Python marks no classes")
@pytest.mark.parametrize("moment", [1, 2])
def test_changes_while_looking(monkeypatch: pytest.MonkeyPatch, moment: int) -> None:
    """What another thread patches while the classes are compared has its say from then on."""
    handler = MozlogHandler(a_file())
    handler.handle(record("x"))
    calls: list[str] = []
    compare = handler_module._classes._holds
    compared: list[int] = []

    def compare_and_change() -> bool:
        found = compare()
        compared.append(1)
        if len(compared) == moment:
            monkeypatch.setattr(logging.Handler, "format", through(logging.Handler.format, calls))
        return found

    monkeypatch.setattr(logging.Handler, "of_another", "package", raising=False)
    monkeypatch.setattr(handler_module._classes, "_holds", compare_and_change)
    handler.handle(record("x"))
    calls.clear()
    handler.handle(record("x"))
    assert calls == ["called"]
