"""The endpoints, as FastAPI and Starlette call them."""

from __future__ import annotations

import logging
import os
from typing import Any

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dockerflow import version as version_json
from dockerflow.endpoints import Reply, error_called, lbheartbeat_reply

from .app import extension_of

logger = logging.getLogger(__name__)


def get_version(root: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read ``version.json``, by what :mod:`dockerflow.version` has at the moment.

    :param root: the directory that holds it.
    """
    return version_json.get_version(root)


async def version(request: Request) -> Response:
    """Answer ``/__version__``."""
    app = request.scope.get("app")
    return _to_response(await extension_of(app).answer_version(app, get_version))


async def heartbeat(request: Request) -> Response:
    """Answer ``/__heartbeat__``."""
    app = request.scope.get("app")
    return _to_response(await extension_of(app).answer_heartbeat(app))


async def lbheartbeat(request: Request) -> Response:
    """Answer ``/__lbheartbeat__``, from the event loop itself: the thread pool may be used up."""
    return _to_response(lbheartbeat_reply({"status": "ok"}))


async def error(request: Request) -> Response:
    """Answer ``/__error__``, which there may not be."""
    app = request.scope.get("app")
    if not extension_of(app).settings_of(app).error_endpoint:
        raise HTTPException(404)
    error_called(logger)


def _to_response(reply: Reply) -> Response:
    # Among the headers: as a media type, older releases of Starlette give it a second charset.
    response = Response(reply.body, reply.status, {"content-type": reply.media_type})
    for name, value in reply.headers:
        response.headers.append(name, value)
    return response
