"""Whatever is in a record: one line of strict JSON, in bounded time, and nothing of it lost."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerflow.logging import MozlogFormatter, SafeJSONEncoder

from . import hostile
from .generator import Hostile
from .lines import fields, parse, record

FORMATTER = MozlogFormatter()


@pytest.mark.parametrize("batch", range(10))
def test_hostile_records(batch: int) -> None:
    """Five thousand hostile records give as many lines, and each holds its own marker."""
    maker = Hostile(batch)
    for number in range(500):
        marker = f"<{batch}:{number}>"
        attributes = maker.attributes()
        args: Any = maker.random.choice([(), (maker.scalar(),), (1, 2, 3), ({"a": maker.odd()},)])
        level = maker.random.choice([0, 15, 20, 30, 40, 50, 99])
        made = logging.LogRecord("app", level, "p", 1, maker.text(), args, None)
        if maker.random.random() < 0.2:
            made.exc_info = maker.exc_info()
        made.__dict__.update(attributes)
        made.__dict__["marker"] = {"deep": [marker]} if number % 2 else marker
        names = list(made.__dict__)
        line = FORMATTER.format(made)
        assert marker in line, "something of the record has been lost"
        assert list(made.__dict__) == names, "formatting changes no record"
        found = parse(line)["Fields"]
        for name in ("a", "b", "rid", "error", "traceback", "stack", "exc_error", "größe"):
            assert (name in attributes) <= (name in found)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
any_text = st.text(st.characters(codec=None, categories=None))


@settings(max_examples=100)
@given(st.dictionaries(st.text(), json_values), st.text())
def test_any_extra(extra: dict[str, Any], text: str) -> None:
    """The line of an ordinary record says what convert_record says."""
    made = record(text)
    made.__dict__.update(
        (name, value) for name, value in extra.items() if name not in made.__dict__
    )
    assert parse(FORMATTER.format(made)) == FORMATTER.convert_record(made)


@settings(max_examples=100)
@given(any_text, any_text, any_text)
def test_any_text(message: str, key: str, value: str) -> None:
    """Any str whatever, lone surrogates too, is said in messages, names and values."""
    made = record(message, data={key: value}, value=value)
    if key not in made.__dict__:
        made.__dict__[key] = value
    parse(FORMATTER.format(made))


def test_lone_surrogates() -> None:
    r"""A lone surrogate is said as the text \udc80, a pair in one str likewise."""
    assert fields(record("a\udc80b")) == {"msg": "a\\udc80b"}
    assert fields(record("x", v={"\udc80": 1}))["v"] == {"\\udc80": 1}
    assert fields(record("\ud83d\ude00"))["msg"] == "\\ud83d\\ude00"
    assert fields(record("😀", v=["\\udc80"])) == {"v": ["\\udc80"], "msg": "😀"}


def test_numbers_that_json_lacks() -> None:
    """NaN, the infinities and numbers too long to write become text."""
    values = [float("nan"), float("inf"), -float("inf"), 10**5000, 2**64]
    assert fields(record("x", v=values))["v"] == [
        *("NaN", "Infinity", "-Infinity", hex(10**5000)),
        2**64,
    ]
    assert fields(record("x", v=float("nan")))["v"] == "NaN"
    assert fields(record("x", v=[hostile.Number(5), hostile.Real(2.5)]))["v"] == [5, 2.5]


def test_keys_that_are_no_text() -> None:
    """Keys become text, and two that become the same text both keep their values."""
    found = fields(record("x", v={"1": "b", 1: "c", (1, 2): "d", None: "e", False: "f"}))["v"]
    assert (found["1"], found["(1, 2)"], found["null"], found["false"]) == ("b", "d", "e", "f")
    assert sorted(found.values()) == ["b", "c", "d", "e", "f"]
    same = {hostile.Request("GET", "/"): number for number in range(5000)}
    assert list(fields(record("x", v=same))["v"].values()) == list(range(5000))


def test_circular() -> None:
    """A circle is followed for some rounds, and ends in a placeholder."""
    for circle in (hostile.circular_dict, hostile.circular_list, hostile.circular_point):
        line = FORMATTER.format(record("x", v=circle()))
        parse(line)
        assert "nested too deep>" in line
    shared = [1]
    assert fields(record("x", v=[shared, shared]))["v"] == [[1], [1]], "twice is no circle"


@pytest.mark.parametrize("kind", ["dict", "list", "tuple"])
def test_deep(kind: str) -> None:
    """Values are followed twenty levels down, and there is a placeholder below."""
    assert "bottom" in FORMATTER.format(record("x", v=hostile.deep(10, kind)))
    for levels in (19, 20, 21, 22, 100, 50_000):
        line = FORMATTER.format(record("x", v=hostile.deep(levels, kind)))
        parse(line)
        assert "bottom" in line or "nested too deep>" in line


def test_shared_structure_does_not_explode() -> None:
    """A small value that would be a huge text by its repetitions is still a line, and soon."""
    for value in (hostile.bomb(), {"a": hostile.bomb()}, hostile.Point(hostile.bomb())):
        line = FORMATTER.format(record("x", v=value))
        parse(line)
        assert len(line) < 1_000_000


def test_many_values() -> None:
    """Of ten thousand values the first are written, then how many more there are; others stay."""
    found = fields(record("the message", v=list(range(50_000)), w=[1]))
    assert found["v"][:9000] == list(range(9000))
    assert found["v"][-1].endswith("more values>")
    assert (found["w"], found["msg"]) == ([1], "the message")
    pairs = fields(record("x", v=dict.fromkeys(map(str, range(50_000)), 0)))["v"]
    assert pairs["9000"] == 0
    assert pairs["..."].endswith("more values>")


def test_ten_megabytes() -> None:
    """Text is never cut."""
    text = "é\n" * 5_000_000
    assert fields(record(text))["msg"] == text


@pytest.mark.parametrize("error", hostile.ERRORS)
def test_repr_that_raises(error: type[Exception]) -> None:
    """What a __repr__ or a __str__ raises is said, and goes no further."""
    found = fields(record("%s and %r", hostile.Broken(error), 2, v=hostile.Broken(error)))
    assert found["v"] == f"<Broken object, which raised {error.__name__}>"
    assert "%s and %r" in found["msg"]
    assert "Broken object" in fields(record(hostile.Broken(error)))["msg"]


@pytest.mark.parametrize(
    ("msg", "args", "parts"),
    [
        ("%s %s", ("only one",), ["%s %s", "only one"]),
        ("no place", ("lost?",), ["no place", "lost?"]),
        ("%d", ("text",), ["%d", "text"]),
        ("%(a)s", ({"b": "other"},), ["%(a)s", "other"]),
        ("100%", (1,), ["100%", "1"]),
    ],
)
def test_bad_arguments(msg: str, args: tuple[object, ...], parts: list[str]) -> None:
    """Arguments that don't fit their message are said behind it."""
    said = fields(record(msg, *args))["msg"]
    for part in parts:
        assert part in said


