"""Starlette's application, wrapped for ASGI servers, with other features of ASGI."""

from __future__ import annotations

import logging
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount

from dockerflow.asgi import Dockerflow
from dockerflow.logging import request_id_context
from tests.adapters.apps.wrapped.starlette import new_starlette
from tests.adapters.apps.wrapped.start import wrap
from tests.servers.apps import OPTIONS, log_to_stdout

log_to_stdout()
log = logging.getLogger("app")
inner = Dockerflow(new_starlette())


class Extras:
    """Features of ASGI besides requests and responses, in front of an application."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer these, and pass the rest to the application."""
        path = scope.get("path", "")
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
        elif scope["type"] == "websocket":
            await self.talk(path, receive, send)
        elif path == "/file" and "http.response.pathsend" in scope.get("extensions", {}):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.pathsend", "path": __file__})
        elif path == "/trailers":
            await self.trailers(send)
        elif path == "/events":
            await self.events(send)
        else:
            await self.application(scope, receive, send)

    async def lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        """Log both events."""
        assert "dockerflow.observation" not in scope
        for _ in range(2):
            event = (await receive())["type"]
            log.info(event)
            await send({"type": f"{event}.complete"})

    async def talk(self, path: str, receive: Any, send: Any) -> None:
        """Reject a websocket, or echo one text with the request's id in front."""
        assert (await receive())["type"] == "websocket.connect"
        if path == "/rejected":
            await send({"type": "websocket.close", "code": 1000})
            return
        await send({"type": "websocket.accept"})
        text = (await receive())["text"]
        await send({"type": "websocket.send", "text": f"{request_id_context.get()} {text}"})
        await send({"type": "websocket.close", "code": 4000})

    async def trailers(self, send: Any) -> None:
        """Send a header after the body."""
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"trailer", b"x-sum"), (b"transfer-encoding", b"chunked")],
                "trailers": True,
            }
        )
        await send({"type": "http.response.body", "body": b"hello"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"5")]})

    async def events(self, send: Any) -> None:
        """Send server-sent events."""
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number in range(3):
            data = f"data: {number}\n\n".encode()
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body"})


mounted = Starlette(routes=[Mount("/below", inner), Mount("/", inner)])
app = wrap(Dockerflow, Extras(mounted), OPTIONS)
