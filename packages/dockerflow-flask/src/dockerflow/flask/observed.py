"""Observe the requests of a Flask application, by a wrapper of its WSGI callable and by hooks.

The wrapper sees every request from its arrival to the last byte of the response, whatever answers
it; the hooks see what Flask adds to it. If a library calls the original WSGI callable, as connexion
does, only the hooks run.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, got_request_exception, request, request_started
from werkzeug.exceptions import HTTPException
from werkzeug.wsgi import ClosingIterator

from dockerflow.endpoints import Endpoints, Reply
from dockerflow.logging.bodies import ObservedBody
from dockerflow.logging.request import LiveSettings, RequestObservation
from dockerflow.logging.request_id import request_id_context
from dockerflow.logging.wsgi import OBSERVATION, RequestObserver, observation_of

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

# Keys of the WSGI environment: the token that resets the request id if only the hooks run, and the
# exception that a probe has raised.
_HOOKS_ALONE = "dockerflow.flask.token"
PROBE_ERROR = "dockerflow.flask.probe_error"


class Extension(Endpoints):
    """The parts of an extension that ``ObservedApplication`` uses.

    :ivar summary_logger: where the request summaries go.
    """

    summary_logger: logging.Logger

    def summary_extra(self) -> dict[str, Any]:
        """Return the fields of the current request's summary."""
        raise NotImplementedError


class ObservedApplication(RequestObserver):
    """Wrap the WSGI callable of a Flask application: answer probes and observe requests.

    :param app: the application, to which the hooks are added.
    :param extension: answers the probes, and returns the fields of summaries.
    """

    def __init__(self, app: Flask, extension: Extension) -> None:
        super().__init__(app.wsgi_app)
        self._flask = app
        self._extension = extension
        self._settings = LiveSettings(partial(extension.get_setting, app), extension.logger)
        # Flask calls after_request and teardown_request functions in reverse order, so those of the
        # application run before these.
        app.before_request(self._before_request)
        app.after_request(self._after_request)
        app.teardown_request(self._teardown_request)
        request_started.connect(self._request_started, app)
        got_request_exception.connect(self._got_request_exception, app)

    def observe(self, environ: WSGIEnvironment) -> RequestObservation:
        """Return a new observation of the request."""
        return observation_of(environ, self._settings.read(), self._extension.summary_logger)

    # ------------------------------------------------------------------ outside Flask

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a probe; pass any other request to Flask."""
        if self._extension.is_probe(self._flask, environ.get("PATH_INFO", "")):
            body = self._answer_probe(environ, start_response)
            if body is not None:
                return body
        body = self.app(environ, start_response)
        environ[OBSERVATION].body_in_memory = False  # the caller may replace the body
        return body

    def _answer_probe(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes] | None:
        """Answer a probe before the application's hooks can; return None to let Flask answer."""
        body: Iterable[bytes] | None = None
        try:
            with self._flask.app_context():
                reply = self._probe_reply(environ)
                if reply is not None:
                    body = to_response(self._flask, reply)(environ, start_response)
                    environ[OBSERVATION].finish()
        except Exception:
            if body is None:
                raise
            # A teardown function may need something that a hook of the application creates.
            self._extension.logger.exception("A teardown function failed after a probe")
        return body

    def _probe_reply(self, environ: WSGIEnvironment) -> Reply | None:
        try:
            return self._extension.answer_probe(
                self._flask,
                environ["PATH_INFO"],
                environ["REQUEST_METHOD"],
                environ.get("HTTP_ACCEPT", ""),
            )
        except Exception as error:
            # Raised by a version callback. The view raises it again, for the application's error
            # handlers.
            environ[PROBE_ERROR] = error
            return None

    # ------------------------------------------------------------------ Flask's hooks

    def _request_started(self, sender: Flask | None = None, **extra: Any) -> None:
        """Begin a request, before the hooks of the application run."""
        request_id = self._observation(request.environ).request_id
        # If a test has pushed one app context around several requests, `g` outlives a request.
        if getattr(g, "request_id", None) in (None, getattr(g, "_request_id", None)):
            g.request_id = request_id
        g._request_id = request_id
        g._start_timestamp = time.time()

    def _before_request(self) -> None:
        if OBSERVATION not in request.environ:  # a test calls preprocess_request() directly
            self._request_started()

    def _observation(self, environ: WSGIEnvironment) -> RequestObservation:
        """Return the observation of the current request; begin it if the wrapper did not run."""
        observation: RequestObservation | None = environ.get(OBSERVATION)
        if observation is None:
            observation = environ[OBSERVATION] = self.observe(environ)
            environ[_HOOKS_ALONE] = request_id_context.set(observation.request_id)
        return observation

    def _after_request(self, response: Response) -> Response:
        environ = request.environ
        observation = self._observation(environ)
        self._note_fields(observation)
        observation.body_in_memory = not is_streamed(response)
        if request.url_rule is not None and request.url_rule.websocket:
            # At the end of a websocket, Flask-Sock returns a 200, which is not sent.
            observation.is_recorded = response.status_code != 200
        if _HOOKS_ALONE not in environ:
            return response
        header = observation.response_started(response.status_code, response.headers.keys())
        if header is not None:
            response.headers.add(*header)
        if observation.body_in_memory or response.direct_passthrough:  # the server sends a file
            observation.finish()
        else:
            chunks: Iterable[Any] = response.response
            response.response = ObservedBody(chunks, observation)
            _take_id_back(environ)  # the body sets it itself, and may outlive this context
        return response

    def _got_request_exception(self, sender: Flask, exception: BaseException, **extra: Any) -> None:
        observation = self._observation(request.environ)
        if not isinstance(exception, HTTPException):  # a response, which Flask-RESTX also signals
            observation.failed(exception)

    def _teardown_request(self, error: BaseException | None) -> None:
        environ = request.environ
        observation: RequestObservation | None = environ.get(OBSERVATION)
        if observation is None:  # a request context that a test has pushed
            return
        # Any other exception comes from a thread that uses a copy of the context:
        # https://flask.palletsprojects.com/en/stable/api/#flask.copy_current_request_context
        is_ours = error is observation.error or not isinstance(error, Exception)
        if error is not None and is_ours and not observation.finished:
            self._note_fields(observation)
            if observation.code is None:  # no response: the exception leaves the application
                observation.failed(error)
                observation.finish()
        _take_id_back(environ)

    def _note_fields(self, observation: RequestObservation) -> None:
        observation.update_fields(self._extension.summary_extra, self._extension.logger)


def _take_id_back(environ: WSGIEnvironment) -> None:
    """Reset the request id if it was set by the hooks alone."""
    token = environ.get(_HOOKS_ALONE)
    if token is not None:
        with contextlib.suppress(ValueError, RuntimeError):  # of another thread, or already used
            request_id_context.reset(token)


def is_streamed(response: Response) -> bool:
    """Return whether the body of a response is generated later, or read from a file.

    Werkzeug returns the page of an HTTPException like the body of a WSGI application: it is in
    memory and has a length, but is not a list.
    https://werkzeug.palletsprojects.com/en/stable/wrappers/#werkzeug.wrappers.Response.force_type
    """
    if isinstance(response.response, ClosingIterator) and "Content-Length" in response.headers:
        return response.direct_passthrough
    return response.direct_passthrough or response.is_streamed


def to_response(app: Flask, reply: Reply) -> Response:
    """Return a reply of the endpoints as a response of the application."""
    headers = [("Content-Type", reply.media_type), *reply.headers]
    return app.response_class(reply.body, reply.status, headers)
