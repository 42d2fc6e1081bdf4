"""The answers of the operational endpoints as neutral values."""

from __future__ import annotations

import json
from dataclasses import dataclass

from dockerflow.checks import ERROR, ChecksResults, level_to_text

from .settings import EndpointSettings

# Probes and deployment tools must see the service as it is now, whatever proxies lie between.
# https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.5
NO_STORE = ("Cache-Control", "no-store")


@dataclass(frozen=True)
class Reply:
    """An answer that any framework can send.

    :param status: the HTTP status code.
    :param body: the content, encoded as ``media_type`` says.
    :param media_type: the value of ``Content-Type``.
    :param headers: names and values of further response headers.
    """

    status: int
    body: bytes = b""
    media_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = (NO_STORE,)


def json_reply(status: int, content: object) -> Reply:
    """Answer with what :func:`json.dumps` takes."""
    return Reply(status, json.dumps(content).encode(), "application/json")


def heartbeat_reply(results: ChecksResults, settings: EndpointSettings) -> Reply:
    """Answer ``/__heartbeat__``, which fails where a check is at ERROR or worse."""
    body: dict[str, object] = {"status": level_to_text(results.level)}
    if settings.show_details:
        body["checks"] = results.statuses
        body["details"] = results.details
    return json_reply(settings.failed_status if results.level >= ERROR else 200, body)


def method_not_allowed() -> Reply:
    """Answer a request that is neither GET nor HEAD."""
    return Reply(405, headers=(NO_STORE, ("Allow", "GET, HEAD")))
