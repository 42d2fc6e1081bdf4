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
from types import MethodType
from typing import TYPE_CHECKING, Any
from weakref import ref

from sanic.asgi import ASGIApp
from sanic.compat import Header
from sanic.exceptions import RequestCancelled
from sanic.http import Http, Stage

from dockerflow.endpoints import enabled
from dockerflow.logging.request_id import new_request_id, request_id_context, sane_request_id
from dockerflow.logging.summary import REQUEST_SETTINGS, RequestSummary, excluded_paths

from .fields import fields_of
from .headers import (
    ACCEPT_LANGUAGE,
    REQUEST_ID,
    USER_AGENT,
    SentId,
    header_name,
    header_value,
    is_ours,
)

if TYPE_CHECKING:
    from sanic import Request, Sanic

    from .app import Dockerflow

    AnyRequest = Request[Any, Any]
    Send = Callable[..., Awaitable[None]]
    Watch = tuple["ObservedRequest", Any, Send]


# Not looked up in the object: Config has a __getattr__, with which Python takes longer to find a
# method than the method takes.
setting: Any = dict[str, Any].get
names_of: Any = dict[str, Any].keys

# Members of an Enum are looked up in its class, with each use.
HANDLER, IDLE = Stage.HANDLER, Stage.IDLE


def observe_requests(app: Sanic[Any, Any], dockerflow: Dockerflow) -> None:
    """Observe all requests of an application.

    The application becomes one of a class of its own, which adds nothing but the observation: an
    instance of Sanic takes no methods, and Sanic's class serves other applications as well.
    """
    base: Any = type(app)
    # A WeakKeyDictionary, without the Python functions by which one finds, keeps and forgets.
    known: dict[ref[AnyRequest], ObservedRequest] = {}
    forget: Any = known.pop

    class ObservedSanic(base):  # type: ignore[misc]
        __slots__ = ()

        # Sanic's own methods are looked up with each call: at start-up it puts others in place.

        def handle_request(self, request: AnyRequest) -> Awaitable[None]:
            key = ref(request, forget)
            one = known.get(key)
            if one is None:
                one = known[key] = ObservedRequest(dockerflow, request)
            return one.observe(base.handle_request(self, request))

        async def handle_exception(
            self, request: AnyRequest, exception: BaseException, *args: Any, **kwargs: Any
        ) -> None:
            handling = base.handle_exception(self, request, exception, *args, **kwargs)
            key = ref(request, forget)
            one = known.get(key)
            if one is None:
                if isinstance(exception, RequestCancelled):
                    await handling  # a connection that was closed before there was a whole request
                    return
                one = known[key] = ObservedRequest(dockerflow, request)
            one.met(exception)
            await one.observe(handling)

    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(ObservedSanic, name, getattr(base, name))
    app.__class__ = ObservedSanic


# A class's attributes are looked up anew with each use, a module's are not.
_start_summary: Any = RequestSummary.__init__


