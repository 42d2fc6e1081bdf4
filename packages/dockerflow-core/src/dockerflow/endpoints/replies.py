"""The answers of the operational endpoints, independent of any framework."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from dockerflow.checks import ERROR, ChecksResults
from dockerflow.checks.report import to_dict

from .settings import EndpointSettings

# Probes and deployment tools must see the service as it is now, not an answer that a proxy stored.
# https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.5
NO_STORE = ("Cache-Control", "no-store")

# https://www.rfc-editor.org/rfc/rfc9110#section-12.5.5
VARY = ("Vary", "Accept")


@dataclass(frozen=True)
class Reply:
    """An answer that any framework can send.

    :param status: the HTTP status code.
    :param body: the content, encoded as ``media_type`` says.
    :param media_type: the value of ``Content-Type``.
    :param headers: names and values of other response headers.
    """

    status: int
    body: bytes = b""
    media_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = (NO_STORE,)


def json_reply(status: int, content: object, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Answer with ``content`` as JSON, and with ``headers`` in addition to ``NO_STORE``."""
    body = json.dumps(content).encode()
    return Reply(status, body, "application/json", (NO_STORE, *headers))


def heartbeat_reply(results: ChecksResults, settings: EndpointSettings) -> Reply:
    """Answer ``/__heartbeat__``, which fails if a check is at ERROR or worse."""
    body = to_dict(results, with_details=settings.show_details)
    headers: tuple[tuple[str, str], ...] = (VARY,)
    if settings.show_details and (timing := server_timing(results)):
        headers = (VARY, ("Server-Timing", timing))
    return json_reply(settings.failed_status if results.level >= ERROR else 200, body, headers)


def server_timing(results: ChecksResults) -> str:
    """Return how long each check took, as a ``Server-Timing`` header, which browsers display.

    The last checks are left out if the header would be too long for proxies.
    https://www.w3.org/TR/server-timing/#the-server-timing-header-field
    """
    value = ""
    for name, seconds in results.durations.items():
        token = _NO_TOKEN.sub("_", name) or "_"
        metric = f"{token};dur={1000 * seconds:.1f}"
        if name in results.kept:
            metric += ';desc="kept"'
        longer = f"{value}, {metric}" if value else metric
        if len(longer) > _LONGEST_TIMING:
            break
        value = longer
    return value


# https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
_NO_TOKEN = re.compile(r"[^A-Za-z0-9!#$%&'*+.^_`|~-]")
_LONGEST_TIMING = 2000  # proxies accept 4 kB or more for all headers


def method_not_allowed() -> Reply:
    """Answer a request that is neither GET nor HEAD."""
    return Reply(405, headers=(NO_STORE, ("Allow", "GET, HEAD")))
