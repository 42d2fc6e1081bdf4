"""Django's heartbeat over its backing services, and the ways they fail, under WSGI and ASGI."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from typing import Any, Self
from unittest import mock

import django
import pytest
import redis
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connections
from django.test import override_settings

from tests.adapters.apps.django import AsyncViews, Views
from tests.adapters.harness import ASGIApp, RunningApp, WSGIApp
from tests.services.beats import check_threads, wait_until
from tests.services.faults import BlackHole, FaultProxy
from tests.services.servers import PostgresServer, RedisServer, Server

MakeProxy = Callable[[Server], FaultProxy]

CHECKS = [
    "dockerflow.django.checks.check_redis_connected",
    "dockerflow.django.checks.check_database_connected",
    "dockerflow.django.checks.check_migrations_applied",
]
BACKENDS = ["django.core.cache.backends.redis.RedisCache", "django_redis.cache.RedisCache"]


class Service:
    """A Django application with its backing services, behind the ports that it is given."""

    def __init__(self, kind: str, redis_port: int, postgres_port: int) -> None:
        backend = BACKENDS[kind == "asgi"]
        self.database: dict[str, Any] = {
            **connections.settings["default"],
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "postgres",
            "PASSWORD": "hunter2",
            "HOST": "127.0.0.1",
            "PORT": postgres_port,
            "CONN_MAX_AGE": None,
            "OPTIONS": {"connect_timeout": 2},  # psycopg's least
        }
        self.settings: dict[str, Any] = {
            "CACHES": {
                "default": {
                    "BACKEND": backend,
                    "LOCATION": f"redis://:hunter2@127.0.0.1:{redis_port}/0",
                }
            },
            "DOCKERFLOW_CHECKS": CHECKS,
            "DOCKERFLOW_CHECK_TIMEOUT": 3,
            "DOCKERFLOW_HEARTBEAT_SHOW_DETAILS": True,
            "ROOT_URLCONF": AsyncViews if kind == "asgi" else Views,
        }
        self.kind = kind
        self.app: RunningApp

    def __enter__(self) -> Self:
        self._stack = contextlib.ExitStack()
        self._forget()
        self._stack.callback(self._forget)
        self._stack.enter_context(mock.patch.dict(connections.settings, {"default": self.database}))
        self._stack.enter_context(override_settings(**self.settings))
        self.app = ASGIApp(ASGIHandler()) if self.kind == "asgi" else WSGIApp(WSGIHandler())
        self._stack.callback(self.app.close)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _forget(self) -> None:
        connections["default"].close()
        del connections["default"]

    def heartbeat(self) -> dict[str, list[str]]:
        """Ask for a heartbeat; return the ids of the messages of each check that isn't ok."""
        answer = self.app.request("/__heartbeat__")
        assert b"hunter2" not in answer.body
        body = json.loads(answer.body)
        failed = body["status"] in ("error", "critical")
        assert answer.status == (500 if failed else 200)
        return {
            name: [id.rpartition(".")[2] for id in details["messages"]]
            for name, details in body["details"].items()
        }

    def answers(self) -> bool:
        """Return whether the application's own pages, and its liveness, go on."""
        page, liveness = self.app.request("/"), self.app.request("/__lbheartbeat__")
        return page.body == b"hello" and liveness.status == 200


HEALTHY = {"check_migrations_applied": ["W001"]}
DOWN = {
    "check_redis_connected": ["E004"],
    "check_database_connected": ["E001"],
    "check_migrations_applied": ["I001"],
}


@pytest.fixture
def proxies(
    redis_server: RedisServer, postgres_server: PostgresServer, proxy: MakeProxy
) -> list[FaultProxy]:
    """What stands between the application and its services."""
    return [proxy(redis_server), proxy(postgres_server)]


@pytest.fixture(params=["wsgi", "asgi"])
def service(
    request: pytest.FixtureRequest, redis_server: RedisServer, proxies: list[FaultProxy]
) -> Iterator[Service]:
    """The application, whose first heartbeat has been healthy."""
    with redis.Redis.from_url(redis_server.url) as admin:
        admin.config_set("requirepass", "hunter2")
    try:
        with Service(request.param, *(proxy.port for proxy in proxies)) as service:
            assert service.heartbeat() == HEALTHY
            connections["default"].ensure_connection()  # to be cut
            yield service
            for proxy in proxies:
                proxy.mode = "pass"
    finally:
        redis_server.heal()
        with (
            redis.Redis.from_url(redis_server.url.replace("//", "//:hunter2@")) as admin,
            contextlib.suppress(redis.AuthenticationError),  # a killed server has forgotten it
        ):
            admin.config_set("requirepass", "")


def break_off(proxy: FaultProxy, mode: Any) -> None:
    proxy.mode = mode
    proxy.drop_all(reset=mode == "reset")


@pytest.mark.parametrize("fault", ["refused", "silent", "reset", "close", "garbage"])
def test_faults(service: Service, proxies: list[FaultProxy], fault: str) -> None:
    """Whatever happens to the lines, each check says so, the rest goes on, and it recovers."""
    for proxy in proxies:
        if fault == "refused":
            proxy.down()
        else:
            break_off(proxy, fault)
    found = service.heartbeat()
    assert found.keys() == DOWN.keys()
    assert found["check_redis_connected"] in (["E004"], ["E010"], ["E013"])
    assert found["check_database_connected"] in (["E001"], ["E013"])
    assert found["check_migrations_applied"] in (["I001"], ["E013"])
    assert service.answers()
    for proxy in proxies:
        if fault == "refused":
            proxy.up()
        else:
            proxy.mode = "pass"
            proxy.drop_all()
    wait_until(lambda: not check_threads())
    assert service.heartbeat() == HEALTHY


