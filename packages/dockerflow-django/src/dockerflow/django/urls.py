"""The endpoints for ``include()``, to serve them at other paths too.

::

    from django.urls import include, path

    urlpatterns = [path("ops/", include("dockerflow.django.urls"))]
"""

from __future__ import annotations

from django.urls import re_path

from .views import heartbeat, viewpatterns

app_name = "dockerflow"

urlpatterns = [
    re_path(rf"^__{view.__name__}__/?\Z", view, name=view.__name__) for _, view in viewpatterns
]
urlpatterns.append(
    re_path(r"^__heartbeat__/(?P<group>[^/]+)/?\Z", heartbeat, name="heartbeat_group")
)
