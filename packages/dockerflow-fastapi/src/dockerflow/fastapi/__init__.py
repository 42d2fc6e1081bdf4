"""Dockerflow for FastAPI and Starlette: operational endpoints, request summaries and request ids.

::

    from dockerflow.fastapi import Dockerflow
    from fastapi import FastAPI

    app = FastAPI()
    dockerflow = Dockerflow(app)
"""

from __future__ import annotations

from dockerflow.version.single_package import warn_if_installed

from . import checks, middleware, views
from .app import Dockerflow
from .views import router

__all__ = ["Dockerflow", "checks", "middleware", "router", "views"]

warn_if_installed()
