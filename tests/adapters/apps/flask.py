"""Flask's application of the conformance suite, observed by the WSGI wrapper or by hooks alone."""

from __future__ import annotations

import functools

from flask import Flask

from dockerflow.flask import Dockerflow
from tests.adapters.apps.wrapped.flask import new_app
from tests.adapters.harness import Framework, Options, RunningApp, WSGIApp


def create_app(options: Options) -> Flask:
    """Build an application with the extension."""
    app = new_app()
    app.config.update(options.settings)
    dockerflow = Dockerflow(
        app,
        registry=options.registry(),
        silenced_checks=options.silenced_checks,
        version_path=options.version_path,
    )
    if options.version_callback is not None:
        dockerflow.version_callback(options.version_callback)
    return app


def start(options: Options) -> RunningApp:
    """Answer requests with an application."""
    return WSGIApp(create_app(options))


def start_bypassed(options: Options) -> RunningApp:
    """Call the WSGI callable that Flask had before the extension, as connexion does."""
    return WSGIApp(functools.partial(Flask.wsgi_app, create_app(options)))


FRAMEWORKS = (
    Framework("flask", start, logger="dockerflow.flask", async_callbacks=False),
    Framework("flask-bypassed", start_bypassed, logger="dockerflow.flask", async_callbacks=False),
)