def test_frozen_servers(
    service: Service, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    """Frozen servers cost no more than a thread for each check, and are well when they thaw."""
    redis_server.freeze()
    postgres_server.freeze()
    with override_settings(DOCKERFLOW_CHECK_TIMEOUT=0.5):
        for _ in range(3):
            found = service.heartbeat()
            assert found["check_database_connected"] in (["E001"], ["E013"])
            assert found["check_migrations_applied"] in (["I001"], ["E013"])
            assert found["check_redis_connected"] in (["E004"], ["E013"])
            assert service.answers()
            assert len(check_threads()) <= 3
    redis_server.thaw()
    postgres_server.thaw()
    wait_until(lambda: not check_threads())
    assert service.heartbeat() == HEALTHY


@pytest.mark.parametrize("timeout", [10, None], ids=["clock", "no clock"])
def test_killed_servers(
    service: Service,
    redis_server: RedisServer,
    postgres_server: PostgresServer,
    timeout: float | None,
) -> None:
    """Servers that come back are well at the first heartbeat, whatever connections were kept."""
    with override_settings(DOCKERFLOW_CHECK_TIMEOUT=timeout):
        assert service.heartbeat() == HEALTHY
        redis_server.kill()
        postgres_server.kill()
        assert service.heartbeat() == DOWN
        assert service.heartbeat() == DOWN
        redis_server.start()
        with redis.Redis.from_url(redis_server.url) as admin:
            admin.config_set("requirepass", "hunter2")
        postgres_server.start()
        assert service.heartbeat() == HEALTHY
    assert service.answers()


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_black_hole(kind: str, black_hole: BlackHole) -> None:
    """Behind a firewall that drops everything the heartbeat answers in time all the same."""
    with Service(kind, black_hole.port, black_hole.port) as service:
        found = service.heartbeat()
        assert found.pop("check_redis_connected") in (["E004"], ["E013"])
        assert found == {name: ids for name, ids in DOWN.items() if "redis" not in name}
        assert service.answers()
        black_hole.close()
        wait_until(lambda: not check_threads())


def test_connections_are_closed(service: Service, postgres_server: PostgresServer) -> None:
    """Heartbeats leave no connection behind on the server."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"

    def clients() -> int:
        with connections["default"].cursor() as cursor:
            cursor.execute(count)
            return int(cursor.fetchone()[0])

    before = clients()
    for _ in range(5):
        assert service.heartbeat() == HEALTHY
    wait_until(lambda: clients() <= before)


def test_migrations(service: Service) -> None:
    """Once the migrations have been applied the heartbeat is well."""
    try:
        call_command("migrate", verbosity=0, skip_checks=True)
        assert service.heartbeat() == {}
        call_command("migrate", "sessions", "zero", verbosity=0, skip_checks=True)
        assert service.heartbeat() == HEALTHY
    finally:
        with connections["default"].cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE")
            cursor.execute("CREATE SCHEMA public")


def test_pool(postgres_server: PostgresServer, redis_server: RedisServer) -> None:
    """A check takes its connection from Django's pool, and what a restart has cut is no failure."""
    pytest.importorskip("psycopg_pool")
    if django.VERSION < (5, 1):
        assert not hasattr(connections["default"], "pool")
        return
    service = Service("wsgi", redis_server.port, postgres_server.port)
    service.database.update(OPTIONS={"pool": {"min_size": 1, "max_size": 1}}, CONN_MAX_AGE=0)
    service.settings["DOCKERFLOW_CHECKS"] = CHECKS[1:]
    with service:
        own: Any = connections["default"]
        try:
            own.ensure_connection()
            own.close()
            assert service.heartbeat() == HEALTHY
            postgres_server.kill()
            postgres_server.start()
            assert service.heartbeat() == HEALTHY
        finally:
            own.close()
            own.close_pool()


def test_manage_commands(service: Service, proxies: list[FaultProxy]) -> None:
    """manage.py check works while all services are down, and tells of a database when asked."""
    connections["default"].close()
    for proxy in proxies:
        proxy.down()
    try:
        call_command("check", stdout=io.StringIO())
        with pytest.raises(SystemCheckError, match=r"E001\) Could not connect to database: "):
            call_command("check", databases=["default"], stdout=io.StringIO())
    finally:
        for proxy in proxies:
            proxy.up()


def test_several_caches(service: Service, redis_server: RedisServer) -> None:
    """Of several caches each is checked that has a Redis."""
    caches = {
        "default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
        **{
            name: {"BACKEND": backend, "LOCATION": redis_server.url.replace("//", f"//:{word}@")}
            for name, backend, word in zip(
                ("own", "other"), BACKENDS, ("hunter2", "wrong"), strict=True
            )
        },
    }
    with override_settings(CACHES=caches):
        body = json.loads(service.app.request("/__heartbeat__").body)
    (text,) = body["details"]["check_redis_connected"]["messages"].values()
    assert text.count("Could not connect to redis") == 1
    assert "wrong" not in text
