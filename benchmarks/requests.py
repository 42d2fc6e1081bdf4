"""Measure the time that a package adds to a request, and the time of the endpoints."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import time
from collections.abc import Callable
from typing import Any

from dockerflow.logging import MozlogHandler

from .applications import APPLICATIONS
from .timing import TimeFunc, Work, added, in_child, timed


def measure(framework: str, work: str, package: str) -> TimeFunc:
    """Return a function that measures a request of a framework.

    :param work: "request" (what the package adds to one), the name of an endpoint, or
        "sync_checks" or "async_checks" (a heartbeat that has 16 of them).
    """
    ask = APPLICATIONS[framework]
    if work == "request":
        bare = in_child(lambda: timed(ask("/hello", "")))
        whole = ask("/hello", package)
        if package == "dockerflow":
            whole = _with_summaries(whole, "/hello")
        return added(bare, timed(whole))
    if work in ("sync_checks", "async_checks"):
        path = "/__heartbeat__"
        checks = [_check(number, work == "async_checks") for number in range(16)]
        return timed(_with_summaries(ask(path, package, checks), path), time.perf_counter)
    path = f"/__{work}__"
    return timed(_with_summaries(ask(path, package), path))


def _with_summaries(ask: Work, path: str) -> Work:
    """Send each request's summary to ``/dev/null``, after checking that there is one.

    :raises AssertionError: Requests leave no summary, or several.
    """
    logger = logging.getLogger("request.summary")
    logger.addHandler(logging.NullHandler())
    ask(1)  # the existing package's FastAPI middleware adds a handler at the first request
    logger.setLevel(logging.INFO)
    logger.propagate = False
    lines = io.StringIO()
    logger.handlers[:] = [MozlogHandler(lines)]
    ask(3)
    found = [json.loads(line)["Fields"] for line in lines.getvalue().splitlines()]
    assert [fields["path"] for fields in found if "rid" in fields] == [path] * 3, found
    logger.handlers[:] = [MozlogHandler(open(os.devnull, "w", encoding="utf-8"))]  # noqa: SIM115 - it stays open
    return ask


def _check(number: int, is_async: bool) -> Callable[..., Any]:
    """Return a check that takes 50 ms, of any framework."""

    def check(*args: object, **kwargs: object) -> Any:
        time.sleep(0.05)
        return []

    async def async_check(*args: object, **kwargs: object) -> Any:
        await asyncio.sleep(0.05)
        return []

    made: Callable[..., Any] = async_check if is_async else check
    made.__name__ = made.__qualname__ = f"check_{number}"
    return made
