"""One request, as the middlewares see it pass."""

from __future__ import annotations

import functools
from collections.abc import Container
from contextvars import Token
from typing import Any, cast

from starlette.types import Message, Receive, Scope, Send

from dockerflow.logging import request_id_context
from dockerflow.logging.request_id import new_request_id, sane_request_id
from dockerflow.logging.summary import RequestSummary

from .settings import RequestSettings

KEY = "dockerflow.request"
"""The one key that the middlewares add to a request's scope."""


class ObservedRequest:
    """What the middlewares around one request know of each other; kept in its scope."""

    __slots__ = ("depth", "request_id", "summary")

    def __init__(self) -> None:
        self.request_id: str | None = None
        self.summary: RequestSummary | None = None
        self.depth = 0  # of how many middlewares' calls the request is inside

    @classmethod
    def of(cls, scope: Scope) -> ObservedRequest:
        """Return what is known of a request, which begins here where nothing is known."""
        observed = scope.get(KEY)
        if isinstance(observed, cls) and observed.depth:
            return observed
        scope[KEY] = observed = cls()
        return observed

    def is_identified(self) -> bool:
        """Say whether it has an id, which is known at this place."""
        request_id = self.request_id
        return request_id is not None and request_id == request_id_context.get()

    def identify(
        self, headers: dict[bytes, bytes], settings: RequestSettings, response: ObservedResponse
    ) -> Token[str | None]:
        """Make its id known from here on, and have the response bear it.

        :param headers: the request's.
        :returns: what :func:`leave` is to be called with.
        """
        key = header_key(settings.id_header)
        request_id = self.request_id
        if request_id is None:
            value = headers.get(key)
            found = None if value is None else sane_request_id(value.decode("latin-1"))
            request_id = self.request_id = found or new_request_id()
        if settings.id_in_response:
            response.id_header = key, request_id.encode("ascii")
        return request_id_context.set(request_id)


def leave(token: Token[str | None]) -> None:
    """Make a request's id unknown again."""
    try:  # noqa: SIM105 - for each request, suppress() costs more than all of this
        request_id_context.reset(token)
    except ValueError:  # the loop was closed, and the call elsewhere
        pass


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers of a request; of several of one name the first, as Starlette does."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if type(headers) is not list:  # an iterator, perhaps, of which the application needs all
        headers = list(headers)
        scope["headers"] = headers
    return dict(reversed(headers))


@functools.lru_cache(maxsize=16)
def header_key(name: str) -> bytes:
    """Return the name of a header as ASGI has it."""
    return name.lower().encode("latin-1")


class ObservedResponse:
    """The messages of one response on their way to the server, and how it ended.

    https://asgi.readthedocs.io/en/latest/specs/www.html and the extensions beside it

    :param summary: the summary that is written at the end, if there is to be one.
    :param is_head: whether it answers a ``HEAD``, and so has no body.
    :ivar id_header: the header with the request's id, which a response without one is given.
    """

    # Of the class, which saves setting them for each response.
    id_header: tuple[bytes, bytes] | None = None
    _start: Message | None = None
    _sent = 0  # bytes of the body, but for its last message
    _trailers = False
    _ending = False
    _complete = False
    _disconnected = False
    _gone = False

    def __init__(
        self,
        receive: Receive,
        send: Send,
        summary: RequestSummary | None = None,
        is_head: bool = False,
    ) -> None:
        self._receive = receive
        self._send = send
        self._summary = summary
        self._is_head = is_head

    async def receive(self) -> Message:
        """Stand in for the server's ``receive``."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._disconnect()
        return message

    async def send(self, message: Message) -> None:
        """Stand in for the server's ``send``."""
        kind = message["type"]
        ending = False
        # A websocket that is refused is answered with a response like any.
        if kind in ("http.response.start", "websocket.http.response.start"):
            message = self._started(message)
        elif kind == "http.response.body" and not self._trailers:  # most of all
            ending = not message.get("more_body", False)
        else:
            ending = self._is_last(kind, message)
        if ending:
            self._ending = True
        try:
            await self._send(message)
        except OSError:  # how a server says that the client has gone, from version 2.4 of ASGI on
            self._ending = False
            self._disconnect()
            raise
        if ending:
            if not self._complete and self._summary is not None:
                self._summary.stop()
            self._complete = True
        elif kind == "http.response.start":
            self._start = message
            self._trailers = bool(message.get("trailers", False))
        elif kind == "http.response.body":
            self._sent += len(message.get("body") or b"")

    def write_summary(
        self,
        fields: dict[str, Any],
        error: BaseException | None,
        exclude_paths: Container[str],
    ) -> None:
        """Write the summary, now that the response has ended.

        :param fields: what is known of the request.
        :param error: what left the application.
        :param exclude_paths: paths that are not recorded.
        """
        if error is not None:
            error = _unwrapped(error)
            if not isinstance(error, Exception | SystemExit | KeyboardInterrupt):
                self._disconnect()  # cancelled, by asyncio or another event loop
                error = None
            if self._disconnected:
                error = None  # which says just that, such as Starlette's ClientDisconnect
        gone = self._gone
        code: int | None = None if gone else 500  # what ServerErrorMiddleware, or the server, makes
        if self._start is not None:
            code = self._start["status"]
        assert self._summary is not None
        self._summary.fields = fields
        self._summary.write(
            code,
            error=error,
            failed=error is None and not gone and not self._is_whole(),
            gone=gone,
            exclude_paths=exclude_paths,
        )

    def _disconnect(self) -> None:
        if not self._ending:
            self._disconnected = True
            self._gone = self._gone or not self._is_whole()

    def _started(self, message: Message) -> Message:
        """Return the start of a response, with the id in a list of headers of its own."""
        headers = list(message.get("headers", ()))  # from an iterator, perhaps
        id_header = self.id_header
        if id_header is not None:
            key = id_header[0]
            for name, _ in headers:
                if bytes(name).lower() == key:
                    break
            else:
                headers.append(id_header)
        return {**message, "headers": headers}

    def _is_last(self, kind: str, message: Message) -> bool:
        if kind == "http.response.trailers":
            return not message.get("more_trailers", False)
        if self._trailers:
            return False
        if kind == "http.response.zerocopysend":
            return not message.get("more_body", False)
        return kind == "http.response.pathsend"

    def _is_whole(self) -> bool:
        """Say whether all that the client is to get was handed over."""
        if self._complete:
            return True
        if self._start is None:
            return False
        code = self._start["status"]
        if self._is_head or code < 200 or code in (204, 304):
            return True
        length: int | None = None
        for name, value in self._start["headers"]:
            if name.lower() == b"content-length" and value.isdigit():
                length = int(value)
        return length is not None and self._sent >= length


def _unwrapped(error: BaseException | None) -> BaseException | None:
    """Take a lone exception out of what task groups wrap it in, as Starlette does from 0.38 on."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        first, *others = group.exceptions
        if others:
            return group
        error = first
    return error
