"""The fast way and the general way: two roads to one line."""

from __future__ import annotations

import copy
import datetime
import functools
import json
import linecache
import logging
import pickle
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from dockerflow.logging import MozlogFormatter, fast, safer_format_traceback
from dockerflow.logging import formatter as formatter_module
from dockerflow.logging.plain import clean_text, quote_long

from .lines import parse, record


class General(MozlogFormatter):
    """Formats every record the general way."""

    def convert_record(self, record: logging.LogRecord) -> dict[str, Any]:
        return super().convert_record(record)


SUMMARY: dict[str, Any] = {
    "errno": 0,
    "agent": 'Mozilla/5.0 "x" [FB] {y}',
    "lang": "de;q=0.5",
    "method": "GET",
    "path": "/a%20b\\ud83d",
    "uid": "",
    "rid": None,
    "code": 200,
    "t": 12,
}


def failed() -> Any:
    try:
        raise ValueError("größe 😀")
    except ValueError as error:
        return type(error), error, error.__traceback__


ORDINARY: list[dict[str, Any]] = [
    {"msg": "", **SUMMARY},
    {"msg": "plain"},
    {"msg": "%s of %d", "args": ("x", 5)},
    {"msg": "100%", "one%s": 1},
    {"msg": " indented"},
    {"msg": "failed", "exc_info": failed()},
    {"msg": "failed", "exc_info": (None, None, None)},
    {"msg": "failed", "exc_text": "old", "stack_info": "Stack"},
    {"msg": "😀 and \\ud83d", "v": "日本"},
    {"msg": "x", "v": True, "w": None, "x": 1.5, "y": -0.0, "z": 10**30},
    {"msg": "x", "v": [1, {"a": [None, (1, 2)]}], "w": {}, "y": [], "z": ()},
    {"msg": "x", "v": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "w": uuid.UUID(int=1)},
    {"msg": "x", "v": {3, 1}, "w": [{"b"}], "y": ValueError("v"), "z": object},
    {"msg": "x", "logger_name": "given", "levelno": 25},
    *({"msg": "m" * size} for size in (254, 255, 256, 257, 10_000)),
    *({"msg": "long " * 100 + end} for end in ("\n\n", '"', "\\", "\x7f", "\x00", "\t", "ß", "😀")),
    *({"msg": "x", "created": moment} for moment in (0.0, -0.0, -1.5, 0.1, 1e-12, 1e20, 1e290)),
    *({"msg": "x", "created": 1e9 + number / 7} for number in range(5)),
]


