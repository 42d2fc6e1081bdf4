"""Observed bodies: their chunks, and the end of their request."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from dockerflow.logging import request_id_context
from dockerflow.logging.bodies import ObservedAsyncBody
from dockerflow.logging.request import RequestObservation, RequestSettings

from .conftest import Summaries


async def chunks(error: BaseException | None = None) -> AsyncIterator[bytes]:
    for _ in range(2):
        assert request_id_context.get() == "the-id"
        yield b"x"
    if error is not None:
        raise error


async def read(body: ObservedAsyncBody[bytes]) -> None:
    assert [chunk async for chunk in body] == [b"x", b"x"]


async def leave(body: ObservedAsyncBody[bytes]) -> None:
    assert await anext(body) == b"x"
    await body.aclose()


@pytest.mark.parametrize(
    ("use", "body", "raised", "outcome"),
    [
        (read, chunks(), None, (200, 0)),
        (read, chunks(ZeroDivisionError()), ZeroDivisionError, (200, 500)),
        (read, chunks(asyncio.CancelledError()), asyncio.CancelledError, (499, 0)),
        (read, 5, TypeError, (200, 500)),
        (leave, chunks(), None, (499, 0)),
    ],
)
def test_async_bodies(
    summaries: Summaries,
    use: Callable[[ObservedAsyncBody[bytes]], Coroutine[Any, Any, None]],
    body: Any,
    raised: type[BaseException] | None,
    outcome: tuple[int, int],
) -> None:
    """An async body has its id while it is made, and its end is the request's."""
    headers = {"X-Request-ID": "the-id"}
    observation = RequestObservation(
        RequestSettings(), method="GET", path="/", get_header=headers.get
    )
    observation.response_started(200, [])

    async def main() -> None:
        with pytest.raises(raised) if raised else contextlib.nullcontext():
            await use(ObservedAsyncBody(body, observation))
        assert request_id_context.get() is None

    asyncio.run(main())
    assert summaries.outcomes == [outcome]
