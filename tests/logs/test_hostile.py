"""Whatever is in a record: one line of strict JSON, and nothing of it lost."""

from __future__ import annotations

import logging
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerflow.logging import MozlogFormatter, SafeJSONEncoder

from . import hostile
from .generator import Hostile
from .lines import fields, parse, record

BATCHES = 100
RECORDS = 1000  # in a batch; all batches together are the hundred thousand


class General(MozlogFormatter):
    """Formats every record the general way."""

    def convert_record(self, record: logging.LogRecord) -> dict[str, Any]:
        return super().convert_record(record)


FAST = MozlogFormatter()
GENERAL = General()


def check(made: logging.LogRecord, marker: str) -> dict[str, Any]:
    before = dict(made.__dict__)
    line = FAST.format(made)
    parsed = parse(line)
    assert marker in line, "something of the record has been lost"
    assert made.__dict__.keys() == before.keys(), "formatting changes no record"
    return parsed


@pytest.mark.parametrize("batch", range(BATCHES))
def test_hostile_records(batch: int) -> None:
    """A hundred thousand hostile records give as many lines, and each holds its own marker."""
    maker = Hostile(batch)
    for number in range(RECORDS):
        marker = f"<{batch}:{number}>"
        attributes = maker.attributes()
        text = maker.text()
        args: Any = maker.random.choice([(), (maker.scalar(),), (1, 2, 3), ({"a": maker.odd()},)])
        made = logging.LogRecord(
            "app", maker.random.choice([0, 15, 20, 30, 40, 50, 99]), "p", 1, text, args, None
        )
        if maker.random.random() < 0.2:
            made.exc_info = maker.exc_info()
        made.__dict__.update(attributes)
        made.__dict__["marker"] = {"deep": [marker]} if number % 2 else marker
        parsed = check(made, marker)
        for name in ("a", "b", "rid", "error", "traceback", "stack", "exc_error", "größe"):
            assert (name in attributes) <= (name in parsed["Fields"])
        if number % 10 == 0 and "created" not in attributes:
            converted = GENERAL.format(made)
            # The address in a default repr may differ between two runs, nothing else.
            assert parse(converted).keys() == parsed.keys()
            assert parse(converted)["Fields"].keys() == parsed["Fields"].keys()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)
surrogates = st.text(st.characters(codec=None, categories=None))


@settings(max_examples=400)
@given(st.dictionaries(st.text(), json_values), st.text())
def test_any_extra(extra: dict[str, Any], text: str) -> None:
    """The line says what convert_record says, and the fast way what the general way says."""
    made = record(text)
    made.__dict__.update(
        (name, value) for name, value in extra.items() if name not in made.__dict__
    )
    fast = FAST.format(made)
    assert parse(fast) == FAST.convert_record(made)
    assert fast == GENERAL.format(made)


@settings(max_examples=400)
@given(surrogates, surrogates, surrogates)
def test_any_text(message: str, key: str, value: str) -> None:
    """Any str whatever, lone surrogates too, is said in messages, names and values."""
    made = record(message, data={key: value}, value=value)
    if key not in made.__dict__:
        made.__dict__[key] = value
    fast = FAST.format(made)
    assert parse(fast) == FAST.convert_record(made)
    assert fast == GENERAL.format(made)


def test_lone_surrogates_become_text() -> None:
    r"""A lone surrogate is said as the text \udc80, and a name never runs into another by it."""
    assert fields(record("a\udc80b")) == {"msg": "a\\udc80b"}
    assert fields(record("x", v={"\udc80": 1, "\\udc80": 2}))["v"] == {
        "\\udc80 (str)": 1,
        "\\udc80": 2,
    }
    assert fields(record("😀"))["msg"] == "😀"
    assert fields(record("\ud83d\ude00"))["msg"] == "\\ud83d\\ude00"


