"""One request, as the middlewares see it pass."""

from __future__ import annotations

from typing import Any, Self, cast

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from dockerflow.endpoints import enabled
from dockerflow.logging.summary import (
    RequestSummary,
    decode_query,
    known_identity,
    summary_fields,
)

from .settings import setting

KEY = "dockerflow.request"
"""The one key that the middlewares add to a request's scope."""


class ObservedRequest:
    """What the middlewares around one request know of each other; kept in its scope."""

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

    def __enter__(self) -> Self:
        self.depth += 1
        return self

    def __exit__(self, *exc: object) -> None:
        self.depth -= 1


class ObservedResponse:
    """The messages of one response on their way to the server, and how it ended.

    https://asgi.readthedocs.io/en/latest/specs/www.html and the extensions beside it
    """

    def __init__(self, method: str, receive: Receive, send: Send, summary: RequestSummary) -> None:
        self.code: int | None = None
        self._has_body = method != "HEAD"
        self._receive = receive
        self._send = send
        self._summary = summary
        self._left: int | None = None  # bytes of the body, where the headers tell
        self._trailers = False
        self._ending = False
        self._complete = False
        self._disconnected = False
        self._gone = False

    async def receive(self) -> Message:
        """Stand in for the server's ``receive``."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._disconnect()
        return message

    async def send(self, message: Message) -> None:
        """Stand in for the server's ``send``."""
        if message["type"] == "http.response.start":
            # They may be an iterator, and are looked at here.
            message = {**message, "headers": list(message.get("headers", ()))}
        ending = self._is_last(message)
        self._ending = self._ending or ending
        try:
            await self._send(message)
        except OSError:  # how a server says that the client has gone, from version 2.4 of ASGI on
            self._ending = False
            self._disconnect()
            raise
        if message["type"] == "http.response.start":
            self._started(message)
        elif self._left is not None:
            self._left -= len(message.get("body", b""))
        if ending and not self._complete:
            self._complete = True
            self._summary.stop()

    def end(self, error: BaseException | None) -> dict[str, Any]:
        """Say how it ended, as the arguments of ``RequestSummary.write``.

        :param error: what left the application.
        """
        error = _unwrapped(error)
        if error is not None and not isinstance(error, Exception | SystemExit | KeyboardInterrupt):
            self._disconnect()  # cancelled, by asyncio or another event loop
            error = None
        if self._disconnected:
            error = None  # which says just that, such as Starlette's ClientDisconnect
        failed = error is None and not self._gone and not self._is_whole()
        code = self.code
        if code is None and not self._gone:
            code = 500  # what ServerErrorMiddleware, or the server, makes of it
        return {"code": code, "error": error, "failed": failed, "gone": self._gone}

    def _disconnect(self) -> None:
        if not self._ending:
            self._disconnected = True
            self._gone = self._gone or not self._is_whole()

    def _is_whole(self) -> bool:
        return self._complete or (self._left is not None and self._left <= 0)

    def _is_last(self, message: Message) -> bool:
        kind = message["type"]
        if kind == "http.response.trailers":
            return not message.get("more_trailers", False)
        if self._trailers:
            return False
        if kind in ("http.response.body", "http.response.zerocopysend"):
            return not message.get("more_body", False)
        return bool(kind == "http.response.pathsend")

    def _started(self, message: Message) -> None:
        code: int = message["status"]
        self.code = code
        self._trailers = bool(message.get("trailers", False))
        if not self._has_body or code < 200 or code in (204, 304):
            self._left = 0
            return
        for name, value in message["headers"]:
            if name.lower() == b"content-length" and value.isdigit():
                self._left = int(value)


def _unwrapped(error: BaseException | None) -> BaseException | None:
    """Take a lone exception out of what task groups wrap it in, as Starlette does from 0.38 on."""
    while isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        first, *others = group.exceptions
        if others:
            return group
        error = first
    return error


def summary_of(request: Request, uid: object = "") -> dict[str, Any]:
    """Return the fields of a request's summary but for ``code`` and ``t``.

    :param uid: who is asking.
    """
    scope = request.scope
    observed = scope.get(KEY)
    with_query = enabled(setting(scope.get("app"), "DOCKERFLOW_SUMMARY_LOG_QUERYSTRING"))
    return summary_fields(
        method=scope["method"],
        path=scope["path"],
        agent=request.headers.get("user-agent", ""),
        lang=request.headers.get("accept-language", ""),
        uid="" if uid is None else uid,
        rid=observed.request_id if isinstance(observed, ObservedRequest) else None,
        querystring=decode_query(scope.get("query_string", b"")) if with_query else None,
    )


def user_id_of(request: Request) -> Any:
    """Return the identity of the authenticated user whom the application has put into the scope.

    That is what Starlette's ``AuthenticationMiddleware`` does; without it there is ``""``.
    """
    user = request.scope.get("user")
    if user is None:
        return ""
    key = known_identity(user)
    if key is not None:
        return key
    try:
        identity = user.identity if user.is_authenticated else None
    except (AttributeError, NotImplementedError):  # BaseUser's, where a subclass leaves them out
        identity = None
    return "" if identity is None else identity
