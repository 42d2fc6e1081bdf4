"""One request, from its arrival to the last byte of its answer."""

from __future__ import annotations

import asyncio
import sys
import time
import weakref
from contextvars import Token
from typing import TYPE_CHECKING, Any

from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
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

from .conf import RequestSettings, logger, report, request_settings
from .users import loaded_user_id

if TYPE_CHECKING:
    from dockerflow.logging.direct import UsualFields

    from .middleware import DockerflowMiddleware

KEY = "_dockerflow_request"
"""What a request's attribute with its :class:`ObservedRequest` is called."""

# What Python throws into code whose caller has gone.
_GONE = (asyncio.CancelledError, GeneratorExit)


class ObservedRequest(RequestSummary):
    """One request while it lasts, and its summary, in one object."""

    middleware: DockerflowMiddleware
    """The first middleware that saw it."""
    settings: RequestSettings

    # What most requests leave as it is lies here, and costs them nothing.
    request_id: str | None = None
    token: Token[str | None] | Any = None
    """What takes the id back; there while a middleware is being called."""
    code: int | None = None
    body: weakref.ref[ObservedBody[bytes] | ObservedAsyncBody[bytes]] | None = None
    """That of a streamed response, whose end is the end of the request."""
    _is_due = False  # whether the summary is written when the call of the middleware ends
    _has_body = True
    _token_of_closing: Token[str | None] | None = None
    _finalizer: Any = None
    _sent_by_server = False

    def answered(self, request: HttpRequest, response: Any) -> None:
        """Note the response, and send the id with it."""
        if self.usual is None and not self.fields:
            middleware = self.middleware
            if (
                not self.settings.logs_query
                and "_start_timestamp" in request.__dict__
                and middleware._build_extra_meta == middleware.plain_build  # pyright: ignore[reportPrivateUsage]
            ):
                self.usual = self._usual_fields(request)
            else:
                self.collect(request)
        if isinstance(response, HttpResponse):
            self.code = response.status_code
            self._is_due = True
        else:
            self.code = getattr(response, "status_code", None)
            is_streamed = isinstance(response, StreamingHttpResponse)
            self._is_due = not is_streamed
            if is_streamed:
                self._observe_body(request, response)
            elif not isinstance(response, HttpResponseBase):
                return
        settings = self.settings
        key = settings.header_key
        if key is None or self.request_id is None:
            return
        headers: Any = response.headers
        try:
            # A sane id needs no test of what headers may hold, which takes five times as long.
            headers._store.setdefault(key, (settings.header, self.request_id))
        except AttributeError:  # another Django, or headers of an application's own
            headers.setdefault(settings.header, self.request_id)

    def answered_alone(self, request: HttpRequest, response: Any) -> None:
        """Note the response where no middleware is being called, and end the request with it."""
        self.answered(request, response)
        if self.body is None:
            self.finish()
        request_id_context.set(None)

    def end(self) -> None:
        """End the call of the middleware, and the request, if it isn't streamed."""
        try:
            if self._is_due:
                if self.usual is not None and self.settings.exclude_paths is None:
                    self.write_usual(self.code)
                    self.error = None
                else:
                    self.finish()
        finally:
            request_id_context.reset(self.token)
            self.token = None

    def fail(self, request: HttpRequest, error: BaseException) -> None:
        """End the call of the middleware, and the request.

        :param error: the exception that leaves the middleware.
        """
        try:
            self.collect(request)
            self.code = 500  # what a server makes of it
            self.finish(error, gone=isinstance(error, _GONE))
        finally:
            request_id_context.reset(self.token)
            self.token = None

    def collect(self, request: HttpRequest) -> None:
        """Note the fields of the summary, once."""
        if self.usual is not None or self.fields:
            return
        try:
            fields = self.middleware._build_extra_meta(request)  # pyright: ignore[reportPrivateUsage]
            self.fields = fields if type(fields) is dict else dict(fields)
        except Exception:
            report("_build_extra_meta() raised: the summary goes without it", exc_info=True)
            self.fields = self.basic_fields(request)

    def basic_fields(self, request: HttpRequest) -> dict[str, Any]:
        """Return the fields that every summary has, without ``code``.

        :returns: with a ``t`` of 0 where the time is to be told.
        """
        query = _query(request.META) if self.settings.logs_query else None
        fields = summary_fields(*self._usual_fields(request), query)
        if "_start_timestamp" in request.__dict__:
            fields["t"] = 0
        return fields

    def _usual_fields(self, request: HttpRequest) -> UsualFields:
        headers = request.META  # not request.headers, which others might then find as it is now
        attributes = request.__dict__
        uid: Any = ""
        if "user" in attributes or "_cached_user" in attributes or "_acached_user" in attributes:
            uid = loaded_user_id(attributes)
        return (
            request.method or "",
            request.path,
            headers.get("HTTP_USER_AGENT", ""),
            headers.get("HTTP_ACCEPT_LANGUAGE", ""),
            uid,
            attributes.get("_id"),
        )

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
        if not self.written:
            paths = self.settings.exclude_paths
            self.write(
                self.code,
                error,
                gone=gone,
                timed=self.usual is not None or "t" in self.fields,
                exclude_paths=() if paths is None else excluded_paths(paths, logger),
            )
        self.error = None

    # ------------------------------------------------------------------ streamed bodies

    def _observe_body(self, request: HttpRequest, response: Any) -> None:
        code = response.status_code
        self._has_body = request.method != "HEAD" and code >= 200 and code not in (204, 304)
        kind: Any = ObservedAsyncBody if getattr(response, "is_async", False) else ObservedBody
        body: Any = kind(response.streaming_content, self.request_id, self._body_ended)
        self.body = weakref.ref(body)  # it holds the response
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
        body = None if self.body is None else self.body()
        unseen = self._sent_by_server and body is not None and not body.started
        cut_off = error is None and not complete and self._has_body and not unseen
        self.finish(error, gone=cut_off or isinstance(error, _GONE))

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        body = None if self.body is None else self.body()
        if body is not None and body.started:
            body.close()

    def _set_id(self) -> None:
        self._token_of_closing = request_id_context.set(self.request_id)

    def _reset_id(self) -> None:
        if self._token_of_closing is not None:
            request_id_context.reset(self._token_of_closing)


