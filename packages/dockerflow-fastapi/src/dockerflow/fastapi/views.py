"""The views of the endpoints, for the router alone or for an extension."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

from anyio import from_thread
from fastapi import APIRouter, HTTPException
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from dockerflow import version as version_json
from dockerflow.endpoints import ERROR_PATH, HEARTBEAT, PROBES, AsyncEndpoints, Path, Reply
from dockerflow.logging.asgi import OBSERVATION
from dockerflow.logging.request import RequestObservation, loaded_identity

T = TypeVar("T")

logger = logging.getLogger(__name__)


def get_version(root: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read ``version.json`` by ``dockerflow.version.get_version``, which tests may have patched.

    :param root: the directory that holds it.
    """
    return version_json.get_version(root)


class StateEndpoints(AsyncEndpoints):
    """Endpoints and summaries of an application whose settings are attributes of ``app.state``."""

    logger = logger
    lbheartbeat_reply: ClassVar[Reply] = Reply(200, b'{"status": "ok"}', "application/json")

    def get_setting(self, app: Any, name: str, default: Any = None) -> Any:
        """Return a setting of the application, or the default if it has no ``state``."""
        return getattr(getattr(app, "state", None), name, default)

    def version_places(self, app: Any) -> tuple[Path | None, tuple[Path, ...]]:
        """Return ``version_path``, else ``app.state.APP_DIR``, else ``$APP_DIR``."""
        place = self.version_path or self.get_setting(app, "APP_DIR") or os.environ.get("APP_DIR")
        return place or None, ()

    def get_version(self, directory: str) -> Any:
        """Read the ``version.json`` of a directory by this module's ``get_version``."""
        return get_version(directory)

    async def run_in_thread(self, func: Callable[[], T]) -> T:
        """Call a function that may block, under asyncio or trio, and return its result."""
        return await run_in_threadpool(func)

    def notify(self, app: Any, level: int, **extra: str) -> None:
        """Call the receivers, from a thread that the event loop has started."""
        from_thread.run(functools.partial(self.notify_async, app, level, **extra))

    def summary_extra(self, request: Request) -> dict[str, Any]:
        """Return the fields of a request's summary; subclasses may extend them.

        ``code``, ``errno`` and ``t`` are set afterwards.

        :param request: the request at its end: ``request.state`` and ``request.user`` are as the
            application has left them, and the body is not available. A mounted application may
            have changed ``request.scope``; the fields describe the request as it arrived.
        """
        observation: RequestObservation = request.scope[OBSERVATION]
        return {**observation.fields, "uid": self.user_id(request)}

    def user_id(self, request: Request) -> Any:
        """Return the ``identity`` of the user set by ``AuthenticationMiddleware``, else ``""``.

        Logging never loads a user.
        https://www.starlette.io/authentication/

        :param request: the request at its end.
        """
        user = request.scope.get("user")
        identity: Any = loaded_identity(user)
        if identity is None and user is not None:
            # BaseUser's identity and is_authenticated raise unless a subclass overrides them.
            with contextlib.suppress(AttributeError, NotImplementedError):
                identity = user.identity if user.is_authenticated else None
        return "" if identity is None else identity


_without_extension = StateEndpoints()


def extension_of(app: object) -> StateEndpoints:
    """Return the extension of an application, or a default one if it uses only the router."""
    extension = getattr(getattr(app, "state", None), "dockerflow", None)
    return extension if isinstance(extension, StateEndpoints) else _without_extension


def to_response(reply: Reply) -> Response:
    """Return a reply as Starlette's response."""
    # Not as media_type: Starlette would add a second charset to "text/plain".
    headers = {"Content-Type": reply.media_type, **dict(reply.headers)}
    return Response(reply.body, reply.status, headers)


async def version(request: Request) -> Response:
    """Answer ``/__version__`` with the content of ``version.json``."""
    return to_response(await extension_of(request.app).version_async(request.app))


async def heartbeat(request: Request) -> Response:
    """Answer ``/__heartbeat__`` with the results of the checks."""
    return await _heartbeat(request, None)


async def heartbeat_group(request: Request) -> Response:
    """Answer ``/__heartbeat__/GROUP`` with the results of the group's checks."""
    return await _heartbeat(request, request.path_params["group"])


async def _heartbeat(request: Request, group: str | None) -> Response:
    app, accept = request.app, request.headers.get("accept", "")
    return to_response(await extension_of(app).heartbeat_async(app, group, accept))


async def lbheartbeat(request: Request) -> Response:
    """Answer ``/__lbheartbeat__``: the process serves requests."""
    return to_response(extension_of(request.app).lbheartbeat())


async def error(request: Request) -> Response:
    """Raise an exception, to test error reporting."""
    extension = extension_of(request.app)
    if not extension.settings(request.app).error_endpoint:
        raise HTTPException(404)
    extension.error()


VIEWS: dict[str, Callable[[Request], Awaitable[Response]]] = dict(
    zip((*PROBES, ERROR_PATH), (version, heartbeat, lbheartbeat, error), strict=True)
)
"""The views of the endpoints, by their paths."""


class GroupRoute(APIRoute):
    """The route of ``/__heartbeat__/GROUP``, if the application has groups.

    Otherwise it matches nothing, so that later routes of the application can use such paths.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the route matches the request."""
        match, child_scope = super().matches(scope)
        app = scope.get("app")
        if match is not Match.NONE and not extension_of(app).settings(app).groups:
            return Match.NONE, {}
        return match, child_scope


def group_route() -> GroupRoute:
    """Return the route for the heartbeats of groups."""
    path, methods = f"{HEARTBEAT}/{{group}}", ["GET", "HEAD"]
    return GroupRoute(path, heartbeat_group, methods=methods, include_in_schema=False)


def _build_router() -> APIRouter:
    router = APIRouter()
    # The first routes answer requests, so that a 405 names both methods. The second ones, with the
    # same paths, are only for the schema: there, FastAPI warns of a duplicate operation id if a
    # route has two methods.
    for methods, is_described in ((["GET", "HEAD"], False), (["GET"], True)):
        for path, view in VIEWS.items():
            router.add_api_route(
                path,
                view,
                methods=methods,
                name=view.__name__,
                include_in_schema=is_described,
                response_model=None,
            )
    router.routes.append(group_route())
    return router


router = _build_router()
"""The endpoints for ``include_router()``, as ordinary routes of FastAPI."""
