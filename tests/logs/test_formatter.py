"""What a line says, and what people may change about it."""

from __future__ import annotations

import json
import logging
import os
import pickle
import warnings
from typing import Any

import pytest

from dockerflow.logging import JsonLogFormatter, MozlogFormatter

from .lines import NAMES, fields, parse, record


def test_a_line() -> None:
    """A line has the eight names of mozlog, in their order."""
    formatter = MozlogFormatter(logger_name="myapp")
    made = record(
        "hi %s", "you", name="request.summary", level=logging.WARNING, created=1519361465.0
    )
    made.process = 1337
    formatter.hostname = "a123"
    line = formatter.format(made)
    assert line == (
        '{"Timestamp": 1519361465000000000, "Type": "request.summary", "Logger": "myapp", '
        '"Hostname": "a123", "EnvVersion": "2.0", "Severity": 4, "Pid": 1337, '
        '"Fields": {"msg": "hi you"}}'
    )
    assert list(json.loads(line)) == NAMES
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
    formatter = MozlogFormatter()
    for _ in range(2):
        assert parse(formatter.format(record(level=level)))["Severity"] == severity


def test_extra_and_message() -> None:
    """Fields holds what the caller gave and the message, and nothing of the record's own."""
    assert fields(record("m %d", 1, a=1, b=[{"c": None}])) == {
        "a": 1,
        "b": [{"c": None}],
        "msg": "m 1",
    }
    assert fields(record("", rid="x")) == {"rid": "x", "msg": ""}
    assert fields(record({"a": 1}))["msg"] == "{'a': 1}"
    assert fields(record(ValueError("v")))["msg"] == "v"
    assert fields(record("x", asctime="now", message="x", taskName="t")) == {"msg": "x"}


@pytest.mark.parametrize(
    ("text", "merged"),
    [
        ('{"a": 1, "b": [true, null, 1.5, "x"]}', {"a": 1, "b": [True, None, 1.5, "x"]}),
        ('{"größe": {"c": {}}}', {"größe": {"c": {}}}),
        (' {"a": 1}\n', {"a": 1}),
    ],
)
def test_json_messages(text: str, merged: dict[str, Any]) -> None:
    """A message that is a JSON object stands in Fields with its own names."""
    assert fields(record(text, other=2)) == {"other": 2, **merged}


@pytest.mark.parametrize(
    "text",
    [
        *("{}", "[1]", '"a"', "{", "{a}", "{template} was not found in {dir}", '{"a": 1} and more'),
        *('{"a": NaN}', '{"a": Infinity}', '{"a": 1, "a": 2}', '{"a": {"b": 1, "b": 2}}'),
        *(
            '{"a": 1e999}',
            '{"a": "\\ud800"}',
            '{"\\udc80": 1}',
            "{'a': 1}",
            '{"a": 01}',
            '{"a": 1,}',
        ),
        *('{"a": ' + "[" * 5000 + "]" * 5000 + "}", '{"a": ' + "1" * 5000 + "}", '{"a":\n"\t"}'),
        *('{"other": 1}', '{"msg": 1}', '{"error": 1}', '{"traceback": 1}', '{"stack": 1}'),
        *('{"rid": 1}', '{"uid": 1}', '{"code": 1}', '{"errno": 1}', '{"a": 1, "errno": 1}'),
    ],
)
def test_texts_that_are_no_json_objects(text: str) -> None:
    """Any other text stays the message, as it was."""
    assert fields(record(text, other=2)) == {"other": 2, "msg": text}


def test_what_is_jsonlike() -> None:
    """Text in braces is worth parsing; nothing else is, of any type."""
    formatter = MozlogFormatter()
    assert formatter.is_value_jsonlike('{"a": 1}')
    for value in ("{", "}", "", "[1]", None, 1, b"{}", ["{}"], object()):
        assert not formatter.is_value_jsonlike(value)


def test_overridden_jsonlike() -> None:
    """is_value_jsonlike has the last word, and one that fails counts as no."""

    class Never(MozlogFormatter):
        def is_value_jsonlike(self, value: object) -> bool:
            return False

    class Failing(MozlogFormatter):
        def is_value_jsonlike(self, value: object) -> bool:
            raise OSError

    class Always(MozlogFormatter):
        def is_value_jsonlike(self, value: object) -> bool:
            return True

    for formatter in (Never(), Failing()):
        assert fields(record('{"a": 1}'), formatter) == {"msg": '{"a": 1}'}
    assert fields(record('{"a": 1}'), Always()) == {"a": 1}
    for text in ("[1]", "1", "", "x", '"{}"', "{"):
        assert fields(record(text), Always()) == {"msg": text}


