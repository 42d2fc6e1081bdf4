"""Observing the requests of a Flask application, from outside its WSGI callable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from flask import current_app, request
from werkzeug.wsgi import ClosingIterator

from dockerflow.endpoints import enabled
from dockerflow.logging.body import ObservedBody
from dockerflow.logging.request_id import (
    DEFAULT_HEADER,
    get_or_generate_request_id,
    request_id_context,
)
from dockerflow.logging.summary import RequestSummary, excluded_paths, summary_fields

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Flask, Response

    from .app import Dockerflow

_KEY = "dockerflow.request"


class ObservedApplication:
    """The WSGI callable of an application, with the summary of each of its requests."""

    def __init__(self, app: Flask, dockerflow: Dockerflow, wsgi_app: WSGIApplication) -> None:
        self.app = app
        self.dockerflow = dockerflow
        self.wsgi_app = wsgi_app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request as the application does."""
        outer = environ.get(_KEY)
        if outer is not None and not outer.summary.written:
            # mounted below another observed application, which writes the one record
            return self.wsgi_app(environ, start_response)
        observed = ObservedRequest(self.app, self.dockerflow, environ)
        observed.start_response = start_response
        token = request_id_context.set(observed.request_id)
        try:
            body = self.wsgi_app(environ, observed.observe_start)
            return observed.observe_body(body)
        except BaseException as error:
            observed.code = 500  # what a WSGI server makes of it
            observed.finish(error)
            raise
        finally:
            request_id_context.reset(token)


class ObservedRequest:
    """What is known of one request while it lasts; kept in its WSGI environment."""

    def __init__(self, app: Flask, dockerflow: Dockerflow, environ: WSGIEnvironment) -> None:
        self.app = app
        self.dockerflow = dockerflow
        self.environ = environ
        self.summary = RequestSummary(dockerflow.summary_logger)
        self.header: str = setting(app, "DOCKERFLOW_REQUEST_ID_HEADER_NAME") or DEFAULT_HEADER
        sent = environ.get("HTTP_" + self.header.upper().replace("-", "_"))
        self.request_id = get_or_generate_request_id(
            {} if sent is None else {self.header: sent}, self.header
        )
        self.start_response: StartResponse | None = None  # where a WSGI server has called
        self.code: int | None = None
        self.streamed: bool | None = None
        environ[_KEY] = self

    @classmethod
    def current(cls) -> ObservedRequest:
        """Return what is known of Flask's current request.

        A test may have pushed a request context of its own; then the request begins here.
        """
        observed = request.environ.get(_KEY)
        if isinstance(observed, cls):
            return observed
        app = running_app()
        observed = cls(app, app.extensions["dockerflow"], request.environ)
        request_id_context.set(observed.request_id)
        return observed

    # ------------------------------------------------------------------ in Flask's context

    def collect(self) -> None:
        """Note the fields of the summary while Flask's context is there to be asked."""
        try:
            self.summary.fields = dict(self.dockerflow.summary_extra())
        except Exception:
            self.dockerflow.logger.exception("summary_extra() raised: the summary goes without it")
            self.summary.fields = self._fields_of_environ()

    def processed(self, response: Response) -> None:
        """Note what kind of response it is; where no WSGI server has called, write the summary."""
        self.streamed = _is_streamed(response)
        if self.start_response is None:
            if self._id_is_wanted(response.headers.keys()):
                response.headers[self.header] = self.request_id
            self.code = response.status_code
            self.finish(self.summary.error)
            self.torn_down()

    def torn_down(self) -> None:
        """Take back the request id, where no WSGI server has called that would see to it."""
        if self.start_response is None:
            request_id_context.set(None)

    # ------------------------------------------------------------------ in the WSGI server's hands

    def observe_start(self, status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        """Stand in for the server's ``start_response``."""
        assert self.start_response is not None
        code = status[:3]
        self.code = int(code) if code.isascii() and code.isdigit() else None
        if self._id_is_wanted(name for name, _ in headers):
            headers = [*headers, (self.header, self.request_id)]
        return self.start_response(status, headers, *exc_info)

    def observe_body(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """Write the summary, or have it written at the end of a streamed body."""
        if self.streamed is None:
            self.streamed = not isinstance(body, (list, tuple))
        if not self.streamed:
            self.finish(self.summary.error)
            return body
        file_wrapper = self.environ.get("wsgi.file_wrapper")
        if isinstance(file_wrapper, type) and isinstance(body, file_wrapper):
            return self._observe_file(body)
        return ObservedBody(body, self.request_id, self._body_ended)

    def _observe_file(self, body: Any) -> Iterable[bytes]:
        # The server knows its own wrapper by its type, and may hand the file to sendfile(2).
        # https://peps.python.org/pep-3333/#optional-platform-specific-file-handling
        close = getattr(body, "close", None)

        def observed_close() -> None:
            try:
                if close is not None:
                    close()
            finally:
                self.finish(self.summary.error)

        try:
            body.close = observed_close
        except AttributeError:  # a server's wrapper in C
            self.finish(self.summary.error)
        return body  # type: ignore[no-any-return]

    def _body_ended(self, error: BaseException | None, complete: bool) -> None:
        has_body = self.environ.get("REQUEST_METHOD") != "HEAD" and (
            self.code is None or (self.code >= 200 and self.code not in (204, 304))
        )
        gone = error is None and has_body and not complete
        self.finish(error or self.summary.error, gone=gone)

    def finish(self, error: BaseException | None, *, gone: bool = False) -> None:
        """Write the summary, unless it is written."""
        summary = self.summary
        if not summary.fields:
            summary.fields = self._fields_of_environ()
        exclude_paths = setting(self.app, "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS")
        summary.write(
            self.code,
            error=error,
            gone=gone,
            timed="t" in summary.fields,
            exclude_paths=excluded_paths(exclude_paths, self.dockerflow.logger),
        )

    def _id_is_wanted(self, header_names: Iterable[str]) -> bool:
        if not enabled(setting(self.app, "DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER", True)):
            return False
        wanted = self.header.lower()
        return all(name.lower() != wanted for name in header_names)

    def _fields_of_environ(self) -> dict[str, Any]:
        request = self.app.request_class(self.environ)
        fields = summary_fields(
            method=request.method,
            path=request.path,
            agent=request.headers.get("User-Agent", ""),
            lang=request.headers.get("Accept-Language", ""),
            rid=self.request_id,
        )
        return {**fields, "t": 0}


def _is_streamed(response: Response) -> bool:
    if response.direct_passthrough:
        return True
    body: object = response.response
    if isinstance(body, ClosingIterator) and "Content-Length" in response.headers:
        # An HTTPException: Flask calls it as a WSGI application, whose page it has then in hand.
        # https://werkzeug.palletsprojects.com/en/stable/wrappers/#werkzeug.wrappers.Response.force_type
        return False
    return response.is_streamed


def running_app() -> Flask:
    """Return the application itself, for which ``current_app`` stands."""
    proxy: Any = current_app
    app: Flask = proxy._get_current_object()
    return app


def setting(app: Flask, name: str, default: object = None) -> Any:
    """Return a setting of the application as it is now."""
    return cast("dict[str, Any]", app.config).get(name, default)
