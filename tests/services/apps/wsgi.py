"""A bare WSGI callable, wrapped."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dockerflow.checks.alembic import check_migrations_applied
from dockerflow.checks.redis import check_redis_connected
from dockerflow.checks.sqlalchemy import check_database_connected
from dockerflow.wsgi import Dockerflow
from tests.adapters.apps.wsgi import bare
from tests.adapters.harness import WSGIApp
from tests.services.clients import Clients
from tests.services.service import Service, Start

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class WSGIService(Service):
    """The application, which is wrapped again for other settings."""

    def __init__(self, folder: pathlib.Path, redis_port: int, postgres_port: int) -> None:
        super().__init__()
        self.clients = Clients(redis_port, postgres_port, asynchronous=False)
        client, engine, migrate = self.clients.redis, self.clients.engine, folder / "alembic.ini"
        self.wrap = functools.partial(
            Dockerflow, bare, db=engine, redis=client, migrate=migrate, registry=self.registry
        )
        self.dockerflow = self.wrap()
        self.server = WSGIApp(self.answer)
        self.by_hand = {
            check_redis_connected: (client,),
            check_database_connected: (engine,),
            check_migrations_applied: (migrate, engine),
        }

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self.dockerflow(environ, start_response)

    def configure(self, **settings: Any) -> None:
        """Wrap the application with these settings."""
        self.registry.clear_checks()
        self.dockerflow = self.wrap(settings=settings)

    def close(self) -> None:
        """Close its connections."""
        self.clients.redis.close()
        self.clients.engine.dispose()


SERVICES: Mapping[str, Start] = {"wsgi": WSGIService}
