"""ConsoleFormatter: lines for people, which no record can forge."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerflow.logging import ConsoleFormatter, MozlogFormatter

from .lines import Broken, record
from .test_hostile import OWN, USUAL, texts, values

FORMATTER = ConsoleFormatter(color=False)


def text(made: logging.LogRecord) -> str:
    """Return the text of a record without its time."""
    clock, _, rest = FORMATTER.format(made).partition(" ")
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d\d\d", clock)
    return rest


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        (record("hello %s", "you"), "INFO     app: hello you"),
        (record("", level=50, name="a b"), "CRITICAL 'a b'"),
        (record("x", level=35, rid="c68c9409-7f"), "WARNING  app: x  c68c9409"),
        (record("x", level=5, rid=None), "DEBUG    app: x"),
        (record("x", rid="\x1b[31mred"), "INFO     app: x  '\\x1b[31mred'"),
        (record("x", rid=[1]), "INFO     app: x  rid=[1]"),
        (record("x", a=1, b="c", d=None), "INFO     app: x  a=1 b=c d=null"),
        (record("x", a="b c", d="e=f"), "INFO     app: x  a='b c' d='e=f'"),
        (record("x", a=["\u202e"]), 'INFO     app: x  a=["\\u202e"]'),
        (record("x", a="", b="'", größe="ß"), "INFO     app: x  a='' b=\"'\" größe=ß"),
        (record({"a b": {"c": ["ü", 1.5]}}), 'INFO     app  \'a b\'={"c": ["ü", 1.5]}'),
        (record({"order": 17}), "INFO     app  order=17"),
        (record("on %d", 8000, color_message="on \x1b[1m%d"), "INFO     app: on 8000"),
        (record("\x1b[33mup\x1b[0m", name="werkzeug"), "INFO     werkzeug: up"),
        (record("\x1b[33mup", name="sanic.root"), "INFO     sanic.root: up"),
        (record("a\r\n\tb\n\nc\n", a=1), "INFO     app: a\\r  a=1\n    \\tb\n\n    c"),
    ],
)
def test_a_line(made: logging.LogRecord, shown: str) -> None:
    """A line has level, logger, message, fields and the start of the request's id."""
    assert text(made) == shown


COMMON: dict[str, Any] = {"errno": 0, "t": 3}
BROWSER = {"agent": "curl/8", "lang": "de"}
REQUEST: dict[str, Any] = (
    COMMON | BROWSER | {"method": "GET", "path": "/orders/17", "code": 200, "uid": ""}
)
TASK = COMMON | {"task": "shop.ship", "task_id": "5e", "state": "SUCCESS", "retries": 0}


@pytest.mark.parametrize(
    ("fields", "message", "shown"),
    [
        (REQUEST | {"rid": "c68c9409-7f"}, "", "GET /orders/17 200 3 ms  c68c9409"),
        (REQUEST | {"uid": 5, "tenant": "acme"}, "", "GET /orders/17 200 3 ms  uid=5 tenant=acme"),
        (REQUEST | {"path": "/a b\n", "code": 404}, "", "GET '/a b\\n' 404 3 ms"),
        (REQUEST | {"querystring": ""}, "", "GET /orders/17 200 3 ms"),
        (REQUEST | {"querystring": "page=2&q='"}, "", 'GET "/orders/17?page=2&q=\'" 200 3 ms'),
        (REQUEST | {"querystring": "page=2"}, "", "GET /orders/17?page=2 200 3 ms"),
        (REQUEST | {"code": 500, "errno": 500}, "boom", "GET /orders/17 500 3 ms: boom"),
        (REQUEST | {"errno": 500}, "boom", "GET /orders/17 200 3 ms: boom  errno=500"),
        (REQUEST | {"path": [1], "code": {}, "t": None}, "", "GET [1] {} null ms"),
        ({"method": "GET"}, "", "GET"),
        ({}, "mine", "request.summary: mine"),
        (TASK | {"queue": "celery"}, "", "shop.ship SUCCESS 3 ms"),
        (
            TASK | {"retries": 2, "queue": "mail"},
            "",
            "shop.ship SUCCESS 3 ms  retries=2 queue=mail",
        ),
    ],
)
def test_summaries(fields: dict[str, Any], message: str, shown: str) -> None:
    """A summary shows request and result, and any other interesting fields."""
    name = "task.summary" if "task" in fields else "request.summary"
    assert text(record(message, name=name, **fields)) == f"INFO     {shown}"


def test_colours() -> None:
    """Time, level, logger, names and results are coloured, by the status for a request."""
    formatter = ConsoleFormatter(color=True)
    line = formatter.format(record("late", level=logging.WARNING, a=1))
    assert "\x1b[33mWARNING \x1b[0m \x1b[94mapp\x1b[0m: \x1b[1mlate\x1b[0m" in line
    assert "\x1b[36ma\x1b[0m=1" in line
    for code, errno, color in [
        (204, 0, 32),
        (302, 0, 36),
        (404, 0, 33),
        (503, 0, 31),
        (200, 5, 31),
    ]:
        made = record("", name="request.summary", **REQUEST | {"code": code, "errno": errno})
        assert f"\x1b[{color}m{code}\x1b[0m" in formatter.format(made)


def test_the_time() -> None:
    """The time is local, with milliseconds, in the configured format."""
    made = record("x", created=1_000_000_000.03125)
    local = time.localtime(1_000_000_000)
    for datefmt, shown in ((None, "%H:%M:%S.031 "), ("%d,%f", "%d,031 "), ("%c", "%c ")):
        line = ConsoleFormatter(None, datefmt, color=False).format(made)
        assert line.startswith(time.strftime(shown, local))


