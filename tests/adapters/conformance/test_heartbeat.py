"""The heartbeat: what it shows, and that no check can break it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dockerflow import checks
from tests.adapters.conftest import Log
from tests.adapters.harness import RunningApp

Start = Callable[..., RunningApp]


def heartbeat(app: RunningApp, **options: Any) -> tuple[int, Any]:
    answer = app.request("/__heartbeat__", **options)
    assert answer.error is None
    assert answer.header("Cache-Control") == "no-store"
    assert str(answer.header("Content-Type")).startswith("application/json")
    return answer.status, json.loads(answer.body)


SHOWN = {"DOCKERFLOW_HEARTBEAT_SHOW_DETAILS": True}


def raises(error: BaseException) -> Callable[[], Any]:
    def check() -> Any:
        raise error

    return check


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("boom"),
        SystemExit("boom"),
        KeyboardInterrupt("boom"),
        asyncio.CancelledError("boom"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_check_raises(start: Start, log: Log, error: BaseException, kind: str) -> None:
    """A check that raises is an error with the exception's type, its text is in the log alone."""

    async def check_async() -> Any:
        raise error

    broken = raises(error) if kind == "sync" else check_async
    app = start(settings=SHOWN, checks={"broken": broken, "fine": list})
    status, body = heartbeat(app)
    assert status == 500
    assert body["status"] == "error"
    assert body["checks"] == {"broken": "error", "fine": "ok"}
    (message,) = body["details"]["broken"]["messages"].items()
    assert message[0] == "dockerflow.health.E011"
    assert type(error).__name__ in message[1]
    assert "boom" not in message[1]
    (line,) = log.of("dockerflow.checks.registry")
    assert line["Fields"]["msg"].startswith("dockerflow.health.E011: ")
    assert "boom" in line["Fields"]["msg"]
    assert line["Fields"]["traceback"].startswith("Uncaught exception:")
    assert log.summary["code"] == 500


def test_check_returns_something_else(start: Start) -> None:
    """A check that returns no messages is an error that says what type it got."""
    status, body = heartbeat(start(settings=SHOWN, checks={"odd": lambda: "fine"}))
    assert status == 500
    (text,) = body["details"]["odd"]["messages"].values()
    assert "str" in text
    assert "fine" not in text


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """What hanging checks wait for."""
    event = threading.Event()
    yield event
    event.set()


def test_check_hangs(start: Start, log: Log, release: threading.Event) -> None:
    """A hung check is an error after its time, is started once, and is asked anew when it ended."""
    calls: list[threading.Thread] = []

    def hung() -> None:
        calls.append(threading.current_thread())
        release.wait()

    app = start(
        settings={**SHOWN, "DOCKERFLOW_CHECK_TIMEOUT": 1}, checks={"hung": hung, "fine": list}
    )
    for _ in range(3):
        status, body = heartbeat(app)
        assert status == 500
        assert body["checks"] == {"hung": "error", "fine": "ok"}
        messages = body["details"]["hung"]["messages"]
        assert messages == {"dockerflow.health.E013": "still running after 1 s"}
    assert app.request("/__lbheartbeat__").status == 200
    assert app.request("/").status == 200
    assert len(calls) == 1
    assert len(log.of("dockerflow.checks.registry")) == 1
    release.set()
    calls[0].join()
    assert heartbeat(app)[0] == 200
    assert len(calls) == 2


def test_async_check_hangs(start: Start, release: threading.Event) -> None:
    """A hung async check is an error after its time, is started once, and hangs no heartbeat."""
    calls: list[bool] = []

    async def hung() -> None:
        calls.append(True)
        await asyncio.to_thread(release.wait)

    app = start(settings={**SHOWN, "DOCKERFLOW_CHECK_TIMEOUT": 0.1}, checks={"hung": hung})
    for _ in range(2):
        status, body = heartbeat(app)
        assert status == 500
        assert list(body["details"]["hung"]["messages"]) == ["dockerflow.health.E013"]
    assert calls == [True]


