"""Dockerflow for Django: operational endpoints, health checks, request summaries and request ids.

In the settings::

    INSTALLED_APPS = [..., "dockerflow.django"]
    MIDDLEWARE = ["dockerflow.django.middleware.DockerflowMiddleware", ...]
"""

from __future__ import annotations

from dockerflow.version.single_package import warn_if_installed

warn_if_installed()
