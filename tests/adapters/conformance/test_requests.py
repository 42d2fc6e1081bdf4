"""Request ids and the request summary: one record per request, and no other change."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from unittest import mock

import pytest

from dockerflow.logging import request_id_context
from tests.adapters.conftest import Log
from tests.adapters.harness import Framework, RunningApp

Start = Callable[..., RunningApp]

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.mark.parametrize(
    "hostile",
    ["", "a" * 201, "a" * 60_000, "a\x1b[2Jb", "a b", "é", "\udc80"],
    ids=lambda hostile: ascii(hostile[:9]),
)
def test_hostile_request_ids(start: Start, framework: Framework, log: Log, hostile: str) -> None:
    """A request id that isn't 1 to 200 visible ASCII characters is replaced by a UUID4."""
    hostile = hostile[: framework.longest_header]
    answer = start().request("/id", headers={"X-Request-ID": hostile})
    rid = answer.body.decode()
    assert UUID4.fullmatch(rid)
    assert answer.header("X-Request-ID") == rid
    assert log.summary["rid"] == rid


@pytest.mark.parametrize("sane", ["a" * 200, "~!/=", "0b7f-4"])
def test_request_id(start: Start, log: Log, sane: str) -> None:
    """The client's request id is in the context, on every line, in the response, then removed."""
    answer = start().request("/id", headers={"x-request-id": sane})
    assert answer.body.decode() == sane
    assert answer.header("X-Request-ID") == sane
    assert log.of("app")[0]["Fields"]["rid"] == sane
    assert log.summary["rid"] == sane
    assert request_id_context.get() is None


def test_request_id_on_every_kind_of_response(start: Start, framework: Framework) -> None:
    """Errors, redirects, missing pages and probes have the request id like any response."""
    app = start()
    paths = ["/missing", "/abort/503", "/redirect", "/handled", "/stream", "/__lbheartbeat__"]
    if framework.crash_page_has_id:
        paths.append("/boom")
    for path in paths:
        answer = app.request(path, headers={"X-Request-ID": "abc"})
        assert answer.header("X-Request-ID") == "abc", path


def test_own_response_header(start: Start) -> None:
    """A request id header that the application sets itself is kept."""
    assert start().request("/own-id").header("X-Request-ID") == "mine"


def test_request_id_header_name(start: Start, log: Log) -> None:
    """DOCKERFLOW_REQUEST_ID_HEADER_NAME names the header of request and response."""
    app = start(settings={"DOCKERFLOW_REQUEST_ID_HEADER_NAME": "x-trace"})
    answer = app.request("/", headers={"X-TRACE": "abc", "X-Request-ID": "other"})
    assert answer.header("X-Trace") == "abc"
    assert answer.header("X-Request-ID") is None
    assert log.summary["rid"] == "abc"


def test_summary(start: Start, log: Log) -> None:
    """The summary has exactly its documented fields, at level INFO."""
    headers = {"User-Agent": "agent/1", "Accept-Language": "tlh", "X-Request-ID": "abc"}
    started = time.monotonic()
    start().request("/", query="secret=1", headers=headers)
    took = int((time.monotonic() - started) * 1000) + 1
    (line,) = log.of("request.summary")
    assert line["Severity"] == 6
    assert 0 <= line["Fields"].pop("t") <= took
    assert line["Fields"] == {
        "agent": "agent/1",
        "lang": "tlh",
        "method": "GET",
        "path": "/",
        "code": 200,
        "errno": 0,
        "rid": "abc",
        "uid": "",
    }


@pytest.mark.parametrize(
    ("path", "method", "code", "errno"),
    [
        ("/", "GET", 200, 0),
        ("/", "HEAD", 200, 0),
        ("/echo", "POST", 200, 0),
        ("/redirect", "GET", 302, 0),
        ("/missing", "GET", 404, 0),
        ("/", "DELETE", 405, 0),
        ("/handled", "GET", 418, 0),
        ("/status/204", "GET", 204, 0),
        ("/status/403", "GET", 403, 0),
        ("/status/500", "GET", 500, 500),
        ("/status/503", "GET", 503, 503),
        ("/abort/404", "GET", 404, 0),
        ("/abort/503", "GET", 503, 503),
        ("/boom", "GET", 500, 500),
        ("/stream", "GET", 200, 0),
        ("/stream", "HEAD", 200, 0),
    ],
)
def test_codes(
    start: Start, framework: Framework, log: Log, path: str, method: str, code: int, errno: int
) -> None:
    """Each request has one summary with its status, and errno marks failures of the server.

    It is an ERROR, with the exception's text, only for an unhandled exception.
    """
    if code == 405:
        code = framework.wrong_method_status
    answer = start().request(path, method)
    assert answer.status == code
    (line,) = log.of("request.summary")
    fields = line["Fields"]
    assert (fields["code"], fields["errno"]) == (code, errno)
    assert (fields["method"], fields["path"]) == (method, path)
    assert (fields["agent"], fields["lang"]) == ("", ""), "the headers are absent"
    crashed = path == "/boom" and framework.propagates
    assert (line["Severity"], fields.get("msg", "")) == ((3, "boom") if crashed else (6, ""))


