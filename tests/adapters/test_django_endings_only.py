"""How requests end in Django: streamed responses, files, async."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import pathlib
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest import mock

import pytest
from asgiref.sync import SyncToAsync
from django.core.handlers.wsgi import WSGIHandler
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.test import RequestFactory

from dockerflow.django.middleware import DockerflowMiddleware
from dockerflow.logging import request_id_context
from tests.adapters.conftest import Log
from tests.adapters.django import OURS, SYNC, Sync, aget, call, get, serving
from tests.adapters.harness import WSGIApp, environ_of

# ---------------------------------------------------------------------- async


@pytest.mark.parametrize("kind", ["plain", "stream", "boom", "missing"])
def test_no_thread_hop(kind: str) -> None:
    """Under ASGI no request is sent to a thread more than without the middleware."""

    def view(request: HttpRequest) -> HttpResponseBase:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"one"

        if kind == "boom":
            raise RuntimeError("boom")
        if kind == "missing":
            raise Http404
        return StreamingHttpResponse(chunks()) if kind == "stream" else HttpResponse("hello")

    counts: list[int] = []
    original = SyncToAsync.__call__
    for stack in ([], [OURS]):
        with mock.patch.object(SyncToAsync, "__call__", autospec=True) as call:
            call.side_effect = original
            aget(view, MIDDLEWARE=stack)
        counts.append(call.call_count)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("stack", [[SYNC, OURS], [OURS, SYNC]])
def test_beside_a_sync_middleware(stack: list[str], log: Log) -> None:
    """A middleware that knows no async changes neither ids nor records."""

    async def view(request: HttpRequest) -> StreamingHttpResponse:
        async def chunks() -> AsyncIterator[str]:
            yield "one"
            await asyncio.sleep(0)
            yield request_id_context.get() or "none"

        return StreamingHttpResponse(chunks())

    page = aget(view, MIDDLEWARE=stack)
    assert page.body.decode() == f"one{log.summary['rid']}"
    assert (log.summary["code"], log.summary["errno"]) == (200, 0)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_cancelled(log: Log, method: str) -> None:
    """A request that is cancelled stays cancelled, and is recorded as 499."""

    async def view(request: HttpRequest) -> HttpResponse:
        begun.set()
        await asyncio.Event().wait()
        return HttpResponse()

    async def cancel() -> None:
        request = RequestFactory().generic(method, "/")
        task = asyncio.ensure_future(DockerflowMiddleware(view)(request))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    begun = asyncio.Event()
    asyncio.run(cancel())
    assert (log.summary["code"], log.summary["errno"]) == (499, 0)


def test_chunks_taken_by_tasks_of_their_own(log: Log) -> None:
    """A body that another middleware reads in several tasks is not taken for cut off."""

    async def view(request: HttpRequest) -> StreamingHttpResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"one"
            yield b"two"

        return StreamingHttpResponse(chunks())

    async def read() -> None:
        response = await DockerflowMiddleware(view)(RequestFactory().get("/"))
        iterator = aiter(response)
        for chunk in (b"one", b"two"):
            assert await asyncio.ensure_future(anext(iterator)) == chunk
            assert log.summaries == []
        with pytest.raises(StopAsyncIteration):
            await asyncio.ensure_future(anext(iterator))

    asyncio.run(read())
    assert (log.summary["code"], log.summary["errno"]) == (200, 0)


# ---------------------------------------------------------------------- streamed responses


class Wrapper:
    """What a WSGI server recognises by its type, to send the file by itself."""

    def __init__(self, file: Any, size: int) -> None:
        self.file = file

    def close(self) -> None:
        """Close the file, as PEP 3333 asks."""
        self.file.close()


@pytest.fixture
def page(tmp_path: pathlib.Path) -> pathlib.Path:
    """A file that is worth several chunks."""
    page = tmp_path / "page.txt"
    page.write_bytes(b"x" * 10_000)
    return page


def test_file_wrapper(page: pathlib.Path, log: Log) -> None:
    """A file reaches the server's own wrapper as it is, and its closing is the end."""
    with serving(lambda request, rest="": FileResponse(page.open("rb"))):
        environ = {**environ_of("/page", "GET", "", None, b""), "wsgi.file_wrapper": Wrapper}
        body: Any = call(WSGIHandler(), environ)
    assert type(body) is Wrapper
    assert isinstance(body.file, io.BufferedReader)
    assert log.summaries == []
    body.close()
    assert body.file.closed
    assert (log.summary["code"], log.summary["errno"]) == (200, 0)


