"""Groups of checks, kept results and durations, in the heartbeats of every adapter."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from dockerflow import checks
from tests.adapters.conftest import Log
from tests.adapters.harness import Framework, RunningApp

Start = Callable[..., RunningApp]

READY = "/__heartbeat__/ready"
SHOWN = {"DOCKERFLOW_HEARTBEAT_SHOW_DETAILS": True}
SETTINGS = {**SHOWN, "DOCKERFLOW_HEARTBEAT_GROUPS": {"ready": ["good"], "start-up": ["bad"]}}


def heartbeat(app: RunningApp, path: str = "/__heartbeat__") -> tuple[int, Any]:
    answer = app.request(path)
    assert answer.error is None
    assert answer.header("Cache-Control") == "no-store"
    assert str(answer.header("Content-Type")).startswith("application/json")
    return answer.status, json.loads(answer.body)


def bad() -> checks.CheckMessage:
    return checks.Error("m", id="t.1")


@pytest.mark.parametrize("as_json", [False, True])
def test_group(start: Start, as_json: bool) -> None:
    """A group runs only its own checks, and answers in the format of the heartbeat."""
    groups: Any = SETTINGS["DOCKERFLOW_HEARTBEAT_GROUPS"]
    settings = {**SHOWN, "DOCKERFLOW_HEARTBEAT_GROUPS": json.dumps(groups) if as_json else groups}
    settings["DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE"] = 503
    calls = {"good": mock.Mock(return_value=None), "bad": mock.Mock(return_value=bad())}
    app = start(settings=settings, checks=calls)
    assert heartbeat(app, READY) == (200, {"status": "ok", "checks": {"good": "ok"}, "details": {}})
    assert (calls["good"].call_count, calls["bad"].call_count) == (1, 0)
    status, body = heartbeat(app, "/__heartbeat__/start-up")
    assert (status, body["checks"]) == (503, {"bad": "error"})
    assert body["details"]["bad"]["messages"] == {"t.1": "m"}
    assert heartbeat(app)[1]["checks"] == {"good": "ok", "bad": "error"}


def test_details_of_groups(start: Start) -> None:
    """If details are hidden, a group shows no more than the heartbeat."""
    settings = {**SETTINGS, "DOCKERFLOW_HEARTBEAT_SHOW_DETAILS": False}
    app = start(settings=settings, checks={"good": list, "bad": bad})
    assert heartbeat(app, "/__heartbeat__/start-up") == (500, {"status": "error"})
    assert app.request("/__heartbeat__").header("Server-Timing") is None


def test_unknown_group(start: Start) -> None:
    """An unknown group is a 404 that lists the known groups, and runs no check."""
    check = mock.Mock(return_value=None)
    answer = start(settings=SETTINGS, checks={"good": check}).request("/__heartbeat__/<b>live</b>")
    assert answer.status == 404  # from the framework: the name contains a "/"
    answer = start(settings=SETTINGS, checks={"good": check}).request("/__heartbeat__/live")
    assert answer.status == 404
    assert answer.body == b"There is no such group of checks. Groups: ready, start-up"
    assert str(answer.header("Content-Type")).startswith("text/plain")
    check.assert_not_called()


def test_no_groups(start: Start) -> None:
    """If no groups are configured, no group has a heartbeat."""
    check = mock.Mock(return_value=None)
    assert start(checks={"good": check}).request(READY).status == 404
    check.assert_not_called()


def test_unknown_check(start: Start, log: Log) -> None:
    """A name without a check is an error of its group, and of no other heartbeat."""
    groups = {"ready": ["good", "bda"], "start-up": ["good"]}
    settings = {**SHOWN, "DOCKERFLOW_HEARTBEAT_GROUPS": groups}
    app = start(settings=settings, checks={"good": list, "bad": list})
    status, body = heartbeat(app, READY)
    assert (status, body["checks"]) == (500, {"good": "ok", "bda": "error"})
    text = "DOCKERFLOW_HEARTBEAT_GROUPS names the unknown check bda; the checks are: good, bad"
    assert body["details"]["bda"]["messages"] == {"dockerflow.health.E014": text}
    (line,) = log.of("dockerflow.checks.registry")
    assert line["Fields"]["check"] == "bda"
    assert heartbeat(app)[0] == heartbeat(app, "/__heartbeat__/start-up")[0] == 200


def test_methods(start: Start, framework: Framework) -> None:
    """HEAD is answered like GET, a trailing slash as for the other endpoints, POST is refused."""
    app = start(settings=SETTINGS, checks={"good": list})
    answer = app.request(READY, "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert app.request(READY, "POST").status == 405
    if framework.trailing_slash:
        assert heartbeat(app, f"{READY}/")[0] == 200


def test_group_outside_of_the_log(start: Start, log: Log) -> None:
    """DOCKERFLOW_SUMMARY_EXCLUDE_PATHS excludes a group's requests like any others."""
    settings = {**SETTINGS, "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS": [READY]}
    app = start(settings=settings, checks={"good": list, "bad": list})
    app.request("/__heartbeat__/start-up")
    app.request(READY)
    assert log.summary["path"] == "/__heartbeat__/start-up"


