"""The Flask extension."""

from __future__ import annotations

import contextvars
import logging
import os
from collections.abc import Iterable
from functools import partial
from importlib.util import find_spec
from typing import Any, NoReturn, cast

from flask import Blueprint, Flask, Response, current_app, g, request
from werkzeug.exceptions import InternalServerError, NotFound

from dockerflow.checks import ERROR, CheckEnvironment, CheckRegistry
from dockerflow.endpoints import ERROR_PATH, HEARTBEAT, LBHEARTBEAT, VERSION, Path
from dockerflow.logging.request import RequestObservation, RequestSettings, loaded_identity
from dockerflow.logging.summary import REQUEST_SUMMARY
from dockerflow.logging.wsgi import OBSERVATION, observation_of

from .commands import heartbeat_command
from .observed import PROBE_ERROR, Extension, ObservedApplication, to_response
from .signals import heartbeat_failed, heartbeat_passed

has_flask_login = find_spec("flask_login") is not None


class HeartbeatFailure(InternalServerError):
    """The failure of a heartbeat. It is kept for applications that import it, but never raised."""


class Dockerflow(Extension):
    """The extension: endpoints, health checks, request summaries and request ids.

    :param app: the application, or None to call :meth:`init_app` later.
    :param db: a Flask-SQLAlchemy extension or SQLAlchemy engine to check.
    :param redis: a Redis client or Flask-Redis extension to check.
    :param migrate: a Flask-Migrate extension, to check that its migrations have been applied.
    :param silenced_checks: ids of check messages that are neither counted nor logged.
    :param version_path: the directory of ``version.json``; by default the parent of the
        application's ``root_path``, then ``root_path`` itself, then ``/app``.
    :param registry: the registry of the heartbeat's checks, by default the process-wide one.
    :raises ValueError: if a ``DOCKERFLOW_`` setting of ``app`` is invalid.
    :raises ImportError: if the library for a check is missing; it names the extra to install.
    :ivar summary_logger: the logger of the request summaries.
    """

    logger = logging.getLogger("dockerflow.flask")

    def __init__(
        self,
        app: Flask | None = None,
        db: Any = None,
        redis: Any = None,
        migrate: Any = None,
        silenced_checks: Iterable[str] | None = None,
        version_path: Path | None = None,
        registry: CheckRegistry | None = None,
    ) -> None:
        super().__init__(registry, silenced_checks, version_path)
        self.summary_logger = logging.getLogger(REQUEST_SUMMARY)
        self.add_service_checks(db, redis, migrate)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Add the endpoints to an application, and observe its requests.

        :param app: the application; one extension may serve several. A second call for the same
            application does nothing.
        :raises RuntimeError: if the application has another Dockerflow extension.
        :raises ValueError: if one of its ``DOCKERFLOW_`` settings is invalid.
        """
        existing = app.extensions.get("dockerflow")
        if existing is self:
            return
        if existing is not None:
            raise RuntimeError(
                f"The Flask app {app.name!r} already has a Dockerflow extension: use that one, "
                'app.extensions["dockerflow"], instead of creating another'
            )
        self.validate_settings(app)
        RequestSettings.read(partial(self.get_setting, app))
        app.register_blueprint(self._make_blueprint(app))
        # https://flask.palletsprojects.com/en/stable/quickstart/#hooking-in-wsgi-middleware
        app.wsgi_app = ObservedApplication(app, self)  # type: ignore[method-assign] # as shown there
        app.extensions["dockerflow"] = self
        if "heartbeat" not in app.cli.commands:  # keep the application's own
            app.cli.add_command(heartbeat_command(app, self))

    def _make_blueprint(self, app: Flask) -> Blueprint:
        """Return the views; probes reach theirs only if ``app.wsgi_app`` is bypassed."""
        blueprint = Blueprint("dockerflow", __name__)

        @blueprint.before_request
        def raise_probe_error() -> None:
            error: Exception | None = request.environ.pop(PROBE_ERROR, None)
            if error is not None:
                raise error

        @blueprint.get(VERSION)
        def version() -> Response:
            return to_response(app, self.version(app))

        @blueprint.get(HEARTBEAT)
        def heartbeat() -> Response:
            return to_response(app, self.heartbeat(app, None, request.headers.get("Accept", "")))

        @blueprint.get(f"{HEARTBEAT}/<group>")
        def heartbeat_group(group: str) -> Response:
            return to_response(app, self.heartbeat(app, group, request.headers.get("Accept", "")))

        @blueprint.get(LBHEARTBEAT)
        def lbheartbeat() -> Response:
            return to_response(app, self.lbheartbeat())

        @blueprint.get(ERROR_PATH)
        def error() -> NoReturn:
            if not self.settings(app).error_endpoint:
                raise NotFound
            self.error()

        return blueprint

    # ------------------------------------------------------------------ configuration and context

    def get_setting(self, app: Flask, name: str, default: Any = None) -> Any:
        """Return a ``DOCKERFLOW_`` setting of the application."""
        config = cast("dict[str, Any]", app.config)
        return config.get(name, default)

    def version_places(self, app: Flask) -> tuple[Path | None, tuple[Path, ...]]:
        """Return the configured directory of ``version.json``, and the default directories."""
        return self.version_path, (os.path.dirname(app.root_path), app.root_path)

    def check_environment(self, app: Flask) -> CheckEnvironment:
        """Return the environment of each check: a separate app context, and no request."""
        return CheckEnvironment(
            app=app, scope=app.app_context, context=_copy_context_without_request
        )

    def notify(self, app: Flask, level: int, **extra: str) -> None:
        """Send the signal of a heartbeat, and log the exceptions of receivers."""
        signal = heartbeat_failed if level >= ERROR else heartbeat_passed
        # Not signal.send(), which stops at the first receiver that raises.
        for receiver in signal.receivers_for(app):
            try:
                app.ensure_sync(receiver)(app, level=level, **extra)
            except Exception:
                self.logger.exception("A receiver of signal %r raised an exception", signal.name)

    # ------------------------------------------------------------------ the summary

    def summary_extra(self) -> dict[str, Any]:
        """Return the fields of the current request's summary; subclasses may extend them.

        ``code``, ``errno`` and the final ``t`` are added when the response has been handed over.
        Probes are answered before Flask creates a request, so they have only the common fields.
        """
        environ = request.environ
        observation: RequestObservation = environ.get(OBSERVATION) or observation_of(
            environ,
            RequestSettings.read(partial(self.get_setting, current_app), self.logger.error),
        )
        fields = {**observation.fields, "uid": self.user_id(), "t": observation.elapsed()}
        if not hasattr(g, "_start_timestamp"):
            del fields["t"]
        return fields

    def user_id(self) -> Any:
        """Return the id of the user that Flask-Login has loaded for this request, else ``""``.

        This never loads a user, so it reads neither the session nor the database.
        """
        # A private name of Flask-Login: its public `current_user` would load the user.
        user = getattr(g, "_login_user", None) if has_flask_login else None
        if user is None:
            return ""
        identity = loaded_identity(user)
        if identity is not None:
            return identity
        authenticated = getattr(user, "is_authenticated", False)
        if callable(authenticated):  # a method, before Flask-Login 0.3
            authenticated = authenticated()
        uid = user.get_id() if authenticated else None
        return "" if uid is None else uid


def _copy_context_without_request() -> contextvars.Context:
    """Copy the caller's context without Flask's part, because Flask can't leave a request."""
    context = contextvars.Context()
    for variable, value in contextvars.copy_context().items():
        if not variable.name.startswith("flask."):
            context.run(variable.set, value)
    return context
