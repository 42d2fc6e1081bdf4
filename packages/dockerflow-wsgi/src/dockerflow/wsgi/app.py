"""Wrap a WSGI application, whatever its framework."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from http.client import responses
from typing import TYPE_CHECKING, Any

from dockerflow.checks import CheckRegistry
from dockerflow.endpoints import Path, Reply, WrapperEndpoints
from dockerflow.logging.request import RequestObservation, RequestSettings
from dockerflow.logging.wsgi import OBSERVATION, RequestObserver

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class Dockerflow(WrapperEndpoints):
    """A WSGI application around another one, with endpoints, health checks and request summaries.

    :param application: the WSGI application.
    :param version_path: the directory of ``version.json``; by default the working directory, then
        ``/app``.
    :param registry: the checks that the heartbeat runs, by default those of the whole process.
    :param silenced_checks: ids of check messages that are neither counted nor logged.
    :param settings: ``DOCKERFLOW_`` settings by their names. A setting that is not there is read
        from the environment variable of the same name.
    :param user_id: a function that takes the environment of a request at its end, and returns the
        ``uid`` of its summary.
    :param route: a function like ``user_id`` that returns the ``route`` of the summary, such as
        ``"/orders/{number}"``. By default summaries have no ``route``.
    :param db: a SQLAlchemy engine to check.
    :param redis: a Redis client to check.
    :param migrate: an Alembic ``Config``, or the path of an ``alembic.ini``, to check that its
        migrations have been applied to ``db``.
    :raises ValueError: if a setting is unknown or invalid.
    :raises ImportError: if the library behind a check is missing, with the extra to install.
    :raises TypeError: if an argument has the wrong type.
    """

    logger = logging.getLogger("dockerflow.wsgi")

    def __init__(
        self,
        application: WSGIApplication,
        *,
        version_path: Path | None = None,
        registry: CheckRegistry | None = None,
        silenced_checks: Iterable[str] | None = None,
        settings: Mapping[str, Any] | None = None,
        user_id: Callable[[WSGIEnvironment], Any] | None = None,
        route: Callable[[WSGIEnvironment], Any] | None = None,
        db: Any = None,
        redis: Any = None,
        migrate: Any = None,
    ) -> None:
        names = RequestSettings.names()
        super().__init__(registry, silenced_checks, version_path, settings, names)
        self.require_functions(application, user_id=user_id, route=route)
        self.add_service_checks(db, redis, migrate, migrated_db=db)
        self.application = application
        self._makers = {"uid": user_id, "route": route}
        request_settings = RequestSettings.read(functools.partial(self.get_setting, self))
        self._observer = RequestObserver(self._answer, request_settings)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        return self._observer(environ, start_response)

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        if self.is_probe(self, path):
            reply = self.answer_probe(self, path, method, environ.get("HTTP_ACCEPT", ""))
        else:
            reply = self.answer_error(path, method)
        if reply is not None:
            return _send(reply, method, start_response)
        observation: RequestObservation = environ[OBSERVATION]
        observation.add_at_end(self._makers, environ, self.logger)
        return self.application(environ, start_response)


def _send(reply: Reply, method: str, start_response: StartResponse) -> list[bytes]:
    """Send a reply of the endpoints."""
    status = f"{reply.status} {responses.get(reply.status, 'Unknown')}"
    length = ("Content-Length", str(len(reply.body)))
    start_response(status, [("Content-Type", reply.media_type), length, *reply.headers])
    return [b"" if method == "HEAD" else reply.body]
