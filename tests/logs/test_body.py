"""Observed bodies: nothing of them changes, and their end is noticed once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from dockerflow.logging import request_id_context
from dockerflow.logging.body import ObservedAsyncBody, ObservedBody

Ending = tuple[BaseException | None, bool]

ERROR = RuntimeError("cut")


class Chunks:
    """A body that notes the request ids of its parts, and may fail."""

    def __init__(self, *, fails: bool = False, refuses_to_close: bool = False) -> None:
        self.fails = fails
        self.refuses_to_close = refuses_to_close
        self.ids: list[str | None] = []
        self.closed = 0

    def __iter__(self) -> Iterator[int]:
        for number in range(3):
            self.ids.append(request_id_context.get())
            yield number
        if self.fails:
            raise ERROR

    async def __aiter__(self) -> AsyncIterator[int]:
        for number in self:
            await asyncio.sleep(0)
            yield number

    def close(self) -> None:
        self.ids.append(request_id_context.get())
        self.closed += 1
        if self.refuses_to_close:
            raise ERROR

    async def aclose(self) -> None:
        self.close()


Read = Callable[[Chunks, int, list[Ending]], list[int]]


def read_sync(chunks: Chunks, count: int, endings: list[Ending]) -> list[int]:
    """Read some chunks and close the body, as a WSGI server does."""
    body = ObservedBody(chunks, "abc", lambda *ending: endings.append(ending))
    got: list[int] = []
    try:
        for number, _ in zip(body, range(count), strict=False):
            got.append(number)
    finally:
        body.close()
    body.close()
    return got


def read_async(chunks: Chunks, count: int, endings: list[Ending]) -> list[int]:
    """Read some chunks and close the body, on an event loop."""

    async def read() -> list[int]:
        body = ObservedAsyncBody(chunks, "abc", lambda *ending: endings.append(ending))
        got: list[int] = []
        try:
            async for number in body:
                got.append(number)
                if len(got) == count:
                    break
        finally:
            await body.aclose()
        await body.aclose()
        return got

    return asyncio.run(read())


@pytest.fixture(params=[read_sync, read_async], ids=["sync", "async"])
def read(request: pytest.FixtureRequest) -> Read:
    read: Read = request.param
    return read


def test_failure(read: Read) -> None:
    """An exception in mid-stream passes through as it is, and is the body's end."""
    endings: list[Ending] = []
    with pytest.raises(RuntimeError) as raised:
        read(Chunks(fails=True), 10, endings)
    assert raised.value is ERROR
    assert endings == [(ERROR, False)]


def test_failure_to_close(read: Read) -> None:
    """An exception from closing a body passes through, and is its end where it had none."""
    endings: list[Ending] = []
    with pytest.raises(RuntimeError):
        read(Chunks(refuses_to_close=True), 1, endings)
    assert endings == [(ERROR, False)]


def test_closed_early(read: Read) -> None:
    """A body that is closed before its end has not been handed over."""
    endings: list[Ending] = []
    chunks = Chunks()
    assert read(chunks, 2, endings)[:2] == [0, 1]
    assert endings == [(None, False)]
    assert chunks.closed == 2  # as often as the server has said so


def test_whole(read: Read) -> None:
    """A body that is read to its end ends then, once, with the request id in place all along."""
    endings: list[Ending] = []
    chunks = Chunks()
    assert read(chunks, 10, endings) == [0, 1, 2]
    assert endings == [(None, True)]
    assert chunks.ids == ["abc"] * 5
    assert request_id_context.get() is None


def test_cancelled() -> None:
    """A cancelled task stays cancelled, and the body ends by that."""
    endings: list[Ending] = []

    async def never() -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield

    async def main() -> None:
        body = ObservedAsyncBody(never(), "abc", lambda *ending: endings.append(ending))
        task = asyncio.ensure_future(anext(body))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    ((error, complete),) = endings
    assert isinstance(error, asyncio.CancelledError)
    assert not complete


def test_chunks_that_are_no_iterable(read: Read) -> None:
    """What can't be iterated over fails when it is iterated over, as it would by itself."""
    endings: list[Ending] = []
    nothing: Any = object()
    with pytest.raises(TypeError):
        read(nothing, 1, endings)
    assert isinstance(endings[0][0], TypeError)
