"""Django under WSGI and ASGI, with its own Redis cache and django-redis's."""

from __future__ import annotations

import contextlib
import functools
import pathlib
from collections.abc import Mapping
from typing import Any
from unittest import mock

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from dockerflow.checks import default_registry
from tests.adapters.apps.django import AsyncViews, Views
from tests.adapters.harness import ASGIApp, WSGIApp
from tests.services.servers import PostgresServer
from tests.services.service import Service, Start, redis_url

CHECKS = "dockerflow.django.checks."
BACKENDS = ["django.core.cache.backends.redis.RedisCache", "django_redis.cache.RedisCache"]


class DjangoService(Service):
    """The application, the only one of the process.

    :param asynchronous: whether it runs under ASGI.
    :param database: additional settings of the database.
    """

    database_down = "E001"

    def __init__(
        self,
        folder: pathlib.Path,
        redis_port: int,
        postgres_port: int,
        *,
        asynchronous: bool = False,
        **database: Any,
    ) -> None:
        super().__init__()
        settings = {
            "CACHES": {
                "default": {"BACKEND": BACKENDS[asynchronous], "LOCATION": redis_url(redis_port)}
            },
            "DOCKERFLOW_CHECKS": [CHECKS + name for name in self.down],
            "DOCKERFLOW_HEARTBEAT_SHOW_DETAILS": True,
            "ROOT_URLCONF": AsyncViews if asynchronous else Views,
        }
        databases = {
            "default": {
                **connections.settings["default"],
                "ENGINE": "django.db.backends.postgresql",
                "NAME": "postgres",
                "USER": "postgres",
                "PASSWORD": "hunter2",
                "HOST": "127.0.0.1",
                "PORT": postgres_port,
                "CONN_MAX_AGE": None,
                **database,
            }
        }
        self._stack = contextlib.ExitStack()
        self._forget_connection()
        self._stack.callback(self._forget_connection)
        self._stack.callback(default_registry.forget_results)
        self._stack.enter_context(mock.patch.dict(connections.settings, databases))
        self._stack.enter_context(override_settings(**settings))
        self.server = ASGIApp(ASGIHandler()) if asynchronous else WSGIApp(WSGIHandler())
        self._stack.callback(self.server.close)

    def configure(self, **settings: Any) -> None:
        """Change settings until the application is closed."""
        self._stack.enter_context(override_settings(**settings))

    def close(self) -> None:
        """Close its connections, and restore its settings."""
        self._stack.close()

    def migrate(self, server: PostgresServer) -> None:
        """Apply the migrations."""
        call_command("migrate", verbosity=0, skip_checks=True)

    def unmigrate(self, server: PostgresServer) -> None:
        """Revert a migration."""
        call_command("migrate", "sessions", "zero", verbosity=0, skip_checks=True)

    def _forget_connection(self) -> None:
        connections["default"].close()
        del connections["default"]


SERVICES: Mapping[str, Start] = {
    "django-wsgi": DjangoService,
    "django-asgi": functools.partial(DjangoService, asynchronous=True),
}
