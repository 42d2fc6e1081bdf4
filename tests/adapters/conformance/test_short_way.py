"""Summaries that go to a MozlogHandler alone take a short way: it says what the long one says."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest

from dockerflow.logging import MozlogHandler, summary
from tests.adapters.conftest import Log
from tests.adapters.harness import Framework, RunningApp

Start = Callable[..., RunningApp]


class Lines:
    """What a service without any other handler writes to its output."""

    def __init__(self) -> None:
        self._output = io.TextIOWrapper(io.BytesIO(), "utf-8")
        self.handler = MozlogHandler(self._output, name="tests")

    def summaries(self) -> list[dict[str, Any]]:
        """Return the fields of the request summaries."""
        buffer: Any = self._output.buffer
        lines = buffer.getvalue().decode().splitlines()
        return [json.loads(line, parse_constant=pytest.fail)["Fields"] for line in lines]


@pytest.fixture
def alone() -> Iterator[Callable[[], Lines]]:
    """Have one MozlogHandler, and nothing else, get the summaries from here on."""
    logger = logging.getLogger("request.summary")

    def prepare() -> Lines:
        lines = Lines()
        logger.handlers[:] = [lines.handler]
        logger.propagate = False
        logger.setLevel(logging.INFO)
        return lines

    yield prepare
    logger.propagate = True


HEADERS = {"X-Request-ID": "abc", "User-Agent": 'a"gent', "Accept-Language": "de"}


def ask(app: RunningApp, framework: Framework) -> None:
    """Make requests that end in every way."""
    for path in ("/id", "/", "/redirect", "/missing", "/handled", "/status/204", "/status/503"):
        app.request(path, headers=HEADERS)
        app.request(path, "HEAD", headers=HEADERS)
    for path in ("/abort/404", "/abort/503", "/boom", "/stream", "/stream-fails", "/cached"):
        app.request(path, headers=HEADERS, query="a=b")
    app.request("/echo", "POST", headers=HEADERS, body=b"x")
    app.request("/stream", headers=HEADERS, read=1)
    app.request("/%c3%a9", headers={**HEADERS, "User-Agent": "\xe9"[: framework.longest_header]})
    app.request("/", headers={"X-Request-ID": "of'a\\client"})
    app.request("/__lbheartbeat__", headers=HEADERS)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"DOCKERFLOW_SUMMARY_LOG_QUERYSTRING": True},
        {"DOCKERFLOW_SUMMARY_EXCLUDE_PATHS": ["/id", "/boom"]},
        {"DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER": False},
        {"DOCKERFLOW_REQUEST_ID_HEADER_NAME": "X-Other"},
    ],
    ids=str,
)
def test_both_ways(
    start: Start,
    framework: Framework,
    log: Log,
    alone: Callable[[], Lines],
    settings: dict[str, Any],
) -> None:
    """Without another handler, the summaries of all kinds of requests are those with one."""
    ask(start(settings=settings), framework)
    lines = alone()
    ask(start(settings=settings), framework)
    found = lines.summaries()
    assert len(found) > 15
    names = {"t"} if "DOCKERFLOW_REQUEST_ID_HEADER_NAME" not in settings else {"t", "rid"}
    assert [list(one) for one in found] == [list(one) for one in log.summaries]
    assert [_without(names, one) for one in found] == [
        _without(names, one) for one in log.summaries
    ]


def _without(names: set[str], fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


def test_short_way(
    start: Start, alone: Callable[[], Lines], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is unusual, no dictionary is made of the fields."""
    app = start()
    lines = alone()
    app.request("/", headers=HEADERS)
    monkeypatch.setattr(summary, "summary_fields", mock.Mock(side_effect=AssertionError))
    for path in ("/", "/id", "/missing", "/redirect", "/__lbheartbeat__"):
        app.request(path, headers=HEADERS)
    assert [fields["path"] for fields in lines.summaries()] == [
        *("/", "/", "/id", "/missing", "/redirect", "/__lbheartbeat__"),
    ]
