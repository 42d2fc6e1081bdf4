"""A bare ASGI callable of the conformance suite, and the installed frameworks."""

from __future__ import annotations

from dockerflow.logging.asgi import Receive, Scope, Send
from tests.adapters.apps.bare import respond
from tests.adapters.apps.wrapped import installed
from tests.adapters.apps.wrapped.start import asgi


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer without a framework: https://asgi.readthedocs.io/en/latest/specs/www.html."""
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    received, more = b"", True
    while more:
        message = await receive()
        received += message.get("body", b"")
        more = message.get("more_body", False)
    status, headers, body = respond(scope["method"], scope["path"], received)
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    for chunk in () if scope["method"] == "HEAD" else body:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})


async def live(receive: Receive, send: Send) -> None:
    """Start up, and shut down."""
    for event in ("startup", "shutdown"):
        assert (await receive())["type"] == f"lifespan.{event}"
        await send({"type": f"lifespan.{event}.complete"})


FRAMEWORKS = (asgi("bare", lambda: bare, crash_page_has_id=False), *installed("asgi"))
