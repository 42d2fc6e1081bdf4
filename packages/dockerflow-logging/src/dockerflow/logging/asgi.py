"""Observe any ASGI application: an id for each request, and one summary.

::

    from dockerflow.logging.asgi import RequestObserver

    app = RequestObserver(app)

The application's answers do not change, except for the header of the request id.
https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .request import RequestObservation, RequestSettings
from .request_id import request_id_context

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
# It takes Scope, Receive and Send, for which Falcon, Litestar and Quart have types of their own.
ASGIApplication = Callable[..., Awaitable[None]]
Finish = Callable[[], None]

OBSERVATION = "dockerflow.observation"
"""The key of the observation in a scope."""


# The second and third are from https://asgi.readthedocs.io/en/latest/extensions.html
_BODIES = ("http.response.body", "http.response.zerocopysend", "http.response.pathsend")


class RequestObserver:
    """An ASGI middleware that gives each request an id and logs its summary.

    :param app: the application.
    :param settings: how to observe requests; by default, all settings have their defaults.
    :param logger: the logger of the summaries, by default ``request.summary``.
    """

    def __init__(
        self,
        app: ASGIApplication,
        settings: RequestSettings | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        self.app = app
        self.settings = settings or RequestSettings()
        self.logger = logger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request as the application does."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        observation = current_observation(scope)
        if observation is not None:
            await self.join(observation, scope, receive, send)
            return
        observation = scope[OBSERVATION] = self.observe(scope)
        finish = functools.partial(self._finish, observation, scope)
        exchange = _Exchange(observation, (receive, send), finish)
        outer_id = request_id_context.get()
        token = request_id_context.set(observation.request_id)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            # A cancellation after the last byte does not affect the request.
            if exchange.missing > 0 or isinstance(error, Exception):
                observation.failed(error)
            finish()
            # The id stays in the context of this task, for the server's own traceback, unless this
            # request was made while the task serves another one.
            if outer_id is not None:
                request_id_context.reset(token)
            raise
        finish()
        request_id_context.reset(token)

    def _finish(self, observation: RequestObservation, scope: Scope) -> None:
        if scope["type"] == "http" and not observation.finished:
            if observation.code is None and not observation.client_left:
                observation.code = 500  # as a server answers then
            observation.finish()

    async def join(
        self, observation: RequestObservation, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer a request that an outer layer observes. Subclasses may extend this."""
        await self.app(scope, receive, send)

    def observe(self, scope: Scope) -> RequestObservation:
        """Return a new observation of the request or websocket."""
        return observation_of(scope, self.settings, logger=self.logger)


class _Exchange:
    """Passes on the messages of a request and its response between server and application.

    The last byte finishes the observation; background tasks may still run. Only for an error page,
    the end of the application finishes it: Starlette raises the exception after its answer.
    """

    def __init__(
        self, observation: RequestObservation, server: tuple[Receive, Send], finish: Finish
    ) -> None:
        self.observation = observation
        self.missing: float = math.inf  # bytes of the body not yet passed to the server
        self._receive, self._send = server
        self._finish = finish

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" and self.missing > 0:
            self.observation.client_gone()
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        is_start = kind in ("http.response.start", "websocket.http.response.start")
        if is_start:
            message = self._start(message)
        elif kind in _BODIES and not message.get("more_body"):
            self.missing = 0  # before sending: a server may report a disconnect meanwhile
        else:
            self.missing -= len(message.get("body", b""))
        try:
            await self._send(message)
        except BaseException as error:
            self.missing = math.inf  # the server did not accept it
            if is_start:
                self.observation.code = None
            if isinstance(error, OSError):  # in ASGI 2.4: the client has disconnected
                self.observation.client_gone()
            raise
        if self.missing <= 0 and not is_start and (self.observation.code or 500) < 500:
            self._finish()

    def _start(self, message: Message) -> Message:
        """Note the start of the response, and return it with the header of the request id."""
        headers = list(message.get("headers", ()))
        sent = {name.decode("latin-1").lower(): value for name, value in headers}
        length = sent.get("content-length", b"")
        self.missing = int(length) if length.isdigit() else math.inf
        header = self.observation.response_started(message["status"], sent)
        if header is not None:
            name, value = header
            headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))
        return {**message, "headers": headers}


def current_observation(scope: Scope) -> RequestObservation | None:
    """Return the observation of the request or websocket, or None if it has none yet.

    A finished one belongs to an earlier request whose scope was copied.
    """
    observation: RequestObservation | None = scope.get(OBSERVATION)
    return None if observation is None or observation.finished else observation


def observation_of(
    scope: Scope,
    settings: RequestSettings,
    *,
    has_id: bool = True,
    logger: logging.Logger | None = None,
) -> RequestObservation:
    """Return a new observation of a request or websocket.

    :param scope: its scope.
    :param settings: the settings of the application.
    :param has_id: whether the request gets an id.
    :param logger: the logger of the summary, by default ``request.summary``.
    """
    path, mount = scope["path"], scope.get("root_path", "")
    if not path.startswith(mount):  # with older servers, and with Starlette before 0.33
        path = mount + path
    return RequestObservation(
        settings,
        method=scope.get("method", "GET"),
        path=path,
        get_header=header_getter(scope),
        query_string=scope.get("query_string", b""),
        mount=mount,
        has_id=has_id,
        logger=logger,
    )


def path_below_mount(scope: Scope) -> str:
    """Return the path of a request without the prefix under which its application is mounted."""
    return str(scope["path"]).removeprefix(scope.get("root_path", "").rstrip("/"))


def header_getter(scope: Scope) -> Callable[[str], str | None]:
    """Return a function that returns the first request header of a name, or None."""
    headers = dict(reversed(scope["headers"]))

    def get_header(name: str) -> str | None:
        value = headers.get(name.lower().encode("latin-1"))  # names are lower case in ASGI
        return None if value is None else value.decode("latin-1")

    return get_header
