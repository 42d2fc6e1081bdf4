"""Summaries that go to a MozlogHandler alone are written without a record: nobody may notice."""

from __future__ import annotations

import datetime
import decimal
import http
import io
import json
import logging
import pathlib
import subprocess
import sys
import threading
import uuid
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest

from dockerflow.logging import (
    MozlogFormatter,
    MozlogHandler,
    RequestIdLogFilter,
    RequestSummary,
    direct,
    marks,
    records,
    request_id_context,
    summary,
    summary_fields,
)
from dockerflow.logging import handler as handler_module
from dockerflow.logging.conversion import DEFAULT_LOGGER_NAME
from dockerflow.logging.encoder import Unusual

from .lines import parse, record

NAME = "tests.direct"


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger of its own, which is taken apart afterwards."""
    made = logging.getLogger(NAME)
    made.setLevel(logging.INFO)
    made.propagate = False
    yield made
    made.handlers.clear()
    made.filters.clear()
    made.disabled = False
    logging.Logger.manager.loggerDict.pop(NAME)


@pytest.fixture
def handler(logger: logging.Logger) -> MozlogHandler:
    made = MozlogHandler(a_file(), name="service")
    logger.addHandler(made)
    return made


def a_file() -> io.TextIOWrapper:
    """Return a file like ``sys.stdout``, in memory."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


def printed(handler: MozlogHandler) -> list[dict[str, Any]]:
    """Return what has been printed, without what is of the moment, and start anew."""
    buffer: io.BytesIO = handler.stream.buffer
    text = buffer.getvalue().decode()
    buffer.seek(0)
    buffer.truncate()
    lines = [parse(line) for line in text.splitlines()]
    for line in lines:
        assert line.pop("Timestamp") > 1_700_000_000_000_000_000
        line["Fields"].pop("t", None)
    return lines


Write = Callable[..., None]


def write_fields(logger: logging.Logger, error: BaseException | None = None, **fields: Any) -> None:
    """Write a summary with any fields."""
    request = observed(logger)
    request.fields = summary_fields(method="GET", path="/", rid="r") | fields
    request.write(200, error=error)


def write_usual(logger: logging.Logger, error: BaseException | None = None, **fields: Any) -> None:
    """Write a summary with the fields that most have."""
    request = observed(logger)
    usual = {"method": "GET", "path": "/", "agent": "", "lang": "", "uid": "", "rid": "r"} | fields
    method, path, agent, lang, uid, rid = usual.values()
    request.usual = method, path, agent, lang, uid, rid
    request.error = error
    request.write_usual(200)


def observed(logger: logging.Logger) -> RequestSummary:
    for one in list(logger.handlers):
        if type(one).__module__.startswith("_pytest"):  # it joins loggers that don't propagate
            logger.removeHandler(one)
    return RequestSummary(logger)


@pytest.fixture(params=[write_fields, write_usual])
def write(request: pytest.FixtureRequest) -> Write:
    """What writes a summary, in either way."""
    found: Write = request.param
    return found


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """True for each summary that has been written without a record."""
    seen: list[bool] = []
    make_writers = direct._make_writers

    def watched(write: Callable[..., bool]) -> Callable[..., bool]:
        def watching(*args: Any) -> bool:
            done = write(*args)
            if done:
                seen.append(True)
            return done

        return watching

    def make(*args: Any) -> Any:
        write, write_usual = make_writers(*args)
        return watched(write), watched(write_usual)

    monkeypatch.setattr(direct, "_make_writers", make)
    return seen


def both(
    write: Write,
    logger: logging.Logger,
    handler: MozlogHandler,
    monkeypatch: pytest.MonkeyPatch,
    **fields: Any,
) -> list[dict[str, Any]]:
    """Write a summary without a record and with one, assert that they are the same, return one."""
    write(logger, **fields)
    directly = printed(handler)
    with monkeypatch.context() as patch:
        patch.setattr(summary, "_lines_without_record", lambda *_: None)
        patch.setattr(summary, "_known_lines", lambda *_: None)
        write(logger, **fields)
        assert printed(handler) == directly
    assert len(directly) == 1
    return directly


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"agent": 'x" \\ \n \u2028 größe 😀', "uid": 5, "querystring": "a=1"},
        {"uid": None, "more": True, "less": 1.5, "path": "/%s{}"},
        {"uid": uuid.UUID(int=1), "when": datetime.date(2026, 1, 1), "d": decimal.Decimal("1.0")},
        {"v": [1, {"a": (2,)}], "w": {}, "x": {3, 1}},
        {"rid": None},
        {"v": type("Mute", (), {"__repr__": lambda _: 1 / 0})()},
    ],
    ids=range(7),
)
def test_ordinary_fields(
    logger: logging.Logger,
    handler: MozlogHandler,
    taken: list[bool],
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, Any],
) -> None:
    """An ordinary summary is written without a record, and its line is that of a record."""
    (line,) = both(write_fields, logger, handler, monkeypatch, **fields)
    assert taken == [True]
    assert (line["Type"], line["Logger"], line["Severity"]) == (NAME, "service", 6)


@pytest.mark.parametrize(
    "fields",
    [
        {"agent": "\udc80"},
        {"größe": 1},
        {"v": float("nan")},
        {"v": {1: 2}},
        {"name": "mine"},
        {"msg": "mine"},
        {"exc_text": "mine"},
        {"message": "mine"},
        {"logger_name": "mine"},
        {"created": "mine"},
    ],
    ids=range(10),
)
def test_unusual_fields(
    logger: logging.Logger,
    handler: MozlogHandler,
    taken: list[bool],
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, Any],
) -> None:
    """An unusual summary is written once, as it always was."""
    both(write_fields, logger, handler, monkeypatch)
    both(write_fields, logger, handler, monkeypatch, **fields)
    assert taken == [True]


