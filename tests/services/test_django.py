"""Django's connections, pools, caches and commands, with a real Redis and PostgreSQL."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import pathlib
from typing import Any

import django
import pytest
import redis
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connections

from tests.services.apps.django import BACKENDS, DjangoService
from tests.services.beats import wait_until
from tests.services.faults import FaultProxy
from tests.services.servers import PostgresServer, RedisServer
from tests.services.service import HEALTHY, Service

each_kind = pytest.mark.parametrize("service", ["django-wsgi", "django-asgi"], indirect=True)


@each_kind
def test_connections_are_closed(
    service: Service, postgres_server: PostgresServer, redis_server: RedisServer
) -> None:
    """Heartbeats leave no connection open on the servers; django-redis keeps one in its pool."""
    gc.disable()  # it would close forgotten ones
    try:
        for _ in range(5):
            assert service.heartbeat() == HEALTHY
        wait_until(lambda: postgres_server.clients() == 0)
        with redis.Redis.from_url(redis_server.url) as client:
            wait_until(lambda: len(client.client_list()) <= 2)
    finally:
        gc.enable()


@each_kind
@pytest.mark.parametrize("timeout", [60, None], ids=["clock", "no clock"])
def test_kept_connection(
    service: Service, postgres_server: PostgresServer, timeout: float | None
) -> None:
    """A connection that the application has kept, and a restart has cut, causes no failure."""
    service.configure(DOCKERFLOW_CHECK_TIMEOUT=timeout)
    connections["default"].ensure_connection()
    postgres_server.kill()
    postgres_server.start()
    assert service.heartbeat() == HEALTHY


@pytest.mark.skipif(django.VERSION < (5, 1), reason="Django has had pools since 5.1")
def test_pool(
    postgres_server: PostgresServer, redis_server: RedisServer, tmp_path: pathlib.Path
) -> None:
    """A check takes its connection from Django's pool, even if a restart has cut all of them.

    If the pool returns none within its own timeout, the check fails.
    """
    pool: dict[str, Any] = {"OPTIONS": {"pool": {"timeout": 3}}, "CONN_MAX_AGE": 0}
    service = DjangoService(tmp_path, redis_server.port, postgres_server.port, **pool)
    with contextlib.closing(service):
        own: Any = connections["default"]
        service.configure(
            DOCKERFLOW_CHECK_TIMEOUT=60,
            DOCKERFLOW_CHECKS=["dockerflow.django.checks.check_database_connected"],
        )
        own.ensure_connection()
        own.close()
        with contextlib.closing(own.pool):
            own.pool.wait()  # until its four connections are open
            assert service.heartbeat() == {}
            postgres_server.kill()
            postgres_server.start()
            assert service.heartbeat() == {}
            postgres_server.kill()
            assert service.heartbeat() == {"check_database_connected": ["E001"]}
            postgres_server.start()
            wait_until(lambda: service.heartbeat() == {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"PASSWORD": "12", "HOST": "hunter2@127.0.0.1"},
        {"PASSWORD": "12", "HOST": "hunter2", "NAME": "34@127.0.0.1/db"},
        {"PASSWORD": "", "OPTIONS": {"password": "hunter2", "sslmode": "hunter2"}},
    ],
)
def test_misplaced_passwords(
    postgres_server: PostgresServer,
    redis_server: RedisServer,
    tmp_path: pathlib.Path,
    wrong: dict[str, Any],
) -> None:
    """If an unescaped ``@`` moves part of a password into another setting, it is not shown."""
    ports = redis_server.port, postgres_server.port
    with contextlib.closing(DjangoService(tmp_path, *ports, **wrong)) as service:
        found = service.heartbeat()  # it looks for hunter2
    assert found == {"check_database_connected": ["E001"], "check_migrations_applied": ["I001"]}


@pytest.mark.parametrize("service", ["django-wsgi"], indirect=True)
def test_manage_commands(service: Service, proxies: list[FaultProxy]) -> None:
    """manage.py check works while all services are down, and checks a database on request."""
    for each in proxies:
        each.mode = "refuse"
    call_command("check", stdout=io.StringIO())
    with pytest.raises(SystemCheckError, match=r"E001\) Could not connect to database: "):
        call_command("check", databases=["default"], stdout=io.StringIO())


@each_kind
def test_several_caches(service: Service, redis_server: RedisServer) -> None:
    """Of several caches, each one with a Redis is checked."""
    locations = (redis_server.url, redis_server.url.replace("hunter2", "wrong"))
    caches = {
        name: {"BACKEND": backend, "LOCATION": location}
        for name, backend, location in zip(("own", "other"), BACKENDS, locations, strict=True)
    }
    caches["default"] = {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
    service.configure(CACHES=caches)
    body = json.loads(service.get("/__heartbeat__").body)
    (text,) = body["details"]["check_redis_connected"]["messages"].values()
    assert text.count("Could not connect to redis") == 1
    assert text.endswith('(cache "other")')
    assert "wrong" not in text
