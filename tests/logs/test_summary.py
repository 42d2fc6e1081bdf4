"""The record of a request, however it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from dockerflow.logging import (
    RequestSummary,
    as_paths,
    decode_query,
    excluded_paths,
    known_identity,
    summary_fields,
)

from . import hostile
from .generator import Hostile
from .lines import fields


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def logger() -> logging.Logger:
    made = logging.Logger("request.summary")  # noqa: LOG001 - shared with no other test
    made.addHandler(Kept())
    return made


def kept(logger: logging.Logger) -> list[logging.LogRecord]:
    handler = logger.handlers[0]
    assert isinstance(handler, Kept)
    return handler.records


def begun(logger: logging.Logger, **more: Any) -> RequestSummary:
    request = RequestSummary(logger)
    request.fields = summary_fields(method="GET", path="/p", agent="a", lang="l", rid="r", **more)
    return request


def test_fields() -> None:
    """The fields are the eight of the table, and the query where it is asked for."""
    assert summary_fields(method="GET", path="/") == {
        "errno": 0,
        "agent": "",
        "lang": "",
        "method": "GET",
        "path": "/",
        "uid": "",
        "rid": None,
    }
    assert summary_fields(method="GET", path="/", querystring="")["querystring"] == ""


def test_record(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that ends well is one INFO record, with its time in whole milliseconds."""
    now = 5_000_000_000
    monkeypatch.setattr(time, "monotonic_ns", lambda: now)
    request = begun(logger)
    now += 12_999_999
    assert request.elapsed() == 12
    request.write(200)
    (record,) = kept(logger)
    assert (record.levelno, record.getMessage(), record.name) == (20, "", "request.summary")
    assert fields(record) == {
        **summary_fields(method="GET", path="/p", agent="a", lang="l", rid="r"),
        "code": 200,
        "t": 12,
        "msg": "",
    }
    assert request.written


def test_first_write_counts(logger: logging.Logger) -> None:
    """However many see the end of a request, it is written once."""
    request = begun(logger)
    request.write(200)
    request.write(500, error=ValueError())
    assert [record.__dict__["code"] for record in kept(logger)] == [200]


ERROR = ValueError("the text")


@pytest.mark.parametrize(
    ("code", "how", "expected"),
    [
        (200, {}, (20, 200, 0, "")),
        (499, {}, (20, 499, 0, "")),
        (500, {}, (40, 500, 500, "")),
        (503, {}, (40, 503, 503, "")),
        (599, {}, (40, 599, 599, "")),
        (None, {}, (20, "-", 0, "")),
        (200, {"failed": True}, (40, 200, 500, "")),
        (500, {"error": ERROR}, (40, 500, 500, "the text")),
        (None, {"error": ERROR}, (40, "-", 500, "the text")),
        (404, {"error": ERROR}, (40, 404, 500, "the text")),
        (200, {"gone": True}, (20, 499, 0, "")),
        (None, {"gone": True}, (20, 499, 0, "")),
        (500, {"gone": True, "error": ERROR}, (20, 499, 0, "")),
    ],
)
def test_outcomes(
    logger: logging.Logger, code: Any, how: Any, expected: tuple[object, ...]
) -> None:
    """Level, code, errno and message follow from how the request ended."""
    begun(logger).write(code, **how)
    (record,) = kept(logger)
    said = record.__dict__
    assert (record.levelno, said.get("code", "-"), said["errno"], record.getMessage()) == expected


def test_error_noticed_on_the_way(logger: logging.Logger) -> None:
    """An exception that was noticed earlier counts, unless another is given."""
    request = begun(logger)
    request.error = ValueError("earlier %s")
    request.write(500)
    assert kept(logger)[0].getMessage() == "earlier %s"


def test_untimed(logger: logging.Logger) -> None:
    """Without its mark a record has no t, whatever the fields held."""
    request = begun(logger)
    request.fields["t"] = 5
    request.fields["code"] = 200
    request.write(None, timed=False)
    (record,) = kept(logger)
    assert "t" not in record.__dict__
    assert "code" not in record.__dict__


def test_excluded_paths(logger: logging.Logger) -> None:
    """Exact paths are left out, unless the request failed."""
    begun(logger).write(200, exclude_paths={"/p"})
    begun(logger).write(404, exclude_paths={"/p"})
    begun(logger).write(None, exclude_paths={"/p"}, gone=True)
    assert kept(logger) == []
    begun(logger).write(200, exclude_paths=("/", "/p/", "/pp"))
    begun(logger).write(503, exclude_paths={"/p"})
    begun(logger).write(200, exclude_paths={"/p"}, failed=True)
    assert len(kept(logger)) == 3


