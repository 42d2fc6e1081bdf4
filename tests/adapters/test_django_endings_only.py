"""How requests end in Django: streamed responses, files, async."""

from __future__ import annotations

import gc
import gzip
import io
import logging
import pathlib
from collections.abc import Iterator
from typing import Any
from unittest import mock
from wsgiref.util import FileWrapper

import pytest
from asgiref.sync import SyncToAsync
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse

from dockerflow.logging import request_id_context
from tests.adapters.conftest import Log
from tests.adapters.django import BOTH, OURS, SYNC, Get, View, aget, call, get, serving
from tests.adapters.harness import environ_of


def ended(log: Log) -> tuple[int, int]:
    return log.summary["code"], log.summary["errno"]


# ---------------------------------------------------------------------- async


@pytest.mark.parametrize("where", ["/", "/stream", "/boom", "/missing"])
def test_no_thread_hop(where: str) -> None:
    """Under ASGI no request makes more thread hops than without the middleware."""
    counts: list[int] = []
    original = SyncToAsync.__call__
    for stack in ([], [OURS]):
        with mock.patch.object(SyncToAsync, "__call__", autospec=True) as hop:
            hop.side_effect = original
            aget(where, MIDDLEWARE=stack)
        counts.append(hop.call_count)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("stack", [[SYNC, OURS], [OURS, SYNC]])
def test_beside_a_sync_middleware(stack: list[str], log: Log) -> None:
    """A sync-only middleware changes neither ids nor records."""
    assert aget("/stream", MIDDLEWARE=stack).body == b"onetwothree"
    assert [line["Fields"]["rid"] for line in log.of("app")] == [log.summary["rid"]] * 3
    assert ended(log) == (200, 0)


# ---------------------------------------------------------------------- streamed responses


@pytest.fixture
def page(tmp_path: pathlib.Path) -> pathlib.Path:
    """A file of several chunks."""
    page = tmp_path / "page.txt"
    page.write_bytes(b"x" * 10_000)
    return page


def test_file_wrapper(page: pathlib.Path, log: Log) -> None:
    """A file reaches the server's own wrapper unchanged, and closing it ends the request."""
    with serving(lambda request: FileResponse(page.open("rb"))):
        body = call({**environ_of("/page"), "wsgi.file_wrapper": FileWrapper})
    assert type(body) is FileWrapper
    file: Any = body.filelike
    assert isinstance(file, io.BufferedReader)
    assert log.summaries == []
    body.close()
    assert file.closed
    assert ended(log) == (200, 0)


@pytest.mark.parametrize(("read", "code"), [(None, 200), (1, 499), (0, 499)])
def test_file_without_wrapper(page: pathlib.Path, log: Log, read: int | None, code: int) -> None:
    """A file that the server reads chunk by chunk is recorded when it ends or the client leaves."""
    file = page.open("rb")
    answer = get("/", lambda request: FileResponse(file), sent={"read": read})
    assert (answer.status, answer.header("Content-Length")) == (200, "10000")
    assert answer.body == b"x" * (10_000 if read is None else 4096 * read)
    assert log.summary["code"] == code
    assert file.closed


def test_file_under_asgi(page: pathlib.Path, log: Log) -> None:
    """A sync body under ASGI causes Django's own warning, once, and arrives whole."""
    warned: list[str] = []
    for stack in ([], [OURS]):
        with pytest.warns(match="must consume synchronous") as caught:
            answer = aget("/", lambda request: FileResponse(page.open("rb")), MIDDLEWARE=stack)
        assert answer.body == b"x" * 10_000
        warned += [str(each.message) for each in caught]
    assert len(warned) == 2
    assert warned[0] == warned[1]
    assert log.summary["code"] == 200


@BOTH
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize("after", [[], [SYNC]], ids=["ours last", "sync last"])
def test_middleware_that_goes_over_a_sync_body(answer: Get, log: Log, after: list[str]) -> None:
    """For outer middleware, a sync body stays sync, under ASGI too, and is recorded."""
    page = answer(
        "/",
        lambda request: StreamingHttpResponse(iter([b"one" * 100, b"two" * 100])),
        sent={"headers": {"Accept-Encoding": "gzip"}},
        MIDDLEWARE=["django.middleware.gzip.GZipMiddleware", OURS, *after],
    )
    assert gzip.decompress(page.body) == b"one" * 100 + b"two" * 100
    assert ended(log) == (200, 0)


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_client_that_leaves_a_file_under_asgi(log: Log) -> None:
    """A client that disconnects in the middle of a sync body under ASGI is 499."""
    aget("/", lambda request: FileResponse(io.BytesIO(b"x" * 200_000)), sent={"read": 1})
    assert ended(log) == (499, 0)


def test_closing_a_generator(log: Log) -> None:
    """Lines that a generator logs when it is closed have the id, and come before the record."""

    def chunks() -> Iterator[bytes]:
        try:
            yield b"one"
            yield b"two"
        finally:
            logging.getLogger("app").info("closing")

    get("/", lambda request: StreamingHttpResponse(chunks()), sent={"read": 1})
    assert [line["Type"] for line in log.lines] == ["app", "request.summary"]
    assert log.of("app")[0]["Fields"]["rid"] == log.summary["rid"]
    assert log.summary["code"] == 499
    assert request_id_context.get() is None


def replacing(get_response: View) -> View:
    """Be a middleware that drops the response, like one that answers 304."""

    def middleware(request: HttpRequest) -> HttpResponse:
        get_response(request)
        return HttpResponse(status=304)

    return middleware


def test_response_that_is_dropped(log: Log) -> None:
    """A streamed response that another middleware drops is recorded with its own status."""
    assert get("/stream", MIDDLEWARE=[f"{__name__}.replacing", OURS]).status == 304
    gc.collect()
    assert ended(log) == (200, 0)
