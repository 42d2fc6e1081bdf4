"""Requests, from their arrival to their last byte: what is recorded, and the settings of it."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
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

from .lines import fields


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def logger(kept: Kept) -> logging.Logger:
    made = logging.Logger("request.summary")  # noqa: LOG001 - shared with no other test
    made.addHandler(kept)
    return made


Observe = Callable[..., RequestObservation]


@pytest.fixture
def observe(logger: logging.Logger) -> Observe:
    def make(
        headers: dict[str, str] | None = None,
        settings: dict[str, object] | None = None,
        **more: Any,
    ) -> RequestObservation:
        given = {name.lower(): value for name, value in (headers or {}).items()}
        values: dict[str, Any] = {"method": "GET", "path": "/p", "logger": logger, **more}
        return RequestObservation(
            RequestSettings.read((settings or {}).get),
            **values,
            get_header=lambda name: given.get(name.lower()),
        )

    return make


# ---------------------------------------------------------------------- faults


class Broken(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise OSError("the filter fails")


@pytest.mark.parametrize("said", [True, False])
def test_failing_filters(
    logger: logging.Logger,
    observe: Observe,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    said: bool,
) -> None:
    """What filters raise does not reach the request; it is on stderr, as logging is told to."""
    monkeypatch.setattr(logging, "raiseExceptions", said)
    logger.addFilter(Broken())
    observation = observe()
    observation.finish()
    assert observation.finished
    assert ("the filter fails" in capsys.readouterr().err) == said


def test_an_error_without_a_text(kept: Kept, observe: Observe) -> None:
    """An exception whose text is empty or can't be had is recorded with the name of its type."""

    class Silent(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    for error in (ValueError(), Silent()):
        observation = observe()
        observation.failed(error)
        observation.finish()
    assert [made.getMessage() for made in kept.records] == ["ValueError", "Silent"]


def test_fields_that_fail(kept: Kept, observe: Observe, caplog: pytest.LogCaptureFixture) -> None:
    """Where the application's own fields can't be had, the usual ones are recorded."""
    observation = observe()
    observation.update_fields(lambda: {**observation.fields, "more": 1}, logging.getLogger("app"))
    nothing: dict[str, Any] = {}
    observation.update_fields(lambda: nothing["absent"], logging.getLogger("app"))
    observation.finish()
    assert fields(kept.records[0])["more"] == 1
    assert "absent" in caplog.text


def test_fields_named_as_a_record_has_them(kept: Kept, observe: Observe) -> None:
    """A field that bears the name of a record's own attribute is kept under another."""
    observation = observe()
    names = "name", "msg", "args", "message", "asctime", "exc_info"
    observation.fields.update(dict.fromkeys(names, "mine"))
    del observation.fields["t"]
    observation.finish()
    found = fields(kept.records[0])
    assert "t" not in found, "the mark was removed"
    assert [found[f"extra_{name}"] for name in names] == ["mine"] * 6
    assert found["path"] == "/p"


def test_fields_that_a_record_factory_sets(kept: Kept, observe: Observe) -> None:
    """A summary is recorded, with its own fields, where all records are given such names."""
    usual = logging.getLogRecordFactory()

    def factory(*args: Any, **more: Any) -> logging.LogRecord:
        made = usual(*args, **more)
        made.path = made.rid = made.mine = "of the factory"
        return made

    logging.setLogRecordFactory(factory)
    try:
        observe({"X-Request-ID": "the-id"}).finish()
    finally:
        logging.setLogRecordFactory(usual)
    found = fields(kept.records[0])
    assert (found["path"], found["rid"], found["mine"]) == ("/p", "the-id", "of the factory")


# ---------------------------------------------------------------------- outcomes


def test_a_record(kept: Kept, observe: Observe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that ends well is one INFO record, with its time in whole milliseconds."""
    now = 5_000_000_000
    monkeypatch.setattr(time, "monotonic_ns", lambda: now)
    headers = {"User-Agent": "a", "Accept-Language": "l", "X-Request-ID": "the-id"}
    observation = observe(headers)
    assert observation.response_started(200, []) == ("X-Request-ID", "the-id")
    now += 12_999_999
    assert observation.elapsed() == 12
    observation.finish()
    observation.failed(ValueError("too late"))
    observation.finish()
    (made,) = kept.records
    assert (made.levelno, made.getMessage(), made.name) == (20, "", "request.summary")
    assert fields(made) == {
        "agent": "a",
        "lang": "l",
        "method": "GET",
        "path": "/p",
        "uid": "",
        "rid": "the-id",
        "code": 200,
        "errno": 0,
        "t": 12,
    }


def gone(observation: RequestObservation) -> None:
    observation.client_gone()


def failing(error: BaseException) -> Callable[[RequestObservation], None]:
    return lambda observation: observation.failed(error)


def answered(status: object) -> Callable[[RequestObservation], object]:
    return lambda observation: observation.response_started(status, [])


def body(error: BaseException | None, complete: bool) -> Callable[[RequestObservation], None]:
    return lambda observation: observation.body_ended(error, complete)


class Timeout(BaseException):
    """As gevent's and eventlet's, and as the greenlets of a worker end that shuts down."""


class Cancelled(BaseException):
    """As trio's."""


ERROR = ValueError("the %s text")
FAILED = failing(ERROR)


@pytest.mark.parametrize(
    ("steps", "level", "code", "errno", "message"),
    [
        ([FAILED], 40, 500, 500, "the %s text"),
        ([answered(500), FAILED], 40, 500, 500, "the %s text"),
        ([answered(200), FAILED], 40, 200, 500, "the %s text"),
        ([FAILED, answered(500)], 40, 500, 500, "the %s text"),
        ([FAILED, answered(404)], 20, 404, 0, ""),
        ([answered(200), body(ERROR, False)], 40, 200, 500, "the %s text"),
        ([answered(503)], 20, 503, 503, ""),
        ([answered(599)], 20, 599, 599, ""),
        ([failing(SystemExit("stop"))], 40, 500, 500, "stop"),
        ([failing(Timeout("5 seconds"))], 40, 500, 500, "5 seconds"),
        ([failing(Cancelled())], 20, 499, 0, ""),
        ([failing(type("Cancelled", (Exception,), {})("rpc"))], 40, 500, 500, "rpc"),
        ([answered(200), gone], 20, 499, 0, ""),
        ([answered(500), FAILED, gone], 20, 499, 0, ""),
        ([failing(asyncio.CancelledError())], 20, 499, 0, ""),
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
    kept: Kept, observe: Observe, steps: Any, level: int, code: Any, errno: int, message: str
) -> None:
    """Level, code, errno and message follow from what happened to the request."""
    observation = observe()
    for step in steps:
        step(observation)
    observation.finish()
    (made,) = kept.records
    found = fields(made)
    assert (made.levelno, found.get("code"), found["errno"]) == (level, code, errno)
    assert found.get("msg", "") == message


def test_head_is_complete_without_a_body(kept: Kept, observe: Observe) -> None:
    """The answer to HEAD has no body, so closing it early is its end."""
    observation = observe(method="HEAD")
    observation.response_started(200, [])
    observation.body_ended(None, complete=False)
    assert fields(kept.records[0])["code"] == 200


def test_websockets(kept: Kept, observe: Observe) -> None:
    """A websocket has an id and no summary; one that is refused or crashes has."""
    observation = observe({"Upgrade": "WebSocket"})
    assert observation.request_id
    observation.failed(StopIteration())
    observation.finish()
    assert kept.records == []
    crashed = observe({"Upgrade": "websocket"})
    crashed.failed(ERROR)
    crashed.finish()
    assert fields(kept.records.pop())["code"] == 500
    refused = observe({"Upgrade": "websocket"})
    refused.response_started(403, [])
    refused.finish()
    assert fields(kept.records[0])["code"] == 403


@pytest.mark.parametrize(
    ("path", "mount", "recorded"),
    [
        *(("/__lbheartbeat__", "", False), ("/__lbheartbeat__/", "", False)),
        *(("/app/__lbheartbeat__", "/app", False), ("/other/__lbheartbeat__", "/app", True)),
        *(("/app/probe", "/app", False), ("/probe", "", True), ("/", "", True)),
    ],
)
def test_excluded_paths(
    kept: Kept, observe: Observe, path: str, mount: str, recorded: bool
) -> None:
    """Paths are excluded with or without a mount's prefix and a slash, unless requests fail."""
    settings: dict[str, object] = {
        "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS": "/__lbheartbeat__, /app/probe/"
    }
    observe(settings=settings, path=path, mount=mount).finish()
    assert bool(kept.records) == recorded
    failed = observe(settings=settings, path=path, mount=mount)
    failed.response_started(503, [])
    failed.finish()
    assert fields(kept.records[-1])["errno"] == 503


def test_levels_of_the_logger(kept: Kept, logger: logging.Logger, observe: Observe) -> None:
    """A logger that is set to WARNING has the unhandled exceptions alone."""
    logger.setLevel(logging.WARNING)
    observe().finish()
    observation = observe()
    observation.failed(ERROR)
    observation.finish()
    assert [made.levelno for made in kept.records] == [logging.ERROR]


# ---------------------------------------------------------------------- ids


def test_ids(observe: Observe) -> None:
    """A sane id that the client sent is used, otherwise a new one is made."""
    assert observe({"X-Request-ID": " sent "}).request_id == "sent"
    for headers in ({}, {"X-Request-ID": "not sane"}):
        made = observe(headers).request_id
        assert made is not None
        assert uuid.UUID(made).version == 4
    without = observe(has_id=False)
    assert without.request_id is None
    assert without.response_started(200, []) is None


def test_the_context(observe: Observe) -> None:
    """As a context manager, also within itself, it puts its id in place and takes it away."""
    observation = observe({"X-Request-ID": "the-id"})
    with observation, observation:
        assert request_id_context.get() == "the-id"
    assert request_id_context.get() is None


def test_the_response_header(observe: Observe) -> None:
    """The id is sent back under its own name, unless it is there already or switched off."""
    settings: dict[str, object] = {"DOCKERFLOW_REQUEST_ID_HEADER_NAME": "X-Trace"}
    observation = observe({"x-trace": "the-id"}, settings)
    assert observation.response_started(200, ["Content-Type"]) == ("X-Trace", "the-id")
    assert observation.response_started(200, ["x-TRACE"]) is None
    settings["DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER"] = "no"
    assert observe(settings=settings).response_started(200, []) is None


# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        *(("HEADER", value, "the name of a header") for value in ("X-Request-ID ", "X ID", "a\r")),
        *(("HEADER", value, "the name of a header") for value in (5, "名", b"X", ["X"])),
        *(("EXCLUDE", value, "a list of paths") for value in (5, ["a"], [5], "a,b", {"/": 1})),
    ],
)
def test_settings_that_make_no_sense(name: str, value: object, remedy: str) -> None:
    """A wrong value is refused with its name, itself and the remedy, or reported and left out."""
    names = {
        "HEADER": "DOCKERFLOW_REQUEST_ID_HEADER_NAME",
        "EXCLUDE": "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS",
    }
    given = {names[name]: value, "DOCKERFLOW_SUMMARY_LOG_QUERYSTRING": "1"}
    with pytest.raises(ValueError, match=f"set it to {remedy}") as raised:
        RequestSettings.read(given.get)
    assert str(raised.value).startswith(f"{names[name]} is {value!r}; ")
    problems: list[str] = []
    settings = RequestSettings.read(given.get, problems.append)
    assert problems == [str(raised.value)]
    assert settings == RequestSettings(logs_query_string=True)


def test_settings_from_an_environment() -> None:
    """Every setting can be given as text; None and an empty name stand for the default."""
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
    """Settings that change while the application runs count; a wrong one is logged once."""
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
def test_query_strings(kept: Kept, observe: Observe, raw: str | bytes, text: str) -> None:
    """A query is recorded where it is asked for, decoded; what is no UTF-8 is replaced."""
    observe(query_string=raw).finish()
    observe(settings={"DOCKERFLOW_SUMMARY_LOG_QUERYSTRING": True}, query_string=raw).finish()
    assert "querystring" not in fields(kept.records[0])
    assert fields(kept.records[1])["querystring"] == text


def test_loaded_identity() -> None:
    """Of a user whom SQLAlchemy would read anew, the key that it knows is the identity."""

    def user(expired: set[str], identity: tuple[object, ...] | None) -> object:
        state = SimpleNamespace(expired_attributes=expired, identity=identity)
        return SimpleNamespace(_sa_instance_state=state)

    assert loaded_identity(object()) is None
    assert loaded_identity(user(set(), (1,))) is None
    assert loaded_identity(user({"name"}, (1, "a"))) == "1,a"
    assert loaded_identity(user({"name"}, None)) == ""
