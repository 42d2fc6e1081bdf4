"""Flask as its changelog announces version 3.2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, got_request_exception, request_finished, request_started
from flask.ctx import AppContext
from werkzeug.exceptions import InternalServerError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class NextFlask(Flask):
    """The future way to call hooks, on today's Flask.

    The methods that dispatch a request get the context, each request has its own app context, and
    all teardown functions are called, even if one raises.
    https://flask.palletsprojects.com/en/latest/changes/#version-3-2-0
    """

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        error: Exception | None = None
        with self.app_context() as ctx:
            request_context = self.request_context(environ)
            try:
                try:
                    request_context.push()
                    response = self.full_dispatch_request(ctx)
                except Exception as raised:
                    error = raised
                    response = self.handle_exception(ctx, raised)
                return response(environ, start_response)
            finally:
                request_context.pop(error)

    def full_dispatch_request(self, ctx: AppContext) -> Response:  # type: ignore[override]
        request_started.send(self)
        try:
            value = self.preprocess_request(ctx)
            if value is None:
                value = self.dispatch_request(ctx)
        except Exception as error:
            value = self.handle_user_exception(ctx, error)
        return self.finalize_request(ctx, value)

    def preprocess_request(self, ctx: AppContext) -> Any:  # type: ignore[override]
        return super().preprocess_request()

    def dispatch_request(self, ctx: AppContext) -> Any:  # type: ignore[override]
        return super().dispatch_request()

    def handle_user_exception(self, ctx: AppContext, e: Exception) -> Any:  # type: ignore[override]
        return super().handle_user_exception(e)

    def handle_exception(self, ctx: AppContext, e: Exception) -> Response:  # type: ignore[override]
        got_request_exception.send(self, exception=e)
        return self.finalize_request(ctx, InternalServerError(original_exception=e))

    def finalize_request(self, ctx: AppContext, rv: Any) -> Response:  # type: ignore[override]
        response = self.process_response(ctx, self.make_response(rv))
        request_finished.send(self, response=response)
        return response

    def process_response(self, ctx: AppContext, response: Response) -> Response:  # type: ignore[override]
        return super().process_response(response)

    def do_teardown_request(self, exc: Any = None) -> None:  # 3.1 calls it without the context
        errors: list[Exception] = []
        for function in reversed(self.teardown_request_funcs.get(None, [])):
            try:
                self.ensure_sync(function)(exc)
            except Exception as raised:
                errors.append(raised)
        if errors:
            raise ExceptionGroup("Errors during request teardown", errors)


FLASK_3_2 = Flask if hasattr(AppContext, "has_request") else NextFlask  # there the contexts are one