def caught(error: BaseException) -> Any:
    try:
        raise error
    except BaseException as raised:
        return type(raised), raised, raised.__traceback__


def test_exceptions() -> None:
    """An exception is told as error and traceback, and the message stays."""
    found = fields(record("failed", exc_info=caught(ValueError("a\nb")), a=1))
    assert list(found) == ["a", "msg", "error", "traceback"]
    assert found["error"] == "ValueError('a\\nb')"
    assert found["traceback"].startswith("Uncaught exception:\n")
    assert found["traceback"].endswith("ValueError('a\\nb')\n")
    found = fields(record('{"a": 1}', exc_info=caught(ValueError())))
    assert list(found) == ["a", "error", "traceback"]


def test_no_exception() -> None:
    """exc_info=True where there is no exception adds nothing."""
    assert fields(record("x", exc_info=(None, None, None))) == {"msg": "x"}
    assert fields(record("x", exc_info=False)) == {"msg": "x"}


def test_an_exception_itself_as_exc_info() -> None:
    """An exception may stand for its triple."""
    error = caught(KeyError("k"))[1]
    assert "in caught" in fields(record("x", exc_info=error))["traceback"]


def test_cached_exception_text() -> None:
    """The text that another formatter has cached is kept where the exception is gone."""
    assert fields(record("x", exc_text="Traceback: y"))["traceback"] == "Traceback: y"
    found = fields(record("x", exc_text="cached", exc_info=caught(OSError("fresh"))))
    assert "fresh" in found["traceback"]


def test_stack() -> None:
    """stack_info is kept."""
    assert fields(record("x", stack_info="Stack:\n  f"))["stack"] == "Stack:\n  f"
    assert fields(record("x", stack_info="")) == {"msg": "x"}


def test_names_that_are_taken() -> None:
    """What the caller named error, traceback or stack stays, and ours stand aside."""
    made = record("x", exc_info=caught(OSError("o")), error="mine", traceback="my", stack="s")
    made.stack_info = "Stack:"
    found = fields(made)
    assert (found["error"], found["traceback"], found["stack"]) == ("mine", "my", "s")
    assert found["exc_error"] == "OSError('o')"
    assert found["exc_traceback"].startswith("Uncaught exception:")
    assert found["exc_stack"] == "Stack:"
    made.__dict__["exc_error"] = "mine too"
    assert fields(made)["exc_exc_error"] == "OSError('o')"
    assert fields(made)["exc_error"] == "mine too"


def test_logger_name_of_the_caller() -> None:
    """A logger_name in extra is the Logger of that line."""
    formatter = MozlogFormatter(logger_name="app")
    assert parse(formatter.format(record(logger_name="mine")))["Logger"] == "mine"
    assert parse(formatter.format(record()))["Logger"] == "app"
    assert "logger_name" not in fields(record(logger_name="mine"))


def test_changes_count_at_once() -> None:
    """Whatever is changed after the first line, on class or instance, the next line shows it."""

    class Mine(MozlogFormatter):
        pass

    formatter = Mine()
    made = record("x", a=1, level=logging.INFO)

    def line() -> dict[str, Any]:
        parsed = parse(formatter.format(made))
        assert parsed == formatter.convert_record(made)
        return parsed

    line()
    formatter.logger_name = "other"
    assert line()["Logger"] == "other"
    formatter.hostname = "host"
    assert line()["Hostname"] == "host"
    Mine.LOGGING_FORMAT_VERSION = "3.0"
    assert line()["EnvVersion"] == "3.0"
    Mine.SYSLOG_LEVEL_MAP = {**MozlogFormatter.SYSLOG_LEVEL_MAP, logging.INFO: 5}
    assert line()["Severity"] == 5
    Mine.SYSLOG_LEVEL_MAP[logging.INFO] = 1
    assert line()["Severity"] == 1
    Mine.SYSLOG_LEVEL_MAP = {}
    Mine.DEFAULT_SYSLOG_LEVEL = 0
    assert line()["Severity"] == 0
    Mine.EXCLUDED_LOGRECORD_ATTRS = set(MozlogFormatter.EXCLUDED_LOGRECORD_ATTRS)
    Mine.EXCLUDED_LOGRECORD_ATTRS.add("a")
    assert line()["Fields"] == {"msg": "x"}
    Mine.EXCLUDED_LOGRECORD_ATTRS.remove("lineno")
    assert line()["Fields"] == {"lineno": 7, "msg": "x"}
    Mine.EXCLUDED_LOGRECORD_ATTRS.remove("a")
    Mine.EXCLUDED_LOGRECORD_ATTRS.add("lineno")
    assert line()["Fields"] == {"a": 1, "msg": "x"}
    made.process = 5
    assert line()["Pid"] == 5
    made.levelno = 40
    made.name = "renamed"
    assert line()["Type"] == "renamed"
    formatter.convert_record = lambda record: {"only": 1}  # type: ignore[method-assign]
    assert formatter.format(made) == '{"only": 1}'
    del formatter.convert_record
    line()