def test_hostile_request(start: Start, framework: Framework, log: Log) -> None:
    """Whatever path, query and headers contain, the summary is one line of JSON."""
    path = "/%0a%22%7b%7d%c3%a9%ff"
    start().request(
        path, query="a=%0a%ff&b", headers={"User-Agent": '"\x1b[2J{}\\', "Accept-Language": "\xe9"}
    )
    assert log.summary["path"].startswith('/\n"{}é' if framework.decoded_path else path)
    assert log.summary["agent"] == '"\x1b[2J{}\\'


def test_querystring(start: Start, log: Log) -> None:
    """DOCKERFLOW_SUMMARY_LOG_QUERYSTRING = True logs the query string, decoded."""
    settings = {"DOCKERFLOW_SUMMARY_LOG_QUERYSTRING": True}
    start(settings=settings).request("/", query="%c3%a9%ff=b%20c&d")
    assert log.summary["querystring"] == "é\ufffd=b c&d"


@pytest.mark.parametrize(
    "paths", [("/__lbheartbeat__/", "/boom", "/id"), " /__lbheartbeat__,/boom, /id"], ids=repr
)
def test_excluded_paths(start: Start, log: Log, paths: object) -> None:
    """DOCKERFLOW_SUMMARY_EXCLUDE_PATHS, a list or text, excludes paths unless they fail."""
    app = start(settings={"DOCKERFLOW_SUMMARY_EXCLUDE_PATHS": paths})
    for path in ("/__lbheartbeat__", "/boom", "/id", "/"):
        app.request(path)
    assert [fields["path"] for fields in log.summaries] == ["/boom", "/"]


def test_responses_are_unchanged(start: Start) -> None:
    """DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER = False adds no header, and makes no page private."""
    app = start(settings={"DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER": False})
    answer = app.request("/cached")
    assert answer.header("Cache-Control") == "public, max-age=60"
    for name in ("X-Request-ID", "Vary", "Set-Cookie"):
        assert answer.header(name) is None, name


def test_body_of_the_request(start: Start) -> None:
    """The application reads the request's body as without the extension."""
    assert start().request("/echo", "POST", body=b"x" * 100_000).body == b"POST " + b"x" * 100_000


def test_stream(start: Start, log: Log) -> None:
    """A streamed response is recorded at its end, and its generator has the request id."""
    answer = start().request("/stream", headers={"X-Request-ID": "abc"})
    assert answer.body == b"onetwothree"
    types = [line["Type"] for line in log.lines if "sanic." not in line["Type"]]
    assert types == ["app", "app", "app", "request.summary"]
    assert [line["Fields"]["rid"] for line in log.of("app")] == ["abc"] * 3
    assert request_id_context.get() is None


def test_stream_fails(start: Start, framework: Framework, log: Log) -> None:
    """A failure in mid-stream keeps its code, and is an error with the exception's text."""
    answer = start().request("/stream-fails")
    assert answer.body == b"one"
    assert (log.summary["code"], log.summary["errno"]) == (200, 500)
    assert log.summary["msg"] == framework.cut_message


def test_client_goes_away(start: Start, log: Log) -> None:
    """A body that the client does not read to the end is recorded as 499."""
    start().request("/stream", read=1)
    assert (log.summary["code"], log.summary["errno"]) == (499, 0)


def test_broken_log_handler(
    start: Start, log: Log, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log handler that raises changes no response."""
    monkeypatch.setattr(log, "emit", mock.Mock(side_effect=OSError("disk full")))
    answer = start().request("/")
    assert (answer.status, answer.body, answer.error) == (200, b"hello", None)
    assert "disk full" in capsys.readouterr().err
