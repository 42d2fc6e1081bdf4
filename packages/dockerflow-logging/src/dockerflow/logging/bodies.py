"""Observe streamed response bodies.

The request id is set while the chunks are made, and the request ends when its body ends. Chunks and
exceptions are passed on unchanged and without delay.

For adapters of frameworks; no promise of stability.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, Generic, TypeVar

from .request import RequestObservation

T = TypeVar("T")


class _Step:
    """One call of a body's method, in the context of its request."""

    def __init__(self, observation: RequestObservation) -> None:
        self._observation = observation

    def __enter__(self) -> None:
        self._observation.__enter__()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, StopIteration | StopAsyncIteration):
            self._observation.body_ended(None, complete=True)
        elif error is not None:
            self._observation.body_ended(error, complete=False)
        self._observation.__exit__(kind, error, trace)


class ObservedBody(Generic[T]):
    """Passes on the chunks of a body, and finishes the request at their end.

    :param chunks: the body, as the application or framework made it.
    :param observation: the request, which is finished when the body is exhausted, fails or is
        closed.
    """

    def __init__(self, chunks: Iterable[T], observation: RequestObservation) -> None:
        self._chunks = chunks
        self._iterator: Iterator[T] | None = None
        self._observation = observation

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with _Step(self._observation):
            if self._iterator is None:
                self._iterator = iter(self._chunks)
            return next(self._iterator)

    def close(self) -> None:
        """Close the body, as a WSGI server does at the end of each request."""
        with _Step(self._observation):
            close: Any = getattr(self._chunks, "close", None)
            if close is not None:
                close()
            self._observation.body_ended(None, complete=False)


class ObservedAsyncBody(Generic[T]):
    """Does the same as :class:`ObservedBody`, for an async body."""

    def __init__(self, chunks: AsyncIterable[T], observation: RequestObservation) -> None:
        self._chunks = chunks
        self._iterator: AsyncIterator[T] | None = None
        self._observation = observation

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        with _Step(self._observation):
            if self._iterator is None:
                self._iterator = aiter(self._chunks)
            return await anext(self._iterator)

    async def aclose(self) -> None:
        """Close the body."""
        with _Step(self._observation):
            aclose: Any = getattr(self._chunks, "aclose", None)
            if aclose is not None:
                await aclose()
            self._observation.body_ended(None, complete=False)
