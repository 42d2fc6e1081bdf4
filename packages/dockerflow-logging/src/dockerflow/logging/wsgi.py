"""Observe any WSGI application: an id for each request, and one summary.

::

    from dockerflow.logging.wsgi import RequestObserver

    application = RequestObserver(application)

The application's answers do not change, except for the header of the request id.
https://peps.python.org/pep-3333/
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .bodies import ObservedBody
from .request import RequestObservation, RequestSettings

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

OBSERVATION = "dockerflow.observation"
"""The key of the observation in a WSGI environment."""


class RequestObserver:
    """A WSGI middleware that gives each request an id and logs its summary.

    :param app: the application.
    :param settings: how to observe requests; by default, all settings have their defaults.
    :param logger: the logger of the summaries, by default ``request.summary``.
    """

    def __init__(
        self,
        app: WSGIApplication,
        settings: RequestSettings | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        self.app = app
        self.settings = settings or RequestSettings()
        self.logger = logger

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request as the application does."""
        if OBSERVATION in environ:  # mounted in another observed application, which records it
            return self.answer(environ, start_response)
        observation = environ[OBSERVATION] = self.observe(environ)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            code_before = observation.code
            header = observation.response_started(status, (name for name, _ in headers))
            if header is not None:
                headers = [*headers, header]
            # Some middleware takes only two arguments, so pass the last one only if it is given.
            try:
                write = start_response(status, headers, *([exc_info] if exc_info else []))
            except BaseException:
                observation.code = code_before  # this response is not sent
                raise
            observation.headers_sent()  # the application's context is still there, for log filters
            return write

        with observation:
            try:
                body = self.answer(environ, start)
            except BaseException as error:
                observation.failed(error)
                observation.code = None  # a response that was started is not sent
                observation.finish()
                raise
            # A server recognises its own wrapper by its type, and may pass the file to sendfile(2):
            # https://peps.python.org/pep-3333/#optional-platform-specific-file-handling
            if isinstance(body, list | tuple) or type(body) is environ.get("wsgi.file_wrapper"):
                observation.finish()
            return body if observation.finished else ObservedBody(body, observation)

    def observe(self, environ: WSGIEnvironment) -> RequestObservation:
        """Return a new observation of the request."""
        return observation_of(environ, self.settings, self.logger)

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer an observed request. Subclasses may answer some requests themselves."""
        return self.app(environ, start_response)


def observation_of(
    environ: WSGIEnvironment, settings: RequestSettings, logger: logging.Logger | None = None
) -> RequestObservation:
    """Return a new observation of a request.

    :param environ: its environment.
    :param settings: the settings of the application.
    :param logger: the logger of the summary, by default ``request.summary``.
    """
    mount = environ.get("SCRIPT_NAME", "")
    return RequestObservation(
        settings,
        method=environ.get("REQUEST_METHOD", "GET"),
        # Strings have one character per byte, also the query string: https://peps.python.org/pep-3333/#unicode-issues
        path=_decoded(mount + environ.get("PATH_INFO", "")) or "/",
        get_header=functools.partial(get_header, environ),
        query_string=environ.get("QUERY_STRING", "").encode("latin-1", "replace"),
        mount=_decoded(mount),
        logger=logger,
    )


def get_header(environ: WSGIEnvironment, name: str) -> str | None:
    """Return the value of a request header, None if it is absent."""
    value: str | None = environ.get(f"HTTP_{name.upper().replace('-', '_')}")
    return value


def _decoded(text: str) -> str:
    return text.encode("latin-1", "replace").decode("utf-8", "replace")
