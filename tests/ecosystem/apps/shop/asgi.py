"""The project for ASGI servers, with a websocket."""

from __future__ import annotations

import logging
from typing import Any

from channels.generic.websocket import WebsocketConsumer
from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

from dockerflow.logging import get_or_generate_request_id, request_id_context

log = logging.getLogger("shop.chat")


class Chat(WebsocketConsumer):
    """Repeats each message."""

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Send the client's message back."""
        log.info("heard")
        if text_data == "boom":
            raise RuntimeError(text_data)
        self.send(text_data)


class RequestIds:
    """Gives each websocket a request id, because websockets bypass Django's middleware."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a websocket, which has a task of its own."""
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        request_id_context.set(get_or_generate_request_id(headers))
        await self.app(scope, receive, send)


application = ProtocolTypeRouter(
    {"http": get_asgi_application(), "websocket": RequestIds(Chat.as_asgi())}
)
