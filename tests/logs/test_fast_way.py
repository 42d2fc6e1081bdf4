"""The fast way and the general way: two roads to one line."""

from __future__ import annotations

import datetime
import json
import logging
import subprocess
import sys
import threading
import uuid
from typing import Any

import pytest

from dockerflow.logging import MozlogFormatter
from dockerflow.logging import formatter as formatter_module

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
    ],
)
def test_unusual_records(attributes: dict[str, Any]) -> None:
    """An unusual record leaves the fast way in time, and its line is the general one."""
    made = record("x")
    made.__dict__.update(attributes)
    formatter = MozlogFormatter()
    line = formatter.format(made)
    assert line == General().format(made)
    assert parse(line) == formatter.convert_record(made)


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
