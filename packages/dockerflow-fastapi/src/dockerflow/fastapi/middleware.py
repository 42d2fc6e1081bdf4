"""Pure ASGI middleware, for FastAPI, Starlette, and any other ASGI application.

The two may stand in any order, one without the other, and more than once: a request has one id
and one summary, which are the outermost's affair.
"""

from __future__ import annotations

import contextlib
import logging
from codecs import latin_1_decode
from contextvars import Token
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from dockerflow.logging import request_id_context
from dockerflow.logging.summary import SUMMARY_LOGGER

from .fields import Arrived, request_as_it_arrived, summary_of, user_id_of
from .observed import KEY, ObservedRequest, headers_of
from .output import prepare_output
from .settings import RequestSettings, application_inside, request_settings

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
        outer = ObservedRequest.around(scope)
        if outer is not None and outer.is_identified():
            await self.app(scope, receive, send)
            return
        observed = ObservedRequest(None, receive, send, scope.get("method", ""))
        observed.is_recorded = False
        if outer is None:
            scope[KEY] = observed
        else:
            observed.request_id = outer.request_id
        settings = request_settings(scope.get("app") or self._application)
        token = observed.identify(headers_of(scope), settings)
        if outer is not None:
            outer.request_id = observed.request_id
        try:
            await self.app(scope, receive, observed.send)
        finally:
            observed.leave(scope, token)


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
        self._default_logger = logging.getLogger(SUMMARY_LOGGER)
        self._is_prepared = False
        self._application = application_inside(app)
        self._identifies = False
        self._unrecorded = app

    def _identify(self) -> None:
        """Be a RequestIdMiddleware as well: one around a request costs less than two."""
        self._identifies = True
        self._unrecorded = RequestIdMiddleware(self.app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        # Saves a call, where this is the outermost.
        outer = ObservedRequest.around(scope) if KEY in scope else None
        if scope["type"] != "http" or (outer is not None and outer.is_recorded):
            await self._unrecorded(scope, receive, send)
            return
        logger = self.logger
        if logger is None:
            logger = self._default_logger
            if not self._is_prepared:
                prepare_output()
                self._is_prepared = True
        observed = ObservedRequest(logger, receive, send, scope["method"])
        if outer is None:
            scope[KEY] = observed
        else:
            outer.is_recorded = True
            observed.request_id = outer.request_id
        app = scope.get("app") or self._application
        path = scope["path"]
        # Saves the copy, where nobody makes fields of the request as it arrived.
        whole = dict(scope) if self._makes_own_fields() else None
        headers = headers_of(scope)
        # Takes any buffer, in half the time of str().
        agent, _ = latin_1_decode(headers.get(b"user-agent", b""))
        lang, _ = latin_1_decode(headers.get(b"accept-language", b""))
        settings = request_settings(app)
        token: Token[str | None] | None = None
        if self._identifies and (outer is None or not outer.is_identified()):
            token = observed.identify(headers, settings)
        try:
            await self.app(scope, observed.receive, observed.send)
        except BaseException as error:
            self._write(scope, (app, path, agent, lang, whole), settings, observed, error)
            raise
        else:
            start, request_id = observed.start, observed.request_id
            if (  # most of all, and it saves what _write() asks
                start is not None
                and not observed.awaited
                and whole is None
                and "user" not in scope
                and settings.exclude_paths is None
                and not settings.log_querystring
                and request_id == request_id_context.get()
            ):
                observed.usual = scope["method"], path, agent, lang, "", request_id
                observed.write_usual(start["status"])
            else:
                self._write(scope, (app, path, agent, lang, whole), settings, observed, None)
        finally:
            observed.leave(scope, token)

    def summary_extra(self, request: Request) -> dict[str, Any]:
        """Build the fields of a summary but for ``code`` and ``t``; meant for subclasses.

        :param request: the request as it arrived, at its end.
        """
        return summary_of(request, user_id_of(request))

    def _write(
        self,
        scope: Scope,
        arrived: Arrived,
        settings: RequestSettings,
        observed: ObservedRequest,
        error: BaseException | None,
    ) -> None:
        request_id = observed.request_id
        # Saves setting it, where it is known at this place: where it is not, it began further in.
        known = request_id_context.get() == request_id
        token = None if known else request_id_context.set(request_id)
        try:
            _, path, agent, lang, whole = arrived
            if whole is None and "user" not in scope and not settings.log_querystring:
                observed.usual = scope["method"], path, agent, lang, "", request_id
            else:
                observed.fields = self._fields(request_as_it_arrived(scope, arrived))
            observed.write_at_end(error, settings.exclude_paths)
        finally:
            if token is not None:
                request_id_context.reset(token)

    def _makes_own_fields(self) -> bool:
        return type(self).summary_extra is not _SUMMARY_EXTRA or "summary_extra" in vars(self)

    def _fields(self, request: Request) -> dict[str, Any]:
        try:
            return dict(self.summary_extra(request))
        except Exception:
            with contextlib.suppress(Exception):  # a handler that raises
                _log.exception("The fields of the request summary can't be had: it goes without")
            return summary_of(request)


_SUMMARY_EXTRA = MozlogRequestSummaryLogger.summary_extra
