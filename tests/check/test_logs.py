"""The check of logs: our own lines pass, and each fault of a line is found."""

from __future__ import annotations

import json
import logging
import time
import tracemalloc
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockerflow.check import log_clauses as clauses
from dockerflow.check import log_faults, logs
from dockerflow.check.clauses import Clause, Level
from dockerflow.check.findings import Finding, Outcome, exit_status
from dockerflow.check.log_secrets import extract
from dockerflow.check.logs import CLAUSES, check_logs
from dockerflow.logging import ConsoleFormatter, GoogleCloudFormatter, MozlogFormatter
from dockerflow.logging.wsgi import RequestObserver
from tests.logs.lines import Broken, record

NOW = time.time_ns()

Line = dict[str, Any] | str | bytes


def line(kind: str = "app", drop: Iterable[str] = (), **values: Any) -> dict[str, Any]:
    """Return a good line, but for the values given and the names dropped."""
    made = {
        "Timestamp": NOW,
        "Type": kind,
        "Logger": "shop",
        "Hostname": "web-1",
        "EnvVersion": "2.0",
        "Severity": 6,
        "Pid": 42,
        "Fields": {"msg": "shipped"},
        **values,
    }
    return {name: value for name, value in made.items() if name not in drop}


def summary(
    rid: str | None = None, drop: Iterable[str] = (), at: int = NOW, **fields: Any
) -> dict[str, Any]:
    """Return a good summary, but for the fields given and the names dropped."""
    made = {
        "errno": 0,
        "agent": "curl/8.5.0",
        "lang": "",
        "method": "GET",
        "path": "/orders/17",
        "uid": "",
        "rid": rid or str(uuid.uuid4()),
        "code": 200,
        "t": 12,
        **fields,
    }
    kept = {name: value for name, value in made.items() if name not in drop}
    return line("request.summary", Timestamp=at, Fields=kept)


def found(*lines: Line) -> list[Finding]:
    """Check a log of lines: objects, text, or bytes as they are."""
    return check_logs(map(encoded, lines), "shop.log")


def encoded(each: Line) -> bytes:
    if isinstance(each, bytes):
        return each
    return (each if isinstance(each, str) else json.dumps(each)).encode() + b"\n"


