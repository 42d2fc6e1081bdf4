"""One request, as the middlewares see it pass."""

from __future__ import annotations

import logging
from contextvars import Token
from operator import itemgetter, methodcaller
from typing import Any, cast

from starlette.types import Message, Receive, Scope, Send

from dockerflow.logging import request_id_context
from dockerflow.logging.request_id import new_request_id, sane_request_id
from dockerflow.logging.summary import RequestSummary, excluded_paths

from .settings import RequestSettings

KEY = "dockerflow.request"
"""The one key that the middlewares add to a request's scope."""

_log = logging.getLogger("dockerflow.fastapi.middleware")

# What is awaited of a response: a kind of message, most of all, or what is no kind of message.
_BODY = "http.response.body"
_TRAILERS = "trailers"
_NOTHING = ""  # as soon as the last message is on its way
_GONE = "gone"  # the client, before that

_STARTS = frozenset({"http.response.start", "websocket.http.response.start"})

_first, _lower = itemgetter(0), methodcaller("lower")


# A class's attributes are looked up anew with each use, a module's are not.
_start_summary: Any = RequestSummary.__init__


class ObservedRequest(RequestSummary):
    """One request and its response as one middleware sees them pass, and their summary.

    The scope has that of the outermost middleware, which tells those inside what is done already.
    https://asgi.readthedocs.io/en/latest/specs/www.html and the extensions beside it

    :param logger: where the summary goes, as in its base class.
    :param receive: the server's.
    :param send: the server's.
    :param method: the request's; the response to a ``HEAD`` has no body.
    """

    # What few requests change is of the class, which saves setting it for each.
    is_recorded = True  # whether there is a summary of it, from here or from further in
    is_over = False
    request_id: str | None = None
    start: Message | None = None  # as the server has taken it
    _id_header: tuple[bytes, bytes] | None = None  # which a response without one is given
    _sent = 0  # bytes of the body, but for its last message
    _is_disconnected = False

    def __init__(
        self, logger: logging.Logger | None, receive: Receive, send: Send, method: str
    ) -> None:
        _start_summary(self, logger)
        self._receive = receive
        self._send = send
        self._method = method
        self.awaited = _BODY  # one for all that may have become of the response saves asking four

    @classmethod
    def around(cls, scope: Scope) -> ObservedRequest | None:
        """Return what the outermost middleware around this one has, if there is one."""
        observed = scope.get(KEY)
        # What is over was another call, from whose scope this one's was copied.
        return observed if isinstance(observed, cls) and not observed.is_over else None

    def leave(self, scope: Scope, token: Token[str | None] | None) -> None:
        """End the call of the middleware.

        :param scope: the request's.
        :param token: what :meth:`identify` returned, where it was called.
        """
        self.is_over = True
        # The server's function, which is kept here, most likely leads to the scope.
        if KEY in scope and scope[KEY] is self:
            del scope[KEY]
        if token is not None:
            try:  # noqa: SIM105 - for each request, suppress() costs more than all of this
                request_id_context.reset(token)
            except ValueError:  # the loop was closed, and the call elsewhere
                pass

    def is_identified(self) -> bool:
        """Say whether it has an id, which is known at this place."""
        request_id = self.request_id
        return request_id is not None and request_id == request_id_context.get()

    def identify(self, headers: dict[bytes, bytes], settings: RequestSettings) -> Token[str | None]:
        """Make its id known from here on, and have the response bear it.

        :param headers: the request's.
        :returns: what :meth:`leave` is to be called with.
        """
        key = settings.id_key
        request_id = self.request_id
        if request_id is None:
            value = headers.get(key)
            found = None if value is None else sane_request_id(str(value, "latin-1"))
            request_id = self.request_id = found or new_request_id()
        if settings.id_in_response:
            self._id_header = key, request_id.encode()
        return request_id_context.set(request_id)

    async def receive(self) -> Message:
        """Stand in for the server's ``receive``."""
        message = await self._receive()
        if message["type"] == "http.disconnect" and self.awaited:
            self._disconnect()
        return message

    async def send(self, message: Message) -> None:
        """Stand in for the server's ``send``."""
        kind = message["type"]
        if kind in _STARTS:  # a websocket that is refused is answered like any request
            message = self._started(message)
        elif (  # most of all
            kind == self.awaited and ("more_body" not in message or not message["more_body"])
        ) or _is_last(kind, message, self.awaited):
            awaited, self.awaited = self.awaited, _NOTHING
            try:
                await self._send(message)
            except BaseException as error:
                self.awaited = awaited
                self._not_sent(error)
                raise
            self.stop()
            return
        try:
            await self._send(message)
        except BaseException as error:
            self._not_sent(error)
            raise
        if kind == "http.response.start":
            self.start = message
            if "trailers" in message and message["trailers"] and self.awaited == _BODY:
                self.awaited = _TRAILERS
        elif kind == _BODY:
            self._sent += len(message.get("body") or b"")

    def _not_sent(self, error: BaseException) -> None:
        if isinstance(error, OSError):  # the client has gone, from version 2.4 of ASGI on
            self._disconnect()

    def write_at_end(self, error: BaseException | None, paths: object) -> None:
        """Write the summary, now that the response has ended.

        :param error: what left the application.
        :param paths: those that are not recorded, as they were set.
        """
        if error is not None:
            error = _unwrapped(error)
            if not isinstance(error, Exception | SystemExit | KeyboardInterrupt):
                if self.awaited:
                    self._disconnect()  # cancelled, by asyncio or another event loop
                error = None
            if self._is_disconnected:
                error = None  # which says just that, such as Starlette's ClientDisconnect
        gone = self.awaited == _GONE
        code: int | None = None if gone else 500  # what ServerErrorMiddleware, or the server, makes
        if self.start is not None:
            code = self.start["status"]
        self.write(
            code,
            error,
            failed=error is None and not gone and not self._is_whole(),
            gone=gone,
            exclude_paths=() if paths is None else excluded_paths(paths, _log),
        )

    def _disconnect(self) -> None:
        self._is_disconnected = True
        if not self._is_whole():
            self.awaited = _GONE

    def _started(self, message: Message) -> Message:
        """Return the start of a response, with the id in a list of headers of its own."""
        headers = list(message.get("headers", ()))  # from an iterator, perhaps
        id_header = self._id_header
        if id_header is not None:
            key = id_header[0]
            try:
                # A loop would take three times as long, and half as much again for each header.
                if key not in map(_lower, map(_first, headers)):
                    headers.append(id_header)
            except AttributeError:  # a memoryview, which servers take as well
                if key not in [bytes(name).lower() for name, _ in headers]:
                    headers.append(id_header)
        return {**message, "headers": headers}

    def _is_whole(self) -> bool:
        """Say whether all that the client is to get was handed over."""
        if not self.awaited:
            return True
        if self.start is None:
            return False
        code = self.start["status"]
        if self._method == "HEAD" or code < 200 or code in (204, 304):
            return True
        length: int | None = None
        for name, value in self.start["headers"]:
            if bytes(name).lower() == b"content-length" and bytes(value).isdigit():
                length = int(bytes(value))
        return length is not None and self._sent >= length


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers of a request; of several of one name the first, as Starlette does."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    if type(headers) is not list:  # an iterator, perhaps, of which the application needs all
        headers = list(headers)
        scope["headers"] = headers
    return dict(reversed(headers))


def _is_last(kind: str, message: Message, awaited: str) -> bool:
    """Say whether a message that is not the last of a body ends the response all the same."""
    if awaited == _TRAILERS:
        return kind == "http.response.trailers" and not message.get("more_trailers", False)
    if awaited != _BODY:
        return False
    if kind == "http.response.zerocopysend":
        return not message.get("more_body", False)
    return kind == "http.response.pathsend"


def _unwrapped(error: BaseException | None) -> BaseException | None:
    """Take a lone exception out of what task groups wrap it in, as Starlette does from 0.38 on."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        first, *others = group.exceptions
        if others:
            return group
        error = first
    return error
