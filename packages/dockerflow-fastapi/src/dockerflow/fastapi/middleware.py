"""Pure ASGI middleware, for FastAPI, Starlette, and any other ASGI application.

The two may stand in any order, one without the other, and more than once: a request has one id
and one summary, which are the outermost's affair.
"""

from __future__ import annotations

import contextlib
import logging
from contextvars import Token
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from dockerflow.logging import request_id_context
from dockerflow.logging.summary import RequestSummary, excluded_paths

from .fields import Arrived, fields_of, request_as_it_arrived, summary_of, user_id_of
from .observed import ObservedRequest, ObservedResponse, headers_of, leave
from .output import prepare_output
from .settings import RequestSettings, application_inside

__all__ = ["MozlogRequestSummaryLogger", "RequestIdMiddleware"]

_log = logging.getLogger("dockerflow.fastapi.middleware")


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
        if observed.is_identified():
            await self.app(scope, receive, send)
            return
        response = ObservedResponse(receive, send)
        settings = RequestSettings.of(scope.get("app") or self._application)
        token = observed.identify(headers_of(scope), settings, response)
        observed.depth += 1
        try:
            await self.app(scope, receive, response.send)
        finally:
            observed.depth -= 1
            leave(token)


class MozlogRequestSummaryLogger:
    """Log the summary of each request.

    :param app: the ASGI application.
    :param logger: where the summaries go. By default it is the logger ``request.summary``; at the
        first request it is set to INFO where it has no level, and given a
        :class:`~dockerflow.logging.MozlogHandler` where no other handler writes mozlog.
    """

    # Whether it is a RequestIdMiddleware as well: one around a request costs less than two.
    _identifies: ClassVar[bool] = False

    def __init__(self, app: ASGIApp, logger: logging.Logger | None = None) -> None:
        self.app = app
        self.logger = logger
        self._application = application_inside(app)
        self._unrecorded = RequestIdMiddleware(app) if self._identifies else app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        observed = ObservedRequest.of(scope) if scope["type"] == "http" else None
        if observed is None or observed.summary is not None:
            await self._unrecorded(scope, receive, send)
            return
        if self.logger is None:
            prepare_output()
        summary = observed.summary = RequestSummary(self.logger)
        response = ObservedResponse(receive, send, summary, is_head=scope["method"] == "HEAD")
        app = scope.get("app") or self._application
        arrived = app, scope["path"], scope.get("raw_path"), scope.get("root_path")
        headers = headers_of(scope)
        settings = RequestSettings.of(app)
        token: Token[str | None] | None = None
        if self._identifies and not observed.is_identified():
            token = observed.identify(headers, settings, response)
        error: BaseException | None = None
        observed.depth += 1
        try:
            await self.app(scope, response.receive, response.send)
        except BaseException as raised:
            error = raised
            raise
        finally:
            observed.depth -= 1
            try:
                self._write(scope, arrived, headers, settings, observed, response, error)
            finally:
                error = None  # its traceback holds this frame
                if token is not None:
                    leave(token)

    def summary_extra(self, request: Request) -> dict[str, Any]:
        """Build the fields of a summary but for ``code`` and ``t``; meant for subclasses.

        :param request: the request as it arrived, at its end.
        """
        return summary_of(request, user_id_of(request))

    def _makes_own_fields(self) -> bool:
        return type(self).summary_extra is not _SUMMARY_EXTRA or "summary_extra" in vars(self)

    def _write(
        self,
        scope: Scope,
        arrived: Arrived,
        headers: dict[bytes, bytes],
        settings: RequestSettings,
        observed: ObservedRequest,
        response: ObservedResponse,
        error: BaseException | None,
    ) -> None:
        request_id = observed.request_id
        token = request_id_context.set(request_id)
        try:
            # Saves the request object, for which the whole scope is copied, where nobody asks it.
            if "user" in scope or self._makes_own_fields():
                fields = self._fields(request_as_it_arrived(scope, arrived))
            else:
                fields = fields_of(scope, headers, arrived[1], "", request_id, settings)
            paths = settings.exclude_paths
            exclude_paths = () if paths is None else excluded_paths(paths, _log)
            response.write_summary(fields, error, exclude_paths)
        finally:
            request_id_context.reset(token)

    def _fields(self, request: Request) -> dict[str, Any]:
        try:
            return dict(self.summary_extra(request))
        except Exception:
            with contextlib.suppress(Exception):  # a handler that raises
                _log.exception("The fields of the request summary can't be had: it goes without")
            return summary_of(request)


_SUMMARY_EXTRA = MozlogRequestSummaryLogger.summary_extra