def failure(cause: Exception | None = None) -> Exception:
    try:
        raise ValueError("first\n10:00:00.000 ERROR    forged") from cause
    except ValueError as error:
        return error


def test_tracebacks() -> None:
    """A traceback is Python's own, indented below the line; the error is in it."""
    shown = text(record("failed", exc_info=failure(OSError("\x1b[2J")), stack_info="Stack:\n  s"))
    lines = shown.split("\n")
    assert lines[:3] == ["INFO     app: failed", "    OSError: \\x1b[2J", ""]
    assert "    Traceback (most recent call last):\n      File " in shown
    assert lines[-4:] == [
        "    ValueError: first",
        "    10:00:00.000 ERROR    forged",
        "    Stack:",
        "      s",
    ]


@pytest.mark.parametrize(
    ("extra", "shown"),
    [
        ({"error": "E17"}, "app: x  error=E17\n    Traceback"),
        ({"error": "Timeout(5)"}, "app: x  error=Timeout(5)\n    Traceback"),
        ({"error": "ValueError(1)"}, "app: x  error=ValueError(1)\n    Traceback"),
        ({"error": "failure(1)"}, "app: x  error=failure(1)\n    Traceback"),
        ({"traceback": "mine"}, "app: x  traceback=mine\n    Traceback"),
        ({"stack": "postgres"}, "app: x  stack=postgres\n    Traceback"),
        ({"traceback": "of\nmine"}, "app: x\n    of\n    mine\n    Traceback"),
    ],
)
def test_names_of_the_callers_own(extra: dict[str, Any], shown: str) -> None:
    """Next to a traceback, fields of the caller with the same names are kept."""
    assert shown in text(record("x", exc_info=failure(), **extra))


class Odd(Exception):
    def __str__(self) -> str:
        raise OSError("closed")

    __repr__ = __str__


@pytest.mark.parametrize(
    "exc_info",
    [Odd(), ExceptionGroup("g", [Odd(), failure()]), (ValueError, None, None)],
)
def test_odd_exceptions(exc_info: Any) -> None:
    """An exception that can't be shown, or an invalid exc_info, loses no record."""
    assert text(record("the message", exc_info=exc_info)).startswith("INFO     app: the message")


@settings(max_examples=200)
@given(
    message=texts | st.dictionaries(texts, values),
    name=texts,
    error=st.none() | st.builds(ValueError, values),
    extra=st.dictionaries(st.sampled_from((*USUAL, "code", "path", "task", "state", "t")), values),
    own=st.dictionaries(st.sampled_from(OWN), values, max_size=1),
)
def test_hostile_records(
    message: object,
    name: str,
    error: ValueError | None,
    extra: dict[str, Any],
    own: dict[str, Any],
) -> None:
    """Any record is shown in printable characters, and all lines but the first are indented."""
    for logger in (name, "request.summary", "task.summary"):
        made = record(message, name=logger, exc_info=error, marker=["<here>"], **extra)
        vars(made).update(own)
        shown = FORMATTER.format(made)
        assert "<here>" in shown
        first, *further = shown.split("\n")
        assert all(line.isprintable() for line in (first, *further))
        assert all(line.startswith("    ") for line in further if line.strip())


def test_what_nothing_is_lost_of() -> None:
    """A large value displaces no other, and texts are never cut."""
    shown = text(record("é\n" * 1_000_000, a=list(range(50_000)), b=[1], c=Broken()))
    assert shown.count("é") == 1_000_000
    assert "more values>\"] b=[1] c='<Broken object" in shown


def test_an_override() -> None:
    """A subclass may change what is shown, and no record is lost if it fails."""

    class Mine(ConsoleFormatter):
        def convert_record(self, record: logging.LogRecord) -> dict[str, Any]:
            line = super().convert_record(record)
            line["Fields"]["msg"] = line["Fields"].pop("text")
            return line

    assert ": hello" in Mine(color=False).format(record("", text="hello"))
    assert ": the message  convert_record_error=" in Mine(color=False).format(record("the message"))


def test_what_is_read_is_shown_as_what_is_logged() -> None:
    """A record and its mozlog line are shown the same."""
    made = record("a\nb", v={1: {2.5}}, w="\udc80", x=float("nan"), name="orders", rid="c68c9409")
    reader = [sys.executable, "-m", "dockerflow.logging"]
    line = f"{MozlogFormatter().format(made)}\n"
    read = subprocess.run(reader, input=line, capture_output=True, text=True, check=True)
    assert read.stdout.endswith(f" {text(made)}\n")


@pytest.mark.parametrize("stream", ["sys.stdout", "Logging()"])
def test_a_stream_that_lacks_characters(stream: str) -> None:
    """Characters that standard output can't encode are escaped, and only once."""
    program = f"""
import logging, sys
from dockerflow.logging import ConsoleFormatter, MozlogHandler

class Logging:
    def write(self, text):
        logging.warning(text.split(": ")[1])

    def flush(self):
        pass

sys.stdout = {stream}
handler = MozlogHandler()
handler.setFormatter(ConsoleFormatter())
logging.basicConfig(handlers=[handler])
logging.warning("größe", extra={{"é": "日"}})
"""
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environ, capture_output=True, check=True)
    assert done.stderr == b""
    assert done.stdout.count(b"\n") == 1
    assert done.stdout.rstrip().endswith(rb": gr\xf6\xdfe  \xe9=\u65e5")
