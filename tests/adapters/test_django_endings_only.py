"""How requests end in Django: streamed responses, files, async."""

from __future__ import annotations

import asyncio
import gc
import io
import json
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
from django.test import AsyncClient, RequestFactory

from dockerflow.django.middleware import DockerflowMiddleware
from dockerflow.logging import request_id_context
from tests.adapters.conftest import Log
from tests.adapters.django import OURS, View, aget, call, get, hello, is_async, serving
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


def test_marked_as_coroutine() -> None:
    """The middleware is of the kind of what it wraps."""

    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    assert is_async(DockerflowMiddleware(view))
    assert not is_async(DockerflowMiddleware(hello))


class Sync:
    """A middleware that knows no async."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        """Hand on."""
        return self.get_response(request)


@pytest.mark.parametrize("stack", [[f"{__name__}.Sync", OURS], [OURS, f"{__name__}.Sync"]])
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


def test_cancelled(log: Log) -> None:
    """A request that is cancelled stays cancelled, and is recorded as 499."""

    async def view(request: HttpRequest) -> HttpResponse:
        begun.set()
        await asyncio.Event().wait()
        return HttpResponse()

    async def cancel() -> None:
        task = asyncio.ensure_future(DockerflowMiddleware(view)(RequestFactory().get("/")))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    begun = asyncio.Event()
    asyncio.run(cancel())
    assert (log.summary["code"], log.summary["errno"]) == (499, 0)


def test_task_group_cancelled_in_mid_stream(log: Log) -> None:
    """A streamed body whose next chunk is cancelled is recorded as 499."""

    async def view(request: HttpRequest) -> StreamingHttpResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"one"
            await asyncio.Event().wait()

        return StreamingHttpResponse(chunks())

    async def cancel() -> None:
        response = await DockerflowMiddleware(view)(RequestFactory().get("/"))
        iterator = aiter(response)
        assert await anext(iterator) == b"one"
        task = asyncio.ensure_future(anext(iterator))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (log.summary["code"], log.summary["errno"]) == (499, 0)

    asyncio.run(cancel())


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


def test_async_client(log: Log) -> None:
    """Django's client of async tests reads streamed bodies as ever."""

    async def view(request: HttpRequest, rest: str = "") -> StreamingHttpResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"one"
            yield b"two"

        return StreamingHttpResponse(chunks())

    async def read() -> bytes:
        response: Any = await AsyncClient().get("/page")
        return b"".join([chunk async for chunk in response])

    with serving(view):
        assert asyncio.run(read()) == b"onetwo"
    assert log.summary["code"] == 200


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
    import warnings

    warned: list[int] = []
    for stack in ([], [OURS]):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            answer = aget(lambda request: FileResponse(page.open("rb")), MIDDLEWARE=stack)
        assert answer.body == b"x" * 10_000
        warned.append(len(caught))
    assert warned == [1, 1]
    assert log.summary["code"] == 200


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


class Replacing:
    """A middleware that drops what it gets, as one that answers 304 does."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        """Answer something else."""
        self.get_response(request)
        return HttpResponse(status=304)


def test_response_that_is_dropped(log: Log) -> None:
    """A streamed response that another middleware drops is recorded as it was."""
    view = lambda request: StreamingHttpResponse(iter([b"one"]))  # noqa: E731
    assert get(view, MIDDLEWARE=[f"{__name__}.Replacing", OURS]).status == 304
    gc.collect()
    assert (log.summary["code"], log.summary["errno"]) == (200, 0)


@pytest.mark.parametrize("code", [204, 304])
def test_stream_without_a_body(log: Log, code: int) -> None:
    """A streamed response of a status without a body is not cut off when nobody reads it."""
    with serving(lambda request, rest="": StreamingHttpResponse(iter([b""]), status=code)):
        WSGIApp(WSGIHandler()).request("/page", read=0)
    assert log.summary["code"] == code


class Noting:
    """A middleware that notes the id when the response comes back to it."""

    ids: list[str | None] = []  # noqa: RUF012 - what the test reads

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        """Hand on."""
        response = self.get_response(request)
        self.ids.append(request_id_context.get())
        return response


def test_end_of_a_request_whose_middleware_is_listed_twice(log: Log) -> None:
    """A request ends where the outer of two middlewares ends."""
    Noting.ids.clear()
    get(hello, MIDDLEWARE=[OURS, f"{__name__}.Noting", OURS])
    assert Noting.ids == [log.summary["rid"]]
    assert request_id_context.get() is None


def test_compressed_stream(log: Log) -> None:
    """Another middleware may put a stream of its own around the body."""
    import gzip

    def view(request: HttpRequest, rest: str = "") -> StreamingHttpResponse:
        return StreamingHttpResponse(iter([b"one" * 100, b"two" * 100]))

    with serving(view, MIDDLEWARE=["django.middleware.gzip.GZipMiddleware", OURS]):
        answer = WSGIApp(WSGIHandler()).request("/page", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(answer.body) == b"one" * 100 + b"two" * 100
    assert (log.summary["code"], log.summary["errno"]) == (200, 0)


def test_json_line(log: Log) -> None:
    """The record of a request is plain data."""
    get(hello)
    assert json.loads(json.dumps(log.summary)) == log.summary
