"""The requests of a Flask application, observed by its WSGI callable and by its hooks.

The WSGI callable sees every request from its arrival to its last byte, whatever answers it; the
hooks see what Flask knows of it. Where the callable was kept from before (connexion does that), the
hooks alone do.
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

# Keys of a WSGI environment: the token that takes the request id back, where the hooks are alone;
# what a probe has raised.
_HOOKS_ALONE = "dockerflow.flask.token"
PROBE_ERROR = "dockerflow.flask.probe_error"


class Extension(Endpoints):
    """What an observed application asks its extension for.

    :ivar summary_logger: where the request summaries go.
    """

    summary_logger: logging.Logger

    def summary_extra(self) -> dict[str, Any]:
        """Return the fields of the current request's summary."""
        raise NotImplementedError


class ObservedApplication(RequestObserver):
    """The WSGI callable of a Flask application, with its probes answered and requests observed.

    :param app: the application, which is given the hooks.
    :param extension: answers the probes, and knows the fields of summaries.
    """

    def __init__(self, app: Flask, extension: Extension) -> None:
        super().__init__(app.wsgi_app)
        self._flask = app
        self._extension = extension
        self._settings = LiveSettings(partial(extension.get_setting, app), extension.logger)
        # Flask calls the last two in reverse order: those of the application come before them.
        app.before_request(self._before_request)
        app.after_request(self._after_request)
        app.teardown_request(self._teardown_request)
        request_started.connect(self._request_started, app)
        got_request_exception.connect(self._got_request_exception, app)

    def observe(self, environ: WSGIEnvironment) -> RequestObservation:
        """Return a new observation of the request."""
        return observation_of(environ, self._settings.read(), self._extension.summary_logger)

    # ------------------------------------------------------------------ from outside of Flask

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a probe; have Flask answer any other request."""
        if self._extension.is_probe(self._flask, environ.get("PATH_INFO", "")):
            body = self._answer_probe(environ, start_response)
            if body is not None:
                return body
        body = self.app(environ, start_response)
        environ[OBSERVATION].body_in_memory = False  # who called may answer with another body
        return body

    def _answer_probe(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes] | None:
        """Answer a probe before the application's hooks can; None where Flask is to answer."""
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
            # A teardown function: it may miss what a hook of the application's makes.
            self._extension.logger.exception("A teardown function raised after a probe")
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
            # A version callback's. Our view raises it for the application's error handlers.
            environ[PROBE_ERROR] = error
            return None

    # ------------------------------------------------------------------ from Flask's hooks

    def _request_started(self, sender: Flask | None = None, **extra: Any) -> None:
        """Begin a request, earlier than the hooks of the application."""
        request_id = self._observation(request.environ).request_id
        # What is in `g` outlives a request where a test has pushed an app context around several.
        if getattr(g, "request_id", None) in (None, getattr(g, "_request_id", None)):
            g.request_id = request_id
        g._request_id = request_id
        g._start_timestamp = time.time()

    def _before_request(self) -> None:
        if OBSERVATION not in request.environ:  # a test calls preprocess_request() by itself
            self._request_started()

    def _observation(self, environ: WSGIEnvironment) -> RequestObservation:
        """Return the observation of the current request, which begins here without the wrapper."""
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
            # At the end of a websocket Flask-Sock returns a 200, which is sent to nobody.
            observation.is_recorded = response.status_code != 200
        if _HOOKS_ALONE not in environ:
            return response
        header = observation.response_started(response.status_code, response.headers.keys())
        if header is not None:
            response.headers.add(*header)
        if observation.body_in_memory or response.direct_passthrough:  # a file, for the server
            observation.finish()
        else:
            chunks: Iterable[Any] = response.response
            response.response = ObservedBody(chunks, observation)
            _take_id_back(environ)  # the body brings it, and may outlive the order of contexts
        return response

    def _got_request_exception(self, sender: Flask, exception: BaseException, **extra: Any) -> None:
        observation = self._observation(request.environ)
        if not isinstance(exception, HTTPException):  # an answer: Flask-RESTX announces them, too
            observation.failed(exception)

    def _teardown_request(self, error: BaseException | None) -> None:
        environ = request.environ
        observation: RequestObservation | None = environ.get(OBSERVATION)
        if observation is None:  # a request context that a test has pushed for itself
            return
        # Any other exception is that of a thread which has borrowed the context:
        # https://flask.palletsprojects.com/en/stable/api/#flask.copy_current_request_context
        is_ours = error is observation.error or not isinstance(error, Exception)
        if error is not None and is_ours and not observation.finished:
            self._note_fields(observation)
            if observation.code is None:  # it leaves the application, unanswered
                observation.failed(error)
                observation.finish()
        _take_id_back(environ)

    def _note_fields(self, observation: RequestObservation) -> None:
        observation.update_fields(self._extension.summary_extra, self._extension.logger)


def _take_id_back(environ: WSGIEnvironment) -> None:
    """End the id of a request, where the hooks alone have set it."""
    token = environ.get(_HOOKS_ALONE)
    if token is not None:
        with contextlib.suppress(ValueError, RuntimeError):  # another thread's, or used before
            request_id_context.reset(token)


def is_streamed(response: Response) -> bool:
    """Return whether the body of a response is still to be made, or read from a file.

    The page of an HTTPException is a WSGI application's body, as werkzeug makes it: in memory, with
    its length, and yet no list.
    https://werkzeug.palletsprojects.com/en/stable/wrappers/#werkzeug.wrappers.Response.force_type
    """
    if isinstance(response.response, ClosingIterator) and "Content-Length" in response.headers:
        return response.direct_passthrough
    return response.direct_passthrough or response.is_streamed


def to_response(app: Flask, reply: Reply) -> Response:
    """Return an answer of the endpoints as a response of the application."""
    headers = [("Content-Type", reply.media_type), *reply.headers]
    return app.response_class(reply.body, reply.status, headers)