class ObservedRequest(RequestSummary):
    """What is known of one request while it lasts."""

    __slots__ = (
        "code",
        "ctx",
        "dockerflow",
        "failure",
        "gone",
        "is_usual",
        "request",
        "request_id",
        "sent_header",
        "stream",
    )

    def __init__(self, dockerflow: Dockerflow, request: AnyRequest) -> None:
        _start_summary(self, dockerflow.summary_logger)
        self.dockerflow = dockerflow
        # Until it has ended: the application's requests are known by a weak reference alone.
        self.request: AnyRequest | None = request
        stream: Any = request.stream
        self.stream: Any = stream
        self.code = 500  # as long as nothing is sent
        # What broke a response that was under way; `error` is what a page is made of.
        self.failure: BaseException | None = None
        self.gone = False
        #: Whether nothing is set and nothing has happened that most requests do without.
        self.is_usual = True
        name = REQUEST_ID
        self.sent_header: str | None = name
        config: Any = request.app.config
        if not names_of(config).isdisjoint(REQUEST_SETTINGS):
            self.is_usual = False
            name = header_name(setting(config, "DOCKERFLOW_REQUEST_ID_HEADER_NAME"))
            is_sent = setting(config, "DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER", True)
            self.sent_header = name if enabled(is_sent) else None
        # Sanic's headers are found in any case: nothing is to be searched for.
        given = header_value(request.headers, name)
        self.request_id = (given and sane_request_id(given)) or new_request_id()
        ctx: Any = None
        try:
            ctx = request.ctx
            ctx.id = self.request_id
            ctx.start_timestamp = time.time()
        except AttributeError:  # an application's own class of `ctx` may refuse names
            ctx = None
        self.ctx: Any = ctx
        if isinstance(stream, Http):
            send: Any = stream.response_func
            if send is not None:
                stream.response_func = MethodType(_send, (self, stream, send))
        elif stream is not None:
            self._watch_asgi(stream)

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
        self.is_usual = False
        if self.request is None:
            return  # its frames would keep the request, which would keep this
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
        is_native = isinstance(self.stream, Http)
        cancelled = isinstance(error, asyncio.CancelledError)
        fails = isinstance(error, Exception)  # or else it is the process that ends
        if self._is_websocket(request):
            self._release()
        elif cancelled and not (is_native and self._is_connected(request)):
            self.finish(gone=True)
        elif self._stage is HANDLER and (fails or (is_native and (cancelled or error is None))):
            self._await_answer()  # an error page, such as that of a handler that ran out of time
        elif cancelled:
            self.finish(self.stream.exception or error)
        else:
            self.finish(error)

    def _await_answer(self) -> None:
        # Whatever comes of it, the request has ended when the task has that serves it.
        self.is_usual = False
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

    def watch_next(self, stream: Any) -> None:
        """Watch the function that sends the next part: Sanic puts in another with most parts."""
        send = stream.response_func
        if send is not None and getattr(send, "__func__", None) is not _send:
            stream.response_func = MethodType(_send, (self, stream, send))

    def _watch_asgi(self, stream: Any) -> None:
        with suppress(AttributeError):
            stream.send = MethodType(_send, (self, stream, stream.send))
        transport: Any = getattr(stream, "transport", None)
        receive = getattr(transport, "receive", None)
        if receive is None:
            return

        async def watched_receive() -> Any:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone = True
                self.is_usual = False
            return message

        transport.receive = watched_receive

    def send_failed(self, stream: Any, error: BaseException) -> None:
        """Note an exception with which Sanic did not send a part."""
        client_went: type[BaseException] = RequestCancelled if isinstance(stream, Http) else OSError
        if isinstance(error, client_went):
            self.finish(gone=True)
        elif isinstance(error, Exception) and stream.stage is HANDLER:
            self.code = 500  # Sanic refused to send it

    # ------------------------------------------------------------------ the end

    def finish(self, error: BaseException | None = None, gone: bool = False) -> None:
        """Write the summary, unless it is written."""
        request = self.request
        if request is None:
            return
        token = None
        # The task has another context, or the application has put another id there.
        if request_id_context.get() is not self.request_id:
            token = request_id_context.set(self.request_id)
        try:
            if error is None and not gone and self.is_usual and self._know_fields(request):
                self.write_usual(self.code)
                self.request = self.stream = self.ctx = None
            else:
                self._write(request, error, gone)
                self._release()
        finally:
            if token is not None:
                request_id_context.reset(token)

    def _know_fields(self, request: AnyRequest) -> bool:
        """Set the fields, if ``summary_extra()`` is the extension's own, and all is usual."""
        dockerflow = self.dockerflow
        if dockerflow.summary_extra != dockerflow.own_summary_extra:
            return False
        ctx = self.ctx
        headers: Any = request.headers
        try:
            if ctx.id is None or ctx.start_timestamp is None:
                return False
            self.usual = (
                request.method,
                request.path,
                header_value(headers, USER_AGENT, ""),
                header_value(headers, ACCEPT_LANGUAGE, ""),
                "",
                self.request_id,
            )
        except Exception:  # `ctx` takes no names, or has lost them; a URL has no path
            return False
        return True

    def _write(self, request: AnyRequest, error: BaseException | None, gone: bool) -> None:
        error = self.failure or error
        gone = error is None and (gone or self.gone)
        if self.code != 500:
            self.error = None  # the page that was made of it says something else
        try:
            fields = self.dockerflow.summary_extra(request)
            if type(fields) is not dict:
                fields = dict(fields)
        except Exception:
            self._complain("summary_extra() raised: the summary goes without it", exc_info=True)
            fields = {**fields_of(request, self.request_id), "t": 0}
        if self.ctx is None:
            fields = {**fields, "rid": self.request_id, "t": 0}
        self.fields = fields
        excluded = setting(request.app.config, "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS")
        self.write(
            self.code,
            error,
            gone=gone,
            timed="t" in fields,
            exclude_paths=()
            if excluded is None
            else excluded_paths(excluded, self.dockerflow.logger),
        )

    def _release(self) -> None:
        # An exception's frames hold the request, and so may fields that a subclass adds.
        self.request = self.stream = self.ctx = self.error = self.failure = None
        self.fields = {}

    def _complain(self, text: str, *, exc_info: bool) -> None:
        # A log handler of the application's that raises shall not change the response.
        with suppress(Exception):
            self.dockerflow.logger.error(text, exc_info=exc_info)


async def _send(watch: Watch, data: Any, end_stream: Any) -> None:
    """Send a part of a response as Sanic does, and note what comes of it.

    It is bound to *watch* as a method, which is made and called faster than a partial. The stream
    alone holds that: who holds the stream holds the request.
    """
    one, stream, send = watch
    if stream.stage is HANDLER and stream.response is not None:
        response = stream.response
        status = response.status
        one.code = status if type(status) is int else _status(status)
        name = one.sent_header
        if name is not None:
            headers = response.headers
            if (isinstance(headers, Header) and name not in headers) or is_ours(headers, name):
                headers[name] = SentId(one.request_id)
    try:
        await send(data, end_stream)
    except BaseException as error:
        one.send_failed(stream, error)
        raise
    if stream.stage is IDLE:
        one.finish()
    elif isinstance(stream, Http):
        one.watch_next(stream)


def _status(status: object) -> int:  # an HTTPStatus, say; Sanic sends nothing but an int
    return int(status) if isinstance(status, int) else 500
