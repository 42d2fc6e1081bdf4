"""Middleware that a service may have without dockerflow: one line of JSON for each request."""

from __future__ import annotations

import json
import logging
import os
import time
from typing import Any

logger = logging.getLogger("access")


def setup() -> None:
    """Write the lines to ``/dev/null``."""
    logger.addHandler(logging.StreamHandler(open(os.devnull, "w", encoding="utf-8")))  # noqa: SIM115 - it stays open
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _write(method: str, path: str, agent: str, status: int, start: float) -> None:
    milliseconds = round(1000 * (time.monotonic() - start))
    fields = {"method": method, "path": path, "agent": agent, "code": status, "t": milliseconds}
    logger.info(json.dumps({"time": time.time(), "type": "request", **fields}))


class WSGIMiddleware:
    """A WSGI application around another one."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer a request, and write its line."""
        start, statuses = time.monotonic(), []

        def start_with_status(status: str, headers: Any, exc_info: Any = None) -> Any:
            statuses.append(int(status[:3]))
            return start_response(status, headers, exc_info)

        body = self.app(environ, start_with_status)
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        _write(method, path, environ.get("HTTP_USER_AGENT", ""), statuses[-1], start)
        return body


class ASGIMiddleware:
    """An ASGI application around another one."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer a request, and write its line."""
        start, status = time.monotonic(), 500

        async def send_with_status(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self.app(scope, receive, send_with_status)
        agent = dict(scope["headers"]).get(b"user-agent", b"").decode("latin-1")
        _write(scope["method"], scope["path"], agent, status, start)