def faults(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that break their clause."""
    return [each for each in findings if each.outcome in (Outcome.FAILED, Outcome.WARNING)]


def only(findings: Iterable[Finding]) -> Finding:
    """Return the only one that breaks its clause."""
    (fault,) = faults(findings)
    return fault


def of(clause: Clause, findings: Iterable[Finding]) -> list[Finding]:
    """Return those of a clause."""
    return [each for each in findings if each.clause is clause]


# ---------------------------------------------------------------------- the clauses


def test_clauses() -> None:
    """Ids and names are unique, each clause says all that it must, and only text is a MUST."""
    assert [clause.id for clause in CLAUSES] == [f"LOG{n:02}" for n in range(1, len(CLAUSES) + 1)]
    assert len({clause.name for clause in CLAUSES}) == len(CLAUSES)
    for clause in CLAUSES:
        assert clause.source.startswith("https://")
        assert clause.says.endswith(".")
        assert clause.why.endswith(".")
        assert clause.fixes.keys() in ({"any"}, {"Django", "Flask", "Express", "Go"})
        assert all(fix.count("\n") < 6 for fix in clause.fixes.values())
    assert [clause for clause in CLAUSES if clause.level is Level.MUST] == [clauses.TEXT]


def test_one_finding_each() -> None:
    """A clause without a fault has one finding, in the order of the clauses."""
    findings = found(line(), summary())
    assert [each.clause for each in findings] == list(CLAUSES)
    assert {each.outcome for each in findings} == {Outcome.PASSED}
    assert str(of(clauses.JSON_LINES, findings)[0].place) == "shop.log"
    assert of(clauses.JSON_LINES, findings)[0].text == "2 lines."


def test_empty_log() -> None:
    """Of an empty log all is skipped, as nothing was looked at."""
    findings = found()
    assert [each.clause for each in findings] == list(CLAUSES)
    assert {(each.outcome, each.text) for each in findings} == {
        (Outcome.SKIPPED, "The log is empty.")
    }


def test_nothing_to_look_at() -> None:
    """A clause about lines of a kind is skipped in a log that has none."""
    skipped = {
        each.clause.id: each.text
        for each in found("Listening on 8000")
        if each.outcome is Outcome.SKIPPED
    }
    assert skipped[clauses.STRICT_JSON.id] == "No line is JSON."
    assert skipped[clauses.NANOSECONDS.id] == "No line is mozlog."
    assert skipped[clauses.SUMMARY_FIELDS.id] == "No line is a request.summary."
    assert skipped[clauses.ONE_SUMMARY.id] == "No request.summary has a rid."


# ---------------------------------------------------------------------- our own lines

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
odd_values = st.one_of(
    *(st.decimals(), st.datetimes(), st.uuids(), st.binary(), st.timedeltas(), st.sets(st.text())),
    *(st.builds(object), st.builds(Broken), st.builds(Path, st.just("/app"))),
)
values = st.recursive(
    scalars | odd_values,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@st.composite
def records(draw: st.DrawFn) -> logging.LogRecord:
    made = record(
        draw(
            st.text(st.characters(codec=None, categories=None)) | st.dictionaries(st.text(), values)
        ),
        level=draw(st.sampled_from([0, 10, 15, 20, 30, 40, 50, 99])),
        name=draw(st.sampled_from(["app", "app.orders", "größe", "\ud800"])),
        exc_info=draw(st.none() | st.builds(ValueError, values)),
    )
    extra = draw(st.dictionaries(st.sampled_from(["a", "b", "größe", "rid"]), values))
    vars(made).update(extra, stack_info=draw(st.none() | st.just("Stack:\n  here")))
    return made


@settings(max_examples=50)
@given(st.lists(records(), min_size=1, max_size=5))
def test_our_own_lines(made: list[logging.LogRecord]) -> None:
    """Whatever is logged, the formatter's lines have no fault but what callers put into Fields."""
    formatter = MozlogFormatter()
    findings = found(*(formatter.format(each) for each in made))
    of_callers = (clauses.FLAT_FIELDS, clauses.NO_SECRETS)
    assert all(each.clause in of_callers for each in faults(findings))


def test_our_own_summaries(caplog: pytest.LogCaptureFixture) -> None:
    """Requests through our middleware, those that fail too, leave a log without fault."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        logging.getLogger("app").warning("at work", extra={"rid": environ["HTTP_X_REQUEST_ID"]})
        if environ["PATH_INFO"] == "/fail":
            raise ValueError("no such order")
        start_response("200 OK", [])
        return [b"ok"]

    caplog.set_level(logging.INFO)
    caplog.set_level(logging.INFO, "request.summary")
    observed = RequestObserver(app)
    for path in ("/", "/fail", "/größe"):
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path.encode().decode("latin-1"),
            "HTTP_X_REQUEST_ID": f"id-of-{len(path)}",
        }
        try:
            list(observed(environ, lambda *_: lambda _: None))
        except ValueError:
            assert path == "/fail"
    formatter = MozlogFormatter()
    findings = found(*(formatter.format(each) for each in caplog.records))
    assert not faults(findings)
    assert [each.text for each in of(clauses.ONE_SUMMARY, findings)] == ["3 request ids."]


def test_google_cloud() -> None:
    """A log in Google Cloud's format gets one sentence that says so, and nothing else."""
    formatter = GoogleCloudFormatter()
    made = [record("one"), record("two", level=logging.ERROR), record("", name="request.summary")]
    fault = only(found(*map(formatter.format, made)))
    assert fault.clause is clauses.ENVELOPE
    assert fault.text.startswith("3 lines with Google Cloud's format, which this does not check")
    assert "DOCKERFLOW_LOG_FORMAT=mozlog" in fault.text


def test_console_format() -> None:
    """A log for people is text, and no JSON."""
    fault = only(found(*map(ConsoleFormatter().format, [record("one"), record("two")])))
    assert (fault.clause, fault.outcome) == (clauses.JSON_LINES, Outcome.WARNING)
    assert fault.text.startswith("2 lines with text that is no JSON")


# ---------------------------------------------------------------------- each fault

OTHER_TYPES: list[Any] = [None, True, 1.5, []]
ARRAY_AS: dict[str, dict[str, Any]] = {name: {name: [1]} for name in log_faults.SUMMARY_TYPE}
ONE_FAULT: dict[str, tuple[log_faults.Fault, list[Any]]] = {
    "latin-1": (
        log_faults.NOT_UTF_8,
        [json.dumps(line(Hostname="größe"), ensure_ascii=False).encode("latin-1")],
    ),
    "byte order mark": (log_faults.BYTE_ORDER_MARK, [b"\xef\xbb\xbf" + encoded(line())]),
    "empty line": (log_faults.EMPTY, [line(), "", line()]),
    "blanks": (log_faults.EMPTY, [" \t "]),
    "text": (log_faults.NO_JSON, ["[2026-11-30 12:00:00] [1] [INFO] Listening at: http://:8000"]),
    "text with braces": (log_faults.NO_JSON, ["order {17} shipped", 'got {"a": 1}']),
    "colour": (log_faults.NO_JSON, ["\x1b[32mINFO\x1b[0m started"]),
    "half": (log_faults.BROKEN_JSON, [encoded(line())[:70]]),
    "repr": (log_faults.BROKEN_JSON, [str(line())]),
    "array": (log_faults.NO_OBJECT, [json.dumps([line()])]),
    "number": (log_faults.NO_OBJECT, ["17"]),
    "docker compose": (log_faults.TEXT_BEFORE, [f"web-1  | {json.dumps(line())}"]),
    "kubectl": (log_faults.TEXT_BEFORE, [f"2026-11-30T12:00:00Z {json.dumps(line())}"]),
    "two objects": (log_faults.TEXT_BEHIND, [json.dumps(line()) * 2]),
    "comma": (log_faults.TEXT_BEHIND, [json.dumps(line()) + ","]),
    "NaN": (log_faults.NOT_A_NUMBER, [line(Fields={"a": float("nan")})]),
    "infinity": (log_faults.NOT_A_NUMBER, [line(Fields={"a": [-float("inf")]})]),
    "name twice": (log_faults.TWICE, [json.dumps(line())[:-2] + ', "msg": "again"}}']),
    "name twice, escaped": (log_faults.TWICE, [json.dumps(line())[:-2] + ', "m\\u0073g": 1}}']),
    "surrogate": (log_faults.SURROGATE, [line(Fields={"a": ["\ud800"]})]),
    "surrogate in a name": (log_faults.SURROGATE, [line(Fields={"\udfff": 1})]),
    "raw tab": (log_faults.CONTROL_CHARACTER, [json.dumps(line()).replace("shipped", "a\tb")]),
    "raw escape": (log_faults.CONTROL_CHARACTER, [json.dumps(line(Type="-")).replace("-", "\x1b")]),
    "deep": (log_faults.TOO_DEEP, ['{"a":' * 100_000]),
    "deep arrays": (log_faults.TOO_DEEP, ['{"a":' + "[" * 500_000]),
    "digits": (log_faults.TOO_MANY_DIGITS, ['{"a": ' + "9" * 10_000 + "}"]),
    "traceback": (
        log_faults.TRACEBACK,
        [
            "Traceback (most recent call last):",
            '  File "shop.py", line 17, in ship',
            "    raise ValueError",
            "ValueError: no such order",
            line(),
        ],
    ),
    "middle of a traceback": (log_faults.TRACEBACK, ['  File "shop.py", line 17, in ship']),
    "traceback of Node": (
        log_faults.TRACEBACK,
        ["    at ship (/app/shop.js:17:5)", "    at node:internal/main:1:2"],
    ),
    "traceback of Java": (log_faults.TRACEBACK, ["\tat org.example.Shop.ship(Shop.java:17)"]),
    "panic of Go": (
        log_faults.TRACEBACK,
        ["panic: no such order", "goroutine 1 [running]:", "main.main()"],
    ),
    "after an error": (log_faults.AFTER_ERROR, [line(Severity=3), "ValueError: x"]),
    "after a critical one": (log_faults.AFTER_ERROR, [line(Severity=2), "something", line()]),
    "long": (log_faults.TOO_LONG, [line(Fields={"a": "x" * 1_000_000})]),
    "other format": (log_faults.OTHER_FORMAT, [{"level": 30, "time": 1, "msg": "of pino"}]),
    "empty object": (log_faults.OTHER_FORMAT, ["{}"]),
    **{
        f"no {name}": (log_faults.MISSING[name], [line(drop=[name])]) for name in log_faults.MISSING
    },
    **{
        f"{name} is {value!r}": (log_faults.OTHER_TYPE[name], [line(**{name: value})])
        for name in log_faults.ENVELOPE
        for value in OTHER_TYPES
    },
    "Timestamp as text": (log_faults.OTHER_TYPE["Timestamp"], [line(Timestamp=str(NOW))]),
    "Fields as text": (log_faults.OTHER_TYPE["Fields"], [line(Fields="{}")]),
    "version": (log_faults.OTHER_VERSION, [line(EnvVersion="1.0")]),
    "severity of logging": (log_faults.OTHER_SEVERITY, [line(Severity=20)]),
    "negative severity": (log_faults.OTHER_SEVERITY, [line(Severity=-1)]),
    "pid": (log_faults.NEGATIVE_PID, [line(Pid=-1)]),
    "seconds": (log_faults.OTHER_UNIT["seconds"], [line(Timestamp=NOW // 10**9)]),
    "milliseconds": (log_faults.OTHER_UNIT["milliseconds"], [line(Timestamp=NOW // 10**6)]),
    "microseconds": (log_faults.OTHER_UNIT["microseconds"], [line(Timestamp=NOW // 10**3)]),
    "no time": (log_faults.TOO_EARLY, [line(Timestamp=0)]),
    "negative time": (log_faults.TOO_EARLY, [line(Timestamp=-NOW)]),
    "future": (log_faults.IN_FUTURE, [line(Timestamp=NOW * 2), line()]),
    "back": (log_faults.BACK, [line(), line(Timestamp=NOW - 61 * 10**9)]),
    "nested": (log_faults.NESTED, [line(Fields={"a": {"b": {}}})]),
    "nested in an array": (log_faults.NESTED, [line(Fields={"a": {"b": [{}]}})]),
    **{
        f"summary without {name}": (log_faults.SUMMARY_MISSING[name], [summary(drop=[name])])
        for name in log_faults.SUMMARY
    },
    **{
        f"summary with {name}": (log_faults.SUMMARY_TYPE[name], [summary(**ARRAY_AS[name])])
        for name in log_faults.SUMMARY_TYPE
    },
    "code as text": (log_faults.SUMMARY_TYPE["code"], [summary(code="200")]),
    "seconds as t": (log_faults.SUMMARY_TYPE["t"], [summary(t=0.012)]),
    "status": (log_faults.NO_STATUS, [summary(code=0)]),
    "negative t": (log_faults.NEGATIVE_T, [summary(t=-1)]),
    "two summaries": (log_faults.SECOND_SUMMARY, [summary("a"), line(), summary("a")]),
    "summaries of Node": (
        log_faults.SECOND_SUMMARY,
        [summary("a"), {**summary("a"), "Type": "shop.request.summary"}],
    ),
    "no summary": (
        log_faults.NO_SUMMARY,
        [
            line(Timestamp=NOW - 20 * 10**9, Fields={"rid": "a"}),
            line(Fields={"rid": "still running"}),
            summary(),
        ],
    ),
}


@pytest.mark.parametrize("name", ONE_FAULT)
def test_each_fault(name: str) -> None:
    """A log with a fault has this one and no other, with a count and the line of the first."""
    fault, lines = ONE_FAULT[name]
    finding = only(found(line(), *lines))
    assert finding.clause is fault.clause
    assert f" with {fault.what}: {fault.remedy}; " in finding.text
    assert finding.place is not None
    assert finding.place.line is not None
    assert f" is in line {finding.place.line}" in finding.text
    assert finding.text.isprintable()


def test_all_faults() -> None:
    """Each kind of fault is in a test of this module."""
    kinds: set[log_faults.Fault] = set()
    for value in vars(log_faults).values():
        if isinstance(value, log_faults.Fault):
            kinds.add(value)
        elif isinstance(value, dict):
            kinds.update(each for each in value.values() if isinstance(each, log_faults.Fault))
    elsewhere = {log_faults.BINARY, log_faults.GOOGLE_CLOUD, *log_faults.SECRETS.values()}
    assert {fault for fault, _ in ONE_FAULT.values()} == kinds - elsewhere


def test_binary() -> None:
    """Binary data and UTF-16 break the only MUST, and so does the exit status."""
    for log in (b"\x7fELF\x02\0\0\n", json.dumps(line()).encode("utf-16")):
        findings = found(log)
        assert [each.clause for each in findings if each.outcome is Outcome.FAILED] == [
            clauses.TEXT
        ]
        assert exit_status(findings) == 1
    assert exit_status(found("no JSON at all")) == 0


def test_count_and_first() -> None:
    """Of many lines with one fault, the finding has their number, and the first of them."""
    lines = [line(), *(line(Type=n) for n in range(1000)), line()]
    finding = only(found(*lines))
    assert finding.text.startswith(
        "1000 lines with a Type of another type: make it a string; the fi"
    )
    assert finding.text.endswith(f"in line 2: {json.dumps(lines[1])[:80]}…")
    assert str(finding.place) == "shop.log:2"


def test_several_faults_of_a_line() -> None:
    """A line with several faults counts for each, and kinds come in the order of their lines."""
    findings = faults(found(line(Pid="1"), line(Severity="6", Type=1, drop=["Logger"])))
    assert [(each.clause, str(each.place)) for each in findings] == [
        (clauses.ENVELOPE, "shop.log:2"),
        (clauses.ENVELOPE_VALUES, "shop.log:1"),
        (clauses.ENVELOPE_VALUES, "shop.log:2"),
        (clauses.ENVELOPE_VALUES, "shop.log:2"),
    ]


@pytest.mark.parametrize(
    "lines",
    [
        [line(drop=["Pid", "Severity"])],
        [line(Time="2026-11-30T12:00:00Z")],
        [line(Hostname="", Fields={})],
        [line(Fields={"a": {"b": [1, [2], "c"]}, "d": [{"e": 1}, {"f": 2}]})],
        [line(), line(Timestamp=NOW - 59 * 10**9)],
        [line(Timestamp=NOW - 5 * 10**17)],
        [line(Fields={"a": "\U0001f600", "b": "\\ud800"})],
        [json.dumps(line(Type="größe"), ensure_ascii=False)],
        [encoded(line())[:-1] + b"\r\n"],
        [encoded(line())[:-1]],
        [line(Fields={"a": "x" * 999_000})],
        [summary(drop=["code", "t", "uid"])],
        [summary(uid=17), summary(code=499), summary(uid=None)],
        [{**summary("a"), "Fields": {**summary()["Fields"], "rid": None}} for _ in range(2)],
        [summary("a"), line(Fields={"rid": "a"})],
        [line("task.summary", Fields={"rid": "a"}), summary("a")],
        [summary("a"), line("task.summary", Fields={"rid": "a"})],
        [
            line(Timestamp=NOW - 20 * 10**9, Fields={"rid": "a"}),
            line("task.summary", Timestamp=NOW - 19 * 10**9, Fields={"rid": "a"}),
            summary("b"),
        ],
        [line(Timestamp=NOW - 20 * 10**9, Fields={"rid": "of a worker"}), line()],
        [line(Severity=3), line()],
    ],
)
def test_no_fault(lines: list[Line]) -> None:
    """What mozlog leaves open is no fault, nor is what happens in good logs."""
    assert not faults(found(*lines))


def test_end_of_a_traceback() -> None:
    """Text behind a traceback is text again."""
    findings = faults(
        found("Traceback (most recent call last):", "", "KeyError: 'a'", "Listening on 8000")
    )
    assert [(each.clause, each.text[:7]) for each in findings] == [
        (clauses.JSON_LINES, "1 line "),
        (clauses.ONE_LINE_TRACEBACKS, "3 lines"),
    ]


# ---------------------------------------------------------------------- secrets

SECRETS = {
    "postgres://shop:hunter2@db/shop": "postgres://***",
    "https:\\/\\/shop:hunter2@example.org": "https://***",
    "amqp://shop:hunter2:x@mq": "amqp://***",
    "https://hunter2_hunter2_hunter2@github.com/": "https://***",
    "https://hunter2_hunter2_hunter2:@github.com/": "https://***",
    "Authorization: Basic c2hvcDpodW50ZXIy": "Authorization: Basic ***",
    "(b'authorization', b'Bearer hunter2')": "authorization', b'Bearer ***",
    "'Authorization': 'hunter2'": "Authorization': '***",
    "Proxy-Authorization=token hunter2": "Authorization=token ***",
    "sent Bearer hunter2.hunter2.hunter2": "Bearer ***",
    "connect with password=hunter2": "password=***",
    "DB_PASSWORD=hunter2": "PASSWORD=***",
    "GET /login?user=a&password=hunter2&next=/": "password=***",
    "{'passwd': 'hunter2'}": "passwd': ***",
    "{'api_key': b'hunter2'}": "api_key': ***",
    "p\\u0061ssword=hunter2": "password=***",
}
AS_FIELDS: dict[str, dict[str, Any]] = {
    'password": ***': {"password": "hunter2"},
    'client_secret": ***': {"a": {"client_secret": "hunter2"}},
    'Authorization": "***': {"headers": {"Authorization": "hunter2"}},
    'authorization": "Bearer ***': {"authorization": "Bearer hunter2 and more"},
    'access_token\\": ***': {"msg": json.dumps({"access_token": "hunter2"})},
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        *((f'{{"Fields": {{"msg": "{text}"}}}}', shown) for text, shown in SECRETS.items()),
        *((json.dumps(line(Fields=fields)), shown) for shown, fields in AS_FIELDS.items()),
        *((text, shown) for text, shown in SECRETS.items() if "\\" not in text),
    ],
)
def test_secrets(text: str, shown: str) -> None:
    """A secret is found, in JSON and in other text, and no finding has a part of it."""
    findings = found(text)
    (finding,) = of(clauses.NO_SECRETS, findings)
    assert finding.outcome is Outcome.WARNING
    assert finding.text.endswith(f"is in line 1: {shown}")
    assert not any("hunter2" in each.text or "c2hvc" in each.text for each in findings)


@pytest.mark.parametrize(
    "text",
    [
        *("https://example.org/a:b@c", "ssh://git@github.com/shop", "redis://:***@cache", "a@b.c"),
        *("mailto:shop@example.org", "https://user:@example.org", "https://%s:%s@%s"),
        "https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/1",
        *("password: too short", "password=", "password=***", "password=None)", "password={x}"),
        *("{'password': ['This field is required.']}", "{'password': 'This field is required.'}"),
        *(
            "{'password': None}",
            "'password': '[Filtered]'",
            "PWD=/app",
            "Authorization: Bearer ***",
        ),
        *(
            "authorization failed",
            "'authorization': ''",
            "bearer of bad news",
            "the password is wrong",
        ),
    ],
)
def test_no_secrets(text: str) -> None:
    """Placeholders, public keys, and sentences about secrets are none."""
    assert not of_outcome(Outcome.WARNING, of(clauses.NO_SECRETS, found(line(Fields={"a": text}))))
    assert not of_outcome(Outcome.WARNING, of(clauses.NO_SECRETS, found(text)))


def of_outcome(outcome: Outcome, findings: Iterable[Finding]) -> list[Finding]:
    return [each for each in findings if each.outcome is outcome]


def test_secrets_of_an_extract() -> None:
    """An extract shows no secret, not even the beginning of one that it would cut off."""
    text = "x" * 62 + " postgres://shop:hunter2/hunter2?hunter2@db password='hunter2 it is'"
    assert extract(text) == f"{'x' * 62} postgres://***@db…"
    assert (
        extract('password=\'a b\' and "password": "a\\"b"') == 'password=***\' and "password": ***"'
    )


# ---------------------------------------------------------------------- hostile lines


@settings(max_examples=100)
@given(st.lists(st.binary() | st.text().map(str.encode) | st.from_regex(rb'\{"[ -~]*\}')))
def test_any_bytes(lines: list[bytes]) -> None:
    """Any bytes are checked, and each finding is printable text on one line."""
    findings = check_logs(lines, "shop.log")
    assert {each.clause.id for each in findings} == {clause.id for clause in CLAUSES}
    assert all(each.text.isprintable() for each in findings)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(
    st.sampled_from(["app", "request.summary", "task.summary"]),
    st.dictionaries(st.sampled_from([*log_faults.ENVELOPE, "severity", "time"]), json_values),
    st.dictionaries(st.sampled_from([*log_faults.SUMMARY_TYPE]), json_values),
)
def test_any_values(kind: str, envelope: dict[str, Any], fields: dict[str, Any]) -> None:
    """Values of any type are checked, wherever they stand."""
    findings = found(line(kind, **envelope), {**summary(**fields), "Type": kind}, line(kind))
    assert {each.clause.id for each in findings} == {clause.id for clause in CLAUSES}


@pytest.mark.parametrize(
    "unit",
    [
        *("a", " ", "\t", "\\", '"', "{", "[", "://", "://a:", "@", "password", "password=", "!"),
        *(
            "authorization",
            "authorization: basic ",
            "password='",
            'password":"',
            "bearer ",
            "\\u0061",
        ),
        *("Traceback ", "at ", "at a(", "\x1b", "\u202e", "{}", '{"a":', "[],", "://a@", "'"),
    ],
)
def test_long_lines(unit: str) -> None:
    """Lines of a megabyte take no more than linear time, whatever they repeat."""
    text = (unit * 1_000_000)[:1_000_000]
    findings = found(text, f'{{"a": "{text[:999_000]}"}}', text + unit)
    assert any("more than a megabyte" in each.text for each in findings)
    assert all(len(each.text) < 1_000 for each in findings)


def test_escaped_extract() -> None:
    """Control characters and changes of direction in a line are shown escaped."""
    finding = only(found("\x1b[2J\u202e\x07 größe"))
    assert finding.text.endswith(r"is in line 1: \x1b[2J\u202e\x07 größe")


def test_cut_lines() -> None:
    """A line that its reader has cut off behind a megabyte is a long one, not a broken one."""
    assert only(found(b"x" * 1_000_001)).clause is clauses.LINE_LENGTH
    assert only(found(b"x" * 1_000_000 + b"\n")).clause is clauses.JSON_LINES


def large_log(count: int, size: int) -> Iterator[bytes]:
    for n in range(count):
        yield encoded(summary(f"id-{n}", at=NOW + n, path="/" + "x" * size, extra=n))


def test_memory() -> None:
    """A log of 80 MB needs a few megabytes of memory, whatever its length."""
    tracemalloc.start()
    try:
        findings = check_logs(large_log(8_000, 10_000), "shop.log")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not faults(findings)
    assert peak < 5_000_000


def test_too_many_ids() -> None:
    """Ids are counted up to a limit, and it is said from which line on they are not."""
    lines = [*(summary(f"id-{n}") for n in range(20)), summary("id-3"), summary("id-17")]
    with mock.patch.object(logs, "MAX_IDS", 10):
        findings = of(clauses.ONE_SUMMARY, found(*lines))
    assert [(each.outcome, str(each.place)) for each in findings] == [
        (Outcome.WARNING, "shop.log:21"),
        (Outcome.SKIPPED, "shop.log:11"),
    ]
    assert findings[0].text.startswith("1 line with a further request.summary")
    assert "from line 11 on" in findings[1].text


def test_too_many_open_ids() -> None:
    """Ids without summary are counted up to a limit as well."""
    early = NOW - 60 * 10**9
    lines = [line(Timestamp=early, Fields={"rid": f"id-{n}"}) for n in range(20)]
    with mock.patch.object(logs, "MAX_OPEN_IDS", 10):
        findings = of(clauses.ONE_SUMMARY, found(*lines, summary()))
    assert [each.outcome for each in findings] == [Outcome.WARNING, Outcome.SKIPPED]
    assert findings[0].text.startswith("10 rids with no request.summary in the log")
    assert findings[0].text.endswith("the first is in line 1: id-0")


def test_a_file(tmp_path: Path) -> None:
    """The lines of a file are checked as it is read."""
    path = tmp_path / "shop.log"
    path.write_bytes(b"".join([encoded(line()), b"Listening on 8000\n", encoded(line())]))
    with path.open("rb") as opened:
        finding = only(check_logs(opened, str(path)))
    assert str(finding.place) == f"{path}:2"
