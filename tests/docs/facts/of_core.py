"""Checks, and the formatter."""

# mypy: ignore-errors
# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportMissingImports=false, reportOperatorIssue=false

import functools
import json
import logging
import sys
import uuid
import warnings

from recording import RECORDS, fact, recorded

from dockerflow import checks
from dockerflow import logging as mozlog


def run(check, **silenced):
    return checks.run_checks([("a", check)], **silenced)


def says(check):
    return run(check).details["a"]["messages"]


def one(level, id="i"):
    return checks.CheckMessage("x", level, id=id)


@fact
def raising_check():
    return run(lambda: 1 / 0).statuses


@fact
def generator():
    return run(lambda: (one(40) for _ in "a")).statuses


@fact
def single_message():
    return run(lambda: one(40)).statuses


@fact
def no_message():
    return run(lambda: None).statuses


@fact
def two_of_one_id():
    return says(lambda: [checks.Error("x", id="i"), checks.Error("y", id="i")])


@fact
def without_id():
    return list(says(lambda: [one(40, None)]))


@fact
def level_between():
    return checks.level_to_text(35)


@fact
def no_messages():
    return run(lambda: "bad").statuses


@fact
def password():
    return says(lambda: [checks.Error("redis://me:secret@host", id="i")])["i"]


@fact
def silenced_is_logged():
    run(lambda: [one(30)], silenced_check_ids=["i"])
    return len(recorded("dockerflow.checks.registry"))


@fact
def name_is_taken():
    for number in (1, 2):
        checks.register(name="twice")(lambda number=number: [])
    checks.clear_checks()
    return [r.levelno for r in RECORDS if r.levelno >= logging.WARNING]


@fact
def partial_without_name():
    checks.register(functools.partial(list))
    names = list(checks.get_checks())
    checks.clear_checks()
    return names


@fact
def debug_lines():
    checks.register(name="debug")(list)
    checks.clear_checks()
    return [r.levelno for r in RECORDS]


def line(msg, *args, level=20, exc_info=None, stack=None, **extra):
    record = logging.getLogger("t").makeRecord(
        "t", level, "f", 1, msg, args, exc_info, None, extra, stack
    )
    return mozlog.MozlogFormatter().format(record)


def fields(*args, **kwargs):
    return json.loads(line(*args, **kwargs))["Fields"]


@fact
def natural_uuid():
    return fields("m", v=uuid.UUID(int=1))["v"]


@fact
def nan():
    return json.loads(line("m", v=float("nan")), parse_constant=lambda name: f"not JSON: {name}")[
        "Fields"
    ]["v"]


@fact
def json_message():
    return fields('{"a": 1}')


@fact
def braces():
    return fields("{template} in {folder}")


@fact
def empty_message():
    return fields("")


@fact
def severity_between():
    return [json.loads(line("m", level=level))["Severity"] for level in (35, 60)]


def failure():
    try:
        try:
            _ = {}["cause"]
        except KeyError as cause:
            raise ValueError("effect") from cause
    except ValueError:
        return sys.exc_info()


@fact
def cause():
    return "KeyError" in fields("m", exc_info=failure())["traceback"]


@fact
def own_error():
    return fields("m", exc_info=failure(), error="mine")["error"]


@fact
def stack():
    return fields("m", stack="the stack").get("stack")


@fact
def circular():
    value = {}
    value["v"] = value
    return list(fields("m", v=value))


@fact
def earlier_name():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mozlog.JsonLogFormatter()
    return [warning.category.__name__ for warning in caught]


@fact
def filter_outside_of_a_request():
    record = logging.makeLogRecord({})
    mozlog.RequestIdLogFilter().filter(record)
    return "rid" in vars(record)


@fact
def filter_and_own_id():
    record = logging.makeLogRecord({"rid": "mine"})
    mozlog.RequestIdLogFilter().filter(record)
    return record.rid
