"""Sanic, with sync and with asyncio clients."""

from __future__ import annotations

import contextlib
import functools
import pathlib
from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Any

from alembic.config import Config
from sanic import HTTPResponse, Request, Sanic
from sanic.response import text

from dockerflow.sanic import Dockerflow, checks
from tests.adapters.apps.sanic import SanicServer, names
from tests.adapters.harness import Answer
from tests.services.clients import Clients
from tests.services.service import Service, Start


async def hello(request: Request[Any, Any]) -> HTTPResponse:
    return text("hello")


class SanicService(Service):
    """The application.

    :param asynchronous: whether its clients are asyncio's.
    """

    def __init__(
        self, folder: pathlib.Path, redis_port: int, postgres_port: int, *, asynchronous: bool
    ) -> None:
        super().__init__()
        self.app: Sanic[Any, Any] = Sanic(next(names), configure_logging=False)
        self.app.config["MOTD"] = False
        self.app.add_route(hello, "/")
        self.clients = Clients(redis_port, postgres_port, asynchronous=asynchronous)
        client, engine = self.clients.redis, self.clients.engine
        migrate = Config(str(folder / "alembic.ini"))
        Dockerflow(self.app, db=engine, redis=client, migrate=migrate, registry=self.registry)
        self.server = self.sanic = SanicServer(self.app)
        self.by_hand = self.clients.by_hand(checks, migrate)

    def get(self, path: str) -> Answer:
        """Send a request; ``SanicServer.request`` would wait for the end of all others."""
        host, port = self.sanic.address
        with contextlib.closing(HTTPConnection(host, port, timeout=30)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())

    def configure(self, **settings: Any) -> None:
        """Change settings of the running application."""
        self.app.config.update(settings)

    def close(self) -> None:
        """Close its connections and stop it."""
        self.sanic.submit(self.clients.close()).result(30)
        self.sanic.close()


SERVICES: Mapping[str, Start] = {
    "sanic-sync": functools.partial(SanicService, asynchronous=False),
    "sanic-async": functools.partial(SanicService, asynchronous=True),
}
