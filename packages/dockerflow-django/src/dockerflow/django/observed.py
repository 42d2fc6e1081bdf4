"""One request, from its arrival to the last byte of its answer."""

from __future__ import annotations

import asyncio
import sys
import time
import weakref
from contextvars import Token
from typing import TYPE_CHECKING, Any, Self

from django.core.signals import got_request_exception
from django.http import HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse

from dockerflow.endpoints import enabled
from dockerflow.logging.body import ObservedAsyncBody, ObservedBody
from dockerflow.logging.request_id import get_or_generate_request_id, request_id_context
from dockerflow.logging.summary import (
    RequestSummary,
    decode_query,
    excluded_paths,
    summary_fields,
)

from .conf import logger, report, request_id_header, setting
from .users import loaded_user_id

if TYPE_CHECKING:
    from .middleware import DockerflowMiddleware

_KEY = "_dockerflow"

# What Python throws into code whose caller has gone.
_GONE = (asyncio.CancelledError, GeneratorExit)


class ObservedRequest:
    """What is known of one request while it lasts; kept on the request itself.

    It is entered by the middleware's ``__call__``. A test may call the ``process_`` methods without
    that: then the request ends with ``process_response``.
    """

    def __init__(self, middleware: DockerflowMiddleware, request: HttpRequest) -> None:
        self.middleware = middleware
        # Not for longer than needed, since the request refers to this.
        self.request: HttpRequest | None = request
        self.summary = RequestSummary(middleware.summary_logger)
        self.header = request_id_header()
        self.request_id: str | None = None
        self.code: int | None = None
        self._has_body = request.method != "HEAD"
        self._depth = 0
        self._token: Token[str | None] | None = None
        self._token_of_closing: Token[str | None] | None = None
        self._processed = False
        self._body: weakref.ref[ObservedBody[bytes] | ObservedAsyncBody[bytes]] | None = None
        self._finalizer: Any = None
        self._sent_by_server = False
        vars(request)[_KEY] = self

    @classmethod
    def begin(cls, middleware: DockerflowMiddleware, request: HttpRequest) -> ObservedRequest:
        """Return what a middleware is to enter: the request's own, where it is listed twice."""
        observed = _current(request)
        if observed is not None and observed.active:
            return observed
        return cls._new(middleware, request)

    @classmethod
    def of(
        cls, middleware: DockerflowMiddleware, request: HttpRequest, *, new: bool = True
    ) -> ObservedRequest:
        """Return what is known of a request that may not have been entered.

        :param new: whether such a request begins now, or has begun without the middleware.
        """
        observed = _current(request)
        if observed is not None and (observed.active or not new):
            return observed
        if not new:
            return cls(middleware, request)
        observed = cls._new(middleware, request)
        request_id_context.set(observed.request_id)
        return observed

    @classmethod
    def _new(cls, middleware: DockerflowMiddleware, request: HttpRequest) -> ObservedRequest:
        observed = cls(middleware, request)
        sent = request.META.get("HTTP_" + observed.header.upper().replace("-", "_"))
        observed.request_id = get_or_generate_request_id(
            {} if sent is None else {observed.header: sent}, observed.header
        )
        vars(request).update(_id=observed.request_id, _start_timestamp=time.time())
        return observed

    @property
    def active(self) -> bool:
        """Whether a middleware's ``__call__`` is under way."""
        return self._depth > 0

    def __enter__(self) -> Self:
        self._depth += 1
        if self._depth == 1:
            self._token = request_id_context.set(self.request_id)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._depth -= 1
        if self._depth:
            return
        assert self._token is not None
        try:
            if error is not None:
                self.collect()
                self.code = 500  # what a server makes of it
                self.finish(error, gone=isinstance(error, _GONE))
            elif self._processed and self._body is None:
                self.finish()
        finally:
            request_id_context.reset(self._token)

    def collect(self) -> None:
        """Note the fields of the summary, once."""
        request = self.request
        if request is None or self.summary.fields:
            return
        try:
            self.summary.fields = dict(self.middleware._build_extra_meta(request))  # pyright: ignore[reportPrivateUsage]
        except Exception:
            report("_build_extra_meta() raised: the summary goes without it", exc_info=True)
            self.summary.fields = self.basic_fields(request)

    def basic_fields(self, request: HttpRequest) -> dict[str, Any]:
        """Return the fields that every summary has, without ``code``."""
        headers = request.META  # not request.headers, which others might then find as it is now
        query = None
        if enabled(setting("DOCKERFLOW_SUMMARY_LOG_QUERYSTRING", False)):
            query = headers.get("QUERY_STRING", "")
            if "wsgi.version" in headers:  # https://peps.python.org/pep-3333/#unicode-issues
                query = query.encode("latin-1", "replace")
            query = decode_query(query)
        attributes = vars(request)
        fields = summary_fields(
            method=request.method or "",
            path=request.path,
            agent=headers.get("HTTP_USER_AGENT", ""),
            lang=headers.get("HTTP_ACCEPT_LANGUAGE", ""),
            uid=_uid(request),
            rid=attributes.get("_id"),
            querystring=query,
        )
        if "_start_timestamp" in attributes:
            fields["t"] = self.summary.elapsed()
        return fields

    def processed(self, response: Any) -> None:
        """Note the response, and see to its end."""
        self.collect()
        self._processed = True
        self.code = getattr(response, "status_code", None)
        if isinstance(response, HttpResponseBase):
            self._send_id(response)
            if isinstance(response, StreamingHttpResponse):
                self._observe_body(response)
        self.request = None
        if not self.active:
            if self._body is None:
                self.finish()
            request_id_context.set(None)

    def watch(self, task: asyncio.Task[Any] | None) -> None:
        """Take the end of the task that sends a streamed body for the end of that body.

        Nobody closes an async iterator, and where sending fails Django closes no response.
        """
        if task is not None and self._body is not None:
            task.add_done_callback(self._task_done)

    def finish(self, error: BaseException | None = None, *, gone: bool = False) -> None:
        """Write the summary, unless it is written."""
        if self._finalizer is not None:
            self._finalizer.detach()
        fields = self.summary.fields
        if not self.summary.written:
            self.summary.write(
                self.code,
                error=error,
                gone=gone,
                timed="t" in fields,
                exclude_paths=excluded_paths(setting("DOCKERFLOW_SUMMARY_EXCLUDE_PATHS"), logger),
            )
        self.request = self.summary.error = None

    def _send_id(self, response: HttpResponseBase) -> None:
        wanted = enabled(setting("DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER", True))
        if self.request_id is not None and wanted:
            response.headers.setdefault(self.header, self.request_id)

    # ------------------------------------------------------------------ streamed bodies

    def _observe_body(self, response: Any) -> None:
        code = response.status_code
        self._has_body = self._has_body and code >= 200 and code not in (204, 304)
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
            assert self.request is not None
            self._sent_by_server = "wsgi.file_wrapper" in self.request.META
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


def _uid(request: HttpRequest) -> Any:
    try:
        return loaded_user_id(request)
    except Exception:
        report("The user's id can't be had for the request summary", exc_info=True)
        return ""


def _current(request: HttpRequest | None) -> ObservedRequest | None:
    observed = getattr(request, "__dict__", {}).get(_KEY)
    return observed if isinstance(observed, ObservedRequest) else None


def _note_exception(sender: object, request: HttpRequest | None = None, **kwargs: Any) -> None:
    # Django sends it while it handles an exception that no one else has handled. Applications that
    # report one which they have handled name a sender.
    observed = _current(request)
    if observed is not None and sender is None:
        observed.summary.error = sys.exc_info()[1]


got_request_exception.connect(_note_exception, dispatch_uid="dockerflow")
