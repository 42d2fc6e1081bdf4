"""Observe any WSGI application: an id for each request, and one summary.

::

    from dockerflow.logging.wsgi import RequestObserver

    application = RequestObserver(application)

The application's answers stay as they are, but for the header of the request id.
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
"""The key of a WSGI environment under which the observation of its request is found."""


class RequestObserver:
    """A WSGI application around another one, which gives requests their ids and records them.

    :param app: the application.
    :param settings: what is to be observed how, by default as without any setting.
    :param logger: where the summaries go, by default the logger ``request.summary``.
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
            header = observation.response_started(status, (name for name, _ in headers))
            if header is not None:
                headers = [*headers, header]
            # Some middleware takes two arguments: the last one is given only if it is there.
            write = start_response(status, headers, *([exc_info] if exc_info else []))
            observation.headers_sent()  # the application's context is still there, for log filters
            return write

        with observation:
            try:
                body = self.answer(environ, start)
            except BaseException as error:
                observation.failed(error)
                observation.code = None  # a response that was started goes nowhere
                observation.finish()
                raise
            # The server knows its own wrapper by its type, and may hand the file to sendfile(2):
            # https://peps.python.org/pep-3333/#optional-platform-specific-file-handling
            if isinstance(body, list | tuple) or type(body) is environ.get("wsgi.file_wrapper"):
                observation.finish()
            return body if observation.finished else ObservedBody(body, observation)

    def observe(self, environ: WSGIEnvironment) -> RequestObservation:
        """Return a new observation of the request."""
        return observation_of(environ, self.settings, self.logger)

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer an observed request: meant for subclasses, which may answer some by themselves."""
        return self.app(environ, start_response)


def observation_of(
    environ: WSGIEnvironment, settings: RequestSettings, logger: logging.Logger | None = None
) -> RequestObservation:
    """Return a new observation of a request.

    :param environ: its environment.
    :param settings: those of the application.
    :param logger: where the summary goes, by default the logger ``request.summary``.
    """
    mount = environ.get("SCRIPT_NAME", "")
    return RequestObservation(
        settings,
        method=environ.get("REQUEST_METHOD", "GET"),
        # bytes, each as one character, the query string's too: https://peps.python.org/pep-3333/#unicode-issues
        path=_decoded(mount + environ.get("PATH_INFO", "")) or "/",
        get_header=functools.partial(get_header, environ),
        query_string=environ.get("QUERY_STRING", "").encode("latin-1", "replace"),
        mount=_decoded(mount),
        logger=logger,
    )


def get_header(environ: WSGIEnvironment, name: str) -> str | None:
    """Return the value of a request header, None where it is absent."""
    value: str | None = environ.get(f"HTTP_{name.upper().replace('-', '_')}")
    return value


def _decoded(text: str) -> str:
    return text.encode("latin-1", "replace").decode("utf-8", "replace")
