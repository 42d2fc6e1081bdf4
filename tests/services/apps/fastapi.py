"""FastAPI, with sync and with asyncio clients."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from dockerflow.fastapi import Dockerflow, checks
from tests.adapters.harness import ASGIApp
from tests.services.clients import Clients
from tests.services.service import Service, Start


def hello() -> PlainTextResponse:
    return PlainTextResponse("hello")


class FastAPIService(Service):
    """The application.

    :param asynchronous: whether its clients are asyncio's.
    """

    def __init__(
        self, folder: pathlib.Path, redis_port: int, postgres_port: int, *, asynchronous: bool
    ) -> None:
        super().__init__()
        self.app = FastAPI()
        self.app.add_api_route("/", hello)
        self.clients = Clients(redis_port, postgres_port, asynchronous=asynchronous)
        client, engine, migrate = self.clients.redis, self.clients.engine, folder / "alembic.ini"
        Dockerflow(self.app, db=engine, redis=client, migrate=migrate, registry=self.registry)
        self.server = self.asgi = ASGIApp(self.app)
        self.by_hand = self.clients.by_hand(checks, migrate)

    def configure(self, **settings: Any) -> None:
        """Change settings of the running application."""
        for name, value in settings.items():
            setattr(self.app.state, name, value)

    def close(self) -> None:
        """Close its connections and stop it."""
        self.asgi.submit(self.clients.close()).result(30)
        self.asgi.close()


SERVICES: Mapping[str, Start] = {
    "fastapi-sync": functools.partial(FastAPIService, asynchronous=False),
    "fastapi-async": functools.partial(FastAPIService, asynchronous=True),
}
