"""The application of the conformance suite, for FastAPI and for Starlette alone."""

from __future__ import annotations

import functools
from collections.abc import Callable

from fastapi import FastAPI
from starlette.applications import Starlette

from dockerflow.fastapi import Dockerflow
from tests.adapters.apps.wrapped.starlette import ANY, GET, brew, echo, new_starlette
from tests.adapters.harness import ASGIApp, Framework, Options, RunningApp, Teapot


def new_fastapi() -> FastAPI:
    """Build FastAPI's application without the extension."""
    app = FastAPI()
    for path, endpoint in GET.items():
        app.add_api_route(path, endpoint, methods=["GET", "HEAD"])
    app.add_api_route("/echo", echo, methods=ANY)
    app.add_exception_handler(Teapot, brew)
    return app


def create_app(new_app: Callable[[], Starlette], options: Options) -> Starlette:
    """Build an application with the extension."""
    app = new_app()
    for name, value in options.settings.items():
        setattr(app.state, name, value)
    dockerflow = Dockerflow(
        app,
        registry=options.registry(),
        silenced_checks=options.silenced_checks,
        version_path=options.version_path,
    )
    if options.version_callback is not None:
        dockerflow.version_callback(options.version_callback)
    return app


create_fastapi = functools.partial(create_app, new_fastapi)


def start(new_app: Callable[[], Starlette], options: Options) -> RunningApp:
    """Answer requests with an application."""
    return ASGIApp(create_app(new_app, options), lifespan=True)


FRAMEWORKS = tuple(
    Framework(
        name=name,
        start=functools.partial(start, new_app),
        logger="dockerflow.fastapi.views",
        lbheartbeat_body=b'{"status": "ok"}',
        crash_page_has_id=False,
    )
    for name, new_app in (("fastapi", new_fastapi), ("starlette", new_starlette))
)
