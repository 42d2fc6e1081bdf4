"""Any record gives one line of strict JSON, in bounded time, and loses nothing.

This holds for each format that is JSON, also for that of a subclass.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import logging
from collections import UserDict
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerflow.logging import ConsoleFormatter, MozlogFormatter, SafeJSONEncoder

from .lines import FORMATS, Broken, Format, in_each_format, parse_json, record


class BrokenMapping(UserDict[str, Any]):
    """Like an object whose file or connection is closed."""

    def __iter__(self) -> Iterator[str]:
        raise OSError("closed")


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = 2


def circular_dict() -> object:
    made: dict[str, Any] = {}
    made["self"] = [made, {"again": made}]
    return made


def circular_point() -> object:
    made = Point(1)
    made.x = made
    return made


Colour = enum.Enum("Colour", {"RED": "red", "ODD": float("nan"), "SELF": object()})

# Any str, with lone surrogates, and with characters that are special in a formatter or in JSON.
texts = st.text(st.characters(codec=None, categories=None)) | st.sampled_from(
    [
        *("%", "%s %d", "%(x)s", "{0}", "\r\n", "\x1b[31m", "\u2028", "\\ud800", "\ud83d\ude00"),
        *("{}", "[1]", '{"z": 1}', '{"z": 1, "z": 2}', '{"msg": 1}', '{"z": NaN}', '{"z": 1e999}'),
    ]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
keys = scalars | st.binary() | st.uuids() | st.sampled_from([(1, 2), frozenset({1}), int, *Colour])
odd_values = st.one_of(
    *(st.decimals(), st.timedeltas(), st.sets(keys), st.sampled_from([int, ..., *Colour])),
    *(st.builds(object), st.builds(Broken), st.builds(BrokenMapping)),
    *(st.builds(circular_dict), st.builds(circular_point)),
)
values = st.recursive(
    scalars | odd_values,
    lambda inner: st.one_of(
        *(st.lists(inner), st.tuples(inner), st.dictionaries(keys, inner), st.builds(Point, inner))
    ),
    max_leaves=10,
)
USUAL = (
    *("a", "b", "größe", "rid", "error", "traceback", "stack", "exc_error"),
    *("severity", "time", "httpRequest", "extra_time", "stack_trace", "trace_id", "span_id"),
)
OWN = "created", "levelno", "name", "exc_text", "exc_info", "stack_info", "args", "msg"


extras: st.SearchStrategy[Any] = st.dictionaries(st.sampled_from(USUAL), values)
own_attributes: st.SearchStrategy[Any] = st.dictionaries(st.sampled_from(OWN), values, max_size=1)


@st.composite
def hostile_records(draw: st.DrawFn) -> logging.LogRecord:
    made = record(
        draw(texts | st.dictionaries(texts, values)),
        *draw(st.lists(values, max_size=3)),
        level=draw(st.sampled_from([0, 15, 20, 30, 40, 50, 99])),
        exc_info=draw(st.none() | st.builds(ValueError, values)),
        marker=["<here>"],
    )
    vars(made).update(draw(extras), **draw(own_attributes))
    return made


@in_each_format
@settings(max_examples=200)
@given(hostile_records())
def test_hostile_records(form: Format, made: logging.LogRecord) -> None:
    """Any record is one line, which holds the caller's values; the record is unchanged."""
    before = dict(vars(made))
    line = form.formatter.format(made)
    assert "<here>" in line
    found = form.fields_of(parse_json(line))
    given_names = [name for name in USUAL if name in before]
    assert all(name in found or f"extra_{name}" in found for name in given_names)
    assert vars(made) == before


@pytest.mark.parametrize("formatter", [ConsoleFormatter()], ids=["console"])
@settings(max_examples=200)
@given(made=hostile_records())
def test_hostile_text(formatter: MozlogFormatter, made: logging.LogRecord) -> None:
    """A format for people has a text for any record; the record is unchanged."""
    before = dict(vars(made))
    text = formatter.format(made)
    assert "<here>" in text
    text.encode()
    assert vars(made) == before


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@in_each_format
@settings(max_examples=100)
@given(st.dictionaries(st.text(), json_values), st.text())
def test_ordinary_records(form: Format, extra: dict[str, Any], text: str) -> None:
    """The line of an ordinary record has the values of convert_record."""
    made = record(text)
    vars(made).update({name: value for name, value in extra.items() if name not in vars(made)})
    assert parse_json(form.formatter.format(made)) == form.formatter.convert_record(made)


