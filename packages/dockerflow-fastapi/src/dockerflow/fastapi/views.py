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

_ALIVE = lbheartbeat_reply({"status": "ok"})


def get_version(root: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read ``version.json``, by what :mod:`dockerflow.version` has at the moment.

    :param root: the directory that holds it.
    """
    return version_json.get_version(root)


async def version(request: Request) -> Response:
    """Answer ``/__version__``.

    :param request: a request of any path.
    """
    app = request.scope.get("app")
    return _to_response(await extension_of(app).answer_version(app, get_version))


async def heartbeat(request: Request) -> Response:
    """Answer ``/__heartbeat__``.

    :param request: a request of any path.
    """
    app = request.scope.get("app")
    return _to_response(await extension_of(app).answer_heartbeat(app))


async def lbheartbeat(request: Request) -> Response:
    """Answer ``/__lbheartbeat__``, from the event loop itself: the thread pool may be used up.

    :param request: a request of any path.
    """
    return _to_response(_ALIVE)


async def error(request: Request) -> Response:
    """Answer ``/__error__``.

    :param request: a request of any path.
    :raises dockerflow.endpoints.ErrorEndpointCalled: always.
    :raises fastapi.HTTPException: 404, where ``DOCKERFLOW_ERROR_ENDPOINT`` is off.
    """
    app = request.scope.get("app")
    if not extension_of(app).settings_of(app).error_endpoint:
        raise HTTPException(404)
    error_called(logger)


def _to_response(reply: Reply) -> Response:
    # Among the headers: as a media type, older releases of Starlette give it a second charset.
    headers = {"content-type": reply.media_type, **dict(reply.headers)}
    return Response(reply.body, reply.status, headers)
