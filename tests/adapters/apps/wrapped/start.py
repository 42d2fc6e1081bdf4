"""Start an application wrapped in dockerflow.wsgi or dockerflow.asgi."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tests.adapters.harness import ASGIApp, Framework, Options, RunningApp, WSGIApp


def wrap(dockerflow: Callable[..., Any], application: Any, options: Options) -> Any:
    """Wrap an application in one of the two extensions."""
    wrapped = dockerflow(
        application,
        registry=options.registry(),
        silenced_checks=options.silenced_checks,
        version_path=options.version_path,
        settings=options.settings,
    )
    if options.version_callback is not None:
        wrapped.version_callback(options.version_callback)
    return wrapped


def start_wsgi(new_app: Callable[[], Any], options: Options) -> RunningApp:
    """Wrap a new WSGI application, and answer requests with it."""
    from dockerflow.wsgi import Dockerflow

    return WSGIApp(wrap(Dockerflow, new_app(), options))


def start_asgi(new_app: Callable[[], Any], lifespan: bool, options: Options) -> RunningApp:
    """Wrap a new ASGI application, and answer requests with it."""
    from dockerflow.asgi import Dockerflow

    return ASGIApp(wrap(Dockerflow, new_app(), options), lifespan=lifespan)


def wsgi(name: str, new_app: Callable[[], Any], **differences: Any) -> Framework:
    """Describe a WSGI framework: its application, and its intended differences."""
    start = functools.partial(start_wsgi, new_app)
    differences = {"crash_page_has_id": False, "async_callbacks": False, **differences}
    return Framework(f"wsgi-{name}", start, "dockerflow.wsgi", **differences)


def asgi(
    name: str, new_app: Callable[[], Any], *, lifespan: bool = True, **differences: Any
) -> Framework:
    """Describe an ASGI framework like :func:`wsgi`, and whether it supports lifespan."""
    start = functools.partial(start_asgi, new_app, lifespan)
    return Framework(f"asgi-{name}", start, "dockerflow.asgi", **differences)
