"""Requests, from their arrival to their last byte: their records and settings."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from dockerflow.logging import request_id_context
from dockerflow.logging.request import (
    LiveSettings,
    RequestObservation,
    RequestSettings,
    loaded_identity,
)

from .conftest import Summaries
from .lines import fields

Step = Callable[[RequestObservation], object]


def observe(
    headers: dict[str, str] | None = None,
    settings: dict[str, object] | None = None,
    **more: Any,
) -> RequestObservation:
    given = {name.lower(): value for name, value in (headers or {}).items()}
    values: dict[str, Any] = {"method": "GET", "path": "/p", **more}
    return RequestObservation(
        RequestSettings.read((settings or {}).get),
        **values,
        get_header=lambda name: given.get(name.lower()),
    )


def finished(*steps: Step, **how: Any) -> RequestObservation:
    """Return a request after some events, which is then recorded."""
    observation = observe(**how)
    for step in steps:
        step(observation)
    observation.finish()
    return observation


def answered(status: object) -> Step:
    return lambda observation: observation.response_started(status, [])


def failing(error: BaseException) -> Step:
    return lambda observation: observation.failed(error)


def body(error: BaseException | None, complete: bool) -> Step:
    return lambda observation: observation.body_ended(error, complete)


gone = RequestObservation.client_gone

# ---------------------------------------------------------------------- outcomes


def test_a_record(summaries: Summaries, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that ends well is one INFO record, with its time in whole milliseconds."""
    now = 5_000_000_000
    monkeypatch.setattr(time, "monotonic_ns", lambda: now)
    observation = observe()
    observation.response_started(200, [])
    now += 12_999_999
    observation.finish()
    observation.failed(ValueError("too late"))
    observation.finish()
    assert (summaries.outcomes, summaries.only["t"]) == ([(200, 0)], 12)
    assert summaries.caplog.record_tuples == [("request.summary", logging.INFO, "")]


class Cancelled(BaseException):
    """As in trio."""


