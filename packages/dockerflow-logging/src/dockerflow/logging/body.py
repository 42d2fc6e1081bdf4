"""Streamed response bodies, observed.

The request id is there while they are made, and their end is noticed, without changing a chunk, an
exception or the moment at which either comes.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from .request_id import request_id_context

T = TypeVar("T")


class ObservedBody(Generic[T]):
    """Hand on the chunks of a body, and say once how it ended.

    :param chunks: the body, as the application or framework made it.
    :param request_id: the id that is in ``request_id_context`` while a chunk is made.
    :param ended: called once, with the request id still in place, with the exception that ended the
        body, if one did, and whether it was handed over to its end. It must not raise.
    """

    def __init__(
        self,
        chunks: Iterable[T],
        request_id: str | None,
        ended: Callable[[BaseException | None, bool], object],
    ) -> None:
        self._chunks = chunks
        self._iterator: Iterator[T] | None = None
        self._request_id = request_id
        self._ended: Callable[[BaseException | None, bool], object] | None = ended

    @property
    def started(self) -> bool:
        """Whether a chunk has been asked for."""
        return self._iterator is not None

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        token = request_id_context.set(self._request_id)
        try:
            if self._iterator is None:
                self._iterator = iter(self._chunks)
            return next(self._iterator)
        except StopIteration:
            self._end(None, complete=True)
            raise
        except BaseException as error:
            self._end(error, complete=False)
            raise
        finally:
            request_id_context.reset(token)

    def close(self) -> None:
        """Close the body, as a WSGI server does at the end of each request."""
        token = request_id_context.set(self._request_id)
        try:
            close: Any = getattr(self._chunks, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            self._end(error, complete=False)
            raise
        finally:
            self._end(None, complete=False)
            request_id_context.reset(token)

    def _end(self, error: BaseException | None, *, complete: bool) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(error, complete)


class ObservedAsyncBody(Generic[T]):
    """Hand on the chunks of an async body, and say once how it ended; see :class:`ObservedBody`.

    :param chunks: the body, as the application or framework made it.
    :param request_id: the id that is in ``request_id_context`` while a chunk is made.
    :param ended: called once, with the exception that ended the body, if one did (a
        :class:`asyncio.CancelledError` where its task was cancelled), and whether it was handed
        over to its end. It must not raise.
    """

    def __init__(
        self,
        chunks: AsyncIterable[T],
        request_id: str | None,
        ended: Callable[[BaseException | None, bool], object],
    ) -> None:
        self._chunks = chunks
        self._iterator: AsyncIterator[T] | None = None
        self._request_id = request_id
        self._ended: Callable[[BaseException | None, bool], object] | None = ended

    @property
    def started(self) -> bool:
        """Whether a chunk has been asked for."""
        return self._iterator is not None

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        token = request_id_context.set(self._request_id)
        try:
            if self._iterator is None:
                self._iterator = aiter(self._chunks)
            return await anext(self._iterator)
        except StopAsyncIteration:
            self._end(None, complete=True)
            raise
        except BaseException as error:
            self._end(error, complete=False)
            raise
        finally:
            request_id_context.reset(token)

    async def aclose(self) -> None:
        """Close the body."""
        token = request_id_context.set(self._request_id)
        try:
            aclose: Any = getattr(self._chunks, "aclose", None)
            if aclose is not None:
                await aclose()
        except BaseException as error:
            self._end(error, complete=False)
            raise
        finally:
            self._end(None, complete=False)
            request_id_context.reset(token)

    def close(self) -> None:
        """Take it that no one will go on, where nothing can be awaited: the chunks stay open."""
        self._end(None, complete=False)

    def _end(self, error: BaseException | None, *, complete: bool) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(error, complete)
