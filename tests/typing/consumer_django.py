"""A consumer of the Django adapter; only the type checkers read it."""

from __future__ import annotations

import logging
from typing import Any, assert_type

from django.core.checks import CheckMessage
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse

from dockerflow.django import checks, signals, urls, views
from dockerflow.django.middleware import DockerflowMiddleware


class Own(DockerflowMiddleware):
    """Overrides the methods that applications override."""

    def _build_extra_meta(self, request: HttpRequest) -> dict[str, Any]:
        return {**super()._build_extra_meta(request), "region": "eu"}


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def use(request: HttpRequest) -> None:
    assert_type(checks.check_database_connected(databases=["default"]), list[CheckMessage])
    assert_type(checks.check_migrations_applied(databases=["default"]), list[CheckMessage])
    assert_type(checks.check_redis_connected(None), list[CheckMessage])
    assert_type(views.heartbeat(request), HttpResponse)
    assert_type(signals.heartbeat_passed, Signal)
    assert_type(urls.app_name, str)
    middleware = Own(page)
    assert_type(middleware.summary_logger, logging.Logger)
    middleware.process_response(request, None)
