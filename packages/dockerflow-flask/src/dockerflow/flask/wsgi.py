"""Observing the requests of a Flask application, from outside its WSGI callable."""

from __future__ import annotations

import contextvars
import functools
import time
from collections.abc import Callable, Iterable
from operator import itemgetter, methodcaller
from typing import TYPE_CHECKING, Any, cast

from flask import current_app, g, request
from werkzeug.wsgi import ClosingIterator

from dockerflow.endpoints import enabled
from dockerflow.logging.request_id import (
    DEFAULT_HEADER,
    new_request_id,
    request_id_context,
    sane_request_id,
)
from dockerflow.logging.summary import (
    REQUEST_SETTINGS,
    RequestSummary,
    excluded_paths,
    summary_fields,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Flask, Request, Response

    from .app import Dockerflow

_KEY = "dockerflow.request"

_NO_SETTINGS: dict[str, Any] = {}

_first, _lower = itemgetter(0), methodcaller("lower")


class ObservedApplication:
    """The WSGI callable of an application, with the summary of each of its requests."""

    def __init__(self, app: Flask, dockerflow: Dockerflow, wsgi_app: WSGIApplication) -> None:
        self.app = app
        self.dockerflow = dockerflow
        self.wsgi_app = wsgi_app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request as the application does."""
        outer = environ.get(_KEY)
        if outer is not None and not outer.written:
            # mounted below another observed application, which writes the one record
            return self.wsgi_app(environ, start_response)
        observed = ObservedRequest(self.app, self.dockerflow, environ, start_response)
        token = request_id_context.set(observed.request_id)
        try:
            body = self.wsgi_app(environ, observed.observe_start)
            if observed.streamed is False:  # most of all
                if observed.settings is _NO_SETTINGS and observed.usual is not None:
                    observed.write_usual(observed.code)
                else:
                    observed.finish(observed.error)
                return body
            return observed.observe_body(body, environ)
        except BaseException as error:
            observed.code = 500  # what a WSGI server makes of it
            observed.collect_late(environ)
            observed.finish(error)
            raise
        finally:
            request_id_context.reset(token)


class ObservedRequest(RequestSummary):
    """What is known of one request while it lasts; kept in its WSGI environment.

    It does not hold the environment: that circle would have to wait for the garbage collector.

    :ivar start_response: the server's own; ``None`` where no WSGI server has called.
    :ivar outer_id: the request id to go back to, where no WSGI server has called.
    :ivar context: where Flask's objects are, from its first hook on until the fields are noted.
    :ivar kept: what is in ``g``, for as long.
    :ivar settings: the application's, where it has one of those that observing depends on.
    """

    __slots__ = (
        "app",
        "code",
        "context",
        "dockerflow",
        "header",
        "kept",
        "outer_id",
        "request_id",
        "settings",
        "start_response",
        "streamed",
    )

    def __init__(
        self,
        app: Flask,
        dockerflow: Dockerflow,
        environ: WSGIEnvironment,
        start_response: StartResponse | None,
    ) -> None:
        RequestSummary.__init__(self, dockerflow.summary_logger)  # super() takes longer
        settings: Any = app.config
        self.app = app
        self.dockerflow = dockerflow
        if settings.keys().isdisjoint(REQUEST_SETTINGS):  # one look in place of four
            self.settings: dict[str, Any] = _NO_SETTINGS
            self.header = DEFAULT_HEADER
            sent = environ.get(_DEFAULT_KEY)
        else:
            self.settings = settings
            self.header = settings.get("DOCKERFLOW_REQUEST_ID_HEADER_NAME") or DEFAULT_HEADER
            sent = environ.get(_environ_key(self.header))
        self.request_id = (sent and sane_request_id(sent)) or new_request_id()
        self.start_response = start_response
        self.outer_id: str | None = None
        self.context: contextvars.Context | None = None
        self.code: int | None = None
        self.streamed: bool | None = None
        self.kept: dict[str, Any] | None = None
        environ[_KEY] = self

    # ------------------------------------------------------------------ in Flask's context

    def begin(self) -> None:
        """Put what is known into ``g``, before all hooks of the application."""
        self.context = contextvars.copy_context()
        request_id = self.request_id
        self.kept = kept = current_globals().__dict__
        # `g` outlives a request where a test has pushed an app context around several.
        held = kept.get("request_id")
        if held is None or held == kept.get("_request_id"):
            kept["request_id"] = request_id
        kept["_request_id"] = request_id
        kept["_start_timestamp"] = time.time()

    def collect(self, request: Request) -> None:
        """Note the fields of the summary while Flask's context is there to be asked.

        :param request: Flask's current request.
        """
        kept, self.context, self.kept = self.kept, None, None
        if kept is None:
            kept = current_globals().__dict__
        try:
            self.usual = usual = self.dockerflow.usual_fields(request, self, kept)
            if usual is None:
                fields = self.dockerflow.summary_extra()
                self.fields = fields if type(fields) is dict else dict(fields)
        except Exception:
            self.dockerflow.logger.exception("summary_extra() raised: the summary goes without it")
            self._collect_from(request.environ)

    def processed(self, response: Response) -> None:
        """Do what is done at the end of a request, where no WSGI server has called."""
        if self.header not in response.headers and self._id_is_wanted():
            response.headers[self.header] = self.request_id
        self.code = response.status_code
        self.finish(self.error)
        self.torn_down()

    def torn_down(self) -> None:
        """Take back the request id, where no WSGI server has called that would see to it."""
        if request_id_context.get() == self.request_id:
            request_id_context.set(self.outer_id)

    # ------------------------------------------------------------------ in the WSGI server's hands

    def observe_start(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Any:
        """Stand in for the server's ``start_response``."""
        start_response: Any = self.start_response
        code = status[:3]
        self.code = int(code) if code.isdecimal() else None
        name = self.header
        # A loop would take three times as long, and half as much again for each header.
        if name.lower() not in map(_lower, map(_first, headers)) and self._id_is_wanted():
            headers = [*headers, (name, self.request_id)]
        if exc_info is None:
            return start_response(status, headers)
        return start_response(status, headers, exc_info)

    def observe_body(self, body: Iterable[bytes], environ: WSGIEnvironment) -> Iterable[bytes]:
        """Write the summary, or have it written at the end of a streamed body."""
        self.collect_late(environ)
        if self.streamed is None and isinstance(body, (list, tuple)):
            self.finish(self.error)
            return body
        file_wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(file_wrapper, type) and isinstance(body, file_wrapper):
            return self._observe_file(body)
        from dockerflow.logging.body import ObservedBody  # a tenth of the import, for streams alone

        is_head = environ.get("REQUEST_METHOD") == "HEAD"
        ended = functools.partial(self._body_ended, is_head)
        return ObservedBody(body, self.request_id, ended)

    def _observe_file(self, body: Any) -> Iterable[bytes]:
        # The server knows its own wrapper by its type, and may hand the file to sendfile(2).
        # https://peps.python.org/pep-3333/#optional-platform-specific-file-handling
        close = getattr(body, "close", None)

        def observed_close() -> None:
            try:
                if close is not None:
                    close()
            finally:
                self.finish(self.error)

        try:
            body.close = observed_close
        except AttributeError:  # a server's wrapper in C
            self.finish(self.error)
        return body  # type: ignore[no-any-return]

    def _body_ended(self, is_head: bool, error: BaseException | None, complete: bool) -> None:
        has_body = not is_head and (
            self.code is None or (self.code >= 200 and self.code not in (204, 304))
        )
        gone = error is None and has_body and not complete
        self.finish(error or self.error, gone=gone)

    def finish(self, error: BaseException | None, *, gone: bool = False) -> None:
        """Write the summary, unless it is written."""
        exclude_paths = self.settings.get("DOCKERFLOW_SUMMARY_EXCLUDE_PATHS") or ()
        if exclude_paths:
            exclude_paths = excluded_paths(exclude_paths, self.dockerflow.logger)
        timed = self.usual is not None or "t" in self.fields
        self.write(self.code, error, False, gone, timed, exclude_paths)

    def _id_is_wanted(self) -> bool:
        settings = self.settings
        return settings is _NO_SETTINGS or enabled(
            settings.get("DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER", True)
        )

    def collect_late(self, environ: WSGIEnvironment) -> None:
        """Note the fields, if they are not yet, where Flask has let go of the request."""
        if self.usual is not None or self.fields:
            return
        if self.context is None:
            self._collect_from(environ)
        else:
            self.context.run(lambda: self.collect(current_request()))

    def _collect_from(self, environ: WSGIEnvironment) -> None:
        request = self.app.request_class(environ)
        self.fields = summary_fields(
            method=request.method,
            path=request.path,
            agent=request.headers.get("User-Agent", ""),
            lang=request.headers.get("Accept-Language", ""),
            rid=self.request_id,
        )
        self.fields["t"] = 0


def known_of(request: Request) -> ObservedRequest | None:
    """Return what is known of a request, ``None`` where it has not begun."""
    known = request.environ.get(_KEY)
    return known if type(known) is ObservedRequest else None


def observed_of(request: Request) -> ObservedRequest:
    """Return what is known of Flask's current request.

    A test may have pushed a request context of its own; then the request begins here.
    """
    known = request.environ.get(_KEY)
    if type(known) is ObservedRequest:  # not known_of(), for most requests come this way
        return known
    app = running_app()
    dockerflow: Dockerflow = app.extensions["dockerflow"]
    observed = ObservedRequest(app, dockerflow, request.environ, None)
    observed.outer_id = request_id_context.get()
    request_id_context.set(observed.request_id)
    dockerflow.observe_teardown(app)
    return observed


def is_streamed(response: Response) -> bool:
    """Say whether a body that is no list is still being made, or read from a file."""
    if response.direct_passthrough:
        return True
    body: object = response.response
    if isinstance(body, ClosingIterator) and "Content-Length" in response.headers:
        # An HTTPException: Flask calls it as a WSGI application, whose page it has then in hand.
        # https://werkzeug.palletsprojects.com/en/stable/wrappers/#werkzeug.wrappers.Response.force_type
        return False
    return response.is_streamed


@functools.lru_cache(maxsize=8)
def _environ_key(header: str) -> str:
    """Return where a WSGI environment has a header."""
    return "HTTP_" + header.upper().replace("-", "_")


_DEFAULT_KEY = _environ_key(DEFAULT_HEADER)


# The objects that Flask's proxies stand for: each look-up on a proxy would find its object anew.
running_app = cast("Callable[[], Flask]", cast("Any", current_app)._get_current_object)
current_request = cast("Callable[[], Request]", cast("Any", request)._get_current_object)
current_globals = cast("Callable[[], Any]", cast("Any", g)._get_current_object)


def setting(app: Flask, name: str, default: object = None) -> Any:
    """Return a setting of the application as it is now."""
    return cast("dict[str, Any]", app.config).get(name, default)
