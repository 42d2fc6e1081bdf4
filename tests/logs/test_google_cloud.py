"""Lines in the format of Google Cloud Logging.

https://cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields
"""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from dockerflow.logging import GoogleCloudFormatter, MozlogFormatter, MozlogHandler
from dockerflow.logging.google_cloud import mozlog_line

from .lines import parse_json, record

TRACE_ID = "06796866738c859f2f19b7cfb3214824"
SUMMARY: dict[str, Any] = {
    "errno": 0,
    "agent": "curl/8.5.0",
    "lang": "de",
    "method": "GET",
    "path": "/orders/17",
    "uid": "",
    "rid": "demo-1",
    "code": 200,
    "t": 1003,
}


def written(made: logging.LogRecord, **options: Any) -> dict[str, Any]:
    """Return the line of a record."""
    return parse_json(GoogleCloudFormatter(**options).format(made))


def summary(**changes: object) -> logging.LogRecord:
    fields: Any = {**SUMMARY, **changes}
    return record("", name="request.summary", **fields)


def test_a_line() -> None:
    """A line has severity, time and message, labels, and next to them the caller's fields."""
    made = record("hi %s", "you", name="app", level=30, created=1519361465.25, order=17)
    line = GoogleCloudFormatter(logger_name="shop").format(made)
    assert line == (
        '{"severity": "WARNING", "time": "2018-02-23T04:51:05.250000+00:00", "message": "hi you", '
        '"logging.googleapis.com/labels": {"logger": "app", "service": "shop"}, "order": 17}'
    )


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        *((0, "DEFAULT"), (9, "DEFAULT"), (-1, "DEFAULT"), (10, "DEBUG"), (15, "DEBUG")),
        *((20, "INFO"), (25, "INFO"), (30, "WARNING"), (40, "ERROR"), (50, "CRITICAL")),
        (99, "CRITICAL"),
    ],
)
def test_severity(level: int, severity: str) -> None:
    """A level between two names counts as the lower one, one below all as the default."""
    assert written(record(level=level))["severity"] == severity


def test_a_summary() -> None:
    """A summary has its httpRequest, in the types of HttpRequest, and other fields next to it."""
    line = written(summary(querystring="a=1&b=2"))
    assert line["httpRequest"] == {
        "requestMethod": "GET",
        "requestUrl": "/orders/17?a=1&b=2",
        "status": 200,
        "userAgent": "curl/8.5.0",
        "latency": "1.003s",
    }
    rest = {"errno": 0, "lang": "de", "uid": "", "rid": "demo-1"}
    assert list(line)[-4:] == list(rest)
    assert rest.items() <= line.items()
    assert "message" not in line, "the log explorer shows the httpRequest"
    assert written(record("", **SUMMARY)).items() >= SUMMARY.items(), "of summaries alone"


def test_an_odd_summary() -> None:
    """A value without a place or type in HttpRequest stays a field."""
    odd = {"code": "200", "t": None, "path": None, "querystring": "q", "agent": ["a"]}
    line = written(summary(**odd))
    assert line["httpRequest"] == {"requestMethod": "GET"}
    assert odd.items() <= line.items()
    assert "httpRequest" not in written(record("x", name="request.summary"))


@pytest.mark.parametrize(
    ("options", "variable", "trace"),
    [
        ({"project": "shop-1"}, "other", f"projects/shop-1/traces/{TRACE_ID}"),
        ({}, "shop-2", f"projects/shop-2/traces/{TRACE_ID}"),
        ({}, "", TRACE_ID),
        ({"project": ""}, "shop-2", TRACE_ID),
    ],
)
def test_traces(options: Any, variable: str, trace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ids of a span are those of Cloud Trace, with the name of the project, if it is known."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", variable)
    line = written(record("x", trace_id=TRACE_ID, span_id="00f067aa0ba902b7"), **options)
    assert line["logging.googleapis.com/trace"] == trace
    assert line["logging.googleapis.com/spanId"] == "00f067aa0ba902b7"
    assert not {"trace_id", "span_id"} & line.keys()
    assert written(record("x", trace_id=5))["trace_id"] == 5


def test_labels_are_texts() -> None:
    """The handler's name is the service, and labels are always texts."""
    made = record("x", name="app")
    handler = MozlogHandler(name="shop")
    handler.setFormatter(GoogleCloudFormatter())
    made.logger_name = handler.logger_name
    labels = {"logger": "app", "service": "shop"}
    assert json.loads(handler.format(made))["logging.googleapis.com/labels"] == labels
    vars(made).update(name=5, logger_name=None)
    labels = {"logger": "5", "service": "None"}
    assert written(made)["logging.googleapis.com/labels"] == labels