def test_numbers_that_json_lacks() -> None:
    """NaN, the infinities and numbers too long to write become text."""
    assert fields(record("x", v=[float("nan"), float("inf"), -float("inf")]))["v"] == [
        "NaN",
        "Infinity",
        "-Infinity",
    ]
    assert fields(record("x", v=float("nan")))["v"] == "NaN"
    assert fields(record("x", v=10**5000))["v"] == hex(10**5000)
    assert fields(record("x", v=2**64))["v"] == 2**64


def test_keys_that_are_no_text() -> None:
    """Keys become text, and two that become the same text both keep their values."""
    found = fields(record("x", v={1: "c", "1": "b", (1, 2): "d", None: "e"}))["v"]
    assert found["1"] == "b"
    assert found["(1, 2)"] == "d"
    assert found["null"] == "e"
    assert sorted(found.values()) == ["b", "c", "d", "e"]
    many = fields(record("x", v={hostile.Key("k"): number for number in range(300)}))["v"]
    assert sorted(many.values()) == list(range(300))


def test_attributes_that_are_no_text() -> None:
    """A record's own names may be anything as well."""
    made = record("x")
    made.__dict__[(1, 2)] = "tuple"  # type: ignore[index]
    made.__dict__[7] = "seven"  # type: ignore[index]
    made.__dict__["7"] = "text"
    found = fields(made)
    assert found["(1, 2)"] == "tuple"
    assert found["7"] == "text"
    assert "seven" in found.values()


def test_circular() -> None:
    """A circle is named where it closes."""
    assert fields(record("x", v=hostile.circular_dict()))["v"] == {
        "self": ["<circular dict>", {"again": "<circular dict>"}]
    }
    assert fields(record("x", v=hostile.circular_point()))["v"]["x"] == "<circular Point>"
    shared = [1]
    assert fields(record("x", v=[shared, shared]))["v"] == [[1], [1]], "twice is no circle"


@pytest.mark.parametrize("kind", ["dict", "list", "tuple"])
@pytest.mark.parametrize("levels", [90, 97, 98, 99, 100, 101, 5000, 50_000])
def test_deep(kind: str, levels: int) -> None:
    """However deep a value is, its bottom is in the line, and the line is not deep."""
    made = record("x", v=hostile.deep(levels, kind))
    line = FAST.format(made)
    parse(line)
    assert "bottom" in line
    assert line == GENERAL.format(made)


def test_shared_structure_does_not_explode() -> None:
    """A small value that would be a huge text by its repetitions is still one line."""
    line = FAST.format(record("x", v=hostile.bomb()))
    parse(line)
    assert "boom" in line
    assert len(line) < 50_000_000


def test_ten_megabytes() -> None:
    """Text is never cut."""
    text = "é\n" * 5_000_000
    assert fields(record(text))["msg"] == text


@pytest.mark.parametrize("error", hostile.ERRORS)
def test_repr_that_raises(error: type[BaseException]) -> None:
    """Whatever a __repr__ or a __str__ raises is said, and goes no further."""
    found = fields(record("%s and %r", hostile.Broken(error), 2, v=hostile.Broken(error)))
    assert found["v"] == f"<Broken object, its repr raised {error.__name__}>"
    assert "%s and %r" in found["msg"]
    assert "Broken object" not in fields(record(hostile.Broken(error)))["msg"][:1]


def test_interrupt_of_our_own_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-C that strikes while a record is formatted is the application's."""
    from dockerflow.logging import conversion

    def strike(*args: object) -> str:
        exec("raise KeyboardInterrupt", {"__name__": "dockerflow.logging.fast"})
        raise AssertionError

    monkeypatch.setattr(conversion, "safe_text", strike)
    with pytest.raises(KeyboardInterrupt):
        FAST.format(record("%d", "x"))