def test_little_stack() -> None:
    """At the end of a recursion there is a line for each record."""
    made = record("the message", v={"a": {1: {2, 3}}}, w=hostile.deep(10, "list"))
    lines: list[str] = []

    def down() -> None:
        try:
            down()
        finally:
            if len(lines) < 100:
                lines.append(FORMATTER.format(made))

    with pytest.raises(RecursionError):
        down()
    assert len(lines) == 100
    for line in lines:
        parse(line)
    assert lines[-1] == FORMATTER.format(made)
    assert sum("the message" in line for line in lines) > 90


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"name": None, "levelno": "20", "created": "soon", "process": "17", "msg": "m"},
        {"created": float("inf"), "process": [1], "msg": None},
        {"created": 1e300, "levelno": None, "args": 5, "msg": "m %s"},
        {"exc_info": True, "msg": "m"},
        {"exc_info": "text", "exc_text": b"x", "stack_info": 5, "msg": "m"},
        {"logger_name": 5, "message": "x", "asctime": "y"},
    ],
)
def test_made_records(attributes: dict[str, Any]) -> None:
    """A record from makeLogRecord, with values of any type, gives a line with all of them."""
    made = logging.makeLogRecord({**attributes, "marker": "<here>"})
    for name in list(made.__dict__):
        bare = logging.makeLogRecord({**attributes, "marker": "<here>"})
        assert "<here>" in FORMATTER.format(bare)
        del bare.__dict__[name]
        FORMATTER.format(bare)
    assert "soon" not in attributes.values() or "soon" in FORMATTER.format(made)


def test_safe_json_encoder() -> None:
    """SafeJSONEncoder has an answer for whatever json.dumps is given."""
    maker = Hostile(1)
    for _ in range(1000):
        json.loads(json.dumps(maker.scalar(), cls=SafeJSONEncoder))
        json.loads(json.dumps({"v": [maker.key()]}, cls=SafeJSONEncoder, allow_nan=False))
    assert json.dumps({(1, 2): {3}}, cls=SafeJSONEncoder) == '{"(1, 2)": [3]}'
    assert json.dumps(list(range(20_000)), cls=SafeJSONEncoder).endswith(" 19999]")
    assert json.dumps(hostile.Broken(OSError), cls=SafeJSONEncoder).startswith('"<Broken object')
    assert "nested too deep" in json.dumps(hostile.circular_dict(), cls=SafeJSONEncoder)