@pytest.mark.parametrize("attributes", ORDINARY, ids=range(len(ORDINARY)))
def test_ordinary_records(attributes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary record goes the fast way, and gets the very line of the general way."""
    made = record(attributes["msg"], *attributes.get("args", ()))
    made.__dict__.update(attributes)
    general = General().format(made)
    monkeypatch.setattr(formatter_module, "_careful_line", None)
    formatter = MozlogFormatter()
    for _ in range(2):
        assert formatter.format(made) == general
    assert parse(general) == formatter.convert_record(made)


def deep_set(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = frozenset({value})
    return value


@pytest.mark.parametrize(
    "attributes",
    [
        {"v": {1: 2, "1": 3}},
        {"v": [{"k": {None: 1}}]},
        {"v": float("nan")},
        {"v": "\udc80"},
        {"v": ["\ud83d\ude00"]},
        {"größe": 1},
        {"v": {"größe": 1}},
        {"error": "mine", "exc_info": failed()},
        {"msg": '{"a": 1}'},
        {"created": 5},
        {"process": "7"},
        {"v": {uuid.UUID(int=1): {datetime.date(2026, 1, 1)}}},
        {"v": deep_set(150)},
        {"v": {1.5, float("inf")}},
        {"v": {"a", "\udc80"}},
        {"exc_text": "\udc80"},
        {"stack_info": "\ud83d\ude00"},
        {"msg": "long " * 100 + "\ud83d"},
        *({"created": moment} for moment in (float("nan"), float("inf"), 1e300, True, None, "1.5")),
        {"exc_info": failed(), "exc_text": "\ud83d"},
    ],
)
def test_unusual_records(attributes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """An unusual record leaves the fast way in time, and its line is the general one."""
    monkeypatch.setattr(time, "time_ns", lambda: 5)
    made = record("x")
    made.__dict__.update(attributes)
    formatter = MozlogFormatter()
    line = formatter.format(made)
    assert line == General().format(made)
    assert parse(line) == formatter.convert_record(made)


class Mine(Exception):
    def __repr__(self) -> str:
        return "Mine(größe\\n)\n"


def deep(depth: int) -> None:
    if depth:
        deep(depth - 1)
    raise Mine


def caused(cause: BaseException | None) -> None:
    try:
        raise KeyError("first")
    except KeyError:
        raise Mine from cause


def with_notes() -> None:
    error = Mine()
    error.add_note("a note\n\udc80")
    raise error


def grouped() -> None:
    raise ExceptionGroup("several", [Mine(), OSError(5, "x")])


def in_odd_files() -> None:
    scope: dict[str, Any] = {}
    source: list[str] = ["def one():\n", '    two()  # größe "\udc80"\n']
    linecache.cache["odd.py"] = (1, None, source, "odd.py")
    exec(compile("def one():\n    two()", "odd.py", "exec"), scope)
    exec(compile("def two():\n    1 / 0", 'gr"öße\udc80\n.py', "exec"), scope)
    scope["one"]()


def context_alone() -> None:
    try:
        raise KeyError("first")
    except KeyError:
        raise Mine  # noqa: B904 - its context is what is shown


def raised_by(work: Callable[[], None]) -> Exception:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError


WORKS: list[Callable[[], None]] = [
    *(functools.partial(deep, depth) for depth in (0, 1, 2, 3, 4, 5, 50)),
    *(functools.partial(caused, cause) for cause in (None, OSError())),
    *(with_notes, grouped, in_odd_files, context_alone),
]


@pytest.mark.parametrize("work", WORKS, ids=range(len(WORKS)))
@pytest.mark.parametrize("traced", [False, True])
def test_tracebacks(work: Callable[[], None], traced: bool) -> None:
    """Both ways tell an exception alike, each time, and so does the public function."""
    error = raised_by(work)
    trace = error.__traceback__ if traced else None
    made = record("x")
    made.exc_info = type(error), error, trace
    text = safer_format_traceback(type(error), error, trace)
    formatter = MozlogFormatter()
    for _ in range(2):
        line = formatter.format(made)
        assert line == General().format(made)
        assert parse(line)["Fields"]["traceback"] == clean_text(text)


def test_records_that_filters_change() -> None:
    """Attributes that are removed, replaced or added later, in any order, count as they are."""
    formatter = MozlogFormatter()
    for name in list(record().__dict__):
        made = record("x", a=1)
        formatter.format(made)
        value = made.__dict__.pop(name)
        assert parse(formatter.format(made))["Fields"]["a"] == 1
        made.__dict__[name] = value
        line = formatter.format(made)
        assert line == General().format(made)
        assert parse(line)["Fields"] == {"a": 1, "msg": "x"}
    made = record("x", a=1)
    formatter.format(made)
    made.msg = "y"
    made.__dict__["b"] = 2
    del made.__dict__["a"]
    assert parse(formatter.format(made))["Fields"] == {"b": 2, "msg": "y"}


class Liar(str):
    """A text that says of itself whatever is asked."""

    __slots__ = ()

    def isascii(self) -> bool:
        return True

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        return b"said"

    def replace(self, *_: Any) -> str:
        return "said"

    def __contains__(self, _: object) -> bool:
        return False

    def __format__(self, _: str) -> str:
        return "said"


@pytest.mark.parametrize(
    "end", [*map(chr, range(160)), "\u2028", "\ud83d", "😀", "", "\n\r", "\n'"]
)
@pytest.mark.parametrize("kind", [str, Liar])
def test_long_texts(end: str, kind: type[str]) -> None:
    """A long text is quoted as a short one is, whatever is in it."""
    for text in (end, "x" * 300 + end, f"{end}\n" * 150):
        assert quote_long(kind(text)) == json.dumps(text)
    unfit: Any
    for unfit in (b"x" * 300, [], None):
        with pytest.raises(TypeError):
            quote_long(unfit)


def test_records_with_properties() -> None:
    """What a class of records says of itself counts, where it does in the general way."""

    class Mine(logging.LogRecord):
        @property
        def levelno(self) -> int:
            return 40

        @levelno.setter
        def levelno(self, level: int) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
            self.__dict__["levelno"] = level

    made = Mine("app", 20, "p", 1, "x", (), None)
    formatter = MozlogFormatter()
    for _ in range(2):
        assert formatter.format(made) == General().format(made)
        assert parse(formatter.format(made))["Severity"] == 3


def test_named_and_unnamed_records() -> None:
    """The name that one record carries is not taken for that of another."""
    formatter = MozlogFormatter(logger_name="mine")
    names: dict[str, Any]
    for names in ({}, {"logger_name": "given"}, {"logger_name": None}, {"other": "x"}) * 2:
        made = record("x", **names)
        assert parse(formatter.format(made))["Logger"] == (names.get("logger_name") or "mine")
        assert formatter.format(made) == General(logger_name="mine").format(made)


def test_as_many_names_but_others() -> None:
    """A record with as many attributes as the one before, but others, loses none of them."""
    formatter = MozlogFormatter()
    formatter.format(record("x", a=1))
    made = record("x", a=1, b=2)
    del made.__dict__["lineno"]
    assert parse(formatter.format(made))["Fields"] == {"a": 1, "b": 2, "msg": "x"}


class NoTime(datetime.tzinfo):
    """A time zone that does not know its offset in any way that datetime takes."""

    def utcoffset(self, dt: datetime.datetime | None) -> Any:
        return "none"

    dst = tzname = utcoffset


def test_types_are_learnt_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that is a text now and a number next costs one change of the code, not one a line."""
    made: list[object] = []
    writer = fast.writer

    def counted(fields: dict[str, type]) -> Any:
        made.append(fields)
        return writer(fields)

    monkeypatch.setattr(fast, "writer", counted)
    formatter = MozlogFormatter()
    for value in ["", 5, "x", None] * 5:
        assert parse(formatter.format(record("x", v=value)))["Fields"] == {"v": value, "msg": "x"}
    assert made == [{"v": str}, {"v": object}]
    for _ in range(5):  # whose own fault is a TypeError
        broken = datetime.datetime(2026, 1, 1, tzinfo=NoTime())
        hopeless = record("x", v=broken)
        assert formatter.format(hopeless) == General().format(hopeless)
    assert len(made) == 2


class Celsius(float):
    """A float of a class of its own."""


class Plain(str):
    """A text of a class of its own, which says something else of itself."""

    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


@pytest.mark.parametrize(
    "turns",
    [
        ["", 5, "x", None, 1.5, True, {"a": 1}],
        [5, True, "x", 10**30, None, -1, Celsius(2.5), 2.5],
        [None, "x", 1],
        ["text", Plain("text"), "text", b"text", "\udc80", "größe"],
        [True, 1, False, 0],
        [uuid.UUID(int=1), "x", {1}, {"b", "a"}, set(), object, (1, {2})],
    ],
    ids=range(6),
)
def test_values_whose_type_changes(turns: list[object]) -> None:
    """A field whose values change their type has the general line each time."""
    formatter = MozlogFormatter()
    for value in (*turns, *reversed(turns)):
        made = record("x", before="b", v=value, after=1)
        line = formatter.format(made)
        assert line == General().format(made)
        assert parse(line)["Fields"]["after"] == 1


HOSTILE_NAMES = [
    '"',
    "'" * 3,
    "\\",
    "\\x22",
    "{",
    "}",
    "{{}}",
    '{__import__("os")}',
    '"]) or exit() or (attributes["x',
    "a\nb",
    "a\0b",
    "\u2028",
    "größe",
    "%s",
    "%(x)s",
    "NAME",
    "value",
    "attributes",
    "quote",
    "#",
    ")",
    "",
    " ",
    "class",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
@pytest.mark.parametrize("value", ["text", 5, None], ids=repr)
def test_names_are_never_code(name: str, value: object) -> None:
    """Whatever an extra field is called, it is a name in the line and nothing else."""
    formatter = MozlogFormatter()
    for _ in range(2):
        made = record("x", first=1)
        made.__dict__.update({name: value, "last": "l"})
        line = formatter.format(made)
        assert line == General().format(made)
        assert parse(line)["Fields"] == {"first": 1, name: value, "last": "l", "msg": "x"}


def test_plain_names_go_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names with blanks, dots, dashes or percent signs are as fast as any."""
    monkeypatch.setattr(formatter_module, "_careful_line", None)
    extra: dict[str, Any] = {"http.status": 5, "a-b": "c", "d e": "f", "100%": 1, "NAME": "n"}
    made = record("x", **extra)
    assert parse(MozlogFormatter().format(made))["Fields"] == {**extra, "msg": "x"}


def test_names_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that never have the same names twice get their lines, and no code without end."""
    made_of: list[object] = []
    writer = fast.writer

    def counted(fields: dict[str, type]) -> Any:
        made_of.append(fields)
        return writer(fields)

    monkeypatch.setattr(fast, "writer", counted)
    formatter = MozlogFormatter()
    for number in range(600):
        made = record("x")
        made.__dict__[f"name{number}"] = number
        assert parse(formatter.format(made))["Fields"] == {f"name{number}": number, "msg": "x"}
    assert len(made_of) <= fast._MAX_CACHED
    made = record("x", name0="0")
    assert formatter.format(made) == General().format(made)


def test_types_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of ever new types don't make what is kept of types grow without end."""
    from dockerflow.logging import encoder

    formatter = MozlogFormatter()
    kinds = [type(f"Kind{number}", (), {"__repr__": lambda _: "k"}) for number in range(700)]
    for kind in kinds:
        assert parse(formatter.format(record("x", v=kind())))["Fields"]["v"] == "k"
    assert len(encoder.TEXTS) <= encoder._MAX_TEXTS
    monkeypatch.setattr(formatter_module, "_careful_line", None)
    assert parse(formatter.format(record("x", v=kinds[-1]())))["Fields"]["v"] == "k"


def test_heads_follow_what_they_say() -> None:
    """The head of a line is that of the moment, whatever has changed since the last one."""
    formatter = MozlogFormatter(logger_name="one")
    made = record("x")
    formatter.format(made)
    changes: tuple[Callable[[], object], ...] = (
        lambda: setattr(formatter, "logger_name", "two"),
        lambda: setattr(formatter, "hostname", "there"),
        lambda: setattr(formatter, "LOGGING_FORMAT_VERSION", "3.0"),
        lambda: setattr(formatter, "SYSLOG_LEVEL_MAP", {20: 1}),
        lambda: formatter.SYSLOG_LEVEL_MAP.update({20: 5}),
        lambda: setattr(made, "name", "other"),
        lambda: setattr(made, "process", 1),
        lambda: setattr(made, "process", None),
        lambda: setattr(made, "levelno", 10),
        lambda: setattr(made, "logger_name", "given"),
    )
    for change in changes:
        before = formatter.format(made)
        change()
        line = formatter.format(made)
        assert line != before
        assert json.loads(line) == formatter.convert_record(made)


def test_excluded_names_changed_in_place() -> None:
    """A change of the names that are no extra counts at once, also one of the same size."""

    class Mine(MozlogFormatter):
        EXCLUDED_LOGRECORD_ATTRS = set(MozlogFormatter.EXCLUDED_LOGRECORD_ATTRS)  # noqa: RUF012

    formatter = Mine()
    made = record("x", a=1)
    assert parse(formatter.format(made))["Fields"] == {"a": 1, "msg": "x"}
    Mine.EXCLUDED_LOGRECORD_ATTRS.remove("lineno")
    Mine.EXCLUDED_LOGRECORD_ATTRS.add("a")
    assert parse(formatter.format(made))["Fields"] == {"lineno": 7, "msg": "x"}


def test_watched_names() -> None:
    """Excluded names count each change, also in a copy, and compare and combine as any set."""
    names = fast.WatchedNames({"a"})
    pickled = pickle.loads(pickle.dumps(names))
    for one in (names, copy.copy(names), copy.deepcopy(names), pickled):
        assert one == {"a"}
        before = one.changes
        one.add("b")
        assert one.changes > before
        before = one.changes
        one.__init__(["c"])  # type: ignore[misc]
        assert one == {"c"}
        assert one.changes > before
    assert type(names | {"d"}) is set
    assert fast.WatchedNames() == set()


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda formatter: pickle.loads(pickle.dumps(formatter))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies(copied: Callable[[MozlogFormatter], MozlogFormatter]) -> None:
    """A formatter that has been used can be copied and pickled."""
    formatter = MozlogFormatter(logger_name="mine")
    made = record("x", a=1)
    line = formatter.format(made)
    other = copied(formatter)
    formatter.logger_name = "changed"
    formatter.format(made)
    assert other.format(made) == line


def test_threads() -> None:
    """One formatter serves many threads, while its class changes."""

    class Mine(MozlogFormatter):
        EXCLUDED_LOGRECORD_ATTRS = set(MozlogFormatter.EXCLUDED_LOGRECORD_ATTRS)  # noqa: RUF012

    formatter = Mine()
    faults: list[object] = []

    def work(number: int) -> None:
        for turn in range(400):
            name = f"n{number}.{turn % 30}"
            made = record(f"m{number}", name=name, v={"a": [number, {turn}]}, **{f"e{turn}": turn})
            parsed = parse(formatter.format(made))
            wanted = {"v": {"a": [number, [turn]]}, f"e{turn}": turn, "msg": f"m{number}"}
            if parsed["Type"] != name or parsed["Fields"] != wanted:
                faults.append(parsed)
            Mine.EXCLUDED_LOGRECORD_ATTRS = {*Mine.EXCLUDED_LOGRECORD_ATTRS, f"not{number}{turn}"}

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_without_the_c_encoder() -> None:
    """An interpreter without the C encoder writes the same line."""
    code = (
        "import sys; sys.modules['_json'] = None\n"
        "import json.encoder, logging, dockerflow.logging as l\n"
        "assert json.encoder.c_make_encoder is None\n"
        "r = logging.makeLogRecord({'name': 'n', 'msg': 'é\\udc80', 'created': 1.5, 'process': 7,\n"
        "  'v': [{1: {2}, '1': float('nan')}], 'w': [{'a': {3}}]})\n"
        "f = l.MozlogFormatter(); f.hostname = 'h'; print(f.format(r))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{variant}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for variant in (code, code.split("\n", 1)[1].replace("assert", "not"))
    }
    assert len(outputs) == 1
    assert json.loads(outputs.pop())["Fields"]["w"] == [{"a": [3]}]