def test_all_at_the_same_time(start: Start) -> None:
    """Checks run side by side, sync and async: each waits for all of them to have begun."""
    barrier = threading.Barrier(6)

    def sync() -> None:
        barrier.wait(10)

    async def waits() -> None:
        await asyncio.to_thread(barrier.wait, 10)

    async def waits_too() -> None:
        await waits()

    named: dict[str, Any] = {f"sync{number}": (lambda: sync()) for number in range(4)}
    status, body = heartbeat(
        start(settings=SHOWN, checks={**named, "async": waits, "async_too": waits_too})
    )
    assert status == 200
    assert set(body["checks"].values()) == {"ok"}


@pytest.mark.parametrize(
    ("message", "status", "word"),
    [
        (checks.Debug("m", id="t.1"), 200, "debug"),
        (checks.Info("m", id="t.1"), 200, "info"),
        (checks.Warning("m", id="t.1"), 200, "warning"),
        (checks.CheckMessage("m", level=39, id="t.1"), 200, "warning"),
        (checks.Error("m", id="t.1"), 500, "error"),
        (checks.Critical("m", id="t.1"), 500, "critical"),
    ],
    ids=lambda value: value.level if isinstance(value, checks.CheckMessage) else None,
)
def test_levels(
    start: Start, log: Log, message: checks.CheckMessage, status: int, word: str
) -> None:
    """The heartbeat has the worst level, and fails from ERROR on."""
    app = start(settings=SHOWN, checks={"one": lambda: [message], "fine": lambda: None})
    assert heartbeat(app) == (
        status,
        {
            "status": word,
            "checks": {"one": word, "fine": "ok"},
            "details": {"one": {"status": word, "level": message.level, "messages": {"t.1": "m"}}},
        },
    )
    assert message.level is not None
    if message.level >= checks.INFO:
        assert [line["Fields"]["msg"] for line in log.of("dockerflow.checks.registry")] == [
            "t.1: m"
        ]


def test_messages_with_one_id_are_both_kept(start: Start) -> None:
    """Messages of one id stand joined under it, and one without an id under its check's name."""

    def replicas() -> Iterator[checks.CheckMessage]:
        yield checks.Error("replica 0 down", id="db.E1")
        yield checks.Error("replica 1 down", id="db.E1")
        yield checks.Warning("and more")

    _, body = heartbeat(start(settings=SHOWN, checks={"replicas": replicas}))
    assert body["details"]["replicas"]["messages"] == {
        "db.E1": "replica 0 down; replica 1 down",
        "replicas": "and more",
    }


def test_silenced(start: Start, log: Log) -> None:
    """A silenced id is neither counted nor logged."""
    app = start(
        settings=SHOWN,
        checks={"one": lambda: [checks.Error("m", id="t.1"), checks.Info("n", id="t.2")]},
        silenced_checks=["t.1"],
    )
    status, body = heartbeat(app)
    assert status == 200
    assert body["details"]["one"]["messages"] == {"t.2": "n"}
    assert [line["Fields"]["msg"] for line in log.of("dockerflow.checks.registry")] == ["t.2: n"]


def test_secrets(start: Start, log: Log) -> None:
    """The user part of a URL reaches neither answer nor log; what a check raises is not shown."""
    url = "redis://admin:hunter@2@localhost/0"
    app = start(
        settings=SHOWN,
        checks={
            "says": lambda: checks.Error(f"no answer from {url}", id="t.1"),
            "raises": raises(RuntimeError(f"no answer from {url}")),
        },
    )
    answer = app.request("/__heartbeat__")
    assert b"redis://***@localhost/0" in answer.body
    assert b"hunter" not in answer.body
    (said,) = [
        line["Fields"]["msg"]
        for line in log.of("dockerflow.checks.registry")
        if "t.1" in line["Fields"]["msg"]
    ]
    assert said == "t.1: no answer from redis://***@localhost/0"
    assert "hunter" not in json.dumps(log.lines)
    assert any("Traceback" in json.dumps(line) for line in log.lines)