USUAL: list[dict[str, Any]] = [
    {},
    {"method": "DELETE", "path": "/größe", "agent": 'x" \\ \n \u2028 größe 😀', "lang": "de"},
    {"uid": 5},
    {"uid": 0},
    {"uid": None},
    {"uid": "ada"},
    {"uid": uuid.UUID(int=1)},
    {"uid": ("a", 1)},
    {"rid": 'of"a\\client'},
    {"agent": "x" * 5000},
]


@pytest.mark.parametrize("fields", USUAL, ids=range(len(USUAL)))
def test_usual_fields(
    logger: logging.Logger,
    handler: MozlogHandler,
    taken: list[bool],
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, Any],
) -> None:
    """The fields that most summaries have make the same line without a dictionary of them."""
    write_usual(logger)
    printed(handler)
    for _ in range(2):  # what is seen for the second time is known already
        with monkeypatch.context() as patch:
            patch.setattr(summary, "summary_fields", mock.Mock(side_effect=AssertionError))
            write_usual(logger, **fields)
        assert taken[1:] == [True]
        (usual,) = printed(handler)
        assert both(write_fields, logger, handler, monkeypatch, **fields) == [usual]
        del taken[1:]


@pytest.mark.parametrize(
    "fields",
    [
        {"agent": "\udc80"},
        {"agent": "\ud83d\udca9"},
        {"lang": None},
        {"agent": b"bytes"},
        {"method": []},
        {"path": 5},
        {"uid": float("nan")},
        {"uid": {1: 2}},
        {"rid": None},
    ],
    ids=range(9),
)
def test_usual_fields_of_an_unusual_kind(
    logger: logging.Logger,
    handler: MozlogHandler,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, Any],
) -> None:
    """Values that nobody expects are written once, as they always were."""
    both(write_usual, logger, handler, monkeypatch)
    usual = both(write_usual, logger, handler, monkeypatch, **fields)
    assert both(write_fields, logger, handler, monkeypatch, **fields) == usual


@pytest.mark.parametrize("code", [None, 500, 599, "200", "x", http.HTTPStatus.OK, 200.0, True])
def test_codes_of_usual_requests(logger: logging.Logger, handler: MozlogHandler, code: Any) -> None:
    """A status that nobody expects is written as it is where the fields are not usual."""
    write_usual(logger)
    printed(handler)
    for _ in range(2):
        request = observed(logger)
        request.usual = "GET", "/", "", "", "", "r"
        request.write_usual(code)
        (usual,) = printed(handler)
        request = observed(logger)
        request.fields = summary_fields("GET", "/", rid="r")
        request.write(code)
        assert printed(handler) == [usual]


def test_usual_requests_are_written_once(logger: logging.Logger, handler: MozlogHandler) -> None:
    """Whatever is called first, and how often, there is one record, with the time until stop()."""
    write_usual(logger)
    printed(handler)
    for first, second in ("write_usual", "write"), ("write_usual",) * 2, ("write", "write_usual"):
        request = observed(logger)
        request.usual = "GET", "/", "", "", "", "r"
        request._stopped = request._mark + 7_000_999_999
        getattr(request, first)(200)
        getattr(request, second)(200)
        buffer: io.BytesIO = handler.stream.buffer
        assert json.loads(buffer.getvalue())["Fields"]["t"] == 7000
        assert len(printed(handler)) == 1


