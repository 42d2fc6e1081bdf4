"""A bare ASGI callable, wrapped, with sync and with asyncio clients."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Mapping
from typing import Any

from dockerflow.asgi import Dockerflow
from dockerflow.checks import awaitable
from dockerflow.logging.asgi import Receive, Scope, Send
from tests.adapters.apps.asgi import bare
from tests.adapters.harness import ASGIApp
from tests.services.clients import Clients
from tests.services.service import Service, Start


class ASGIService(Service):
    """The application, which is wrapped again for other settings.

    :param asynchronous: whether its clients are asyncio's.
    """

    def __init__(
        self, folder: pathlib.Path, redis_port: int, postgres_port: int, *, asynchronous: bool
    ) -> None:
        super().__init__()
        self.clients = Clients(redis_port, postgres_port, asynchronous=asynchronous)
        client, engine, migrate = self.clients.redis, self.clients.engine, folder / "alembic.ini"
        self.wrap = functools.partial(
            Dockerflow, bare, db=engine, redis=client, migrate=migrate, registry=self.registry
        )
        self.dockerflow = self.wrap()
        self.server = self.asgi = ASGIApp(self.answer)
        self.by_hand = self.clients.by_hand(awaitable, migrate)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.dockerflow(scope, receive, send)

    def configure(self, **settings: Any) -> None:
        """Wrap the application with these settings."""
        self.registry.clear_checks()
        self.dockerflow = self.wrap(settings=settings)

    def close(self) -> None:
        """Close its connections and stop it."""
        self.asgi.submit(self.clients.close()).result(30)
        self.asgi.close()


SERVICES: Mapping[str, Start] = {
    "asgi-sync": functools.partial(ASGIService, asynchronous=False),
    "asgi-async": functools.partial(ASGIService, asynchronous=True),
}
