"""The pages of the project."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from debug_toolbar.toolbar import debug_toolbar_urls
from django.contrib.auth import decorators
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from django_prometheus.exports import ExportToDjangoView
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotFound, PermissionDenied, Throttled
from rest_framework.response import Response
from rest_framework.views import APIView

log = logging.getLogger("shop.orders")
login_not_required: Any = getattr(  # new in Django 5.1
    decorators, "login_not_required", lambda view: view
)


class Anybody(BaseAuthentication):
    """Takes each request as user 7's."""

    def authenticate(self, request: Any) -> Any:
        """Return the user, and no token."""
        return User(pk=7), None


class Orders(APIView):
    """Answers with the number of the order."""

    authentication_classes: ClassVar = [Anybody]
    errors: ClassVar = {403: PermissionDenied, 404: NotFound, 429: Throttled, 500: RuntimeError}

    def get(self, request: Any, number: int) -> Response:
        """Answer with the order, or with the error of that status."""
        log.info("looked up", extra={"user": request.user.pk})
        if number in self.errors:
            raise self.errors[number]
        return Response({"order": number})


def page(request: HttpRequest) -> HttpResponse:
    """Answer with HTML, using the ORM."""
    return HttpResponse(f"<html><body>{User.objects.count()} users</body></html>")


def account(request: HttpRequest) -> HttpResponse:
    """Answer with the name of the logged-in user."""
    return page(request)


async def endless(request: HttpRequest) -> StreamingHttpResponse:
    """Stream until the client disconnects."""

    async def chunks() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            yield b"more" * 16384

    return StreamingHttpResponse(chunks())


urlpatterns = [
    path("account", account),
    path("page", login_not_required(page)),
    path("endless", login_not_required(endless)),
    path("metrics", login_not_required(ExportToDjangoView)),
    path("orders/<int:number>", Orders.as_view()),
    *debug_toolbar_urls(),
]