def test_line_ends(
    write: Write, logger: logging.Logger, handler: MozlogHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ends a line is what the handler's class has by then."""
    monkeypatch.setattr(logging.StreamHandler, "terminator", "\x1e")
    write(logger)
    write(logger)
    buffer: io.BytesIO = handler.stream.buffer
    assert buffer.getvalue().count(b"\x1e") == 2


def test_texts_that_come_again() -> None:
    """Of texts that come with requests only some are kept, and no long ones."""
    kept = direct._Quoted()
    for number in range(3000):
        assert kept[f"agent {number}"] == f'"agent {number}"'
        assert len(kept) <= direct._MAX_QUOTED
    long = "x" * (direct._MAX_QUOTED_LENGTH + 1)
    assert kept[long] == f'"{long}"'
    assert long not in kept
    with pytest.raises(Unusual):
        kept[None]  # type: ignore[index]


@pytest.mark.parametrize("text", ["failed", "", "größe \udc80", '{"a": 1}', " { x", "50 %s"])
def test_messages(
    write: Write,
    logger: logging.Logger,
    handler: MozlogHandler,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
) -> None:
    """The text of an exception is the message, whatever it looks like."""
    write(logger)
    printed(handler)
    (line,) = both(write, logger, handler, monkeypatch, error=ValueError(text))
    assert line["Severity"] == 3
    assert line["Fields"]["errno"] == 500


def test_names(
    write: Write, logger: logging.Logger, taken: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line bears the name of the handler, or of its formatter where the handler has none."""
    handler = MozlogHandler(a_file())
    handler.setFormatter(MozlogFormatter(logger_name="formatter"))
    logger.addHandler(handler)
    assert both(write, logger, handler, monkeypatch)[0]["Logger"] == "formatter"
    formatter = MozlogFormatter(logger_name="another")
    handler.setFormatter(formatter)
    assert both(write, logger, handler, monkeypatch)[0]["Logger"] == "another"
    formatter.logger_name = "changed"
    assert both(write, logger, handler, monkeypatch)[0]["Logger"] == "changed"
    handler.logger_name = "later"
    assert both(write, logger, handler, monkeypatch)[0]["Logger"] == "later"
    assert taken == [True] * 4


def test_id_filters(
    write: Write,
    logger: logging.Logger,
    handler: MozlogHandler,
    taken: list[bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The filter for request ids changes nothing where there is one, and is asked where not."""
    handler.addFilter(RequestIdLogFilter())
    token = request_id_context.set("of-context")
    try:
        assert both(write, logger, handler, monkeypatch)[0]["Fields"]["rid"] == "r"
        assert taken == [True]
        request = RequestSummary(logger)
        request.fields = {"a": 1}
        request.write(200)
        assert printed(handler)[0]["Fields"]["rid"] == "of-context"
        assert taken == [True]
    finally:
        request_id_context.reset(token)


Change = Callable[[pytest.MonkeyPatch, logging.Logger, MozlogHandler, Callable[..., Any]], object]


def through(original: Any, spy: Callable[..., Any]) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        spy()
        return original(*args, **kwargs)

    return called


def patched(target: Any, name: str) -> Change:
    def change(
        patch: pytest.MonkeyPatch, logger: logging.Logger, handler: Any, spy: Callable[..., Any]
    ) -> None:
        found: Any = {"logger": logger, "handler": handler, "formatter": handler.formatter}
        where = found.get(target, target)
        patch.setattr(where, name, through(getattr(where, name), spy))

    return change


class Filter(logging.Filter):
    def __init__(self, spy: Callable[..., Any]) -> None:
        super().__init__()
        self.spy = spy

    def filter(self, record: logging.LogRecord) -> bool:
        self.spy()
        return True


class OtherIdFilter(RequestIdLogFilter):
    spy: Callable[..., Any]

    def filter(self, record: logging.LogRecord) -> bool:
        self.spy()
        return super().filter(record)


def other_id_filter(spy: Callable[..., Any]) -> OtherIdFilter:
    made = OtherIdFilter()
    made.spy = spy
    return made


def patched_id_filter(handler: MozlogHandler, spy: Callable[..., Any]) -> None:
    made = RequestIdLogFilter()
    made.__dict__["filter"] = through(made.filter, spy)
    handler.addFilter(made)


def patched_class_of_id_filter(
    patch: pytest.MonkeyPatch, handler: MozlogHandler, spy: Callable[..., Any]
) -> None:
    handler.addFilter(RequestIdLogFilter())
    patch.setattr(RequestIdLogFilter, "filter", through(RequestIdLogFilter.filter, spy))


def other_formatter(handler: MozlogHandler, spy: Callable[..., Any]) -> None:
    class Formatter(MozlogFormatter):
        def convert_record(self, record: logging.LogRecord) -> dict[str, Any]:
            spy()
            return super().convert_record(record)

    handler.setFormatter(Formatter())


class Second(logging.Handler):
    def __init__(self, spy: Callable[..., Any]) -> None:
        super().__init__()
        self.spy = spy

    def emit(self, record: logging.LogRecord) -> None:
        assert record.__dict__["code"] == 200
        self.spy()


def factory(patch: pytest.MonkeyPatch, spy: Callable[..., Any]) -> None:
    before = logging.getLogRecordFactory()
    patch.setattr(logging, "_logRecordFactory", through(before, spy))


#: Whatever an application may have put between a summary and its line.
CHANGES: dict[str, Change] = {
    **{
        f"{cls.__name__}.{name}": patched(cls, name)
        for cls, names in (
            (logging.Logger, ("handle", "callHandlers", "filter", "isEnabledFor")),
            (logging.Logger, ("log", "_log", "makeRecord")),
            (MozlogHandler, ("handle", "filter", "emit", "format", "flush")),
            (logging.Handler, ("handle", "format")),
            (logging.StreamHandler, ("handle", "flush")),
            (MozlogFormatter, ("format", "convert_record")),
            (logging.LogRecord, ("__init__", "getMessage")),
        )
        for name in names
    },
    **{
        f"{target}.{name}": patched(target, name)
        for target, names in (
            ("logger", ("handle", "callHandlers", "filter", "isEnabledFor")),
            ("logger", ("log", "_log", "makeRecord")),
            ("handler", ("handle", "filter", "emit", "format", "flush")),
            ("formatter", ("format", "convert_record")),
        )
        for name in names
    },
    "filter of the logger": lambda _, logger, __, spy: logger.addFilter(Filter(spy)),
    "filter of the handler": lambda _, __, handler, spy: handler.addFilter(Filter(spy)),
    "function as a filter": lambda _, __, handler, spy: handler.addFilter(
        lambda record: spy() or True
    ),
    "filter of a subclass": lambda _, __, handler, spy: handler.addFilter(other_id_filter(spy)),
    "patched filter": lambda _, __, handler, spy: patched_id_filter(handler, spy),
    "patched class of filters": lambda patch, _, handler, spy: patched_class_of_id_filter(
        patch, handler, spy
    ),
    "formatter of a subclass": lambda _, __, handler, spy: other_formatter(handler, spy),
    "second handler": lambda _, logger, __, spy: logger.addHandler(Second(spy)),
    "record factory": lambda patch, _, __, spy: factory(patch, spy),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("marks", [True, False])
def test_nothing_is_passed_over(
    write: Write,
    logger: logging.Logger,
    handler: MozlogHandler,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    marks: bool,
) -> None:
    """Whatever an application has changed on a record's way has its say, and there is one line."""
    if not marks:  # as in Python 3.13
        monkeypatch.setattr("dockerflow.logging.marks.MARK", 0)
    write(logger)
    (before,) = printed(handler)
    calls: list[int] = []
    with monkeypatch.context() as patch:
        CHANGES[name](patch, logger, handler, lambda: calls.append(1))
        write(logger)
    assert calls
    (line,) = printed(handler)
    assert line["Fields"] == before["Fields"]


def test_marks_of_classes() -> None:
    """Where Python marks classes, a change of any class above takes the mark away, for good."""
    assert bool(marks.MARK) == (sys.version_info < (3, 13))

    class First:
        pass

    class Second:
        pass

    for changed in (First, Second):
        below = marks._marked_below(First, Second)
        assert below.__flags__ & marks.MARK == marks.MARK
        setattr(changed, "more", 1)  # noqa: B010 - types know no such attribute
        assert getattr(changed, "more") == 1  # noqa: B009
        assert not below.__flags__ & marks.MARK


def test_changes_that_do_not_matter(
    write: Write,
    logger: logging.Logger,
    handler: MozlogHandler,
    taken: list[bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A change of a class that has no part in a line is looked at once."""
    write(logger)
    compare = mock.Mock(wraps=records.is_as_made)
    monkeypatch.setattr(handler_module, "is_as_made", compare)
    monkeypatch.setattr(logging.Logger, "of_another", "package", raising=False)
    for _ in range(3):
        write(logger)
    assert len(taken) == 4
    assert compare.call_count == (2 if marks.MARK else 3)


def test_changes_that_two_loggers_see(
    write: Write, logger: logging.Logger, handler: MozlogHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one logger has noticed, another notices as well."""
    other = logging.Logger("tests.other")  # noqa: LOG001 - for this test alone
    other.manager = logging.Logger.manager  # as getLogger does
    other.addHandler(handler)
    both = logger, other
    for one in both:
        write(one)
    calls: list[int] = []
    patched(logging.Logger, "handle")(monkeypatch, logger, handler, lambda: calls.append(1))
    for one in both * 2:
        write(one)
    assert len(calls) == 4


@pytest.mark.parametrize("turn", [1, 2])
def test_changes_while_looking(
    write: Write,
    logger: logging.Logger,
    handler: MozlogHandler,
    monkeypatch: pytest.MonkeyPatch,
    turn: int,
) -> None:
    """What another thread changes while the classes are compared has its say from then on."""
    calls: list[int] = []
    change = patched(logging.Logger, "handle")
    compare = records.is_as_made
    turns = 0

    def compare_and_change() -> bool:
        nonlocal turns
        turns += 1
        found = compare()
        if turns == turn:
            change(monkeypatch, logger, handler, lambda: calls.append(1))
        return found

    write(logger)
    monkeypatch.setattr(logging.Logger, "of_another", "package", raising=False)
    monkeypatch.setattr(handler_module, "is_as_made", compare_and_change)
    for _ in range(turn):
        write(logger)
    assert turns >= turn
    before = len(calls)
    write(logger)
    assert len(calls) == before + 1


def test_changes_while_finding(
    write: Write, logger: logging.Logger, handler: MozlogHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same, while it is found out whether lines may be written without a record."""
    calls: list[int] = []
    change = patched(logging.Logger, "handle")
    compare = records.is_as_made

    def compare_and_change() -> bool:
        monkeypatch.setattr(handler_module, "is_as_made", compare)
        change(monkeypatch, logger, handler, lambda: calls.append(1))
        return compare()

    monkeypatch.setattr(handler_module, "is_as_made", compare_and_change)
    for number in range(3):
        write(logger)
        assert calls == [1] * (number + 1)


def test_objects_that_are_changed_while_finding(
    write: Write, logger: logging.Logger, handler: MozlogHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another thread sets on the handler then has its say from then on."""
    make_writers = direct._make_writers

    def make_and_change(*args: Any) -> Any:
        made = make_writers(*args)
        handler.logger_name = "mine"
        return made

    write(logger)
    handler.setLevel("DEBUG")
    monkeypatch.setattr(direct, "_make_writers", make_and_change)
    for _ in range(2):
        write(logger)
    assert [line["Logger"] for line in printed(handler)][2:] == ["mine"]


def test_methods_that_are_replaced_while_finding(
    write: Write, logger: logging.Logger, handler: MozlogHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method that another thread replaces on the handler then has its say from then on."""
    calls: list[int] = []
    emit = through(handler.emit, lambda: calls.append(1))

    def look_and_replace() -> bool:
        handler.emit = emit  # type: ignore[method-assign] # as a patch does
        return True

    monkeypatch.setattr(handler_module, "is_as_made", look_and_replace)
    for number in (1, 2):
        write(logger)
        assert calls == [1] * number


def test_tables_that_are_replaced_while_finding(
    write: Write, logger: logging.Logger, handler: MozlogHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that another thread replaces then counts from then on."""
    make = marks.WatchedClasses
    table = {**MozlogFormatter.SYSLOG_LEVEL_MAP, logging.INFO: 5}

    def replace_and_make(*args: Any) -> Any:
        monkeypatch.setattr(MozlogFormatter, "SYSLOG_LEVEL_MAP", table)
        return make(*args)

    monkeypatch.setattr(direct, "WatchedClasses", replace_and_make)
    write(logger)
    monkeypatch.setattr(direct, "WatchedClasses", make)
    write(logger)
    table[logging.INFO] = 4
    write(logger)
    assert [line["Severity"] for line in printed(handler)] == [5, 5, 4]


def test_tables_that_equal_others(
    write: Write, logger: logging.Logger, handler: MozlogHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table of the formatter's class that is replaced by its like counts from then on."""
    write(logger)
    table = dict(MozlogFormatter.SYSLOG_LEVEL_MAP)
    monkeypatch.setattr(MozlogFormatter, "SYSLOG_LEVEL_MAP", table)
    for severity in (6, 5):
        table[logging.INFO] = severity
        write(logger)
        handler.handle(record("x"))
    assert [line["Severity"] for line in printed(handler)] == [6, 6, 6, 5, 5]


def test_terminator_that_is_patched(
    write: Write, logger: logging.Logger, handler: MozlogHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What all stream handlers end a line with counts from then on."""
    write(logger)
    monkeypatch.setattr(logging.StreamHandler, "terminator", "\r\n")
    write(logger)
    first, second = handler.stream.buffer.getvalue().splitlines(keepends=True)
    assert (first[-2:], second[-2:]) == (b"}\n", b"\r\n")


def test_level_that_is_set_while_finding(
    write: Write, logger: logging.Logger, handler: MozlogHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler that takes no such records from the moment it was found gets none."""
    only_handler = records.only_handler

    def find_and_change(*args: Any) -> Any:
        found = only_handler(*args)
        handler.setLevel("ERROR")
        return found

    monkeypatch.setattr(records, "only_handler", find_and_change)
    for _ in range(2):
        write(logger)
    assert printed(handler) == []


def test_what_is_kept_is_bounded(write: Write) -> None:
    """Of many loggers only the latest are known."""
    loggers = [logging.Logger(f"tests.{number}") for number in range(70)]  # noqa: LOG001 - for this test alone
    for logger in loggers:
        logger.manager = logging.Logger.manager  # as getLogger does
        logger.addHandler(MozlogHandler(a_file()))
        write(logger)
    assert 0 < len(summary._direct_lines) <= 64


def test_formatter_that_is_replaced(
    write: Write, logger: logging.Logger, handler: MozlogHandler
) -> None:
    """A formatter goes when the application lets go of it."""
    write(logger)
    formatter = weakref.ref(handler.formatter)
    handler.setFormatter(logging.Formatter("%(message)s"))
    write(logger)
    assert formatter() is None


@pytest.mark.parametrize("name", ["handle", "callHandlers", "filter"])
def test_loggers_of_subclasses(write: Write, name: str) -> None:
    """A logger class of the application's own handles the record in its way."""
    calls: list[int] = []
    override = through(getattr(logging.Logger, name), lambda: calls.append(1))
    logger: logging.Logger = type("Mine", (logging.Logger,), {name: override})(NAME)
    logger.manager = logging.Logger.manager  # as getLogger does
    handler = MozlogHandler(a_file())
    logger.addHandler(handler)
    write(logger)
    assert calls == [1]
    assert len(printed(handler)) == 1


@pytest.mark.parametrize(
    "name",
    [
        *("Logger.handle", "Logger.callHandlers", "Logger.filter", "Logger.makeRecord"),
        *("Logger.log", "Logger._log", "LogRecord.__init__", "LogRecord.getMessage"),
        *("Handler.handle", "Handler.filter", "Handler.format", "StreamHandler.flush", "factory"),
    ],
)
@pytest.mark.parametrize("wrapped", ["", "functools.wraps(before)"])
def test_what_was_patched_before(name: str, wrapped: str) -> None:
    """What another package has patched before this one was imported has its say, each time."""
    code = f"""
import functools, logging, sys
sys.path[:] = {sys.path!r}
cls, _, method = {name!r}.partition(".")
calls = []
if method:
    target = getattr(logging, cls)
    before = getattr(target, method)
    def patched(*args, **kwargs):
        with_extra = method != "makeRecord" or args[9]
        calls.append(method if with_extra else "")
        return before(*args, **kwargs)
    setattr(target, method, {wrapped + "(patched)" if wrapped else "patched"})
else:
    class Record(logging.LogRecord):
        def __init__(self, *args, **kwargs):
            calls.append("factory")
            super().__init__(*args, **kwargs)
    logging.setLogRecordFactory(Record)

from dockerflow.logging import MozlogHandler, RequestSummary
logger = logging.getLogger("request.summary")
logger.addHandler(MozlogHandler(sys.stdout))
for _ in range(3):
    calls.clear()
    request = RequestSummary()
    request.fields = {{"a": 1}}
    logger.setLevel("INFO")
    request.write(200)
    print(calls, file=sys.stderr)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert len(ran.stdout.splitlines()) == 3
    calls = ran.stderr.splitlines()
    assert len(calls) == 3
    assert all(line.startswith("['") and "''" not in line for line in calls), calls


def test_handlers_of_subclasses(write: Write, logger: logging.Logger) -> None:
    """A handler class of the application's own gets the record."""
    seen: list[logging.LogRecord] = []

    class Mine(MozlogHandler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)
            super().emit(record)

    handler = Mine(a_file())
    logger.addHandler(handler)
    write(logger)
    assert [record.__dict__["code"] for record in seen] == [200]
    assert len(printed(handler)) == 1


def test_levels(
    write: Write, logger: logging.Logger, handler: MozlogHandler, taken: list[bool]
) -> None:
    """Levels of logger and handler hold, and so does a logger that is switched off."""
    write(logger)
    write(logger)
    assert len(printed(handler)) == 2
    taken.clear()
    handler.setLevel(logging.ERROR)
    write(logger)
    assert printed(handler) == []
    write(logger, error=ValueError("x"))
    assert len(printed(handler)) == 1
    handler.setLevel(logging.NOTSET)
    assert taken == [True]
    switches: list[tuple[Callable[[], object], Callable[[], object]]] = [
        (lambda: logger.setLevel(logging.CRITICAL), lambda: logger.setLevel(logging.INFO)),
        (lambda: setattr(logger, "disabled", True), lambda: setattr(logger, "disabled", False)),
        (lambda: logging.disable(logging.CRITICAL), lambda: logging.disable(logging.NOTSET)),
    ]
    for switch_off, switch_on in switches:
        taken.clear()
        write(logger)
        write(logger)
        assert len(printed(handler)) == len(taken) == 2
        switch_off()
        write(logger)
        write(logger, error=ValueError("x"))
        switch_on()
        assert printed(handler) == []
        assert len(taken) == 2


def test_handlers_above(
    write: Write, logger: logging.Logger, handler: MozlogHandler, taken: list[bool]
) -> None:
    """The handler of a logger above is found, and two handlers get a line each."""
    parent = logging.getLogger("tests")
    above = MozlogHandler(a_file())
    parent.addHandler(above)
    try:
        write(logger)
        assert (len(printed(handler)), len(printed(above))) == (1, 0)
        logger.propagate = True
        parent.propagate = False
        write(logger)
        assert (len(printed(handler)), len(printed(above))) == (1, 1)
        logger.removeHandler(handler)
        write(logger)
        assert (len(printed(handler)), len(printed(above))) == (0, 1)
        assert taken == [True, True]
    finally:
        parent.removeHandler(above)
        parent.propagate = True


def test_handlers_of_other_levels(
    write: Write, logger: logging.Logger, handler: MozlogHandler, taken: list[bool]
) -> None:
    """A handler that takes failures alone is no reason for a record, until it takes more."""
    calls: list[int] = []
    second = Second(lambda: calls.append(1))
    second.setLevel(logging.ERROR)
    logger.addHandler(second)
    write(logger)
    assert (taken, calls) == ([True], [])
    second.setLevel(logging.INFO)
    write(logger)
    assert (taken, calls) == ([True], [1])
    assert len(printed(handler)) == 2


#: What a line says, and who decides it.
TOLD: dict[str, Callable[[pytest.MonkeyPatch, MozlogHandler], object]] = {
    "Logger": lambda _, handler: setattr(handler, "logger_name", "changed"),
    "Hostname": lambda patch, handler: patch.setattr(handler.formatter, "hostname", "changed"),
    "EnvVersion": lambda patch, _: patch.setattr(
        MozlogFormatter, "LOGGING_FORMAT_VERSION", "changed"
    ),
    "Severity": lambda patch, _: patch.setitem(
        MozlogFormatter.SYSLOG_LEVEL_MAP, logging.INFO, "changed"
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_changes_of_what_is_told(
    write: Write,
    logger: logging.Logger,
    handler: MozlogHandler,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """What changes between two lines is said in the second."""
    write(logger)
    assert printed(handler)[0][name] != "changed"
    TOLD[name](monkeypatch, handler)
    assert both(write, logger, handler, monkeypatch)[0][name] == "changed"


def test_names_left_out(
    write: Write, logger: logging.Logger, handler: MozlogHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is excluded later is left out from then on, and one that is not, is back."""

    def has_agent() -> bool:
        both(write, logger, handler, monkeypatch)
        (line,) = both(write, logger, handler, monkeypatch)  # what was found anew is known by now
        return "agent" in line["Fields"]

    assert has_agent()
    MozlogFormatter.EXCLUDED_LOGRECORD_ATTRS.add("agent")
    try:
        assert not has_agent()
    finally:
        MozlogFormatter.EXCLUDED_LOGRECORD_ATTRS.remove("agent")
    assert has_agent()
    monkeypatch.setattr(MozlogFormatter, "EXCLUDED_LOGRECORD_ATTRS", {"agent", *EXCLUDED})
    assert not has_agent()


EXCLUDED = frozenset(MozlogFormatter.EXCLUDED_LOGRECORD_ATTRS)


class Unequal:
    """Something that can't be compared."""

    __hash__ = None  # type: ignore[assignment]

    def __ne__(self, other: object) -> bool:
        raise RuntimeError("not comparable")

    __eq__ = __ne__


@pytest.mark.parametrize("name", ["LOGGING_FORMAT_VERSION", "SYSLOG_LEVEL_MAP"])
@pytest.mark.parametrize("gone", [False, True])
def test_what_cannot_be_looked_at(
    write: Write,
    logger: logging.Logger,
    handler: MozlogHandler,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    gone: bool,
) -> None:
    """Where a table is gone or nonsense, there is a line all the same."""
    write(logger)
    printed(handler)
    if gone:
        monkeypatch.delattr(MozlogFormatter, name)
    else:
        monkeypatch.setattr(MozlogFormatter, name, Unequal())
    write(logger)
    assert len(printed(handler)) == 1


@pytest.mark.parametrize("name", ["logger", "handler", "formatter"])
def test_other_classes_from_then_on(
    write: Write, logger: logging.Logger, handler: MozlogHandler, taken: list[bool], name: str
) -> None:
    """An object that becomes one of a subclass is no longer passed over."""
    write(logger)
    found: Any = {"logger": logger, "handler": handler, "formatter": handler.formatter}[name]
    found.__class__ = type("Mine", (type(found),), {})
    write(logger)
    assert taken == [True]
    assert len(printed(handler)) == 2


def test_another_lock(
    write: Write, logger: logging.Logger, handler: MozlogHandler, taken: list[bool]
) -> None:
    """A lock that is made anew, as after some forks, is the one that is taken."""
    write(logger)
    handler.createLock()
    lock = handler.lock = mock.MagicMock(wraps=handler.lock)
    write(logger)
    assert (lock.acquire.call_count, lock.release.call_count) == (1, 1)
    assert taken == [True, True]
    handler.createLock()


def test_another_handler(
    write: Write, logger: logging.Logger, handler: MozlogHandler, taken: list[bool]
) -> None:
    """A handler that takes the place of another gets the lines from then on."""
    write(logger)
    other = MozlogHandler(a_file())
    logger.handlers[:] = [other]
    write(logger)
    assert (len(printed(handler)), len(printed(other))) == (1, 1)
    assert taken == [True, True]


@pytest.mark.parametrize("first", ["handler", "logger"])
def test_nothing_is_kept_alive(write: Write, first: str) -> None:
    """A logger and a handler go when the application lets go of them."""
    handler = MozlogHandler(a_file())
    logger = logging.Logger(NAME)  # noqa: LOG001 - one that nothing else keeps
    logger.manager = logging.Logger.manager  # as getLogger does
    logger.addHandler(handler)
    write(logger)
    count = len(summary._direct_lines)
    gone = weakref.ref(handler), weakref.ref(logger)
    logger.handlers.clear()
    if first == "handler":
        del handler
        assert gone[0]() is None
    else:
        del logger
        assert gone[1]() is None
    assert len(summary._direct_lines) == count - 1


@pytest.mark.parametrize("uwsgi", [False, True])
def test_forks(uwsgi: bool) -> None:
    """A child's line bears its number, and under uWSGI also where it forks without a word."""
    code = f"""
import ctypes, logging, os, sys
sys.path[:] = {sys.path!r}
if {uwsgi}:
    sys.modules["uwsgi"] = sys  # uWSGI has it there before the application is loaded
    fork = ctypes.CDLL(None).fork  # Python's hooks are not called
else:
    fork = os.fork
from dockerflow.logging import MozlogHandler, RequestSummary
logger = logging.getLogger("request.summary")
logger.addHandler(MozlogHandler(sys.stdout))
logger.setLevel("INFO")
def log():
    request = RequestSummary()
    request.fields = {{"a": 1, "mine": os.getpid()}}
    request.write(200)
def log_usual():
    request = RequestSummary()
    request.usual = "GET", "/", "", "", os.getpid(), "r"
    request.write_usual(200)
import dockerflow.logging.summary as summary
directly = summary._lines_without_record
def log_both_ways():
    log()
    log_usual()
    summary._lines_without_record = lambda *_: None
    log()
    summary._lines_without_record = directly
log_both_ways()
assert summary._direct_lines
for first in (log, log_usual):
    if fork() == 0:
        first()
        log_both_ways()
        os._exit(0)
    os.wait()
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    lines = [parse(line) for line in ran.stdout.splitlines()]
    for line in lines:
        assert line["Pid"] == line["Fields"].get("mine", line["Fields"].get("uid"))
    assert len(lines) == 11
    assert len({line["Pid"] for line in lines}) == 3


def test_no_handler(
    write: Write, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a handler, logging's last resort has the failures, as always."""
    write(logger, error=ValueError("boom"))
    assert capsys.readouterr().err == "boom\n"


class Failing(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError("no space left")


def test_streams_that_fail(
    write: Write, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a stream raises is the handler's to deal with, and it has the whole record for it."""
    handler = MozlogHandler(Failing())
    logger.addHandler(handler)
    handled: list[logging.LogRecord] = []
    monkeypatch.setattr(MozlogHandler, "handleError", lambda _, record: handled.append(record))
    write(logger)
    write(logger)
    assert [made.name for made in handled] == [NAME] * 2
    for made in handled:
        fields = made.__dict__
        assert (fields["code"], fields["rid"], fields["path"]) == (200, "r", "/")
        assert isinstance(fields["t"], int)
    free: list[bool] = []
    lock: Any = handler.lock
    thread = threading.Thread(target=lambda: free.append(lock.acquire(blocking=False)))
    thread.start()
    thread.join()
    assert free == [True]


def test_error_handlers_that_fail(
    write: Write,
    logger: logging.Logger,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where dealing with that raises as well, it is told once, and nobody else is disturbed."""
    logger.addHandler(MozlogHandler(Failing()))
    handle_error = mock.Mock(side_effect=OSError("no stderr"))
    monkeypatch.setattr(MozlogHandler, "handleError", handle_error)
    for number in range(2):
        write(logger)
        assert capsys.readouterr().err.count("OSError: no stderr") == 1
        assert handle_error.call_count == number + 1


def test_streams_in_python(
    write: Write, logger: logging.Logger, handler: MozlogHandler, taken: list[bool]
) -> None:
    """A stream of any other class is written to as well."""
    handler.stream = stream = io.StringIO()
    write(logger)
    assert parse(stream.getvalue().rstrip())["Type"] == NAME
    assert taken == [True]


def test_files(
    write: Write, logger: logging.Logger, tmp_path: pathlib.Path, taken: list[bool]
) -> None:
    """A file has each line at once, in the encoding it was opened with."""
    path = tmp_path / "log"
    with path.open("w", encoding="utf-16") as file:
        logger.addHandler(MozlogHandler(file))
        for number in range(3):
            write(logger)
            lines = path.read_text("utf-16").splitlines()
            assert [parse(line)["Type"] for line in lines] == [NAME] * (number + 1)
        assert taken == [True] * 3


def test_the_stdout_of_the_moment(
    write: Write, logger: logging.Logger, capsys: pytest.CaptureFixture[str], taken: list[bool]
) -> None:
    """A handler without a stream writes to what is ``sys.stdout`` by then."""
    logger.addHandler(MozlogHandler())
    write(logger)
    assert parse(capsys.readouterr().out.rstrip())["Type"] == NAME
    assert taken == [True]


def test_extra_is_as_it_was(logger: logging.Logger, handler: MozlogHandler) -> None:
    """The fields of a summary are only read."""
    request = RequestSummary(logger)
    request.fields = {"a": 1}
    request.write(200)
    assert request.fields == {"a": 1}
    assert printed(handler)[0]["Fields"]["a"] == 1


@pytest.mark.parametrize("made", [MozlogHandler, MozlogFormatter], ids=["handler", "formatter"])
def test_plain_objects(made: type[MozlogHandler | MozlogFormatter]) -> None:
    """A handler and a formatter whose methods nobody has replaced are known as such."""

    class Other(made):  # type: ignore[misc,valid-type] # of either class
        pass

    def is_plain(one: MozlogHandler | MozlogFormatter) -> bool:
        return one._plain_class is type(one)

    assert is_plain(made())
    assert not is_plain(Other())
    one = made()
    one.logger_name = "mine"
    one.more = 1  # type: ignore[union-attr] # an attribute of the application's own
    if isinstance(one, MozlogHandler):
        one.setLevel("ERROR")
        one.stream = io.StringIO()
        one.name = "mine"
    assert is_plain(one)
    one.format = mock.Mock()  # type: ignore[method-assign] # as a patch does
    assert not is_plain(one)
    before = marks.latest_change
    del one.format
    assert marks.latest_change is not before
    assert one.format(record("x"))
    others: list[Any] = [Other, made.__base__]
    for cls in others:
        one = made()
        before = marks.latest_change
        one.__class__ = cls
        assert not isinstance(one, made) or not is_plain(one)
        assert marks.latest_change is not before
    one = made()
    one.__dict__ = {**made().__dict__, "format": str}
    assert not is_plain(one)


@pytest.mark.parametrize("made", [MozlogHandler, MozlogFormatter], ids=["handler", "formatter"])
def test_subclasses_that_say_what_may_be_set(made: type[MozlogHandler | MozlogFormatter]) -> None:
    """A subclass may watch its attributes itself; what is set and fails is noted all the same."""

    class Strict(made):  # type: ignore[misc,valid-type] # of either class
        allowed = frozenset(made().__dict__) - {"_plain_class"} | {"stream"}

        def __setattr__(self, name: str, value: object) -> None:
            if name not in self.allowed:
                raise AttributeError(name)
            super().__setattr__(name, value)
            if value == "refused":
                raise ValueError(name)

    one = Strict()
    with pytest.raises(AttributeError):
        one.more = 1
    before = marks.latest_change
    with pytest.raises(ValueError, match="logger_name"):
        one.logger_name = "refused"
    assert marks.latest_change is not before


def test_subclass_that_copies_an_object() -> None:
    """A subclass whose objects have all that another has is asked for what it overrides."""

    class Copying(MozlogFormatter):
        def __init__(self) -> None:
            vars(self).update(vars(MozlogFormatter()))

        def convert_record(self, record: logging.LogRecord) -> dict[str, Any]:
            return {"mine": True}

    assert Copying().format(record("x")) == '{"mine": true}'


class Wrapper:
    """What wraps a function and says that it equals it, as those of wrapt do."""

    def __init__(self, wrapped: Any, spy: Callable[..., Any]) -> None:
        self.wrapped = wrapped
        self.spy = spy

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return Wrapper(self.wrapped.__get__(instance, owner), self.spy)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.spy()
        return self.wrapped(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return bool(self.wrapped == other)

    def __hash__(self) -> int:
        return hash(self.wrapped)


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        *((logging.Logger, name) for name in ("handle", "callHandlers", "makeRecord", "filter")),
        *((MozlogHandler, name) for name in ("emit", "format", "filter", "handle", "flush")),
        (MozlogFormatter, "format"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_wrappers(
    write: Write,
    logger: logging.Logger,
    handler: MozlogHandler,
    monkeypatch: pytest.MonkeyPatch,
    cls: type,
    name: str,
    first: bool,
) -> None:
    """A wrapper that equals the method it wraps has its say, for summaries and for messages."""
    if not first:
        write(logger)
        logger.info("x")
        printed(handler)
    calls: list[int] = []
    monkeypatch.setattr(cls, name, Wrapper(getattr(cls, name), lambda: calls.append(1)))
    write(logger)
    write(logger)
    assert len(calls) == 2
    logger.info("x")
    assert len(calls) == 3
    assert len(printed(handler)) == 3


def of_host(name: str) -> MozlogFormatter:
    made = MozlogFormatter()
    made.hostname = name
    return made


@pytest.mark.parametrize(
    ("cls", "name", "value", "said"),
    [
        (MozlogFormatter, "hostname", "host", ["host"]),
        (MozlogFormatter, "logger_name", "of-formatter", ["of-formatter"]),
        (MozlogHandler, "logger_name", "mine", ["mine"]),
        (MozlogHandler, "level", logging.ERROR, []),
        (MozlogHandler, "formatter", of_host("of-class"), ["of-class"]),
    ],
)
def test_properties_that_are_put_on_classes(
    write: Write,
    logger: logging.Logger,
    handler: MozlogHandler,
    monkeypatch: pytest.MonkeyPatch,
    cls: type,
    name: str,
    value: Any,
    said: list[str],
) -> None:
    """A property of a class comes before what its objects have."""
    handler.logger_name = DEFAULT_LOGGER_NAME  # it has none, and takes its formatter's
    write(logger)
    printed(handler)
    prop = property(lambda _: value, lambda *_: None)
    monkeypatch.setattr(cls, name, prop, raising=False)
    for _ in range(2):
        write(logger)
        seen = [line[where] for line in printed(handler) for where in ("Hostname", "Logger")]
        assert [text for text in seen if text in said] == said
        assert bool(seen) == bool(said)


@pytest.mark.parametrize("cls", [MozlogHandler, MozlogFormatter])
def test_lookups_that_are_patched(
    write: Write,
    logger: logging.Logger,
    handler: MozlogHandler,
    monkeypatch: pytest.MonkeyPatch,
    cls: type,
) -> None:
    """Whoever replaces how attributes are found is asked for the methods."""
    write(logger)
    calls: list[str] = []

    def look(self: object, name: str) -> object:
        calls.append(name)
        return object.__getattribute__(self, name)

    monkeypatch.setattr(cls, "__getattribute__", look)
    write(logger)
    assert "format" in calls


def test_handler_that_equals_others(
    write: Write, logger: logging.Logger, handler: MozlogHandler
) -> None:
    """A handler in the place of another gets the records, even if it says that it equals it."""

    class Same(logging.Handler):
        seen: list[object]

        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = logging.Handler.__hash__

        def emit(self, record: logging.LogRecord) -> None:
            self.seen.append(record)

    write(logger)
    printed(handler)
    same = Same()
    same.seen = []
    logger.handlers = [same]
    write(logger)
    assert (len(same.seen), printed(handler)) == (1, [])


@pytest.mark.parametrize("direct_handler", [True, False])
def test_requests_that_end_with_the_interpreter(direct_handler: bool) -> None:
    """The summary of a request that the end of the process ends is written, the first one too."""
    code = f"""
import logging, sys, types
sys.path[:] = {sys.path!r}
from dockerflow.logging import MozlogHandler, RequestSummary
handler = MozlogHandler(sys.stdout) if {direct_handler} else logging.StreamHandler(sys.stdout)
logger = logging.getLogger("request.summary")
logger.addHandler(handler)
logger.setLevel("INFO")
if not {direct_handler}:
    handler.setFormatter(logging.Formatter('%(code)s "code": 500'))
@types.coroutine
def pause():
    yield
async def request():
    summary = RequestSummary(logger)
    try:
        await pause()
    except BaseException:
        summary.write(500, ValueError("x"))
        raise
pending = request()
pending.send(None)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert '"code": 500' in ran.stdout
    assert ran.stderr == ""


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="the system has no full device")
def test_lines_that_fail_with_the_interpreter() -> None:
    """A line that can't be written while the process ends is told of by the handler, as ever."""
    code = f"""
import logging, sys, types
sys.path[:] = {sys.path!r}
from dockerflow.logging import MozlogHandler, RequestSummary
logger = logging.getLogger("request.summary")
logger.addHandler(MozlogHandler(open("/dev/full", "w")))
logger.setLevel("INFO")
@types.coroutine
def pause():
    yield
async def request():
    summary = RequestSummary(logger)
    summary.usual = "GET", "/", "", "", "", "r"
    try:
        await pause()
    except BaseException:
        summary.write_usual(200)
        raise
RequestSummary(logger).write(200)
pending = request()
pending.send(None)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.stderr.count("--- Logging error ---") == 2
    assert "request.summary ---" not in ran.stderr