@pytest.mark.parametrize(
    ("msg", "args", "parts"),
    [
        ("%s %s", ("only one",), ["%s %s", "only one"]),
        ("no place", ("lost?",), ["no place", "lost?"]),
        ("%d", ("text",), ["%d", "text"]),
        ("%(a)s", ({"b": "other"},), ["%(a)s", "other"]),
        ("100%", (1,), ["100%", "1"]),
        ("%", ((),), ["%"]),
    ],
)
def test_bad_arguments(msg: str, args: tuple[object, ...], parts: list[str]) -> None:
    """Arguments that don't fit their message are said behind it."""
    said = fields(record(msg, *args))["msg"]
    for part in parts:
        assert part in said


def test_little_stack() -> None:
    """At the end of a recursion a record is formatted as anywhere else."""
    formatter = MozlogFormatter()
    made = record("the message", v={"a": {1: {2, 3}}}, w=hostile.deep(50, "list"))
    wanted = formatter.format(made)
    lines: list[str] = []

    def down() -> None:
        try:
            down()
        finally:
            if len(lines) < 60:
                lines.append(formatter.format(made))

    with pytest.raises(RecursionError):
        down()
    assert len(lines) == 60
    # Where not even one more call is possible, only that is said.
    full = [line for line in lines if line != wanted]
    assert len(full) <= 6
    for line in full:
        assert "stack" in parse(line)["Fields"]["msg"]
    assert sys.getrecursionlimit() > 100


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"name": None, "levelno": "ERROR", "msg": "m"},
        {"levelno": "20", "created": "1.5", "process": "17", "msg": "m"},
        {"created": float("nan"), "msg": "m"},
        {"created": float("inf"), "process": [1], "msg": None},
        {"created": 1e300, "levelno": None, "args": 5, "msg": "m %s"},
        {"exc_info": True, "msg": "m"},
        {"exc_info": "text", "exc_text": b"x", "stack_info": 5, "msg": "m"},
        {"logger_name": 5, "message": "x", "asctime": "y"},
    ],
)
def test_made_records(attributes: dict[str, Any]) -> None:
    """A record from makeLogRecord, with values of any type, gives its line."""
    made = logging.makeLogRecord(attributes)
    line = parse(FAST.format(made))
    assert line == {**FAST.convert_record(made), "Timestamp": line["Timestamp"]}
    for name in list(made.__dict__):
        bare = logging.makeLogRecord(attributes)
        del bare.__dict__[name]
        parse(FAST.format(bare))


def test_times_and_processes_of_odd_types() -> None:
    """What can't stand as Timestamp or Pid stands in Fields, and numbers in text are numbers."""
    made = logging.makeLogRecord({"created": "soon", "process": "none", "msg": "m"})
    found = parse(FAST.format(made))
    assert found["Fields"]["created"] == "soon"
    assert found["Fields"]["process"] == "none"
    assert (
        parse(FAST.format(logging.makeLogRecord({"created": "1.5"})))["Timestamp"] == 1_500_000_000
    )
    assert parse(FAST.format(logging.makeLogRecord({"levelno": "ERROR"})))["Severity"] == 3


def test_a_mapping_that_fails() -> None:
    """Of a mapping that fails, what could be read is there, and why there is no more."""
    found = fields(record("x", v=hostile.HalfMapping("iter")))["v"]
    assert found["first"] == "first"
    assert "no second" in " ".join(found)
    assert "no value" in fields(record("x", v=hostile.HalfMapping("value")))["v"]["first"]
    parse(FAST.format(record("x", v=hostile.HalfMapping("endless"))))
    assert fields(record("x", v=hostile.BrokenDict(a=1)))["v"] == {"a": 1}


def test_safe_json_encoder() -> None:
    """SafeJSONEncoder has an answer for whatever json.dumps is given."""
    import json

    maker = Hostile(1)
    for _ in range(2000):
        json.loads(json.dumps(maker.value(), cls=SafeJSONEncoder, allow_nan=False))
    assert json.dumps({(1, 2): {3}}, cls=SafeJSONEncoder) == '{"(1, 2)": [3]}'
