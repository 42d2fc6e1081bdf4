"""The contents of a line, and how to change them."""

from __future__ import annotations

import json
import logging
import os
from typing import Any

import pytest

from dockerflow.logging import JsonLogFormatter, MozlogFormatter

from .lines import Format, fields, in_each_format, parse, record


def test_a_line() -> None:
    """A line has the eight names of mozlog, in their order."""
    formatter = MozlogFormatter(logger_name="myapp")
    formatter.hostname = "a123"
    level = logging.WARNING
    made = record("hi %s", "you", name="app", level=level, created=1519361465.0, process=1337)
    line = formatter.format(made)
    assert line == (
        '{"Timestamp": 1519361465000000000, "Type": "app", "Logger": "myapp", '
        '"Hostname": "a123", "EnvVersion": "2.0", "Severity": 4, "Pid": 1337, '
        '"Fields": {"msg": "hi you"}}'
    )
    assert json.loads(line) == formatter.convert_record(made)


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        *((0, 7), (5, 7), (10, 7), (15, 7), (20, 6), (25, 6), (30, 4), (35, 4), (40, 3), (45, 3)),
        *((50, 2), (60, 2), (10**9, 2), (-1, 7)),
    ],
)
def test_severity(level: int, severity: int) -> None:
    """A level between two names counts as the lower one, one above all as the highest."""
    assert parse(MozlogFormatter().format(record(level=level)))["Severity"] == severity


@in_each_format
def test_extra_and_message(form: Format) -> None:
    """Fields holds the caller's values and the message, and none of the record's own attributes."""
    extra: dict[str, Any] = {"a": 1, "b": [{"c": None}]}
    assert form.fields(record("m %d", 1, **extra)) == {**extra, "msg": "m 1"}
    assert form.fields(record("", rid="x")) == {"rid": "x"}, "an empty message is left out"
    assert form.fields(record(ValueError("v"))) == {"msg": "v"}
    assert form.fields(record("x", asctime="now", message="x", taskName="t")) == {"msg": "x"}


@in_each_format
@pytest.mark.parametrize(
    ("message", "merged"),
    [
        ('{"a": 1, "b": [true, null, 1.5, "x"]}', {"a": 1, "b": [True, None, 1.5, "x"]}),
        ('{"größe": {"c": {}}}', {"größe": {"c": {}}}),
        (' {"a": 1}\n', {"a": 1}),
        ({"a": {"b": {1}}}, {"a": {"b": [1]}}),
    ],
)
def test_messages_that_are_objects(form: Format, message: object, merged: dict[str, Any]) -> None:
    """A JSON object or dict as the message is merged into Fields, except in a summary."""
    assert form.fields(record(message, other=2)) == {"other": 2, **merged}
    assert "msg" in form.fields(record(message, name="request.summary"))


@in_each_format
@pytest.mark.parametrize(
    "message",
    [
        *({"a": 1, "rid": 2}, {1: 2}, {}),
        *("{}", "[1]", '"a"', "{", "{a}", "{template} was not found in {dir}", '{"a": 1} and more'),
        *('{"a": NaN}', '{"a": 1, "a": 2}', '{"a": {"b": 1, "b": 2}}', '{"a": 1e999}', "{'a': 1}"),
        *('{"a": "\\ud800"}', '{"\\udc80": 1}', '{"a":\n"\t"}', f'{{"a": {[0] * 11_000}}}'),
        *('{"a": ' + "[" * depth + "]" * depth + "}" for depth in (25, 5000)),
        '{"a": ' + "1" * 5000 + "}",
        *(f'{{"{name}": 1}}' for name in ("other", "msg", "error", "traceback", "stack", "rid")),
        *(f'{{"a": 1, "{name}": 1}}' for name in ("uid", "code", "errno", "t", "agent", "lang")),
        *(f'{{"{name}": 1}}' for name in ("method", "path", "querystring")),
    ],
)
def test_other_messages(form: Format, message: object) -> None:
    """Any other text or dict stays the message, unchanged."""
    assert form.fields(record(message, other=2)) == {"other": 2, "msg": str(message)}


def test_overridden_jsonlike() -> None:
    """is_value_jsonlike decides, and one that fails counts as no."""
    assert MozlogFormatter().is_value_jsonlike('{"a": 1}')
    assert not any(map(MozlogFormatter().is_value_jsonlike, ["{", "", "[1]", None, 1, b"{}"]))

    class Mine(MozlogFormatter):
        def is_value_jsonlike(self, value: object) -> bool:
            if value == '{"fail": 1}':
                raise OSError
            return value != '{"no": 1}'

    for text in ('{"fail": 1}', '{"no": 1}', "[1]", "{"):
        assert fields(record(text), Mine()) == {"msg": text}
    assert fields(record('{"a": 1}'), Mine()) == {"a": 1}


def caught(error: BaseException) -> Any:
    try:
        raise error
    except BaseException as raised:
        return type(raised), raised, raised.__traceback__


@in_each_format
def test_exceptions(form: Format) -> None:
    """An exception, as itself or as a triple, is written as error and traceback."""
    triple = caught(ValueError("a\nb"))
    told = {
        "error": "ValueError('a\\nb')",
        "traceback": form.formatter.formatException(triple),
    }
    for exc_info in (triple, triple[1]):
        found = form.fields(record("failed", exc_info=exc_info, exc_text="cached", a=1))
        assert found == {"a": 1, "msg": "failed", **told}
    assert form.fields(record('{"a": 1}', exc_info=triple)) == {"a": 1, **told}
    for nothing in ((None, None, None), False):
        assert form.fields(record("x", exc_info=nothing)) == {"msg": "x"}
    assert form.fields(record("x", exc_text="cached")) == {"msg": "x", "traceback": "cached"}


