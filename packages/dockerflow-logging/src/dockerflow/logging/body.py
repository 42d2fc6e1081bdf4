"""Streamed response bodies, observed.

The request id is there while they are made, and their end is noticed, without changing a chunk, an
exception or the moment at which either comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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