@pytest.mark.parametrize("kind", hostile.ERRORS)
def test_error_without_a_text(logger: logging.Logger, kind: type[BaseException]) -> None:
    """An exception that can't even say its text is recorded."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise kind

    begun(logger).write(500, error=Mute("m"))
    assert "Mute" in kept(logger)[0].getMessage()


def test_names_of_records(logger: logging.Logger) -> None:
    """Fields named like a record's own attributes are renamed, and nothing is lost."""
    request = begun(logger)
    request.fields |= {"message": 1, "name": 2, "args": 3, "extra_name": 4, "asctime": 5}
    request.write(200)
    said = kept(logger)[0].__dict__
    assert said["name"] == "request.summary"
    assert {said["extra_message"], said["extra_args"], said["extra_asctime"]} == {1, 3, 5}
    assert said["extra_name"] == 4
    assert said["extra_extra_name"] == 2


@pytest.fixture
def factory() -> Iterator[Any]:
    before = logging.getLogRecordFactory()
    yield logging.setLogRecordFactory
    logging.setLogRecordFactory(before)


def test_record_factory(logger: logging.Logger, factory: Any) -> None:
    """The application's record factory is used, even one that sets names of ours."""

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = logging.LogRecord(*args, **kwargs)
        record.__dict__["rid"] = "factory"
        record.__dict__["host"] = "h"
        return record

    factory(make)
    begun(logger).write(200)
    said = kept(logger)[0].__dict__
    assert (said["host"], said["rid"], said["extra_rid"]) == ("h", "factory", "r")


