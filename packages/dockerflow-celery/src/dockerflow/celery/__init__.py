"""Observe the workers of a Celery application.

::

    from dockerflow.celery import observe

    app = Celery("shop", broker="redis://")
    observe(app)
"""

from __future__ import annotations

from dockerflow.version.single_package import warn_if_installed

from .app import observe

__all__ = ["observe"]

warn_if_installed()
