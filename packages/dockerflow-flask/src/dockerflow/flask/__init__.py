"""Dockerflow for Flask: operational endpoints, request summaries and request ids.

::

    from dockerflow.flask import Dockerflow
    from flask import Flask

    app = Flask(__name__)
    dockerflow = Dockerflow(app)
"""

from __future__ import annotations

from dockerflow.version.single_package import warn_if_installed

from . import checks, signals
from .app import Dockerflow, HeartbeatFailure

__all__ = ["Dockerflow", "HeartbeatFailure", "checks", "signals"]

warn_if_installed()
