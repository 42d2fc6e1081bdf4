"""The Flask extension."""

from __future__ import annotations

import contextvars
import functools
import logging
import os
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Blueprint, Flask, Response, got_request_exception
from werkzeug.exceptions import InternalServerError, NotFound

from dockerflow.checks import ERROR, CheckRegistry, ChecksOfExtension
from dockerflow.endpoints import (
    EndpointSettings,
    Reply,
    enabled,
    error_called,
    find_version_to_send,
    heartbeat_reply,
    lbheartbeat_reply,
    version_endpoint,
)
from dockerflow.logging.summary import (
    SUMMARY_LOGGER,
    as_paths,
    decode_query,
    known_identity,
    summary_fields,
)

from .wsgi import (
    ObservedApplication,
    ObservedRequest,
    current_globals,
    current_request,
    is_streamed,
    known_of,
    observed_of,
    running_app,
    setting,
)

if TYPE_CHECKING:
    from blinker import NamedSignal
    from flask import Request

    from dockerflow.logging.direct import UsualFields

F = TypeVar("F", bound=Callable[..., Any])

# Whether a user can be in the summary at all; asked without importing the extension.
has_flask_login = find_spec("flask_login") is not None


_ALIVE = lbheartbeat_reply()


class HeartbeatFailure(InternalServerError):
    """Raised by the heartbeat where a check fails; it carries the response."""


