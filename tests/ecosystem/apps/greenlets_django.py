"""Django in greenlets."""

from __future__ import annotations

import asyncio
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.ecosystem.apps import greenlets


def orm(request: HttpRequest) -> HttpResponse:
    return HttpResponse(apps.get_model("contenttypes.ContentType").objects.count())


async def asynchronous(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    return HttpResponse("async")


def meet(request: Any) -> HttpResponse:
    return HttpResponse(f"{greenlets.meet()} {request._id}")


def release(request: HttpRequest) -> HttpResponse:
    return HttpResponse(greenlets.release())


class Urls:
    urlpatterns = (
        path("orm", orm),
        path("async", asynchronous),
        path("meet", meet),
        path("release", release),
        path("__lbheartbeat__", release),  # without dockerflow: the tests wait for it
    )


greenlets.log_to_stdout()
middleware = ["django.middleware.common.CommonMiddleware"]  # sets Content-Length
if greenlets.CHECKS:
    middleware.insert(0, "dockerflow.django.middleware.DockerflowMiddleware")
checks = [f"{greenlets.__name__}.{name}" for name in greenlets.CHECKS]
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
    DOCKERFLOW_CHECKS=["dockerflow.django.checks.check_database_connected", *checks],
    DOCKERFLOW_CHECK_TIMEOUT=greenlets.CHECK_TIMEOUT,
    DOCKERFLOW_HEARTBEAT_SHOW_DETAILS=True,
    INSTALLED_APPS=["django.contrib.contenttypes", *(["dockerflow.django"] if checks else [])],
    LOGGING_CONFIG=None,
    MIDDLEWARE=middleware,
    ROOT_URLCONF=Urls,
)
django.setup()
call_command("migrate", verbosity=0)
app = get_wsgi_application()
