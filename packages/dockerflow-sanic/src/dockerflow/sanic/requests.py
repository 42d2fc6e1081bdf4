"""Observe the requests of a Sanic application, by Sanic's public signals.

All signals of a request are sent from the task that serves it, so the request id is in that task's
context. When the signals are sent (tested with Sanic 23.12 to 25.12):

- ``http.lifecycle.handle`` is sent for each valid request. For anything else that Sanic answers,
  such as a malformed request, only ``http.lifecycle.exception`` is sent.
- ``http.lifecycle.response`` is sent when the response exists, before Sanic sends the rest of it. A
  streamed response has already sent its headers by then, so middleware adds the id to them.
- No signal is sent for a response that breaks off because its client went away or Sanic's
  RESPONSE_TIMEOUT expired. On Sanic's own server, the end of the connection has a signal; under
  ASGI, the task just ends.

https://sanic.dev/en/guide/advanced/signals.html
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import sanic.asgi
from sanic import Request, Sanic
from sanic.exceptions import RequestCancelled, SanicException, ServerError
from sanic.http import Stage

from dockerflow.logging.request import LiveSettings, RequestObservation, RequestSettings
from dockerflow.logging.request_id import request_id_context

AnyRequest = Request[Any, Any]
AnySanic = Sanic[Any, Any]

# The highest priority runs first among signal handlers, and last among response middleware.
_OUTERMOST = 10_000


class _GivenId(str):
    """A request id that the adapter has put into the headers of a response."""

    __slots__ = ()


# The observations of requests. Not in `request.ctx`, whose class the application may replace.
_observations: WeakKeyDictionary[AnyRequest, RequestObservation] = WeakKeyDictionary()


def fields_of(request: AnyRequest) -> dict[str, Any]:
    """Return the fields of a request's summary that are known so far.

    :param request: any request, even one that no application has received.
    """
    observation = _observations.get(request)
    if observation is None:
        observation = _observation_of(request, RequestSettings(), None)
    fields = dict(observation.fields)
    if not hasattr(request.ctx, "start_timestamp"):
        fields.pop("t", None)
    return fields


@dataclass(eq=False)
class RequestObserver:
    """Observe the requests of one application.

    :param settings: the settings of the application.
    :param summary_extra: returns the fields of a request's summary when the request has ended.
    :param logger: the adapter's logger.
    :param summary_logger: the logger of the summaries.
    """

    settings: LiveSettings
    summary_extra: Callable[[AnyRequest], Mapping[str, Any]]
    logger: logging.Logger
    summary_logger: logging.Logger
    _is_stopping: bool = field(default=False, init=False)

    def observe(self, app: Any) -> None:
        """Connect to the signals of an application.

        :param app: a :class:`sanic.Sanic`; Any, because Sanic's decorators are not fully typed.
        """
        for event, handler in (
            ("http.lifecycle.read_head", self._head_arrived),
            ("http.lifecycle.handle", self._arrived),
            ("http.lifecycle.exception", self._raised),
            ("http.lifecycle.response", self._responded),
            ("http.lifecycle.complete", self._connection_ended),
        ):
            app.signal(event, priority=_OUTERMOST)(handler)
        app.register_middleware(self._start_response, "response", priority=_OUTERMOST)
        app.before_server_start(self._server_starts)
        app.before_server_stop(self._server_stops)

    async def _server_starts(self, app: AnySanic) -> None:
        self._is_stopping = False

    async def _server_stops(self, app: AnySanic) -> None:
        self._is_stopping = True

    # ------------------------------------------------------------------ the beginning

    async def _head_arrived(self, head: bytes) -> None:
        with suppress(ServerError):  # this is the first request of the connection
            self._finish(Request.get_current())
        request_id_context.set(None)

    async def _arrived(self, request: AnyRequest) -> None:
        self._observe(request)

    def _observe(self, request: AnyRequest) -> RequestObservation:
        observation = _observation_of(request, self.settings.read(), self.summary_logger)
        _observations[request] = observation
        request_id_context.set(observation.request_id)
        with suppress(AttributeError):  # an application's own `ctx` may refuse new attributes
            request.ctx.id = observation.request_id
            request.ctx.start_timestamp = time.time()
        task = asyncio.current_task() if request.app.asgi else None
        if task is not None:
            task.add_done_callback(self._task_ended)
        return observation

    # ------------------------------------------------------------------ what happens to it

    async def _raised(self, request: AnyRequest, exception: BaseException) -> None:
        is_gone = isinstance(exception, RequestCancelled)
        observation = _observations.get(request)
        if observation is None:
            if is_gone:
                return  # the connection was closed before a whole request had arrived
            observation = self._observe(request)
        if observation.finished:
            return
        stage = _stage_of(request)
        if is_gone or _is_failed_send(exception):
            self._cut_off(observation, by_client=True)
        elif stage is Stage.HANDLER:
            if isinstance(exception, asyncio.CancelledError):
                exception = ServerError("The handler was cancelled, but not by its client")
            if _is_unhandled(request, exception):
                observation.failed(exception)
        elif stage is not Stage.IDLE:  # IDLE: the whole response has been sent
            observation.failed(exception)
        if stage is not Stage.HANDLER:
            self._finish(request)  # no other response follows

    def _cut_off(self, observation: RequestObservation, by_client: bool) -> None:
        if by_client and not self._is_stopping:
            observation.client_gone()
        else:
            text = "The connection was closed before the response had ended"
            observation.failed(ServerError(text))

    def _start_response(self, request: AnyRequest, response: Any) -> None:
        observation = _observations.get(request)
        if observation is None:
            return
        headers, name = response.headers, observation.settings.header_name
        given = headers.get(name)
        if given == observation.request_id and response.status == observation.code:
            return  # the middleware has already called response_started()
        if isinstance(given, _GivenId) and given != observation.request_id:
            del headers[name]  # the application has already sent this response object
        header = observation.response_started(response.status, headers)
        if header is not None:
            headers[name] = _GivenId(observation.request_id)

    async def _responded(self, request: AnyRequest, response: Any) -> None:
        # Again, because middleware may have raised or replaced the response.
        self._start_response(request, response)
        if request.app.asgi:
            # Immediately: code that calls the application in its own task expects the summary now.
            self._finish(request)
            request_id_context.set(None)
        elif _stage_of(request) is Stage.IDLE:  # the handler has sent the whole response
            self._finish(request)
        else:
            # Later, when Sanic has sent or dropped the rest and waits for the next request.
            asyncio.get_running_loop().call_soon(self._finish, request)

    # ------------------------------------------------------------------ the end

    async def _connection_ended(self, conn_info: Any) -> None:
        with suppress(ServerError):  # there was no request
            request = Request.get_current()
            task = asyncio.current_task()
            # Sanic cancels the task of a request that takes too long; if the client has closed the
            # connection, send() raises.
            by_client = conn_info.lost or task is None or not task.cancelling()
            asyncio.get_running_loop().call_soon(self._break_off, request, by_client)

    def _break_off(self, request: AnyRequest, by_client: bool) -> None:
        observation = _observations.get(request)
        if observation is not None and not observation.finished:
            self._cut_off(observation, by_client)
            self._finish(request)

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        request = Request.get_current()  # this runs in the context in which it was added
        observation = _observations[request]
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None:
            observation.failed(error)
        elif not observation.is_websocket:
            self._cut_off(observation, by_client=False)  # e.g. by uvicorn, which gives no reason
        self._finish(request)

    def _finish(self, request: AnyRequest) -> None:
        observation = _observations.get(request)
        if observation is None or observation.finished:
            return
        observation.update_fields(functools.partial(self.summary_extra, request), self.logger)
        if observation.code is None and not observation.is_websocket:
            observation.code = 500  # no status was sent
        observation.finish()
        # These may reference the request, which would then never be freed.
        observation.error = None
        observation.fields = {}
        task = asyncio.current_task() if request.app.asgi else None
        if task is not None:  # the task may serve more requests
            task.remove_done_callback(self._task_ended)


def _observation_of(
    request: AnyRequest, settings: RequestSettings, logger: logging.Logger | None
) -> RequestObservation:
    headers: Any = request.headers
    url, _, query_string = request.raw_url.partition(b"?")
    try:
        path = request.path
    except Exception:  # a URL without a path, such as "http://localhost"
        path = url.decode("utf-8", "backslashreplace")
    scope: Any = request.scope if request.app.asgi else {}
    observation = RequestObservation(
        settings,
        method=request.method,
        path=path,
        get_header=headers.get,
        query_string=query_string,
        mount=scope.get("root_path", ""),
        logger=logger,
    )
    if scope.get("type") == "websocket":
        observation.is_websocket = True
    return observation


def _stage_of(request: AnyRequest) -> Stage:
    stream: Any = request.stream
    return Stage.HANDLER if stream is None else stream.stage


def _is_unhandled(request: AnyRequest, error: BaseException) -> bool:
    """Return whether neither the application nor Sanic handles an exception.

    Sanic's own exceptions are responses with a status, except ServerError, which reports broken
    handlers.
    """
    if isinstance(error, SanicException) and not isinstance(error, ServerError):
        return False
    return request.app.error_handler.lookup(error, request.name) is None


def _is_failed_send(error: BaseException) -> bool:
    """Return whether an ASGI server has raised this because the client has gone.

    It is then an OSError from ``send()``, unlike the application's own errors.
    https://asgi.readthedocs.io/en/latest/specs/www.html#disconnected-client-send-exception
    """
    return isinstance(error, OSError) and any(
        frame.filename == sanic.asgi.__file__ and frame.name == "send"
        for frame in traceback.extract_tb(error.__traceback__)
    )