def test_exceptions() -> None:
    """An exception is in stack_trace as Python shows it, where Error Reporting looks for it."""
    try:
        raise KeyError("order")
    except KeyError as raised:
        error = raised
    line = written(record("failed", exc_info=error, level=40))
    assert (line["message"], line["error"]) == ("failed", "KeyError('order')")
    assert line["stack_trace"].startswith("Traceback (most recent call last):\n  File ")
    assert line["stack_trace"].endswith("\nKeyError: 'order'\n")
    mine: Any = {"traceback": "my own", "exc_traceback": "too", "stack_trace": "mine"}
    both = written(record("failed", exc_info=error, **mine))
    assert both["stack_trace"] == line["stack_trace"]
    kept = {"traceback": "my own", "exc_traceback": "too", "extra_stack_trace": "mine"}
    assert kept == {name: both[name] for name in kept}
    for made in (record("x", **mine), record({"exc_traceback": "x"}, traceback="x")):
        assert "stack_trace" not in written(made)


@pytest.mark.parametrize(
    "name",
    [
        *("severity", "time", "httpRequest", "stack_trace"),
        *("timestamp", "timestampSeconds", "timestampNanos", "timeNanos"),
        *(
            f"logging.googleapis.com/{each}"
            for each in (
                *("labels", "trace", "spanId", "trace_sampled", "traceSampled", "severity"),
                *("httpRequest", "http_request", "insertId", "logName", "monitored_resource"),
                *("operation", "sourceLocation"),
            )
        ),
    ],
)
def test_special_names(name: str) -> None:
    """A caller's field with a special name is renamed, so that it can't replace the line's own."""
    usual = written(record("", created=1.0))
    mine: Any = {name: "mine"}
    renamed = {f"extra_{name}": "mine"}
    assert written(record("", created=1.0, **mine)) == usual | renamed
    assert written(record(mine, created=1.0)) == usual | renamed
    both: Any = {name: "a", f"extra_{name}": "b"}
    found = written(record("", created=1.0, **both))
    assert found == usual | {f"extra_{name}": "b", f"extra_extra_{name}": "a"}


def test_message_in_a_message() -> None:
    """The key "message" of a JSON message is a field."""
    assert written(record('{"message": "mine", "a": 1}'))["extra_message"] == "mine"
    assert "message" not in written(record('{"message": "mine", "a": 1}'))


@pytest.mark.parametrize(
    "made",
    [
        record("hi", order=17, nested={"a": [1, None]}),
        record("hi", trace_id=TRACE_ID, span_id="00f067aa0ba902b7", level=30),
        record("", level=50),
        summary(),
        summary(querystring="a=1"),
        summary(code=None, t="1"),
        record("x", exc_text="Traceback: ...", traceback="mine"),
        record("x", stack_info="Stack: ..."),
    ],
)
@pytest.mark.parametrize("project", ["", "shop-1"])
def test_mozlog_line(made: logging.LogRecord, project: str) -> None:
    """A line can be converted back to mozlog, with microseconds."""
    expected = json.loads(MozlogFormatter().format(made))
    del expected["Hostname"], expected["EnvVersion"], expected["Pid"]
    found = mozlog_line(written(made, project=project))
    assert found is not None
    assert abs(found.pop("Timestamp") - expected.pop("Timestamp")) < 1000
    assert found == expected


@pytest.mark.parametrize(
    "change",
    [
        *({"severity": "loud"}, {"severity": []}, {"severity": None}, {"time": "soon"}),
        *({"time": 5}, {"time": "2018-02-23"}, {"logging.googleapis.com/labels": {}}),
        {"logging.googleapis.com/labels": "app"},
    ],
)
def test_other_lines(change: dict[str, Any]) -> None:
    """Any other object is not recognized as this format."""
    line = written(record("x"))
    assert mozlog_line(line | change) is None
    assert mozlog_line({}) is None
    assert mozlog_line(json.loads(MozlogFormatter().format(record("x")))) is None


def test_what_others_write() -> None:
    """In lines of other programs, fields without a name in mozlog are kept."""
    line = written(record("x")) | {"severity": "NOTICE", "httpRequest": {"protocol": "HTTP/2"}}
    found = mozlog_line(line)
    assert found is not None
    assert found["Severity"] == 5
    assert found["Fields"] == {"msg": "x", "httpRequest": {"protocol": "HTTP/2"}}
