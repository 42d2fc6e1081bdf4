"""Dockerflow for any WSGI application: endpoints, health checks, request summaries, request ids.

::

    from dockerflow.wsgi import Dockerflow

    application = Dockerflow(application)
"""

from __future__ import annotations

from dockerflow.version.single_package import warn_if_installed

from .app import Dockerflow

__all__ = ["Dockerflow"]

warn_if_installed()
