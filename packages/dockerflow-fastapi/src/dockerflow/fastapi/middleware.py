"""Pure ASGI middleware, for FastAPI, Starlette, and any other ASGI application.

You can add the two in any order, only one of them, or one several times: a request has one id and
one summary. The outermost one observes the beginning and the end of the request.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from dockerflow.logging import request_id_context
from dockerflow.logging.asgi import RequestObserver, header_getter, observation_of
from dockerflow.logging.request import RequestObservation, RequestSettings

from .output import prepare_output
from .views import extension_of

__all__ = ["MozlogRequestSummaryLogger", "RequestIdMiddleware"]

log = logging.getLogger(__name__)


class StateObserver(RequestObserver):
    """The base of both middlewares. It reads settings from ``app.state`` at the first request.

    :param app: the ASGI application.
    """

    identifies = True
    """Whether this middleware gives requests an id."""
    records = True
    """Whether this middleware records requests."""

    def __init__(self, app: ASGIApp, logger: logging.Logger | None = None) -> None:
        super().__init__(app, logger=logger)
        self._application: object = None
        self._is_prepared = False

    def _prepare(self, scope: Scope) -> None:
        if self._is_prepared:
            return
        # Stored, because a mounted application replaces it in the scope.
        app = self._application = scope.get("app") or application_inside(self.app)
        get = functools.partial(extension_of(app).get_setting, app)
        report = functools.partial(log.error, "%s; until then the default is used")
        self.settings = RequestSettings.read(get, report)
        if self.records and self.logger is None:
            prepare_output()
        self._is_prepared = True

    async def join(
        self, observation: RequestObservation, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Add the work of this middleware to the observation of an outer one."""
        self._prepare(scope)
        if self.records and not observation.is_recorded:
            observation.is_recorded = True
            observation.logger = self.logger
        self._add_fields_at_end(observation, scope)
        if not self.identifies:
            await self.app(scope, receive, send)
            return
        if observation.request_id is None:
            observation.identify(header_getter(scope)(self.settings.header_name))
            observation.fields["rid"] = observation.request_id
        token = request_id_context.set(observation.request_id)
        await self.app(scope, receive, send)
        request_id_context.reset(token)  # after an exception it stays, like in the outer one

    def observe(self, scope: Scope) -> RequestObservation:
        """Return a new observation of the request or websocket."""
        self._prepare(scope)
        observation = observation_of(
            scope, self.settings, has_id=self.identifies, logger=self.logger
        )
        observation.is_recorded = self.records
        self._add_fields_at_end(observation, scope)
        return observation

    def _add_fields_at_end(self, observation: RequestObservation, scope: Scope) -> None:
        if scope["type"] != "http":
            return
        extension = extension_of(self._application)

        def add_fields() -> None:
            observation.update_fields(lambda: extension.summary_extra(Request(scope)), log)

        # An outer middleware of this module has added them already. An outer dockerflow.asgi
        # comes after them, so its uid is used.
        observation.at_end = {"summary_extra": add_fields, **observation.at_end}


class RequestIdMiddleware(StateObserver):
    """Give each request and each websocket an id, and send a request's id back in its response.

    :param app: the ASGI application.
    """

    records = False

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app)


class MozlogRequestSummaryLogger(StateObserver):
    """Log the summary of each request.

    :param app: the ASGI application.
    :param logger: the logger of the summaries. The default is ``request.summary``; at the first
        request it is set to INFO if it has no level, and gets a
        :class:`~dockerflow.logging.MozlogHandler` if neither it nor the root logger has a
        handler.
    """

    identifies = False


def application_inside(app: ASGIApp) -> Starlette | None:
    """Return the application that other middleware wraps, if there is one.

    A middleware that wraps the application needs this: the scope does not contain it yet.
    """
    inner: Any = app
    for _ in range(100):  # a limit, in case of a cycle
        if inner is None or isinstance(inner, Starlette):
            return inner
        inner = getattr(inner, "app", None)
    return None
