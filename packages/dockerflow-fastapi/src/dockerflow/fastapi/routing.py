"""The routes of the endpoints."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute, Route

from . import views

_ENDPOINTS = {
    f"/__{view.__name__}__": view
    for view in (views.version, views.heartbeat, views.lbheartbeat, views.error)
}


def add_endpoints(target: FastAPI | APIRouter) -> None:
    """Add the endpoints as routes of FastAPI, whose dependencies hold for them."""
    for path, view in _ENDPOINTS.items():
        # One route, so that its 405 names both methods.
        target.add_api_route(
            path,
            view,
            methods=["GET", "HEAD"],
            name=f"dockerflow.{view.__name__}",
            include_in_schema=False,
        )


router = APIRouter()
"""The endpoints for an application of FastAPI."""

add_endpoints(router)

routes: list[BaseRoute] = [
    Route(path, view, methods=["GET"], name=f"dockerflow.{view.__name__}")
    for path, view in _ENDPOINTS.items()
]
"""The endpoints for an application of Starlette."""