def test_failing_factory(
    logger: logging.Logger, factory: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A factory that raises is reported on standard error and hurts no request."""

    def fail(*args: Any, **kwargs: Any) -> logging.LogRecord:
        raise LookupError("factory")

    factory(fail)
    begun(logger).write(200)
    assert "LookupError: factory" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["filter", "handler", "handler filter"])
def test_failing_handlers(
    logger: logging.Logger, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither do a handler or a filter that raises."""

    def fail(record: Any) -> bool:
        raise LookupError(where)

    handler = Kept()
    logger.addHandler(handler)
    if where == "filter":
        logger.addFilter(fail)
    elif where == "handler":
        handler.emit = fail  # type: ignore[assignment, method-assign]
    else:
        handler.addFilter(fail)
    begun(logger).write(200)
    assert f"LookupError: {where}" in capsys.readouterr().err


def test_quiet_failures(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where logging.raiseExceptions is off, nothing is reported."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logger.addFilter(lambda record: 1 / 0)  # type: ignore[arg-type, return-value]
    begun(logger).write(200)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("method", ["log", "_log", "makeRecord", "handle"])
def test_logger_subclasses(method: str) -> None:
    """A logger class that overrides a step of logging has its way."""
    seen: list[str] = []

    def override(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(method)
        return getattr(logging.Logger, method)(self, *args, **kwargs)

    logger = type("Mine", (logging.Logger,), {method: override})("request.summary")
    logger.addHandler(Kept())
    begun(logger).write(200)
    assert seen == [method]
    assert kept(logger)[0].__dict__["code"] == 200


def test_make_record_gets_the_fields() -> None:
    """A logger class with a ``makeRecord`` of its own is given the fields as ``extra``."""
    given: list[Any] = []

    class Mine(logging.Logger):
        def makeRecord(self, *args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: N802
            given.append(args[8])
            return super().makeRecord(*args, **kwargs)

    logger = Mine("request.summary")
    logger.addHandler(Kept())
    begun(logger).write(200)
    assert [extra["code"] for extra in given] == [200]


@pytest.mark.parametrize("name", ["message", "asctime"])
def test_names_that_formatters_use(logger: logging.Logger, name: str) -> None:
    """A field that bears a name which formatters set for themselves is kept under another."""
    summary = begun(logger)
    summary.fields[name] = "mine"
    summary.write(200)
    attributes = kept(logger)[0].__dict__
    assert attributes[f"extra_{name}"] == "mine"
    assert name not in attributes


def test_patched_logger(logger: logging.Logger) -> None:
    """A method that is put on the logger itself is used as well."""
    seen: list[object] = []
    logger.log = lambda level, text, extra: seen.append((level, text, extra["code"]))  # type: ignore[method-assign, assignment, misc]
    begun(logger).write(404)
    assert seen == [(20, "", 404)]


def test_logger_adapters(logger: logging.Logger) -> None:
    """What is a logger only in part gets its record by its log method."""
    adapter: Any = logging.LoggerAdapter(logger, {"more": 1})
    begun(adapter).write(200)
    assert kept(logger)


def test_levels(logger: logging.Logger) -> None:
    """Levels, disabled loggers and logging.disable count as for any record."""
    logger.setLevel(logging.WARNING)
    begun(logger).write(200)
    assert kept(logger) == []
    begun(logger).write(500)
    assert len(kept(logger)) == 1
    logger.disabled = True
    begun(logger).write(500)
    assert len(kept(logger)) == 1


def test_default_logger() -> None:
    """Without a logger the record goes to the one named request.summary."""
    handler = Kept()
    logger = logging.getLogger("request.summary")
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.INFO)
    try:
        RequestSummary().write(200)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    assert [record.name for record in handler.records] == ["request.summary"]


def test_hostile_fields(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the fields hold, one record is written and nothing is raised."""
    for number in range(300):
        maker = Hostile(number)
        request = begun(logger)
        request.fields |= maker.attributes()
        if number % 3 == 0:
            request.fields["path"] = maker.value()
        request.write(200, exclude_paths={"/p/x"})
        assert len(kept(logger)) == number + 1
        assert kept(logger)[-1].__dict__["code"] == 200
    assert capsys.readouterr().err == ""


def test_odd_codes(logger: logging.Logger) -> None:
    """A status of an unexpected type costs no record."""
    from http import HTTPStatus

    odd: list[Any] = [HTTPStatus.NOT_FOUND, "503", "404 Not Found", 1.5, object(), float("nan")]
    for code in odd:
        begun(logger).write(code)
    assert [record.__dict__["errno"] for record in kept(logger)] == [0, 503, 0, 0, 0, 0]
    assert type(kept(logger)[0].__dict__["code"]) is int


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("", ""),
        ("a=b&c=d", "a=b&c=d"),
        ("q=a%20b+c%26", "q=a b+c&"),
        ("q=%C3%A9", "q=é"),
        ("q=%ff", "q=\ufffd"),
        ("%", "%"),
        ("%zz%2", "%zz%2"),
        (b"q=%C3%A9", "q=é"),
        (b"q=\xc3\xa9", "q=é"),
        (b"q=\xff%ff", "q=\ufffd\ufffd"),
    ],
)
def test_decode_query(raw: str | bytes, text: str) -> None:
    """A query is decoded for people, and what is no UTF-8 is replaced."""
    assert decode_query(raw) == text


def test_as_paths() -> None:
    """One path is one path, never its characters; several are several."""
    assert as_paths("/__heartbeat__") == {"/__heartbeat__"}
    for value in (["/a", "/b"], ("/a", "/b"), {"/a", "/b"}, frozenset({"/a", "/b"})):
        assert as_paths(value) == {"/a", "/b"}
    assert as_paths(()) == as_paths(None) == frozenset()


@pytest.mark.parametrize(
    "value", [5, True, b"/a", ["/a", 5], [b"/a"], {"/a": 1}, object(), [["/a"]]]
)
def test_as_paths_of_a_wrong_type(value: Any) -> None:
    """A wrong setting is named, with what was found and what to write."""
    with pytest.raises(ValueError, match="DOCKERFLOW_SUMMARY_EXCLUDE_PATHS") as raised:
        as_paths(value)
    assert repr(value) in str(raised.value)
    assert "list of paths" in str(raised.value)


def test_stopped_clock(logger: logging.Logger) -> None:
    """A clock that was stopped tells the time until then, however late the record is written."""
    summary = begun(logger)
    summary.stop()
    stopped = summary.elapsed()
    until = time.monotonic() + 0.01
    while time.monotonic() < until:
        pass
    summary.write(200)
    assert kept(logger)[0].__dict__["t"] == stopped == summary.elapsed()


def test_paths_of_a_setting(caplog: pytest.LogCaptureFixture) -> None:
    """A setting that makes no sense is logged with its remedy, and leaves no path out."""
    logger = logging.getLogger("adapter")
    assert excluded_paths(["/a"], logger) == {"/a"}
    assert caplog.messages == []
    assert excluded_paths(7, logger) == frozenset()
    (message,) = caplog.messages
    assert message.startswith("DOCKERFLOW_SUMMARY_EXCLUDE_PATHS is 7; it must be a list of paths")


def test_excluded_paths_with_a_broken_handler(capsys: pytest.CaptureFixture[str]) -> None:
    """A log handler that raises does not reach the request."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("disk full")

    logger = logging.Logger("adapter")  # noqa: LOG001 - shared with no other test
    logger.addHandler(Broken())
    assert excluded_paths(7, logger) == frozenset()
    assert "disk full" in capsys.readouterr().err


def test_known_identity() -> None:
    """Only a user whose attributes would be read from a database is known by the key alone."""

    class State:
        expired_attributes: ClassVar[set[str]] = {"id", "name"}
        identity: tuple[object, ...] | None = (1, "a")

    class User:
        _sa_instance_state = State()

    assert known_identity(object()) is None
    assert known_identity(User()) == "1,a"
    State.identity = None
    assert known_identity(User()) == ""
    State.expired_attributes = set()
    assert known_identity(User()) is None