class Silent(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


ERROR = ValueError("the %s text")
FAILED = failing(ERROR)
SHUTDOWN = asyncio.CancelledError("timeout graceful shutdown exceeded")  # as in uvicorn


@pytest.mark.parametrize(
    ("steps", "level", "code", "errno", "message"),
    [
        ([FAILED], 40, 500, 500, "the %s text"),
        ([answered(500), FAILED], 40, 500, 500, "the %s text"),
        ([answered(200), FAILED], 40, 200, 500, "the %s text"),
        ([FAILED, answered(500)], 40, 500, 500, "the %s text"),
        ([FAILED, answered(404)], 20, 404, 0, ""),
        ([failing(BaseExceptionGroup("g", [ERROR]))], 40, 500, 500, "the %s text"),
        ([failing(ValueError())], 40, 500, 500, "ValueError"),
        ([failing(Silent())], 40, 500, 500, "Silent"),
        ([answered(200), body(ERROR, False)], 40, 200, 500, "the %s text"),
        ([answered(503)], 20, 503, 503, ""),
        ([answered(599)], 20, 599, 599, ""),
        ([failing(SystemExit("stop"))], 40, 500, 500, "stop"),
        ([failing(Cancelled())], 20, 499, 0, ""),
        ([failing(type("Cancelled", (Exception,), {})("rpc"))], 40, 500, 500, "rpc"),
        ([answered(200), gone], 20, 499, 0, ""),
        ([answered(500), FAILED, gone], 20, 499, 0, ""),
        ([failing(asyncio.CancelledError())], 20, 499, 0, ""),
        ([failing(SHUTDOWN)], 40, 500, 500, "timeout graceful shutdown exceeded"),
        ([failing(GeneratorExit())], 20, 499, 0, ""),
        ([answered(200), body(None, False)], 20, 499, 0, ""),
        ([answered(304), body(None, False)], 20, 304, 0, ""),
        ([answered(200), body(None, True)], 20, 200, 0, ""),
        ([answered("404 NOT FOUND")], 20, 404, 0, ""),
        ([answered("odd")], 20, None, 0, ""),
        ([answered(None)], 20, None, 0, ""),
        ([], 20, None, 0, ""),
    ],
)
def test_outcomes(
    summaries: Summaries, steps: list[Step], level: int, code: Any, errno: int, message: str
) -> None:
    """Level, code, errno and message depend on the events of the request."""
    finished(*steps)
    found = summaries.only
    assert (found.get("code"), found["errno"]) == (code, errno)
    assert summaries.caplog.record_tuples == [("request.summary", level, message)]


@pytest.mark.parametrize(
    ("steps", "outcomes"),
    [([failing(StopIteration())], []), ([FAILED], [(500, 500)]), ([answered(403)], [(403, 0)])],
)
def test_websockets(
    summaries: Summaries, steps: list[Step], outcomes: list[tuple[int, int]]
) -> None:
    """A websocket has an id and no summary, except if it is refused or crashes."""
    assert finished(*steps, headers={"Upgrade": "WebSocket"}).request_id
    assert summaries.outcomes == outcomes


@pytest.mark.parametrize(
    ("path", "mount", "recorded"),
    [
        *(("/__lbheartbeat__", "", False), ("/__lbheartbeat__/", "", False)),
        *(("/app/__lbheartbeat__", "/app", False), ("/other/__lbheartbeat__", "/app", True)),
        *(("/app/probe", "/app", False), ("/probe", "", True), ("/", "", True)),
    ],
)
def test_excluded_paths(summaries: Summaries, path: str, mount: str, recorded: bool) -> None:
    """Paths are excluded with or without a mount's prefix and a slash, unless requests fail."""
    settings = {"DOCKERFLOW_SUMMARY_EXCLUDE_PATHS": "/__lbheartbeat__, /app/probe/"}
    finished(answered(200), settings=settings, path=path, mount=mount)
    finished(answered(503), settings=settings, path=path, mount=mount)
    assert summaries.outcomes == [(200, 0)] * recorded + [(503, 503)]


def test_levels_of_the_logger(summaries: Summaries) -> None:
    """A logger at level WARNING only has the unhandled exceptions."""
    summaries.caplog.set_level(logging.WARNING, "request.summary")
    finished(answered(200))
    finished(FAILED)
    assert summaries.outcomes == [(500, 500)]


# ---------------------------------------------------------------------- errors


@pytest.mark.parametrize("reported", [True, False])
def test_failing_filters(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], reported: bool
) -> None:
    """An exception of a filter does not reach the request; logging reports it on stderr."""

    def fail(record: logging.LogRecord) -> bool:
        raise OSError("the filter fails")

    logger = logging.Logger("request.summary")  # noqa: LOG001 - shared with no other test
    logger.addFilter(fail)
    monkeypatch.setattr(logging, "raiseExceptions", reported)
    assert finished(logger=logger).finished
    assert ("the filter fails" in capsys.readouterr().err) == reported


def test_fields_that_fail(summaries: Summaries) -> None:
    """If the application's own fields raise, the usual ones are recorded."""
    observation = observe()
    observation.update_fields(lambda: {**observation.fields, "more": 1}, logging.getLogger("app"))
    nothing: dict[str, Any] = {}
    observation.update_fields(lambda: nothing["absent"], logging.getLogger("app"))
    observation.finish()
    assert fields(summaries.records[-1])["more"] == 1
    assert "KeyError: 'absent'" in summaries.caplog.text


def test_fields_named_as_a_record_has_them(summaries: Summaries) -> None:
    """A field named like an attribute of log records is kept under another name."""
    observation = observe()
    names = "name", "msg", "args", "message", "asctime", "exc_info"
    observation.fields = {"path": "/p", **dict.fromkeys(names, "mine")}
    observation.finish()
    mine = {f"extra_{name}": "mine" for name in names}
    assert summaries.only == {"path": "/p", "errno": 0, **mine}, "and no t, which was removed"


def test_fields_that_a_record_factory_sets(summaries: Summaries) -> None:
    """A summary has its own fields, even if a record factory sets attributes of the same names."""
    usual = logging.getLogRecordFactory()

    def factory(*args: Any, **more: Any) -> logging.LogRecord:
        made = usual(*args, **more)
        made.path = made.rid = made.mine = "of the factory"
        return made

    logging.setLogRecordFactory(factory)
    try:
        finished(headers={"X-Request-ID": "the-id"})
    finally:
        logging.setLogRecordFactory(usual)
    found = summaries.only
    assert (found["path"], found["rid"], found["mine"]) == ("/p", "the-id", "of the factory")


# ---------------------------------------------------------------------- ids


def test_without_an_id() -> None:
    """A request without an id sends none back."""
    observation = observe(has_id=False)
    assert observation.request_id is None
    assert observation.response_started(200, []) is None


