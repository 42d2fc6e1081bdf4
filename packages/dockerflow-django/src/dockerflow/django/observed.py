"""One request, from its arrival to the last byte of its answer."""

from __future__ import annotations

import asyncio
import sys
import time
import weakref
from contextvars import Token
from typing import TYPE_CHECKING, Any

from django.core.signals import got_request_exception
from django.http import HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse

from dockerflow.logging.body import ObservedAsyncBody, ObservedBody
from dockerflow.logging.request_id import (
    new_request_id,
    request_id_context,
    sane_request_id,
)
from dockerflow.logging.summary import (
    RequestSummary,
    decode_query,
    excluded_paths,
    summary_fields,
)

from .conf import logger, report, request_settings
from .users import loaded_user_id

if TYPE_CHECKING:
    from .middleware import DockerflowMiddleware

KEY = "_dockerflow_request"
"""What a request's attribute with its :class:`ObservedRequest` is called."""

# What Python throws into code whose caller has gone.
_GONE = (asyncio.CancelledError, GeneratorExit)


class ObservedRequest:
    """What is known of one request while it lasts; kept on the request itself.

    :param middleware: the first middleware that sees the request.
    """

    # What most requests leave as it is lies here, and costs them nothing.
    request_id: str | None = None
    code: int | None = None
    depth = 0
    _token: Token[str | None] | None = None
    _token_of_closing: Token[str | None] | None = None
    _processed = False
    _has_body = True
    _body: weakref.ref[ObservedBody[bytes] | ObservedAsyncBody[bytes]] | None = None
    _finalizer: Any = None
    _sent_by_server = False

    def __init__(self, middleware: DockerflowMiddleware, request: HttpRequest) -> None:
        self.middleware = middleware
        self.summary = RequestSummary(middleware.summary_logger)
        self.settings = request_settings()
        request.__dict__[KEY] = self

    def begin(self, request: HttpRequest) -> None:
        """Give the request its id, in place until :meth:`end`."""
        sent = request.META.get(self.settings.meta_key)
        request_id = (sent and sane_request_id(sent)) or new_request_id()
        self.request_id = request_id
        self._token = request_id_context.set(request_id)
        attributes = request.__dict__
        attributes["_id"] = request_id
        attributes["_start_timestamp"] = time.time()

    def end(self, request: HttpRequest, error: BaseException | None = None) -> None:
        """End the call of a middleware, and with the outermost the request, if it isn't streamed.

        :param error: the exception that leaves the middleware, if one does.
        """
        self.depth -= 1
        if self.depth:
            return
        assert self._token is not None
        try:
            if error is not None:
                self.collect(request)
                self.code = 500  # what a server makes of it
                self.finish(error, gone=isinstance(error, _GONE))
            elif self._processed and self._body is None:
                self.finish()
        finally:
            request_id_context.reset(self._token)

    def collect(self, request: HttpRequest) -> None:
        """Note the fields of the summary, once."""
        summary = self.summary
        if summary.fields:
            return
        try:
            fields = self.middleware._build_extra_meta(request)  # pyright: ignore[reportPrivateUsage]
            summary.fields = fields if type(fields) is dict else dict(fields)
        except Exception:
            report("_build_extra_meta() raised: the summary goes without it", exc_info=True)
            summary.fields = self.basic_fields(request)

    def basic_fields(self, request: HttpRequest) -> dict[str, Any]:
        """Return the fields that every summary has, without ``code``."""
        headers = request.META  # not request.headers, which others might then find as it is now
        query = None
        if self.settings.logs_query:
            query = headers.get("QUERY_STRING", "")
            if "wsgi.version" in headers:  # https://peps.python.org/pep-3333/#unicode-issues
                query = query.encode("latin-1", "replace")
            query = decode_query(query)
        attributes = request.__dict__
        fields = summary_fields(
            method=request.method or "",
            path=request.path,
            agent=headers.get("HTTP_USER_AGENT", ""),
            lang=headers.get("HTTP_ACCEPT_LANGUAGE", ""),
            uid=loaded_user_id(request),
            rid=attributes.get("_id"),
            querystring=query,
        )
        if "_start_timestamp" in attributes:
            fields["t"] = self.summary.elapsed()
        return fields

    def processed(self, request: HttpRequest, response: Any) -> None:
        """Note the response, and see to its end."""
        self.collect(request)
        self._processed = True
        self.code = getattr(response, "status_code", None)
        if isinstance(response, HttpResponseBase):
            self._send_id(response)
            if isinstance(response, StreamingHttpResponse):
                self._observe_body(request, response)
        if not self.depth:
            if self._body is None:
                self.finish()
            request_id_context.set(None)

    @property
    def is_streamed(self) -> bool:
        """Whether the end of the request is that of its response's body."""
        return self._body is not None

    def watch(self, task: asyncio.Task[Any] | None) -> None:
        """Take the end of the task that sends a streamed body for the end of that body.

        Nobody closes an async iterator, and where sending fails Django closes no response.
        """
        if task is not None:
            task.add_done_callback(self._task_done)

    def finish(self, error: BaseException | None = None, *, gone: bool = False) -> None:
        """Write the summary, unless it is written."""
        if self._finalizer is not None:
            self._finalizer.detach()
        summary = self.summary
        if not summary.written:
            paths = self.settings.exclude_paths
            summary.write(
                self.code,
                error=error,
                gone=gone,
                timed="t" in summary.fields,
                exclude_paths=() if paths is None else excluded_paths(paths, logger),
            )
        summary.error = None

    def _send_id(self, response: HttpResponseBase) -> None:
        settings = self.settings
        if not settings.sends_id or self.request_id is None:
            return
        headers: Any = response.headers
        try:
            # A sane id needs no test of what headers may hold, which takes five times as long.
            headers._store.setdefault(settings.header_key, (settings.header, self.request_id))
        except AttributeError:  # another Django, or headers of an application's own
            headers.setdefault(settings.header, self.request_id)

    # ------------------------------------------------------------------ streamed bodies

    def _observe_body(self, request: HttpRequest, response: Any) -> None:
        code = response.status_code
        self._has_body = request.method != "HEAD" and code >= 200 and code not in (204, 304)
        kind: Any = ObservedAsyncBody if getattr(response, "is_async", False) else ObservedBody
        body: Any = kind(response.streaming_content, self.request_id, self._body_ended)
        self._body = weakref.ref(body)  # it holds the response
        file = getattr(response, "file_to_stream", None)
        closers: Any = getattr(response, "_resource_closers", [])
        closers.insert(0, self._set_id)  # what a generator logs when it is closed bears the id
        response.streaming_content = body  # and its close() becomes the next closer
        closers.append(self._reset_id)
        if file is not None:
            # A WSGI server may send the file by itself, which the new content has made impossible.
            response.file_to_stream = file
            self._sent_by_server = "wsgi.file_wrapper" in request.META
        # Another middleware may drop the response, which nobody closes then.
        self._finalizer = weakref.finalize(response, self.finish)
        self._finalizer.atexit = False

    def _body_ended(self, error: BaseException | None, complete: bool) -> None:
        body = None if self._body is None else self._body()
        unseen = self._sent_by_server and body is not None and not body.started
        cut_off = error is None and not complete and self._has_body and not unseen
        self.finish(error, gone=cut_off or isinstance(error, _GONE))

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        body = None if self._body is None else self._body()
        if body is not None and body.started:
            body.close()

    def _set_id(self) -> None:
        self._token_of_closing = request_id_context.set(self.request_id)

    def _reset_id(self) -> None:
        if self._token_of_closing is not None:
            request_id_context.reset(self._token_of_closing)


def _note_exception(sender: object, request: HttpRequest | None = None, **kwargs: Any) -> None:
    # Django sends it while it handles an exception that no one else has handled. Applications that
    # report one which they have handled name a sender.
    observed = vars(request).get(KEY) if request is not None and sender is None else None
    if observed is not None:
        observed.summary.error = sys.exc_info()[1]


got_request_exception.connect(_note_exception, dispatch_uid="dockerflow")