@pytest.mark.parametrize(("read", "code"), [(None, 200), (1, 499), (0, 499)])
def test_file_without_wrapper(page: pathlib.Path, log: Log, read: int | None, code: int) -> None:
    """A file that the server reads chunk by chunk is seen to its end, or to the client's."""
    files = [page.open("rb")]
    with serving(lambda request, rest="": FileResponse(files[0])):
        answer = WSGIApp(WSGIHandler()).request("/page", read=read)
    assert answer.status == 200
    assert answer.header("Content-Length") == "10000"
    assert answer.body == b"x" * (10_000 if read is None else 4096 * read)
    assert log.summary["code"] == code
    assert files[0].closed


def test_file_under_asgi(page: pathlib.Path, log: Log) -> None:
    """A sync body under ASGI warns as Django does, once, and arrives whole."""
    warned: list[str] = []
    for stack in ([], [OURS]):
        with pytest.warns(match="must consume synchronous") as caught:
            answer = aget(lambda request: FileResponse(page.open("rb")), MIDDLEWARE=stack)
        assert answer.body == b"x" * 10_000
        warned += [str(each.message) for each in caught]
    assert len(warned) == 2
    assert warned[0] == warned[1]
    assert log.summary["code"] == 200


class Louder(Sync):
    """A middleware that goes over a sync body."""

    def __call__(self, request: HttpRequest) -> Any:
        """Change each chunk."""
        response = super().__call__(request)
        response.streaming_content = (each.upper() for each in response.streaming_content)
        return response


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize("after", [[], [SYNC]], ids=["async", "sync"])
def test_middleware_that_goes_over_a_sync_body(log: Log, after: list[str]) -> None:
    """A sync body under ASGI stays one for the middleware before ours, and is recorded."""
    stack = [f"{__name__}.Louder", OURS, *after]
    page = aget(lambda request: StreamingHttpResponse(iter([b"one", b"two"])), MIDDLEWARE=stack)
    assert page.body == b"ONETWO"
    assert (log.summary["code"], log.summary["errno"]) == (200, 0)


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_client_that_leaves_a_file_under_asgi(log: Log) -> None:
    """A client that goes away in the middle of a sync body under ASGI is 499."""
    aget(lambda request: FileResponse(io.BytesIO(b"x" * 200_000)), read=1)
    assert (log.summary["code"], log.summary["errno"]) == (499, 0)


def test_closing_a_generator(log: Log) -> None:
    """What a generator logs when it is closed bears the id, and comes before the record."""

    def chunks() -> Iterator[bytes]:
        try:
            yield b"one"
            yield b"two"
        finally:
            logging.getLogger("app").info("closing")

    with serving(lambda request, rest="": StreamingHttpResponse(chunks())):
        WSGIApp(WSGIHandler()).request("/page", read=1)
    assert [line["Type"] for line in log.lines] == ["app", "request.summary"]
    assert log.of("app")[0]["Fields"]["rid"] == log.summary["rid"]
    assert log.summary["code"] == 499
    assert request_id_context.get() is None


class Replacing(Sync):
    """A middleware that drops what it gets, as one that answers 304 does."""

    def __call__(self, request: HttpRequest) -> Any:
        """Answer something else."""
        super().__call__(request)
        return HttpResponse(status=304)


def test_response_that_is_dropped(log: Log) -> None:
    """A streamed response that another middleware drops is recorded as it was."""
    view = lambda request: StreamingHttpResponse(iter([b"one"]))  # noqa: E731
    assert get(view, MIDDLEWARE=[f"{__name__}.Replacing", OURS]).status == 304
    gc.collect()
    assert (log.summary["code"], log.summary["errno"]) == (200, 0)


def test_compressed_stream(log: Log) -> None:
    """Another middleware may put a stream of its own around the body."""
    import gzip

    def view(request: HttpRequest, rest: str = "") -> StreamingHttpResponse:
        return StreamingHttpResponse(iter([b"one" * 100, b"two" * 100]))

    with serving(view, MIDDLEWARE=["django.middleware.gzip.GZipMiddleware", OURS]):
        answer = WSGIApp(WSGIHandler()).request("/page", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(answer.body) == b"one" * 100 + b"two" * 100
    assert (log.summary["code"], log.summary["errno"]) == (200, 0)
