"""The endpoints for ``include()``, where they are wanted at other paths than the middleware's.

::

    from django.urls import include, path

    urlpatterns = [path("ops/", include("dockerflow.django.urls"))]
"""

from __future__ import annotations

from django.urls import re_path

from . import views

app_name = "dockerflow"

urlpatterns = [
    re_path(r"^__version__/?\Z", views.version, name="version"),
    re_path(r"^__heartbeat__/?\Z", views.heartbeat, name="heartbeat"),
    re_path(r"^__lbheartbeat__/?\Z", views.lbheartbeat, name="lbheartbeat"),
    re_path(r"^__error__/?\Z", views.error, name="error"),
]
