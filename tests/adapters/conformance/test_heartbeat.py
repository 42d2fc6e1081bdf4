"""The heartbeat: what it shows, and that no check can break it."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest

from dockerflow import checks
from tests.adapters.conftest import Log
from tests.adapters.harness import RunningApp

Start = Callable[..., RunningApp]


def heartbeat(app: RunningApp) -> tuple[int, Any]:
    answer = app.request("/__heartbeat__")
    assert answer.error is None
    assert answer.header("Cache-Control") == "no-store"
    assert str(answer.header("Content-Type")).startswith("application/json")
    return answer.status, json.loads(answer.body)


SHOWN = {"DOCKERFLOW_HEARTBEAT_SHOW_DETAILS": True}


@pytest.mark.parametrize(
    "error", [RuntimeError("boom"), SystemExit("boom"), asyncio.CancelledError("boom")], ids=repr
)
def test_check_raises(start: Start, log: Log, error: BaseException) -> None:
    """A check that raises is an error with the exception's type; only the log has its text."""
    broken = {"sync": mock.Mock(side_effect=error), "async": mock.AsyncMock(side_effect=error)}
    status, body = heartbeat(start(settings=SHOWN, checks={**broken, "fine": list}))
    assert (status, body["status"]) == (500, "error")
    assert body["checks"] == {"sync": "error", "async": "error", "fine": "ok"}
    name = type(error).__name__
    for details in body["details"].values():
        assert details["messages"] == {"dockerflow.health.E011": name}
    for line in log.of("dockerflow.checks.registry"):
        assert line["Fields"]["msg"] == f"dockerflow.health.E011: {name}: boom"
        assert line["Fields"]["traceback"].startswith("Uncaught exception:")
    assert len(log.of("dockerflow.checks.registry")) == len(body["details"]) == 2
    assert log.summary["code"] == 500


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """The hanging checks wait for this."""
    event = threading.Event()
    yield event
    event.set()


def test_checks_hang(start: Start, log: Log, release: threading.Event, clock: mock.Mock) -> None:
    """A hung check is an error after its limit, and starts again only after its end and a pause."""
    threads: list[threading.Thread] = []
    begun: list[str] = []

    def hung() -> None:
        threads.append(threading.current_thread())
        begun.append("sync")
        release.wait()

    async def hung_async() -> None:
        begun.append("async")
        await asyncio.to_thread(release.wait)

    app = start(
        settings={**SHOWN, "DOCKERFLOW_CHECK_TIMEOUT": 1},
        checks={"sync": hung, "async": hung_async, "fine": list},
    )
    for _ in range(2):
        status, body = heartbeat(app)
        assert status == 500
        assert body["checks"] == {"sync": "error", "async": "error", "fine": "ok"}
        for details in body["details"].values():
            assert details["messages"] == {"dockerflow.health.E013": "still running after 1 s"}
    assert app.request("/__lbheartbeat__").status == app.request("/").status == 200
    assert sorted(begun) == ["async", "sync"]
    logged = log.of("dockerflow.checks.registry")
    assert sum(line["Severity"] == 3 for line in logged) == 2
    release.set()
    threads[0].join()
    status, body = heartbeat(app)
    text = "took longer than 1 s; it is not started again for 1 s"
    assert body["details"]["sync"]["messages"] == {"dockerflow.health.E013": text}
    assert begun.count("sync") == 1
    clock.return_value += 1
    assert heartbeat(app)[1]["checks"]["sync"] == "ok"
    assert begun.count("sync") == 2


def test_all_at_the_same_time(start: Start) -> None:
    """Checks run side by side, sync and async: each one waits until all have started."""
    barrier = threading.Barrier(6)

    def waits() -> None:
        barrier.wait(10)

    async def waits_async() -> None:
        await asyncio.to_thread(barrier.wait, 10)

    named: dict[str, Any] = {f"sync{number}": functools.partial(waits) for number in range(4)}
    named |= {f"async{number}": functools.partial(waits_async) for number in range(2)}
    status, body = heartbeat(start(settings=SHOWN, checks=named))
    assert (status, set(body["checks"].values())) == (200, {"ok"})


