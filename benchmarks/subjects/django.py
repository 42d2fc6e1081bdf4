"""Django; ``django_wsgi`` and ``django_asgi`` measure the same under both interfaces."""

from __future__ import annotations

import logging
import pathlib

import django
from django.conf import settings
from django.core.checks import register
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path as route

from benchmarks.work import Work

from . import requests

_MIDDLEWARE = {
    "": [],
    "dockerflow": ["dockerflow.django.middleware.DockerflowMiddleware"],
    "django_guid": ["django_guid.middleware.guid_middleware"],
}


def _hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


async def _hello_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


urlpatterns = [route("hello", _hello)]


def ask(path: str, package: str, checks: requests.Checks = (), *, is_async: bool) -> Work:
    """Return what asks a new application for a path.

    :param is_async: under ASGI, with an async view.
    """
    if is_async:
        urlpatterns[:] = [route("hello", _hello_async)]
    apps = ["django.contrib.auth", "django.contrib.contenttypes", "dockerflow.django"]
    settings.configure(
        ALLOWED_HOSTS=["*"],
        BASE_DIR=pathlib.Path(requests.version_folder()),
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DJANGO_GUID={"GUID_HEADER_NAME": "X-Request-ID"},
        DOCKERFLOW_CHECKS=[],
        INSTALLED_APPS=[*apps, "django_guid"] if package == "django_guid" else apps,
        LOGGING_CONFIG=None,
        MIDDLEWARE=_MIDDLEWARE[package],
        ROOT_URLCONF=__name__,
        SECRET_KEY="of-no-use" * 8,
        USE_TZ=True,
    )
    for check in checks:
        register(check)
    django.setup()
    # The existing package logs what Django's own checks say of these settings, at each heartbeat.
    logging.getLogger("dockerflow").setLevel(logging.CRITICAL)
    logging.getLogger("django_guid").setLevel(logging.WARNING)
    return requests.asgi(ASGIHandler(), path) if is_async else requests.wsgi(WSGIHandler(), path)