class Dockerflow(ChecksOfExtension):
    """The extension: endpoints, health checks, request summaries and request ids for an app.

    :param app: the application, or ``None`` where :meth:`init_app` gets it later.
    :param db: a Flask-SQLAlchemy extension, whose connection is checked.
    :param redis: a Redis client or Flask-Redis extension, which is checked.
    :param migrate: a Flask-Migrate extension, whose migrations are checked.
    :param silenced_checks: ids of check messages that are neither counted nor logged.
    :param version_path: the directory of ``version.json``; by default the parent of the
        application's ``root_path``, then ``root_path`` itself, then ``/app``.
    :param registry: the checks that the heartbeat runs, by default those of the whole process.
    :raises ValueError: if a ``DOCKERFLOW_`` setting of ``app`` makes no sense.
    :raises ImportError: if the library behind a check is missing, with the extra to install.
    """

    def __init__(
        self,
        app: Flask | None = None,
        db: Any = None,
        redis: Any = None,
        migrate: Any = None,
        silenced_checks: Iterable[str] | None = None,
        version_path: str | os.PathLike[str] | None = None,
        registry: CheckRegistry | None = None,
    ) -> None:
        self.logger = logging.getLogger("dockerflow.flask")
        self.summary_logger = logging.getLogger(SUMMARY_LOGGER)
        self.silenced_checks = list(silenced_checks or ())
        self.version_path = version_path
        if registry is not None:
            self.registry = registry
        self._version_callback: Callable[[str], Any] | None = None
        # Saves a millisecond of the import where there is no such service.
        if db is not None:
            from dockerflow.checks.sqlalchemy import database_check

            self.check(database_check(db), name="check_database_connected")
        if redis is not None:
            from dockerflow.checks.redis import redis_check

            self.check(redis_check(redis), name="check_redis_connected")
        if migrate is not None:
            from dockerflow.checks.alembic import migrations_check

            self.check(migrations_check(migrate), name="check_migrations_applied")
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Add the endpoints to an application, and observe its requests.

        :param app: the application; one extension may serve several.
        :raises RuntimeError: if the application has a Dockerflow extension already.
        :raises ValueError: if one of its ``DOCKERFLOW_`` settings makes no sense.
        """
        if "dockerflow" in app.extensions:
            raise RuntimeError(
                f"The Flask app {app.name!r} has a Dockerflow extension already: "
                'use that one, app.extensions["dockerflow"], and call init_app once for each app'
            )
        self._settings(app).validate()
        as_paths(setting(app, "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS"))
        app.extensions["dockerflow"] = self
        app.register_blueprint(self._make_blueprint())
        self._observe_requests(app)
        got_request_exception.connect(self._got_request_exception, app)
        app.wsgi_app = ObservedApplication(app, self, app.wsgi_app)  # type: ignore[method-assign]

    # ------------------------------------------------------------------ endpoints

    def version_callback(self, func: F) -> F:
        """Use a function in place of :func:`dockerflow.version.get_version`; a decorator.

        :param func: gets ``version_path``, or the parent of the application's ``root_path``, and
            returns what ``/__version__`` answers as JSON, or ``None`` for 404.
        :returns: ``func`` itself, unchanged.
        """
        self._version_callback = func
        return func

    def _make_blueprint(self) -> Blueprint:
        blueprint = Blueprint("dockerflow", __name__)
        for name in ("version", "heartbeat", "lbheartbeat", "error"):
            view = getattr(self, f"_{name}_view")
            # not the method itself: Flask sets attributes on views
            blueprint.add_url_rule(f"/__{name}__", name, functools.partial(view))
        # nearer than any handler of the application, which would hide the heartbeat's answer
        blueprint.register_error_handler(HeartbeatFailure, _response_of)
        return blueprint

    def _version_view(self) -> Response:
        return _to_response(version_endpoint(self._read_version, self.logger))

    def _read_version(self) -> Any:
        root = running_app().root_path
        parent = os.path.dirname(root)
        if self._version_callback is not None:
            return self._version_callback(os.fspath(self.version_path or parent))
        return find_version_to_send(self.version_path, (parent, root))

    def _heartbeat_view(self) -> Response:
        # With the first heartbeat: they take a tenth of the package's import.
        from dockerflow.checks import Surroundings

        from .signals import heartbeat_failed, heartbeat_passed

        app = running_app()
        settings = self._settings(app)
        results = self.registry.run_checks(
            silenced_check_ids=self.silenced_checks,
            timeout=settings.check_timeout,
            surroundings=Surroundings(
                app=app, scope=app.app_context, context=_context_without_request
            ),
        )
        failed = results.level >= ERROR
        self._send(heartbeat_failed if failed else heartbeat_passed, app, results.level)
        response = _to_response(
            heartbeat_reply(
                results,
                show_details=settings.show_details(),
                failed_status=settings.failed_status,
            )
        )
        if failed:
            raise HeartbeatFailure(response=response)
        return response

    def _send(self, signal: NamedSignal, app: Flask, level: int) -> None:
        # Not signal.send(), which would end at the first receiver that raises.
        for receiver in signal.receivers_for(app):
            try:
                app.ensure_sync(receiver)(app, level=level)
            except Exception:
                self.logger.exception("A receiver of the signal %r raised", signal.name)

    def _lbheartbeat_view(self) -> Response:
        return _to_response(_ALIVE)

    def _error_view(self) -> Response:
        if not self._settings(running_app()).error_endpoint:
            raise NotFound
        error_called(self.logger)

    def _settings(self, app: Flask) -> EndpointSettings:
        return EndpointSettings(functools.partial(setting, app), self.logger)

    # ------------------------------------------------------------------ requests

    def summary_extra(self) -> dict[str, Any]:
        """Build the fields of the current request's summary; meant to be extended in subclasses.

        ``code``, ``errno`` and the final ``t`` are added when the response has been handed over.
        """
        request = current_request()
        observed = observed_of(request)
        fields = self._fields_of(request, observed)
        if "t" in fields:
            fields["t"] = observed.elapsed()
        return fields

    def usual_fields(
        self, request: Request, observed: ObservedRequest, kept: dict[str, Any]
    ) -> UsualFields | None:
        """Return the fields of :meth:`summary_extra`, where it has those of most requests.

        :param request: Flask's current request.
        :param observed: what is known of it.
        :param kept: what is in ``g``.
        :returns: ``None`` where the method is overridden, or there is to be more or less.
        """
        settings = observed.settings
        if (
            (settings and enabled(settings.get("DOCKERFLOW_SUMMARY_LOG_QUERYSTRING")))
            or getattr(self.summary_extra, "__func__", None) is not _SUMMARY_EXTRA
            or "_request_id" not in kept
            or "_start_timestamp" not in kept
        ):
            return None
        return self._known_of(request, kept, observed.request_id)

    def _known_of(self, request: Request, kept: dict[str, Any], rid: str | None) -> UsualFields:
        environ = request.environ
        return (
            request.method,
            request.path,
            # what request.headers would return, at a fifth of the time
            environ.get("HTTP_USER_AGENT", ""),
            environ.get("HTTP_ACCEPT_LANGUAGE", ""),
            "" if "_login_user" not in kept and self._asks_flask_login() else self._uid(),
            rid,
        )

    def _fields_of(self, request: Request, observed: ObservedRequest) -> dict[str, Any]:
        kept = current_globals().__dict__
        # not the value in `g`, which a request made within this one may share
        rid = observed.request_id if "_request_id" in kept else None
        with_query = observed.settings.get("DOCKERFLOW_SUMMARY_LOG_QUERYSTRING")
        fields = summary_fields(
            *self._known_of(request, kept, rid),
            decode_query(request.query_string) if with_query and enabled(with_query) else None,
        )
        if "_start_timestamp" in kept:
            fields["t"] = 0
        return fields

    def _asks_flask_login(self) -> bool:
        return getattr(self.user_id, "__func__", None) is _USER_ID

    def _uid(self) -> Any:
        try:
            uid = self.user_id()
        except Exception:
            self.logger.exception("The user's id can't be had for the request summary")
            uid = None
        return "" if uid is None else uid

    def user_id(self) -> Any:
        """Return the id of the user whom Flask-Login has loaded for this request, else ``""``.

        A user who has not been loaded is not loaded for it: it asks no session and no database.
        """
        user = current_globals().get("_login_user") if has_flask_login else None
        if user is None:
            return ""
        identity = known_identity(user)
        if identity is not None:
            return identity
        return user.get_id() if user.is_authenticated else ""

    def _observe_requests(self, app: Flask) -> None:
        # Around Flask's two methods, and so before all other hooks and after them. Hooks of our own
        # would cost more than what they do: Flask asks of each whether it is async.
        own: dict[str, Any] = vars(app)
        preprocess, process = own.get("preprocess_request"), own.get("process_response")
        flask: Any = type(app)

        def preprocess_request() -> Any:
            observed_of(current_request()).begin()
            return flask.preprocess_request(app) if preprocess is None else preprocess()

        def process_response(response: Response) -> Response:
            response = (
                flask.process_response(app, response) if process is None else process(response)
            )
            request = current_request()
            observed = observed_of(request)
            observed.collect(request)
            # It is a list, most of all.
            observed.streamed = type(response.response) is not list and is_streamed(response)
            if observed.start_response is None:
                observed.processed(response)
            return response

        own["preprocess_request"] = preprocess_request
        own["process_response"] = process_response

    def observe_teardown(self, app: Flask) -> None:
        """Have the id of a request taken back that no WSGI server has brought.

        Only tests make such requests, and a hook would cost the others as much as the id does.

        :param app: the application.
        """
        functions = app.teardown_request_funcs.setdefault(None, [])
        if self._teardown_request not in functions:
            functions.insert(0, self._teardown_request)

    def _teardown_request(self, error: BaseException | None) -> None:
        observed = known_of(current_request())
        if observed is not None and observed.start_response is None:
            observed.torn_down()

    def _got_request_exception(self, sender: Flask, exception: BaseException, **extra: Any) -> None:
        observed_of(current_request()).error = exception


_SUMMARY_EXTRA, _USER_ID = Dockerflow.summary_extra, Dockerflow.user_id


def _to_response(reply: Reply) -> Response:
    headers = [("Content-Type", reply.media_type), *reply.headers]
    return running_app().response_class(reply.body, reply.status, headers)


def _response_of(error: HeartbeatFailure) -> Response:
    response = error.response
    assert isinstance(response, Response)
    return response


def _context_without_request() -> contextvars.Context:
    """Copy the caller's context but for Flask's: a check gets an app context of its own."""
    context = contextvars.Context()
    for variable, value in contextvars.copy_context().items():
        if not variable.name.startswith("flask."):
            context.run(variable.set, value)
    return context