@pytest.mark.parametrize(
    ("message", "status", "word"),
    [
        (checks.Info("m", id="t.1"), 200, "info"),
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
    details = {"status": word, "level": message.level, "messages": {"t.1": "m"}}
    body = {"status": word, "checks": {"one": word, "fine": "ok"}, "details": {"one": details}}
    assert heartbeat(app) == (status, body)
    logged = [line["Fields"]["msg"] for line in log.of("dockerflow.checks.registry")]
    assert logged == ["t.1: m"]


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
    """The user part of a URL is masked in answer and log; raised or returned texts are hidden."""
    text = "no answer from redis://admin:hunter@2@localhost/0"
    message = checks.Error(text, id="t.1")
    raises = mock.Mock(side_effect=RuntimeError(text))
    named = {"says": lambda: message, "raises": raises, "returns": lambda: text}
    answer = start(settings=SHOWN, checks=named).request("/__heartbeat__").body.decode()
    logged = json.dumps(log.lines)
    assert answer.count("no answer from redis://***@localhost/0") == 1
    assert "the check returned str; " in answer
    assert "t.1: no answer from redis://***@localhost/0" in logged
    assert "Traceback" in logged
    assert "hunter" not in answer + logged


def test_settings(start: Start) -> None:
    """The failed heartbeat has the configured status, and without details it shows only that."""
    settings = {
        "DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE": "503",
        "DOCKERFLOW_HEARTBEAT_SHOW_DETAILS": False,
    }
    app = start(settings=settings, checks={"bad": lambda: checks.Error("m")})
    assert heartbeat(app) == (503, {"status": "error"})


def test_two_applications(start: Start) -> None:
    """Two applications in one process don't run each other's checks."""
    failing = start(settings=SHOWN, checks={"bad": lambda: checks.Error("m")})
    healthy = start(settings=SHOWN, checks={"good": lambda: None})
    assert heartbeat(failing)[1]["checks"] == {"bad": "error"}
    assert heartbeat(healthy) == (200, {"status": "ok", "checks": {"good": "ok"}, "details": {}})


def test_request_id_on_the_lines_of_checks(start: Start, log: Log) -> None:
    """Log lines of a check, and log lines about it, have the request's id."""

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
    steps: list[str] = []

    def check() -> None:
        steps.extend(["begin", "end"])

    async def check_async() -> None:
        steps.append("begin")
        await asyncio.sleep(0)
        steps.append("end")

    app = start(
        settings={**SHOWN, "DOCKERFLOW_CHECK_TIMEOUT": None},
        checks={"a": check_async, "b": check, "c": mock.Mock(side_effect=RuntimeError)},
    )
    status, body = heartbeat(app)
    assert (status, body["checks"]) == (500, {"a": "ok", "b": "ok", "c": "error"})
    assert steps == ["begin", "end"] * 2


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE", 200),
        ("DOCKERFLOW_CHECK_TIMEOUT", "soon"),
        ("DOCKERFLOW_SUMMARY_EXCLUDE_PATHS", ["no-slash"]),
        ("DOCKERFLOW_REQUEST_ID_HEADER_NAME", "X-Request-ID "),
        ("DOCKERFLOW_CHECK_TIMEOUT", "redis://u:hunter2@cache"),
        ("DOCKERFLOW_REQUEST_ID_HEADER_NAME", "redis://u:hunter2@cache"),
    ],
)
def test_wrong_settings_are_refused(start: Start, setting: str, value: object) -> None:
    """An invalid setting is refused at start-up, with its name and its masked value."""
    with pytest.raises(Exception, match=setting) as refused:
        start(settings={setting: value})
    shown = repr(value).replace("u:hunter2", "***")
    assert f"{setting} is {shown}; set it to " in str(refused.value)
