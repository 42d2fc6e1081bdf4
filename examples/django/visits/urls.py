"""The pages of the service."""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse
from django.urls import path

from .models import Visit

log = logging.getLogger("visits")


async def visit(request: HttpRequest) -> HttpResponse:
    """Count a visit."""
    await Visit.objects.acreate()
    count = await Visit.objects.acount()
    log.info("counted a visit", extra={"visits": count})
    return HttpResponse(f"You are visitor number {count}.\n", content_type="text/plain")


urlpatterns = [path("", visit)]