class _Inner:
    """Stands for a request where it comes to a middleware again, which leaves it to the first."""

    body = None

    def answered(self, request: HttpRequest, response: Any) -> None:
        """Leave it."""

    def end(self) -> None:
        """Leave it."""

    def fail(self, request: HttpRequest, error: BaseException) -> None:
        """Leave it."""

    def watch(self, task: object) -> None:
        """Leave it."""


_INNER = _Inner()


def begin(middleware: DockerflowMiddleware, request: HttpRequest) -> ObservedRequest | _Inner:
    """Give a request its id, which is in place until :meth:`ObservedRequest.end`.

    :returns: what is to be told of the request's end.
    """
    attributes = request.__dict__
    if KEY in attributes and attributes[KEY].token is not None:
        return _INNER
    observed = ObservedRequest(middleware.summary_logger)
    attributes[KEY] = observed
    observed.middleware = middleware
    observed.settings = settings = request_settings()
    sent = request.META.get(settings.meta_key)
    request_id = (sent and sane_request_id(sent)) or new_request_id()
    observed.request_id = attributes["_id"] = request_id
    observed.token = request_id_context.set(request_id)
    attributes["_start_timestamp"] = time.time()
    return observed


def observed_of(middleware: DockerflowMiddleware, request: HttpRequest) -> ObservedRequest:
    """Return what is known of a request, also of one that was never begun.

    :param middleware: the one that asks, which is the first if there was none.
    """
    observed: ObservedRequest | None = request.__dict__.get(KEY)
    if observed is None:
        observed = request.__dict__[KEY] = ObservedRequest(middleware.summary_logger)
        observed.middleware = middleware
        observed.settings = request_settings()
    return observed


def _query(headers: dict[str, Any]) -> str:
    query = headers.get("QUERY_STRING", "")
    if "wsgi.version" in headers:  # https://peps.python.org/pep-3333/#unicode-issues
        query = query.encode("latin-1", "replace")
    return decode_query(query)


def _note_exception(sender: object, request: HttpRequest | None = None, **kwargs: Any) -> None:
    # Django sends it while it handles an exception that no one else has handled. Applications that
    # report one which they have handled name a sender.
    observed = vars(request).get(KEY) if request is not None and sender is None else None
    if observed is not None:
        observed.error = sys.exc_info()[1]


got_request_exception.connect(_note_exception, dispatch_uid="dockerflow")