@pytest.mark.parametrize("status", [503, "503", 599], ids=repr)
def test_failed_status(start: Start, status: object) -> None:
    """DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE, a number or its digits, is the failed status."""
    app = start(
        settings={"DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE": status},
        checks={"bad": lambda: checks.Error("m")},
    )
    assert heartbeat(app)[0] == int(str(status))


def test_details_hidden(start: Start) -> None:
    """Without details the heartbeat says its status and nothing more."""
    app = start(
        settings={"DOCKERFLOW_HEARTBEAT_SHOW_DETAILS": False},
        checks={"bad": lambda: checks.Error("m")},
    )
    assert heartbeat(app) == (500, {"status": "error"})


def test_two_applications(start: Start) -> None:
    """Two applications in one process don't run each other's checks."""
    failing = start(settings=SHOWN, checks={"bad": lambda: checks.Error("m")})
    healthy = start(settings=SHOWN, checks={"good": lambda: None})
    assert heartbeat(failing)[1]["checks"] == {"bad": "error"}
    assert heartbeat(healthy) == (
        200,
        {"status": "ok", "checks": {"good": "ok"}, "details": {}},
    )


def test_request_id_on_the_lines_of_checks(start: Start, log: Log) -> None:
    """What a check logs, and what is logged of it, bears the request's id."""
    import logging

    def check() -> checks.CheckMessage:
        logging.getLogger("app").info("in check")
        return checks.Info("m")

    async def check_async() -> checks.CheckMessage:
        return check()

    app = start(checks={"one": check, "two": check_async})
    app.request("/__heartbeat__", headers={"X-Request-ID": "abc"})
    lines = log.of("app") + log.of("dockerflow.checks.registry")
    assert [line["Fields"]["rid"] for line in lines] == ["abc"] * 4


def test_no_clock(start: Start) -> None:
    """DOCKERFLOW_CHECK_TIMEOUT = None runs the checks one after another."""
    active: list[str] = []

    def check() -> None:
        assert active == []
        active.append("check")
        active.pop()

    async def check_async() -> None:
        assert active == []
        active.append("check")
        await asyncio.sleep(0)
        active.pop()

    app = start(
        settings={**SHOWN, "DOCKERFLOW_CHECK_TIMEOUT": None},
        checks={"a": check, "b": check_async, "c": check, "d": raises(RuntimeError("boom"))},
    )
    status, body = heartbeat(app)
    assert status == 500
    assert body["checks"] == {"a": "ok", "b": "ok", "c": "ok", "d": "error"}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE", 200),
        ("DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE", "teapot"),
        ("DOCKERFLOW_CHECK_TIMEOUT", 0),
        ("DOCKERFLOW_CHECK_TIMEOUT", "soon"),
        ("DOCKERFLOW_SUMMARY_EXCLUDE_PATHS", 7),
        ("DOCKERFLOW_SUMMARY_EXCLUDE_PATHS", ["no-slash"]),
        ("DOCKERFLOW_REQUEST_ID_HEADER_NAME", "X-Request-ID "),
        ("DOCKERFLOW_REQUEST_ID_HEADER_NAME", "X-Request-ID\r"),
        ("DOCKERFLOW_REQUEST_ID_HEADER_NAME", "X Request ID"),
        ("DOCKERFLOW_REQUEST_ID_HEADER_NAME", "名"),
        ("DOCKERFLOW_REQUEST_ID_HEADER_NAME", 5),
    ],
)
def test_wrong_settings_are_refused(start: Start, setting: str, value: object) -> None:
    """A setting that makes no sense is refused at start-up, by its name and value."""
    with pytest.raises(Exception, match=setting) as refused:
        start(settings={setting: value})
    assert f"{setting} is {value!r}; set it to " in str(refused.value)
