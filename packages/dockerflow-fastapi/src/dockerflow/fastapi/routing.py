"""The routes of the endpoints."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.datastructures import URLPath
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from . import views

_ENDPOINTS = {
    f"/__{view.__name__}__": view
    for view in (views.version, views.heartbeat, views.lbheartbeat, views.error)
}


_NO_MATCH = Match.NONE  # saves the look-up in the enumeration
_BEGINNING = "/__"  # of all their paths


class _EndpointRoute(Route):
    """A route that requests for other paths pass quickly, and that calls its view directly."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self._name = path[path.rindex("/") :]
        # Saves the frames for dependencies and their endings, where there are none. What a view
        # raises is handled around the routes, by the same handlers.
        if not getattr(self, "dependencies", None):
            self.app = _called_directly(endpoint)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        # Saves the matching: in an application that includes the router, each request may pass all
        # four. To look for the name anywhere costs half of what endswith() does.
        if self._name not in scope["path"]:
            return _NO_MATCH, {}
        return super().matches(scope)


class _EndpointAPIRoute(_EndpointRoute, APIRoute):
    """The same for FastAPI; in a router that is included with dependencies, these hold."""


class Endpoints(BaseRoute):
    """The routes of the endpoints as one: they come first, where each request would pass all four.

    :ivar routes: the four.
    """

    # What others who go through the routes of an application ask each for.
    path = path_format = "/__{endpoint}__"
    name = "dockerflow"
    methods = frozenset({"GET", "HEAD"})
    include_in_schema = False

    def __init__(self, routes: list[BaseRoute]) -> None:
        self.routes = routes

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Look which of the four matches, and put it into the scope."""
        if _BEGINNING in scope["path"]:
            for route in self.routes:
                match, child_scope = route.matches(scope)
                if match is not _NO_MATCH:
                    return match, {**child_scope, "route": route}
        return _NO_MATCH, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as that one does."""
        await scope["route"].handle(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """Return the path of one of the four, by its name."""
        for route in self.routes:
            with contextlib.suppress(NoMatchFound):
                return route.url_path_for(name, **path_params)
        raise NoMatchFound(name, path_params)


def _called_directly(view: Callable[[Request], Awaitable[Response]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await view(Request(scope, receive, send))
        await response(scope, receive, send)

    return app


def add_endpoints(target: APIRouter) -> None:
    """Add the endpoints as routes of FastAPI, whose dependencies hold for them.

    :param target: where to: the router of an application, or one of its own.
    """
    for path, view in _ENDPOINTS.items():
        # One route, so that its 405 names both methods.
        target.add_api_route(
            path,
            view,
            methods=["GET", "HEAD"],
            name=f"dockerflow.{view.__name__}",
            include_in_schema=False,
            route_class_override=_EndpointAPIRoute,
        )


router = APIRouter()
"""The endpoints for an application of FastAPI."""

add_endpoints(router)

routes: list[BaseRoute] = [
    _EndpointRoute(path, view, methods=["GET"], name=f"dockerflow.{view.__name__}")
    for path, view in _ENDPOINTS.items()
]
"""The endpoints for an application of Starlette."""
