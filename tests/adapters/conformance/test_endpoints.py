"""The four endpoints and their answers, whatever state the service is in."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from unittest import mock

import pytest

from dockerflow.version import VersionError
from tests.adapters.conftest import Log
from tests.adapters.harness import Framework, RunningApp

Start = Callable[..., RunningApp]

ENDPOINTS = ("/__version__", "/__heartbeat__", "/__lbheartbeat__")


def write_version(folder: pathlib.Path, content: bytes) -> str:
    (folder / "version.json").write_bytes(content)
    return str(folder)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "JSON"),
        (b'{"a": NaN}', "NaN is not a finite number"),
        (b'{"a": -1e999}', "-1e999 is not a finite number"),
        (b"[1]", "list"),
        (b'{"a": "\xff"}', "UTF-8"),
    ],
)
def test_broken_version(
    start: Start,
    framework: Framework,
    log: Log,
    tmp_path: pathlib.Path,
    content: bytes,
    problem: str,
) -> None:
    """A version.json that is not a JSON object is a 500 that names the problem, and is logged."""
    answer = start(version_path=write_version(tmp_path, content)).request("/__version__")
    assert (answer.status, answer.error) == (500, None)
    assert answer.header("Cache-Control") == "no-store"
    (line,) = log.of(framework.logger)
    assert line["Severity"] == 3
    for text in (answer.body.decode(), line["Fields"]["msg"]):
        assert problem in text
        assert "version.json" in text
        assert "\n" not in text


def test_version_missing(start: Start, tmp_path: pathlib.Path) -> None:
    """Without a version.json the answer is 404 with a short text."""
    answer = start(version_path=str(tmp_path)).request("/__version__")
    assert (answer.status, answer.body) == (404, b"version.json not found")
    assert answer.header("Cache-Control") == "no-store"


def test_version(start: Start, tmp_path: pathlib.Path) -> None:
    """The answer is the file's current content as JSON, or the result of a patched get_version."""
    content = {"commit": "abc", "version": "1.0", "source": "git", "build": "ci/é"}
    app = start(version_path=write_version(tmp_path, json.dumps(content).encode()))
    answer = app.request("/__version__")
    assert (answer.status, json.loads(answer.body)) == (200, content)
    assert str(answer.header("Content-Type")).startswith("application/json")
    assert answer.header("Cache-Control") == "no-store"
    with mock.patch("dockerflow.version.get_version", return_value={"version": "patched"}):
        assert json.loads(app.request("/__version__").body) == {"version": "patched"}
    write_version(tmp_path, b'{"version": "2.0"}')
    assert json.loads(app.request("/__version__").body) == {"version": "2.0"}


def test_version_callback(start: Start, tmp_path: pathlib.Path) -> None:
    """A version callback gets the configured place; its value, None or VersionError is answered."""
    error = VersionError("nothing at redis://u:hunter2@cache")
    callback = mock.Mock(side_effect=[{"version": "called"}, None, error])
    app = start(version_path=str(tmp_path), version_callback=callback)
    answers = [app.request("/__version__") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 404, 500]
    assert json.loads(answers[0].body) == {"version": "called"}
    assert answers[1].body == b"version.json not found"
    assert answers[2].body == b"nothing at redis://***@cache"
    assert callback.call_args_list == [mock.call(str(tmp_path))] * 3


def test_version_callback_that_raises(start: Start, log: Log) -> None:
    """Any other exception of a version callback is raised once, as from any view."""
    callback = mock.Mock(side_effect=LookupError("mine"))
    assert start(version_callback=callback).request("/__version__").status == 500
    callback.assert_called_once()
    assert (log.summary["errno"], log.summary["msg"]) == (500, "mine")


def test_lbheartbeat(start: Start, framework: Framework) -> None:
    """The load balancer's heartbeat is 200 without running a check."""
    check = mock.Mock()
    answer = start(checks={"check": check}).request("/__lbheartbeat__")
    assert (answer.status, answer.body) == (200, framework.lbheartbeat_body)
    assert answer.header("Cache-Control") == "no-store"
    check.assert_not_called()


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_head(start: Start, endpoint: str) -> None:
    """HEAD answers with GET's status and headers, and no body."""
    app = start(version_callback=lambda root: {"version": "1"})
    get, head = app.request(endpoint), app.request(endpoint, "HEAD")
    assert head.status == get.status == 200
    assert head.body == b""
    assert head.header("Content-Type") == get.header("Content-Type")
    assert head.header("Cache-Control") == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("endpoint", [*ENDPOINTS, "/__error__"])
def test_other_methods(start: Start, endpoint: str, method: str) -> None:
    """Any other method gets 405, and Allow lists the allowed ones."""
    answer = start().request(endpoint, method)
    assert answer.status == 405
    allowed = {name.strip() for name in str(answer.header("Allow")).split(",")}
    assert allowed - {"OPTIONS"} == {"GET", "HEAD"}


def test_options(start: Start) -> None:
    """OPTIONS is left to the framework, and no application fails on it."""
    answer = start().request("/__lbheartbeat__", "OPTIONS")
    assert answer.error is None
    assert answer.status < 500


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_trailing_slash(start: Start, framework: Framework, endpoint: str) -> None:
    """The endpoints answer with a trailing slash if the framework's users expect it."""
    app = start(version_callback=lambda root: {"version": "1"})
    status = app.request(f"{endpoint}/").status
    assert (status == 200) is framework.trailing_slash


def test_error(start: Start, framework: Framework, log: Log) -> None:
    """The error endpoint logs an ERROR and raises, like a broken view."""
    assert start().request("/__error__").status == 500
    logged = [line["Fields"]["msg"] for line in log.of(framework.logger) if line["Severity"] == 3]
    assert logged == ["The __error__ endpoint was called"]
    assert (log.summary["code"], log.summary["errno"]) == (500, 500)
    assert log.summary["msg"] == "This is a test exception from the /__error__ endpoint."


def test_error_endpoint_turned_off(start: Start, framework: Framework, log: Log) -> None:
    """With DOCKERFLOW_ERROR_ENDPOINT = False the error endpoint is a 404."""
    answer = start(settings={"DOCKERFLOW_ERROR_ENDPOINT": False}).request("/__error__")
    assert (answer.status, log.summary["errno"]) == (404, 0)
    assert log.of(framework.logger) == []