def test_the_context() -> None:
    """As a context manager, also nested, it sets its id and removes it again."""
    observation = observe({"X-Request-ID": "the-id"})
    with observation, observation:
        assert request_id_context.get() == "the-id"
    assert request_id_context.get() is None


def test_the_response_header() -> None:
    """The id is sent back in its own header, unless the response has it, in any case."""
    observation = observe({"x-trace": "the-id"}, {"DOCKERFLOW_REQUEST_ID_HEADER_NAME": "X-Trace"})
    assert observation.response_started(200, ["Content-Type"]) == ("X-Trace", "the-id")
    assert observation.response_started(200, ["x-TRACE"]) is None


# ---------------------------------------------------------------------- settings


HEADER = "DOCKERFLOW_REQUEST_ID_HEADER_NAME", "the name of a header"
EXCLUDED = "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS", "a list of paths"


@pytest.mark.parametrize(
    ("name", "remedy", "value"),
    [
        *((*HEADER, value) for value in ("X-Request-ID ", "X ID", "a\r", 5, "名", b"X", ["X"])),
        *((*EXCLUDED, value) for value in (5, ["a"], [5], "a,b", {"/": 1})),
    ],
)
def test_settings_that_make_no_sense(name: str, remedy: str, value: object) -> None:
    """An invalid value is refused with name, value and remedy, or reported and left out."""
    given = {name: value, "DOCKERFLOW_SUMMARY_LOG_QUERYSTRING": "1"}
    with pytest.raises(ValueError, match=f"set it to {remedy}") as raised:
        RequestSettings.read(given.get)
    assert str(raised.value).startswith(f"{name} is {value!r}; ")
    problems: list[str] = []
    settings = RequestSettings.read(given.get, problems.append)
    assert problems == [str(raised.value)]
    assert settings == RequestSettings(logs_query_string=True)


def test_settings_from_an_environment() -> None:
    """Every setting can be given as text; None and an empty name mean the default."""
    given = {
        "DOCKERFLOW_REQUEST_ID_HEADER_NAME": "",
        "DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER": "False",
        "DOCKERFLOW_SUMMARY_LOG_QUERYSTRING": "yes",
        "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS": "/a/, /b,",
    }
    assert set(given) == set(RequestSettings.names())
    assert RequestSettings.read(given.get) == RequestSettings(
        sends_id=False, logs_query_string=True, excluded_paths=frozenset({"/a", "/b"})
    )
    assert RequestSettings.read(lambda name: None) == RequestSettings()


def test_live_settings(caplog: pytest.LogCaptureFixture) -> None:
    """Settings that change while the application runs apply; an invalid one is logged once."""
    given: dict[str, object] = {}
    live = LiveSettings(given.get, logging.getLogger("app"))
    assert live.read() == RequestSettings()
    given["DOCKERFLOW_REQUEST_ID_HEADER_NAME"] = "X-Trace"
    assert live.read().header_name == "X-Trace"
    given["DOCKERFLOW_REQUEST_ID_HEADER_NAME"] = "not sane"
    for _ in range(3):
        assert live.read().header_name == "X-Request-ID"
    (problem,) = caplog.messages
    assert problem.startswith("DOCKERFLOW_REQUEST_ID_HEADER_NAME is 'not sane'; set it to")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        *(("a=b+c", "a=b+c"), (b"a=%C3%A9", "a=é"), ("a=%c3%a9", "a=é"), ("", "")),
        *((b"a=\xff", "a=\ufffd"), ("a=%ff", "a=\ufffd"), (b"%", "%")),
    ],
)
def test_query_strings(raw: str | bytes, text: str) -> None:
    """A query is recorded if configured, decoded; invalid UTF-8 is replaced."""
    assert "querystring" not in observe(query_string=raw).fields
    asked = observe(settings={"DOCKERFLOW_SUMMARY_LOG_QUERYSTRING": True}, query_string=raw)
    assert asked.fields["querystring"] == text


def test_loaded_identity() -> None:
    """For a user that SQLAlchemy would reload, the known primary key is the identity."""

    def user(expired: set[str], identity: tuple[object, ...] | None) -> object:
        state = SimpleNamespace(expired_attributes=expired, identity=identity)
        return SimpleNamespace(_sa_instance_state=state)

    assert loaded_identity(object()) is None
    assert loaded_identity(user(set(), (1,))) is None
    assert loaded_identity(user({"name"}, (1, "a"))) == "1,a"
    assert loaded_identity(user({"name"}, None)) == ""
