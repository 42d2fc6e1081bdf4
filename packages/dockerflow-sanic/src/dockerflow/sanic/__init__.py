"""Dockerflow for Sanic: operational endpoints, request summaries and request ids.

::

    from dockerflow.sanic import Dockerflow
    from sanic import Sanic

    app = Sanic("service")
    dockerflow = Dockerflow(app)
"""

from __future__ import annotations

from dockerflow.version.single_package import warn_if_installed

from . import checks
from .app import Dockerflow

__all__ = ["Dockerflow", "checks"]

warn_if_installed()
