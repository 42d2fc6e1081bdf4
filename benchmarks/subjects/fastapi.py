"""FastAPI, called as an ASGI server calls it."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from fastapi import FastAPI
from starlette.responses import PlainTextResponse

from benchmarks.work import Work
from dockerflow.checks import register
from dockerflow.fastapi import router
from dockerflow.fastapi.middleware import MozlogRequestSummaryLogger, RequestIdMiddleware

from . import requests


def ask(path: str, package: str, checks: requests.Checks = ()) -> Work:
    """Return what asks a new application for a path.

    The existing package has no extension, so both have the parts.
    """
    app = FastAPI()

    @app.get("/hello", response_class=PlainTextResponse)
    async def hello() -> str:
        return "hello"

    for check in checks:
        register(check)
    if package == "dockerflow":
        app.state.APP_DIR = requests.version_folder()
        app.include_router(router)
        app.add_middleware(RequestIdMiddleware)
        app.add_middleware(MozlogRequestSummaryLogger)
    elif package:  # a peer, which is not in the reference's environment
        peer: Any = import_module(package)
        app.add_middleware(peer.CorrelationIdMiddleware)
    return requests.asgi(app, path)


measure = partial(requests.measure, ask)
