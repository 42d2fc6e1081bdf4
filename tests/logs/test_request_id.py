"""Request ids: which are accepted, how they are made, and how they get onto log lines."""

from __future__ import annotations

import contextvars
import logging
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from dockerflow.logging import (
    RequestIdLogFilter,
    get_or_generate_request_id,
    request_id_context,
)
from dockerflow.logging.request_id import new_request_id, sane_request_id

from .lines import Broken, record


def is_new(text: str) -> bool:
    """Return whether an id is the text of a random UUID."""
    parsed = uuid.UUID(text)
    return (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)


def test_new_ids() -> None:
    """A new id is the text of a random UUID of version 4, and never the same."""
    ids = {new_request_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(map(is_new, ids))


@pytest.mark.parametrize("value", ["a", "!~", "x" * 200, str(uuid.UUID(int=1)), "a/b=c;d,e"])
def test_sane_ids(value: str) -> None:
    """Up to 200 visible ASCII characters are an id; surrounding blanks are ignored."""
    assert sane_request_id(value) == value
    assert sane_request_id(f" \t{value} ") == value


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "\t", "x" * 201, "a b", "a\tb", "a\nb", "a\x00", "\x1b[31m", "a\x7f", "é"),
        *("\udc80", "日本", "\u00a0a", "a\u2028", None, 5, b"bytes", ["list"]),
    ],
)
def test_ids_that_are_not_taken(value: Any) -> None:
    """Anything else is no id, and a new one is made instead."""
    assert sane_request_id(value) is None
    assert is_new(get_or_generate_request_id({"X-Request-ID": value}))


def test_another_header() -> None:
    """Another header may carry the id, instead of the usual one, in any case."""
    headers = {"X-Request-ID": "usual", "x-trace": "trace"}
    assert get_or_generate_request_id(headers, "X-Trace") == "trace"
    for name in ("X-Request-ID", "x-request-id", "X-REQUEST-ID", None):
        assert get_or_generate_request_id(headers, name) == "usual"
    assert is_new(get_or_generate_request_id(headers, "X-Other"))


def test_headers_that_fail() -> None:
    """Headers that raise still give an id."""
    broken: Any = Broken()
    assert is_new(get_or_generate_request_id(broken))


@pytest.fixture
def rid() -> Iterator[str]:
    token = request_id_context.set("the-id")
    yield "the-id"
    request_id_context.reset(token)


def test_filter_outside_of_a_request() -> None:
    """Outside a request the id is None, so that formats which name it work."""
    made = record("x")
    assert RequestIdLogFilter(name="another").filter(made) is True
    assert logging.Formatter("%(rid)s %(message)s").format(made) == "None x"


def test_filter_after_a_request(rid: str) -> None:
    """Without a current id, the id is that of the request in the caller's extra."""
    observation = SimpleNamespace(request_id="of the request")
    for request, expected in [
        (SimpleNamespace(dockerflow_observation=observation), "of the request"),
        (SimpleNamespace(dockerflow_observation=None), None),
        (object(), None),
        (Broken(), None),  # such as a proxy whose request has ended
    ]:
        current, after = record(request=request), record(request=request)
        assert RequestIdLogFilter().filter(current)
        assert contextvars.Context().run(RequestIdLogFilter().filter, after)
        assert (vars(current)["rid"], vars(after)["rid"]) == (rid, expected)


@pytest.mark.parametrize("mine", ["mine", None, ""])
def test_filter_leaves_the_callers(rid: str, mine: str | None) -> None:
    """A rid from the caller, also None, is kept."""
    made = record(rid=mine)
    RequestIdLogFilter().filter(made)
    assert vars(made)["rid"] == mine
