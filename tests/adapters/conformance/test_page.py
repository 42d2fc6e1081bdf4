"""The heartbeat in a browser: a page for people, and JSON for all other clients."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any
from unittest import mock
from urllib.parse import urljoin

import pytest

from dockerflow import checks
from tests.adapters.conftest import Log
from tests.adapters.harness import Answer, Framework, RunningApp

Start = Callable[..., RunningApp]

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;"
    "q=0.8,application/signed-exchange;v=b3;q=0.7"
)
SHOWN = {"DOCKERFLOW_HEARTBEAT_SHOW_DETAILS": True}


def look(app: RunningApp, accept: str = FIREFOX, path: str = "/__heartbeat__") -> Answer:
    answer = app.request(path, headers={"Accept": accept})
    assert answer.error is None
    assert str(answer.header("Content-Type")).lower() == "text/html; charset=utf-8"
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("Vary") == "Accept"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    policy = str(answer.header("Content-Security-Policy"))
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    return answer


@pytest.mark.parametrize("accept", [FIREFOX, CHROME])
def test_browser(start: Start, log: Log, accept: str) -> None:
    """A browser gets the heartbeat as a page with the checks and their messages."""
    warning = checks.Warning("running low", id="t.W1")
    app = start(settings=SHOWN, checks={"disk": lambda: warning, "fine": list})
    answer = look(app, accept)
    assert (answer.status, log.summary["code"]) == (200, 200)
    for text in ("Warning: ", "disk", "t.<wbr>W1", "running low", "fine"):
        assert text in answer.body.decode()


@pytest.mark.parametrize(
    "headers",
    [{}, {"Accept": ""}, {"Accept": "*/*"}, {"Accept": "text/html;q=0.5, application/json"}],
    ids=str,
)
def test_other_clients(start: Start, headers: Mapping[str, str]) -> None:
    """curl, probes and clients without a preference get JSON, which no cache gives to a browser."""
    answer = start(settings=SHOWN).request("/__heartbeat__", headers=headers)
    assert json.loads(answer.body) == {"status": "ok", "checks": {}, "details": {}}
    assert str(answer.header("Content-Type")).startswith("application/json")
    assert (answer.header("Cache-Control"), answer.header("Vary")) == ("no-store", "Accept")
    assert answer.header("Content-Security-Policy") is None


@pytest.mark.parametrize("accept", ["q=" * 4000, "text/html;q=\xb2", "\xe9", ",;q=,;", "\t"])
def test_hostile_accept(start: Start, accept: str) -> None:
    """No Accept header can break the heartbeat."""
    assert start().request("/__heartbeat__", headers={"Accept": accept}).status == 200


def test_failed(start: Start) -> None:
    """The page of a failed heartbeat has its status code, and messages are shown as plain text."""
    nasty = "<script>alert('&')</script>"
    app = start(
        settings={**SHOWN, "DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE": 503},
        checks={nasty: lambda: checks.Error(f"{nasty} redis://u:hunter2@cache", id=nasty)},
    )
    answer = look(app)
    assert answer.status == 503
    escaped = b"&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;"
    assert answer.body.count(escaped) == 3
    assert escaped + b" redis://***@cache" in answer.body
    assert b"<script" not in answer.body
    assert b"hunter2" not in answer.body


def test_details_hidden(start: Start) -> None:
    """If the JSON has no details, neither has the page."""
    settings = {"DOCKERFLOW_HEARTBEAT_SHOW_DETAILS": False}
    app = start(settings=settings, checks={"disk": lambda: checks.Error("full", id="t.E1")})
    answer = look(app)
    assert (answer.status, b"Error: " in answer.body) == (500, True)
    for text in (b"disk", b"full", b"E1", b"<table"):
        assert text not in answer.body


def test_head(start: Start) -> None:
    """HEAD has the headers of the page, and no body."""
    app = start()
    get, head = look(app), app.request("/__heartbeat__", "HEAD", headers={"Accept": FIREFOX})
    assert (head.status, head.body) == (get.status, b"")
    for name in ("Content-Type", "Content-Length", "Content-Security-Policy", "Vary"):
        assert head.header(name) == get.header(name)


def test_version(start: Start, tmp_path: pathlib.Path) -> None:
    """The page shows version and commit from version.json, if they can be read."""
    file = tmp_path / "version.json"
    source = "https://git.example/shop"
    file.write_text(json.dumps({"source": source, "version": "1.<2", "commit": "abc"}))
    app = start(version_path=str(tmp_path))
    for text in (b"OK: shop heartbeat", b"1.&lt;2", b"abc"):
        assert text in look(app).body
    file.write_text("{")
    assert b"OK: heartbeat" in look(app).body
    file.unlink()
    assert b"OK: heartbeat" in look(app).body


async def async_version(root: str) -> Any:
    """Return a version asynchronously."""
    return {"source": "shop"}


def test_version_callback(start: Start, framework: Framework) -> None:
    """A version callback is called; an async one is left out if the adapter can't await it."""
    assert (
        b"OK: shop heartbeat" in look(start(version_callback=lambda root: {"source": "shop"})).body
    )
    page = look(start(version_callback=async_version)).body
    assert (b"OK: shop heartbeat" in page) is framework.async_callbacks


def test_version_callback_that_raises(start: Start, framework: Framework, log: Log) -> None:
    """A version callback that raises is logged, and the page shows no version."""
    callback = mock.Mock(side_effect=LookupError("at redis://u:hunter2@cache"))
    answer = look(start(version_callback=callback))
    assert (answer.status, b"OK: heartbeat" in answer.body) == (200, True)
    (line,) = log.of(framework.logger)
    assert line["Fields"]["msg"].startswith("The version callback raised")
    assert "hunter2" not in json.dumps(line)


GROUPS = {"DOCKERFLOW_HEARTBEAT_GROUPS": {"live": ["a"], "ready": ["b"]}}


@pytest.mark.parametrize("group", ["", "/live", "/ready"])
def test_groups(start: Start, framework: Framework, group: str) -> None:
    """The page links to the groups, whose own pages show only their checks."""
    app = start(settings={**SHOWN, **GROUPS}, checks={"a": lambda: None, "b": lambda: None})
    for slash in ("", "/") if framework.trailing_slash else ("",):
        path = f"/__heartbeat__{group}{slash}"
        page = look(app, path=path).body.decode()
        assert (">a<" in page, ">b<" in page) == (group != "/ready", group != "/live")
        links = [urljoin(path, link) for link in re.findall('href="([^"]*)"', page)]
        assert links == ["/__heartbeat__", "/__heartbeat__/live", "/__heartbeat__/ready"]


def test_unknown_group(start: Start) -> None:
    """For an unknown group, a browser gets the same text as any other client."""
    answer = start(settings=GROUPS).request("/__heartbeat__/x", headers={"Accept": FIREFOX})
    assert (answer.status, b"live, ready" in answer.body) == (404, True)


def test_durations(start: Start) -> None:
    """The page has the header whose durations a browser shows in its network panel."""
    answer = look(start(settings=SHOWN, checks={"disk": lambda: None}))
    assert str(answer.header("Server-Timing")).startswith("disk;dur=")
    assert b" ms</td>" in answer.body