def test_patched_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """A convert_record that is patched on the class is used as well."""
    formatter = MozlogFormatter()
    formatter.format(record())
    monkeypatch.setattr(MozlogFormatter, "convert_record", lambda self, record: {"patched": 1})
    assert formatter.format(record()) == '{"patched": 1}'


def test_overridden_convert_record() -> None:
    """A subclass may change what is said, with values of any kind."""

    class Mine(MozlogFormatter):
        def convert_record(self, record: logging.LogRecord) -> dict[str, Any]:
            said = super().convert_record(record)
            said["Fields"]["more"] = {1: {2, 3}, "1": float("nan"), "s": "\udc80"}
            del said["Pid"]
            return said

    said = json.loads(Mine().format(record("x", a=1)))
    assert "Pid" not in said
    assert said["Fields"]["more"] == {"1 (int)": [2, 3], "1": "NaN", "s": "\\udc80"}


@pytest.mark.parametrize("result", [ValueError("bad"), RecursionError("deep"), None, "text", [1]])
def test_convert_record_that_fails(result: Any) -> None:
    """A convert_record that raises or returns no dict loses no record, and the fault is said."""

    class Mine(MozlogFormatter):
        def convert_record(self, record: logging.LogRecord) -> dict[str, Any]:
            if isinstance(result, Exception):
                raise result
            converted: dict[str, Any] = result
            return converted

    line = Mine().format(record("the message", a=1))
    assert "the message" in line
    parse(line)


def test_subclass_without_init() -> None:
    """A subclass that forgets to call __init__ of its parent still gives lines."""

    class Mine(MozlogFormatter):
        def __init__(self) -> None:
            pass

    assert parse(Mine().format(record("x")))["Fields"] == {"msg": "x"}


def test_record_is_only_read() -> None:
    """Formatting leaves nothing behind on a record, for the sake of the next handler."""
    made = record("x %s", 1, exc_info=caught(OSError()), a=1)
    before = dict(made.__dict__)
    MozlogFormatter().format(made)
    assert made.__dict__ == before


def test_pickled_record() -> None:
    """A record that has been through pickle gives the line it would have given before."""
    made = record("x %s", 1, a={"b": 1})
    formatter = MozlogFormatter()
    assert formatter.format(pickle.loads(pickle.dumps(made))) == formatter.format(made)


def test_processes_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where logging collects no process ids, a line has one all the same."""
    monkeypatch.setattr(logging, "logProcesses", False)
    assert parse(MozlogFormatter().format(record()))["Pid"] == os.getpid()


def test_record_subclass() -> None:
    """A record class with a getMessage of its own is listened to."""

    class Braces(logging.LogRecord):
        def getMessage(self) -> str:  # noqa: N802 - its name in logging
            assert isinstance(self.args, tuple)
            return str(self.msg).format(*self.args)

    made = Braces("app", 20, "p", 1, "{} and {}", ("a", "b"), None)
    assert fields(made) == {"msg": "a and b"}


def test_json_log_formatter() -> None:
    """The earlier name works and says, at the place that uses it, that it is earlier."""
    with pytest.warns(PendingDeprecationWarning, match="MozlogFormatter") as caught_warnings:
        formatter = JsonLogFormatter(logger_name="mine")
    assert caught_warnings[0].filename == __file__
    assert isinstance(formatter, MozlogFormatter)
    assert parse(formatter.format(record()))["Logger"] == "mine"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert JsonLogFormatter("%(message)s", "%Y", "%").datefmt == "%Y"


def test_caches_are_bounded() -> None:
    """Neither names, loggers nor types without end make a formatter grow without end."""
    from dockerflow.logging import fast, natural

    formatter = MozlogFormatter()
    for number in range(2000):
        kind = type(f"Kind{number}", (), {})
        made = record("x", name=f"logger{number}", v=kind())
        made.__dict__[f"extra{number}"] = number
        parse(formatter.format(made))
    state = formatter._fast
    assert len(state._heads) <= fast._MAX_CACHED
    assert len(state.state[1]) <= fast._MAX_CACHED
    assert len(natural._forms) <= natural._MAX_FORMS