@in_each_format
def test_names_that_are_taken(form: Format) -> None:
    """Fields of the caller named error, traceback or stack are kept, and ours left out."""
    triple = caught(OSError("o"))
    mine: dict[str, Any] = {"error": "mine", "traceback": "my", "stack": "s", "exc_error": "too"}
    made = record("x", exc_info=triple, stack_info="Stack:", **mine)
    assert form.fields(made) == {
        **mine,
        "msg": "x",
        "exc_exc_error": "OSError('o')",
        "exc_traceback": form.formatter.formatException(triple),
        "exc_stack": "Stack:",
    }
    assert form.fields(record("x", stack_info="Stack:"))["stack"] == "Stack:"


def test_changes_count_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change after the first line, on class or instance, affects the next line."""
    formatter = MozlogFormatter()
    made = record("x", a=1)
    formatter.format(made)
    formatter.logger_name, formatter.hostname = "other", "host"
    own = {"a", *MozlogFormatter.EXCLUDED_LOGRECORD_ATTRS} - {"lineno"}
    monkeypatch.setattr(MozlogFormatter, "EXCLUDED_LOGRECORD_ATTRS", own)
    monkeypatch.setattr(MozlogFormatter, "LOGGING_FORMAT_VERSION", "3.0")
    monkeypatch.setitem(MozlogFormatter.SYSLOG_LEVEL_MAP, logging.INFO, 1)
    line = parse(formatter.format(made))
    assert (line["Logger"], line["Hostname"], line["EnvVersion"]) == ("other", "host", "3.0")
    assert (line["Severity"], line["Fields"]) == (1, {"lineno": 7, "msg": "x"})
    monkeypatch.setattr(MozlogFormatter, "SYSLOG_LEVEL_MAP", {})
    monkeypatch.setattr(MozlogFormatter, "DEFAULT_SYSLOG_LEVEL", 0)
    assert parse(formatter.format(made))["Severity"] == 0


def test_overridden_convert_record() -> None:
    """A subclass may read the values as they were logged, and change the output."""
    value = {"password": "hunter2", "ids": {1, 2}}

    class Mine(MozlogFormatter):
        def convert_record(self, record: logging.LogRecord) -> dict[str, Any]:
            said = super().convert_record(record)
            assert said["Fields"]["v"] is value
            said["Fields"]["v"] = {**value, "password": "***"}
            said["Fields"]["more"] = {1: {2, 3}, "1": float("nan"), "s": "\udc80"}
            del said["Pid"]
            return said

    said = json.loads(Mine().format(record("x", v=value)))
    assert "Pid" not in said
    assert said["Fields"]["v"] == {"password": "***", "ids": [1, 2]}
    assert said["Fields"]["more"] == {"1": [2, 3], "1 (1)": "NaN", "s": "\\udc80"}


@pytest.mark.parametrize("result", [ValueError("bad"), RecursionError("deep"), None, "text", [1]])
def test_convert_record_that_fails(result: Any) -> None:
    """A convert_record that raises or returns no dict loses no record, and the error is shown."""

    class Mine(MozlogFormatter):
        def convert_record(self, record: logging.LogRecord) -> dict[str, Any]:
            if isinstance(result, Exception):
                raise result
            converted: dict[str, Any] = result
            return converted

    made = record("the %s", "message", a=1, exc_info=caught(OSError("o")))
    found = parse(Mine().format(made))["Fields"]
    assert (found["msg"], found["a"], found["error"]) == ("the message", 1, "OSError('o')")
    assert found["convert_record_error"]


@pytest.mark.parametrize("result", [ValueError("bad"), None, [1]])
def test_envelope_that_fails(result: Any) -> None:
    """An envelope that raises or returns no dict loses no record: its line is mozlog."""

    class Mine(MozlogFormatter):
        def envelope(self, record: logging.LogRecord, fields: dict[str, Any]) -> dict[str, Any]:
            fields.clear()
            if isinstance(result, Exception):
                raise result
            laid: dict[str, Any] = result
            return laid

    found = parse(Mine().format(record("the message", a=1)))["Fields"]
    assert (found["msg"], found["a"]) == ("the message", 1)
    assert found["convert_record_error"]


def test_format_exception_that_fails() -> None:
    """If formatException raises, the traceback is still written, with the error."""

    class Mine(MozlogFormatter):
        def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
            raise LookupError("mine")

    triple = caught(OSError("o"))
    assert fields(record("the message", level=logging.INFO, exc_info=triple), Mine()) == {
        "msg": "the message",
        "error": "OSError('o')",
        "traceback": MozlogFormatter().formatException(triple),
        "convert_record_error": "LookupError('mine')",
    }


def test_processes_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if logging collects no process ids, a line has one."""
    monkeypatch.setattr(logging, "logProcesses", False)
    assert parse(MozlogFormatter().format(record()))["Pid"] == os.getpid()


def test_record_subclass() -> None:
    """A record class with its own getMessage is respected."""

    class Braces(logging.LogRecord):
        def getMessage(self) -> str:  # noqa: N802 - its name in logging
            assert isinstance(self.args, tuple)
            return str(self.msg).format(*self.args)

    made = Braces("app", 20, "p", 1, "{} and {}", ("a", "b"), None)
    assert fields(made) == {"msg": "a and b"}


def test_json_log_formatter() -> None:
    """The old name works and warns of its deprecation, at the place of its use."""
    with pytest.warns(PendingDeprecationWarning, match="MozlogFormatter") as warnings:
        formatter = JsonLogFormatter("%(message)s", "%Y", "%", logger_name="mine")
    assert warnings[0].filename == __file__
    assert isinstance(formatter, MozlogFormatter)
    assert (formatter.datefmt, formatter.logger_name) == ("%Y", "mine")
