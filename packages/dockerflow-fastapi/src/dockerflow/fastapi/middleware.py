"""Pure ASGI middleware, for FastAPI, Starlette, and any other ASGI application.

The two may stand in any order, one without the other, and more than once: a request has one id
and one summary, which are the outermost's affair.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dockerflow.endpoints import enabled
from dockerflow.logging import get_or_generate_request_id, request_id_context
from dockerflow.logging.request_id import DEFAULT_HEADER
from dockerflow.logging.summary import RequestSummary, excluded_paths

from .observed import (
    ObservedRequest,
    ObservedResponse,
    summary_of,
    user_id_of,
)
from .output import prepare_output
from .settings import application_inside, setting

__all__ = ["MozlogRequestSummaryLogger", "RequestIdMiddleware"]

_log = logging.getLogger("dockerflow.fastapi.middleware")

# What a mounted application finds in this very scope is not what has arrived here.
_CHANGED_BY_MOUNTS = ("app", "path", "raw_path", "root_path")


class RequestIdMiddleware:
    """Give each request and each websocket an id, and send a request's id back in its response.

    :param app: the ASGI application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._application = application_inside(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        observed = ObservedRequest.of(scope)
        request_id = observed.request_id
        if request_id is not None and request_id == request_id_context.get():
            await self.app(scope, receive, send)
            return
        app = scope.get("app") or self._application
        header = str(setting(app, "DOCKERFLOW_REQUEST_ID_HEADER_NAME") or DEFAULT_HEADER)
        if request_id is None:
            request_id = get_or_generate_request_id(Headers(scope=scope), header)

        async def send_with_id(message: Message) -> None:
            # A websocket that is refused is answered with a response like any.
            if message["type"] in (
                "http.response.start",
                "websocket.http.response.start",
            ) and enabled(setting(app, "DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER", True)):
                message = _with_header(message, header, request_id)
            await send(message)

        observed.request_id = request_id
        token = request_id_context.set(request_id)
        try:
            with observed:
                await self.app(scope, receive, send_with_id)
        finally:
            with contextlib.suppress(ValueError):  # the loop was closed, and the call elsewhere
                request_id_context.reset(token)


class MozlogRequestSummaryLogger:
    """Log the summary of each request.

    :param app: the ASGI application.
    :param logger: where the summaries go. By default it is the logger ``request.summary``; at the
        first request it is set to INFO where it has no level, and given a
        :class:`~dockerflow.logging.MozlogHandler` where no other handler writes mozlog.
    """

    def __init__(self, app: ASGIApp, logger: logging.Logger | None = None) -> None:
        self.app = app
        self.logger = logger
        self._application = application_inside(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        observed = ObservedRequest.of(scope)
        if observed.summary is not None:
            await self.app(scope, receive, send)
            return
        if self.logger is None:
            prepare_output()
        observed.summary = RequestSummary(self.logger)
        arrived = {key: scope[key] for key in _CHANGED_BY_MOUNTS if key in scope}
        arrived.setdefault("app", self._application)
        response = ObservedResponse(scope["method"], receive, send, observed.summary)
        error: BaseException | None = None
        try:
            with observed:
                await self.app(scope, response.receive, response.send)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._write(Request({**scope, **arrived}), observed, response.end(error))
            error = None  # its traceback holds this frame

    def summary_extra(self, request: Request) -> dict[str, Any]:
        """Build the fields of a summary but for ``code`` and ``t``; meant for subclasses.

        :param request: the request as it arrived, at its end.
        """
        return summary_of(request, user_id_of(request))

    def _write(self, request: Request, observed: ObservedRequest, ended: dict[str, Any]) -> None:
        summary = observed.summary
        assert summary is not None
        token = request_id_context.set(observed.request_id)
        try:
            summary.fields = self._fields(request)
            paths = setting(request.scope["app"], "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS")
            summary.write(**ended, exclude_paths=excluded_paths(paths, _log))
        finally:
            request_id_context.reset(token)

    def _fields(self, request: Request) -> dict[str, Any]:
        try:
            return dict(self.summary_extra(request))
        except Exception:
            with contextlib.suppress(Exception):  # a handler that raises
                _log.exception("The fields of the request summary can't be had: it goes without")
            return summary_of(request)


def _with_header(message: Message, name: str, value: str) -> Message:
    wanted = name.lower().encode("latin-1")
    headers = list(message.get("headers", ()))
    if all(bytes(key).lower() != wanted for key, _ in headers):
        headers.append((wanted, value.encode("ascii")))
    return {**message, "headers": headers}