@given(values)
def test_safe_json_encoder(value: object) -> None:
    """SafeJSONEncoder encodes anything that json.dumps is given."""
    json.loads(json.dumps(value, cls=SafeJSONEncoder, allow_nan=False))


def test_what_safe_json_encoder_says() -> None:
    """SafeJSONEncoder gives values their natural form, and shortens no long list."""
    assert json.dumps({(1, 2): {3}}, cls=SafeJSONEncoder) == '{"(1, 2)": [3]}'
    assert json.dumps(list(range(20_000)), cls=SafeJSONEncoder).endswith(" 19999]")
    assert json.dumps(10**5000, cls=SafeJSONEncoder) == f'"{hex(10**5000)}"'
    assert json.dumps(Broken(), cls=SafeJSONEncoder).startswith('"<Broken object')
    assert "nested too deep" in json.dumps(circular_dict(), cls=SafeJSONEncoder)


@in_each_format
def test_lone_surrogates(form: Format) -> None:
    r"""A lone surrogate is written as the text \udc80, also a pair in one str."""
    assert form.fields(record("a\udc80b")) == {"msg": "a\\udc80b"}
    assert form.fields(record("x", v={"\udc80": 1}))["v"] == {"\\udc80": 1}
    assert form.fields(record("\ud83d\ude00"))["msg"] == "\\ud83d\\ude00"
    assert form.fields(record("😀", v=["\\udc80"])) == {"v": ["\\udc80"], "msg": "😀"}


@in_each_format
def test_numbers_that_json_lacks(form: Format) -> None:
    """NaN, the infinities and numbers too long to write become text."""
    nan, infinity = float("nan"), float("inf")
    long, writable = 10**5000, 2**64
    values = [nan, infinity, -infinity, long, writable]
    forms = ["NaN", "Infinity", "-Infinity", hex(long), writable]
    assert form.fields(record("x", v=values, w=nan)) == {"v": forms, "w": "NaN", "msg": "x"}


@in_each_format
def test_keys_that_are_no_text(form: Format) -> None:
    """Keys become text, and those that become the same text all keep their values."""
    found = form.fields(record("x", v={"1": "b", 1: "c", (1, 2): "d", None: "e", False: "f"}))["v"]
    assert (found["1"], found["(1, 2)"], found["null"], found["false"]) == ("b", "d", "e", "f")
    assert sorted(found.values()) == ["b", "c", "d", "e", "f"]
    assert form.fields(record("x", v={"1": "b", 1: "c"}))["v"] == {"1": "b", "1 (1)": "c"}
    same = {Broken(): number for number in range(5000)}
    assert list(form.fields(record("x", v=same))["v"].values()) == list(range(5000))


@in_each_format
@pytest.mark.parametrize("circle", [circular_dict, circular_point])
def test_circular(form: Format, circle: Any) -> None:
    """A circular structure is followed for some rounds, and ends in a placeholder."""
    assert "nested too deep>" in str(form.fields(record("x", v=circle())))


def deep(levels: int, kind: str) -> object:
    made: Any = "bottom"
    for _ in range(levels):
        made = {"d": made} if kind == "dict" else [made] if kind == "list" else (made, {"t": 1})
    return made


@in_each_format
@pytest.mark.parametrize("kind", ["dict", "list", "tuple"])
@pytest.mark.parametrize(
    ("levels", "end"),
    [(10, "bottom"), (20, "bottom"), (22, "too deep>"), (50_000, "too deep>")],
)
def test_deep(form: Format, kind: str, levels: int, end: str) -> None:
    """Values are followed twenty levels deep, with a placeholder below."""
    assert end in str(form.fields(record("x", v=deep(levels, kind))))


