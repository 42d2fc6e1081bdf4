"""The requests of a Sanic application, observed from their beginning to their last byte.

Sanic's server and its ASGI layer hand each request to ``app.handle_request``, and what goes wrong
around that (a malformed request, a time-out) to ``app.handle_exception``. These two are observed,
and with them the stream by which a response is sent. Sanic's middleware and signals see less: no
response middleware runs where another one has raised or where there is a second response, and no
signal tells that a request was cancelled, or when its last byte was sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

from sanic.asgi import ASGIApp
from sanic.compat import Header
from sanic.exceptions import RequestCancelled
from sanic.http import Http, Stage

from dockerflow.endpoints import enabled
from dockerflow.logging.request_id import (
    DEFAULT_HEADER,
    new_request_id,
    request_id_context,
    sane_request_id,
)
from dockerflow.logging.summary import RequestSummary, excluded_paths, summary_fields

if TYPE_CHECKING:
    from sanic import Request, Sanic
    from sanic.response import BaseHTTPResponse

    from .app import Dockerflow

    AnyRequest = Request[Any, Any]
    Send = Callable[..., Awaitable[None]]


# Not looked up in the object: Config and Header have a __getattr__, with which Python takes longer
# to find a method than the method takes.
setting: Any = dict[str, Any].get
header_value: Any = Header.get
header_values: Any = Header.getall


def observe_requests(app: Sanic[Any, Any], dockerflow: Dockerflow) -> None:
    """Observe all requests of an application.

    The application becomes one of a class of its own, which adds nothing but the observation: an
    instance of Sanic takes no methods, and Sanic's class serves other applications as well.
    """
    base: Any = type(app)
    # A WeakKeyDictionary, without the Python functions by which one finds, keeps and forgets.
    known: dict[ref[AnyRequest], ObservedRequest] = {}
    forget: Any = known.pop

    def observed(request: AnyRequest) -> ObservedRequest:
        found = known.get(ref(request))
        if found is None:
            found = known[ref(request, forget)] = ObservedRequest(dockerflow, request)
        return found

    class ObservedSanic(base):  # type: ignore[misc]
        __slots__ = ()

        # Sanic's own methods are looked up with each call: at start-up it puts others in place.

        def handle_request(self, request: AnyRequest) -> Awaitable[None]:
            return observed(request).observe(base.handle_request(self, request))

        async def handle_exception(
            self, request: AnyRequest, exception: BaseException, *args: Any, **kwargs: Any
        ) -> None:
            handling = base.handle_exception(self, request, exception, *args, **kwargs)
            if ref(request) not in known and isinstance(exception, RequestCancelled):
                await handling  # a connection that was closed before there was a whole request
            else:
                one = observed(request)
                one.met(exception)
                await one.observe(handling)

    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(ObservedSanic, name, getattr(base, name))
    app.__class__ = ObservedSanic


class SentId(str):
    """A request id in a response header that was not set by the application."""

    __slots__ = ()


class ObservedRequest:
    """What is known of one request while it lasts."""

    __slots__ = (
        "code",
        "dockerflow",
        "error",
        "failure",
        "gone",
        "header",
        "is_native",
        "marks_ctx",
        "request",
        "request_id",
        "sends_header",
        "stream",
        "summary",
    )

    def __init__(self, dockerflow: Dockerflow, request: AnyRequest) -> None:
        self.summary = RequestSummary(dockerflow.summary_logger)
        self.dockerflow = dockerflow
        # Until it has ended: the application's requests are known by a weak reference alone.
        self.request: AnyRequest | None = request
        self.stream: Any = request.stream
        self.code: int | None = None
        self.error: BaseException | None = None  # what Sanic or the application makes a page of
        self.failure: BaseException | None = None  # what broke a response that was under way
        self.gone = False
        config: Any = request.app.config
        self.header: str = setting(config, "DOCKERFLOW_REQUEST_ID_HEADER_NAME") or DEFAULT_HEADER
        sends_header = setting(config, "DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER", True)
        self.sends_header = sends_header is True or enabled(sends_header)
        # Sanic's headers are found in any case: nothing is to be searched for.
        self.request_id = (
            sane_request_id(header_value(request.headers, self.header)) or new_request_id()
        )
        try:
            ctx = request.ctx
            ctx.id = self.request_id
            ctx.start_timestamp = time.time()
            self.marks_ctx = True
        except AttributeError:  # an application's own class of `ctx` may refuse names
            self.marks_ctx = False
        self.is_native = isinstance(self.stream, Http)
        if self.is_native:
            self._watch_native(self.stream)
        elif self.stream is not None:
            self._watch_asgi(self.stream)

    # ------------------------------------------------------------------ the two entrances

    async def observe(self, handling: Awaitable[None]) -> None:
        """Await what Sanic does for the request, with the request id in place."""
        token = request_id_context.set(self.request_id)
        try:
            await handling
        except BaseException as error:
            self._left(error)
            raise
        else:
            if self.request is not None:
                self._left(None)
        finally:
            try:  # noqa: SIM105 - for each request, suppress() costs as much as all of this
                request_id_context.reset(token)
            except ValueError:  # closed with its event loop, in no context at all
                pass

    def met(self, error: BaseException) -> None:
        """Note an exception that Sanic is about to handle."""
        if self._stage in (Stage.RESPONSE, Stage.FAILED):
            self.failure = self.failure or error
        else:
            self.error = error

    @property
    def _stage(self) -> Stage | None:
        return getattr(self.stream, "stage", None)

    def _left(self, error: BaseException | None) -> None:
        """Write the summary, unless Sanic is about to answer the request all the same."""
        request = self.request
        if request is None:
            return
        cancelled = isinstance(error, asyncio.CancelledError)
        fails = isinstance(error, Exception)  # or else it is the process that ends
        if self._is_websocket(request):
            self._release()
        elif cancelled and not (self.is_native and self._is_connected(request)):
            self.finish(gone=True)
        elif self._stage is Stage.HANDLER and (
            fails or (self.is_native and (cancelled or error is None))
        ):
            self._await_answer()  # an error page, such as that of a handler that ran out of time
        elif cancelled:
            self.finish(self.stream.exception or error)
        else:
            self.finish(error)

    def _await_answer(self) -> None:
        # Whatever comes of it, the request has ended when the task has that serves it.
        task = asyncio.current_task()
        if task is not None:
            task.add_done_callback(self._abandoned)

    def _abandoned(self, task: object) -> None:
        self.finish()

    @staticmethod
    def _is_connected(request: AnyRequest) -> bool:
        return request.conn_info is not None and not request.conn_info.lost

    def _is_websocket(self, request: AnyRequest) -> bool:
        if isinstance(self.stream, ASGIApp):
            return self.stream.ws is not None
        return hasattr(getattr(request.route, "handler", None), "is_websocket")

    # ------------------------------------------------------------------ sending

    def _watch_native(self, stream: Any) -> None:
        # The function that sends the next part: Sanic puts another in its place with each part.
        send = stream.response_func
        if send is not None and getattr(send, "func", None) != self._send:
            stream.response_func = partial(self._send, stream, send)

    def _watch_asgi(self, stream: Any) -> None:
        with suppress(AttributeError):
            stream.send = partial(self._send, stream, stream.send)
        transport: Any = getattr(stream, "transport", None)
        receive = getattr(transport, "receive", None)
        if receive is None:
            return

        async def watched_receive() -> Any:
            message = await receive()
            self.gone = self.gone or message["type"] == "http.disconnect"
            return message

        transport.receive = watched_receive

    async def _send(self, stream: Any, send: Send, data: Any, end_stream: Any) -> None:
        """Send a part of the response as Sanic does, and note what comes of it."""
        client_went: type[BaseException] = RequestCancelled if self.is_native else OSError
        if stream.stage is Stage.HANDLER:
            response = getattr(stream, "response", None)
            if response is not None:
                self._begins(response)
        try:
            await send(data, end_stream)
        except client_went:
            self.finish(gone=True)
            raise
        except Exception:
            if stream.stage is Stage.HANDLER:
                self.code = None  # Sanic refused to send it
            raise
        if stream.stage is Stage.IDLE:
            self.finish()
        elif self.is_native:
            self._watch_native(stream)

    def _begins(self, response: BaseHTTPResponse) -> None:
        """Note the status of a response that is about to be sent, and give it the request id."""
        status: Any = response.status
        self.code = int(status) if isinstance(status, int) else None
        if self.sends_header:
            headers: Any = response.headers
            if isinstance(headers, Header):
                present = header_values(headers, self.header, ())
            else:  # another mapping, which the application has put in place
                wanted = self.header.lower()
                present = [value for name, value in headers.items() if name.lower() == wanted]
            for value in present:
                # An application may send one response to several requests: then it is replaced.
                if not isinstance(value, SentId):
                    return
            headers[self.header] = SentId(self.request_id)

    # ------------------------------------------------------------------ the end

    def finish(self, error: BaseException | None = None, *, gone: bool = False) -> None:
        """Write the summary, unless it is written."""
        request = self.request
        if request is None:
            return
        error = self.failure or error
        gone = error is None and (gone or self.gone)
        if self.code is None and not gone:
            self.code = 500  # nothing was sent
        if self.code == 500 and error is None:
            error = self.error
        if request_id_context.get() is self.request_id:
            self._write(request, error, gone=gone)
        else:  # the task has another context, or the application has put another id there
            token = request_id_context.set(self.request_id)
            try:
                self._write(request, error, gone=gone)
            finally:
                request_id_context.reset(token)

    def _write(self, request: AnyRequest, error: BaseException | None, *, gone: bool) -> None:
        try:
            try:
                fields = self.dockerflow.summary_extra(request)
                if type(fields) is not dict:
                    fields = dict(fields)
            except Exception:
                fields = self._fields(request)
            if not self.marks_ctx:
                fields = {**fields, "rid": self.request_id, "t": 0}
            self.summary.fields = fields
            excluded = setting(request.app.config, "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS")
            self.summary.write(
                self.code,
                error=error,
                gone=gone,
                timed="t" in fields,
                exclude_paths=()
                if excluded is None
                else excluded_paths(excluded, self.dockerflow.logger),
            )
        finally:
            self._release()

    def _release(self) -> None:
        self.request = None
        self.stream = None

    def _fields(self, request: AnyRequest) -> dict[str, Any]:
        """Return the fields where ``summary_extra()`` raises."""
        self._complain("summary_extra() raised: the summary goes without it", exc_info=True)
        headers: Any = request.headers
        fields = summary_fields(
            method=request.method,
            path=path_of(request),
            agent=headers.get("User-Agent", ""),
            lang=headers.get("Accept-Language", ""),
            rid=self.request_id,
        )
        fields["t"] = 0
        return fields

    def _complain(self, text: str, *args: object, exc_info: bool = False) -> None:
        # A log handler of the application's that raises shall not change the response.
        with suppress(Exception):
            self.dockerflow.logger.error(text, *args, exc_info=exc_info)


def path_of(request: AnyRequest) -> str:
    """Return the path as the application sees it, percent-escapes included.

    A URL may have none, such as ``http://localhost``, and then Sanic raises.
    """
    try:
        return request.path
    except Exception:
        return request.raw_url.partition(b"?")[0].decode("utf-8", "backslashreplace")
