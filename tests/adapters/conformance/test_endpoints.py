"""The four endpoints: what they answer, whatever state the service is in."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any
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
        (b"", "JSON"),
        (b"{", "JSON"),
        (b'{"a": NaN}', "NaN is no number of JSON"),
        (b'{"a": -1e999}', "-1e999 is no number of JSON"),
        (b"[1]", "list"),
        (b"null", "NoneType"),
        (b'"1.0"', "str"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"[" * 100_000, "JSON"),
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
    """A version.json that is no JSON object is a 500 that names the problem, and is logged."""
    app = start(version_path=write_version(tmp_path, content))
    answer = app.request("/__version__")
    assert answer.error is None
    assert answer.status == 500
    assert problem in answer.body.decode()
    assert "version.json" in answer.body.decode()
    assert b"\n" not in answer.body.strip()
    assert answer.header("Cache-Control") == "no-store"
    (line,) = log.of(framework.logger)
    assert problem in line["Fields"]["msg"]
    assert line["Severity"] == 3


def test_version_directory(start: Start, tmp_path: pathlib.Path) -> None:
    """A directory called version.json is a 500 that says so."""
    (tmp_path / "version.json").mkdir()
    answer = start(version_path=str(tmp_path)).request("/__version__")
    assert answer.status == 500
    assert b"not a file" in answer.body


def test_version_pipe(start: Start, tmp_path: pathlib.Path) -> None:
    """A pipe called version.json does not hang the request."""
    os.mkfifo(tmp_path / "version.json")
    answer = start(version_path=str(tmp_path)).request("/__version__")
    assert answer.status == 500
    assert b"not a file" in answer.body


def test_version_missing(start: Start, tmp_path: pathlib.Path) -> None:
    """Where there is no version.json the answer is 404 with a short text."""
    answer = start(version_path=str(tmp_path)).request("/__version__")
    assert answer.status == 404
    assert answer.body == b"version.json not found"
    assert answer.header("Cache-Control") == "no-store"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "bom"])
def test_version(start: Start, tmp_path: pathlib.Path, mark: bytes) -> None:
    """The content of version.json is served as JSON, with or without a byte order mark."""
    content = {"commit": "abc", "version": "1.0", "source": "git", "build": "ci/é"}
    app = start(version_path=write_version(tmp_path, mark + json.dumps(content).encode()))
    answer = app.request("/__version__")
    assert answer.status == 200
    assert json.loads(answer.body) == content
    assert str(answer.header("Content-Type")).startswith("application/json")
    assert answer.header("Cache-Control") == "no-store"


def test_version_again(start: Start, tmp_path: pathlib.Path) -> None:
    """Each answer is what the file holds then, or what a patched get_version returns."""
    app = start(version_path=write_version(tmp_path, b'{"version": "1.0"}'))
    bodies = [app.request("/__version__").body]
    with mock.patch("dockerflow.version.get_version", return_value={"version": "patched"}):
        bodies.append(app.request("/__version__").body)
    write_version(tmp_path, b'{"version": "2.0"}')
    bodies.append(app.request("/__version__").body)
    assert [json.loads(body)["version"] for body in bodies] == ["1.0", "patched", "2.0"]


def test_version_callback(start: Start, tmp_path: pathlib.Path) -> None:
    """A version callback is called once with the configured place as text, and its value served."""
    places: list[str] = []

    def callback(root: str) -> dict[str, str]:
        places.append(root)
        return {"version": "called"}

    app = start(version_path=str(tmp_path), version_callback=callback)
    assert json.loads(app.request("/__version__").body) == {"version": "called"}
    assert places == [str(tmp_path)]


def test_version_callback_without_version(start: Start) -> None:
    """A version callback that returns None means 404."""
    assert start(version_callback=lambda root: None).request("/__version__").status == 404


def test_version_callback_with_broken_version(start: Start) -> None:
    """A version callback may raise VersionError, and its text is the answer."""

    def callback(root: str) -> Any:
        raise VersionError("the build wrote nonsense")

    answer = start(version_callback=callback).request("/__version__")
    assert (answer.status, answer.body) == (500, b"the build wrote nonsense")


def test_version_callback_that_raises(start: Start, log: Log) -> None:
    """What else a version callback raises goes the framework's way, as from any view."""

    def callback(root: str) -> Any:
        raise LookupError("mine")

    answer = start(version_callback=callback).request("/__version__")
    assert answer.status == 500
    assert log.summary["errno"] == 500
    assert "mine" in log.summary["msg"]


def test_lbheartbeat(start: Start, framework: Framework) -> None:
    """The load balancer's heartbeat is 200 without running a check."""

    def check() -> None:
        ran.append(True)

    ran: list[bool] = []
    answer = start(checks={"check": check}).request("/__lbheartbeat__")
    assert answer.status == 200
    assert answer.body == framework.lbheartbeat_body
    assert answer.header("Cache-Control") == "no-store"
    assert ran == []


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
    """Any other method is 405, and Allow names those that may be used."""
    answer = start().request(endpoint, method)
    assert answer.status == 405
    allowed = {name.strip() for name in str(answer.header("Allow")).split(",")}
    assert allowed - {"OPTIONS"} == {"GET", "HEAD"}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_trailing_slash(start: Start, framework: Framework, endpoint: str) -> None:
    """The endpoints answer with a trailing slash where the framework's users expect it."""
    app = start(version_callback=lambda root: {"version": "1"})
    status = app.request(f"{endpoint}/").status
    assert (status == 200) is framework.trailing_slash


def test_error(start: Start, framework: Framework, log: Log) -> None:
    """The error endpoint logs an ERROR and raises, as a broken view would."""
    answer = start().request("/__error__")
    assert answer.status == 500
    (line,) = [line for line in log.of(framework.logger) if line["Severity"] == 3]
    assert line["Fields"]["msg"] == "The __error__ endpoint was called"
    assert log.summary["errno"] == 500
    assert log.summary["code"] == 500
    assert log.summary["msg"] == "This is a test exception from the /__error__ endpoint."


def test_error_endpoint_turned_off(start: Start, framework: Framework, log: Log) -> None:
    """DOCKERFLOW_ERROR_ENDPOINT = False makes the error endpoint a page that is not there."""
    answer = start(settings={"DOCKERFLOW_ERROR_ENDPOINT": False}).request("/__error__")
    assert answer.status == 404
    assert log.of(framework.logger) == []
    assert log.summary["errno"] == 0