def bomb() -> object:
    """Return a small value whose text is huge because of its repetitions."""
    made: Any = ["boom"]
    for _ in range(60):
        made = [made] * 10
    return made


@in_each_format
def test_shared_values(form: Format) -> None:
    """A value in two places is not circular, and a huge number of repetitions is still one line."""
    shared = [1]
    assert form.fields(record("x", v=[shared, shared]))["v"] == [[1], [1]]
    for value in (bomb(), {"a": bomb()}, Point(bomb())):
        assert len(str(form.fields(record("x", v=value)))) < 1_000_000


@in_each_format
def test_many_values(form: Format) -> None:
    """Of ten thousand values the first ones and the number of others are written; others stay."""
    pairs = dict.fromkeys(map(str, range(50_000)), 0)
    found = form.fields(record("the message", v=list(range(50_000)), w=[1], pairs=pairs))
    assert found["v"][:9000] == list(range(9000))
    assert found["v"][-1].endswith("more values>")
    assert (found["w"], found["msg"]) == ([1], "the message")
    assert found["pairs"]["9000"] == 0
    assert found["pairs"]["..."].endswith("more values>")
    assert form.fields(record("x", pairs=pairs))["pairs"] == found["pairs"]


@in_each_format
def test_ten_megabytes(form: Format) -> None:
    """Text is never cut."""
    text = "é\n" * 5_000_000
    assert form.fields(record(text))["msg"] == text


@in_each_format
@pytest.mark.parametrize("error", [OSError, MemoryError, RecursionError])
def test_repr_that_raises(form: Format, error: type[Exception]) -> None:
    """An exception of a __repr__ or a __str__ is shown, and not raised."""
    broken = Broken(error)
    text = f"<Broken object, which raised {error.__name__}>"
    found = form.fields(record("%s and %r", broken, 2, v=broken, w={broken: 1}))
    assert (found["v"], found["w"]) == (text, {text: 1})
    assert "%s and %r" in found["msg"]
    assert text in form.fields(record(broken))["msg"]


@in_each_format
@pytest.mark.parametrize(
    ("msg", "args", "said"),
    [
        ("%s %s", ("only one",), "%s %s (with arguments ('only one',))"),
        ("no place", ("lost?",), "no place (with arguments ('lost?',))"),
        ("%d", ("text",), "%d (with arguments ('text',))"),
        ("%(a)s", ({"b": "other"},), "%(a)s (with arguments {'b': 'other'})"),
        ("100%", (1,), "100% (with arguments (1,))"),
    ],
)
def test_bad_arguments(form: Format, msg: str, args: tuple[object, ...], said: str) -> None:
    """Arguments that don't fit their message are written after it."""
    assert form.fields(record(msg, *args)) == {"msg": said}


@in_each_format
def test_little_stack(form: Format) -> None:
    """At the recursion limit there is still a line for each record."""
    made = record("the message", v={"a": {1: {2, 3}}}, w=deep(10, "list"))
    lines: list[str] = []

    def down() -> None:
        try:
            down()
        finally:
            if len(lines) < 100:
                lines.append(form.formatter.format(made))

    with pytest.raises(RecursionError):
        down()
    for line in lines:
        parse_json(line)
    assert lines[-1] == form.formatter.format(made)
    assert sum("the message" in line for line in lines) > 90


@pytest.mark.parametrize(
    "formatter",
    [*(form.formatter for form in FORMATS.values()), ConsoleFormatter()],
    ids=[*FORMATS, "console"],
)
@pytest.mark.parametrize("name", list(vars(logging.makeLogRecord({}))))
def test_received_records(formatter: MozlogFormatter, name: str) -> None:
    """A received record with an odd attribute, or without one, gives a line of the others."""
    made = logging.makeLogRecord({"marker": "<here>", "created": "soon", name: 5})
    line = formatter.format(made)
    assert "<here>" in line
    assert "soon" in line or name == "created"
    del vars(made)[name]
    assert "<here>" in formatter.format(made)