def test_shared_run(start: Start) -> None:
    """A check that already runs for the heartbeat is not started again for a group."""
    release, begun = threading.Event(), mock.Mock(return_value=None)

    def good() -> None:
        begun()
        release.wait()

    app = start(settings={**SETTINGS, "DOCKERFLOW_CHECK_TIMEOUT": 0.05}, checks={"good": good})
    for path in ("/__heartbeat__", READY, "/__heartbeat__"):
        assert heartbeat(app, path)[1]["checks"] == {"good": "error"}
    begun.assert_called_once_with()
    release.set()


@pytest.mark.parametrize(
    "value", [{"a/b": []}, {"ready": "good"}, "ready", '{"ready": 1}'], ids=repr
)
def test_wrong_groups_are_refused(start: Start, value: object) -> None:
    """Invalid groups are refused at start-up, with the value and the remedy."""
    with pytest.raises(Exception, match="DOCKERFLOW_HEARTBEAT_GROUPS") as refused:
        start(settings={"DOCKERFLOW_HEARTBEAT_GROUPS": value})
    assert f"DOCKERFLOW_HEARTBEAT_GROUPS is {value!r}; set it to " in str(refused.value)


# ---------------------------------------------------------------------- kept results


def test_kept_results(start: Start, clock: mock.Mock) -> None:
    """A result without a message is reused for DOCKERFLOW_CHECK_KEEP seconds, also by groups."""
    calls = {"sync": mock.Mock(return_value=None), "async": mock.AsyncMock(return_value=[])}
    groups = {"ready": ["sync"]}
    settings = {**SHOWN, "DOCKERFLOW_CHECK_KEEP": "30", "DOCKERFLOW_HEARTBEAT_GROUPS": groups}
    app = start(settings=settings, checks=calls)
    assert str(app.request("/__heartbeat__").header("Server-Timing")).count("kept") == 0
    clock.return_value += 29
    kept = 'sync;dur=0.0;desc="kept"'
    assert app.request(READY).header("Server-Timing") == kept
    answer = app.request("/__heartbeat__")
    assert answer.header("Server-Timing") == f'{kept}, async;dur=0.0;desc="kept"'
    assert [each.call_count for each in calls.values()] == [1, 1]
    clock.return_value += 1
    heartbeat(app)
    assert [each.call_count for each in calls.values()] == [2, 2]


def test_failures_are_not_kept(start: Start, clock: mock.Mock) -> None:
    """A result with a message is never reused, and by default no result is."""
    messages: list[checks.CheckMessage] = [checks.Info("m")]
    check = mock.Mock(return_value=messages)
    app = start(settings={**SHOWN, "DOCKERFLOW_CHECK_KEEP": 30}, checks={"one": check})
    assert heartbeat(app)[1]["status"] == heartbeat(app)[1]["status"] == "info"
    assert check.call_count == 2
    other = mock.Mock(return_value=None)
    without = start(settings=SHOWN, checks={"other": other})
    heartbeat(without)
    heartbeat(without)
    assert other.call_count == 2


# ---------------------------------------------------------------------- durations


def test_durations(start: Start) -> None:
    """If details are shown, a response header says how long each check took."""
    named: dict[str, Any] = {"check redis": list, "async": mock.AsyncMock(return_value=[])}
    answer = start(settings=SHOWN, checks=named).request("/__heartbeat__")
    assert json.loads(answer.body) == {
        "status": "ok",
        "checks": {"check redis": "ok", "async": "ok"},
        "details": {},
    }
    timing = answer.header("Server-Timing")
    assert re.fullmatch(r"check_redis;dur=\d+\.\d, async;dur=\d+\.\d", str(timing))
