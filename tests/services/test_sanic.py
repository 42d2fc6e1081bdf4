"""Sanic's heartbeat over its backing services, and the ways they fail."""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from alembic.config import Config
from sanic import HTTPResponse, Request, Sanic
from sanic.response import text
from sanic_redis import SanicRedis
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from dockerflow.checks import CheckRegistry
from dockerflow.sanic import Dockerflow, checks
from tests.adapters.apps.sanic import SanicServer, names
from tests.services.beats import check_threads, wait_until
from tests.services.faults import BlackHole, FaultProxy
from tests.services.servers import PostgresServer, RedisServer, Server

MakeProxy = Callable[[Server], FaultProxy]
AnySanic = Sanic[Any, Any]

REVISION = """
revision = "a1"
down_revision = None
def upgrade(): ...
def downgrade(): ...
"""


def new_app() -> AnySanic:
    """Build an application with a page."""
    app: AnySanic = Sanic(next(names), configure_logging=False)
    app.config.update({"MOTD": False, "DOCKERFLOW_CHECK_TIMEOUT": 3})

    @app.get("/")
    async def hello(request: Request[Any, Any]) -> HTTPResponse:
        return text("hello")

    return app


class Service:
    """A Sanic application with all its backing services, behind the ports that it is given.

    :param kind: that of its clients, sync or async.
    """

    def __init__(
        self, folder: pathlib.Path, kind: str, redis_port: int, postgres_port: int
    ) -> None:
        (folder / "versions").mkdir()
        (folder / "versions" / "a1.py").write_text(REVISION)
        (folder / "alembic.ini").write_text(f"[alembic]\nscript_location = {folder}\n")
        (folder / "env.py").write_text("")
        redis_url = f"redis://:hunter2@127.0.0.1:{redis_port}/0"
        url = f"postgresql+psycopg://postgres:hunter2@127.0.0.1:{postgres_port}/postgres?connect_timeout=2"
        ini = folder / "alembic.ini"
        self.is_async = kind == "async"
        self.app = new_app()
        self.redis: Any
        self.engine: Any
        migrate: Any
        if self.is_async:
            self.redis = redis.asyncio.Redis.from_url(redis_url)
            self.engine = create_async_engine(url)
            migrate = Config(str(ini))
        else:
            self.redis = redis.Redis.from_url(redis_url)
            self.engine = create_engine(url)
            migrate = ini
        Dockerflow(
            self.app,
            db=self.engine,
            redis=self.redis,
            migrate=migrate,
            registry=CheckRegistry(),
        )
        self.server = SanicServer(self.app)

    def heartbeat(self) -> dict[str, list[str]]:
        """Ask for a heartbeat; return the ids of the messages of each check that isn't ok."""
        answer = self.server.request("/__heartbeat__")
        assert b"hunter2" not in answer.body
        body: Any = json.loads(answer.body)
        failed = body["status"] in ("error", "critical")
        assert answer.status == (500 if failed else 200)
        return {
            name: [id.rpartition(".")[2] for id in details["messages"]]
            for name, details in body["details"].items()
        }

    def answers(self) -> bool:
        """Tell whether the application's own pages, and its liveness, go on."""
        page, liveness = self.server.request("/"), self.server.request("/__lbheartbeat__")
        return page.body == b"hello" and liveness.status == 200

    def leave_connections(self) -> None:
        """Leave a connection in each pool, to be cut."""

        async def use() -> None:
            async with self.engine.connect():
                await self.redis.ping()

        if self.is_async:
            self.server.submit(use()).result(30)
        else:
            with self.engine.connect():
                self.redis.ping()

    def close(self) -> None:
        """Close its connections, and the server."""

        async def dispose() -> None:
            await self.redis.aclose()
            await self.engine.dispose()

        if self.is_async:
            self.server.submit(dispose()).result(30)
        else:
            self.redis.close()
            self.engine.dispose()
        self.server.close()


HEALTHY = {"check_migrations_applied": ["W001"]}
DOWN = {
    "check_redis_connected": ["E004"],
    "check_database_connected": ["E008"],
    "check_migrations_applied": ["I001"],
}


@pytest.fixture
def proxies(
    redis_server: RedisServer, postgres_server: PostgresServer, proxy: MakeProxy
) -> list[FaultProxy]:
    """What stands between the application and its services."""
    return [proxy(redis_server), proxy(postgres_server)]


@pytest.fixture(params=["async", "sync"])
def service(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path, proxies: list[FaultProxy]
) -> Iterator[Service]:
    """The application, whose first heartbeat has been healthy."""
    service = Service(tmp_path, request.param, *(proxy.port for proxy in proxies))
    with redis.Redis.from_url(f"redis://127.0.0.1:{proxies[0].port}") as admin:
        admin.config_set("requirepass", "hunter2")
    try:
        assert service.heartbeat() == HEALTHY
        service.leave_connections()
        yield service
    finally:
        for proxy in proxies:
            proxy.mode = "pass"
        service.close()


@pytest.fixture(autouse=True)
def _no_password_afterwards(redis_server: RedisServer) -> Iterator[None]:
    yield
    redis_server.heal()
    with (
        redis.Redis.from_url(redis_server.url.replace("//", "//:hunter2@")) as admin,
        contextlib.suppress(redis.AuthenticationError),  # a killed server has forgotten it
    ):
        admin.config_set("requirepass", "")


def assert_down(found: dict[str, list[str]]) -> None:
    """Each check has failed: the client was first to say so, or the clock was."""
    assert set(found) == set(DOWN)
    for name, ids in found.items():
        assert ids in (DOWN[name], ["E013"]) or (name, ids) == ("check_redis_connected", ["E010"])


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
    assert_down(service.heartbeat())
    assert service.answers()
    for proxy in proxies:
        if fault == "refused":
            proxy.up()
        else:
            proxy.mode = "pass"
            proxy.drop_all()
    wait_until(lambda: service.heartbeat() == HEALTHY)


def test_frozen_servers(
    service: Service, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    """Frozen servers block nothing, cost a thread a sync check, and are well when they thaw."""
    service.app.config.DOCKERFLOW_CHECK_TIMEOUT = 0.5
    redis_server.freeze()
    postgres_server.freeze()
    for _ in range(3):
        assert_down(service.heartbeat())
        assert service.answers()
        assert len(check_threads()) <= (0 if service.is_async else 3)
    redis_server.thaw()
    postgres_server.thaw()
    wait_until(lambda: not check_threads() and service.heartbeat() == HEALTHY)


def test_killed_servers(
    service: Service, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    """Servers that are killed and come back are well at the first heartbeat."""
    redis_server.kill()
    postgres_server.kill()
    assert service.heartbeat() == DOWN
    redis_server.start()
    with redis.Redis.from_url(redis_server.url) as admin:
        admin.config_set("requirepass", "hunter2")
    postgres_server.start()
    assert service.heartbeat() == HEALTHY


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_black_hole(tmp_path: pathlib.Path, black_hole: BlackHole, kind: str) -> None:
    """Behind a firewall that drops everything the checks give up, by the clock or before it."""
    service = Service(tmp_path, kind, black_hole.port, black_hole.port)
    try:
        assert_down(service.heartbeat())
        assert service.answers()
    finally:
        service.close()


# ---------------------------------------------------------------------- sanic-redis


def heartbeat_of(server: SanicServer) -> Any:
    return json.loads(server.request("/__heartbeat__").body)


@pytest.mark.parametrize("name", ["REDIS", "SESSIONS"])
def test_sanic_redis(redis_server: RedisServer, proxy: MakeProxy, name: str) -> None:
    """The client that sanic-redis makes when the server starts is checked, and its faults told."""
    app = new_app()
    between = proxy(redis_server)
    app.config[name] = f"redis://127.0.0.1:{between.port}"
    extension: Any = SanicRedis(config_name=name)
    Dockerflow(app, redis=extension, registry=CheckRegistry())
    extension.init_app(app)
    server = SanicServer(app)
    try:
        assert heartbeat_of(server)["checks"] == {"check_redis_connected": "ok"}
        between.down()
        details = heartbeat_of(server)["details"]["check_redis_connected"]
        assert list(details["messages"]) == ["dockerflow.health.E004"]
        between.up()
        assert heartbeat_of(server)["checks"] == {"check_redis_connected": "ok"}
    finally:
        server.close()


def test_sanic_redis_that_was_never_started() -> None:
    """A sanic-redis that no application has is told as such."""
    app = new_app()
    Dockerflow(app, redis=SanicRedis(), registry=CheckRegistry())
    server = SanicServer(app)
    try:
        details = heartbeat_of(server)["details"]["check_redis_connected"]
    finally:
        server.close()
    ((id, message),) = details["messages"].items()
    assert id == "dockerflow.health.E004"
    assert "SanicRedis has no client in app.ctx.redis" in message


# ---------------------------------------------------------------------- the checks by name


def test_checks_by_name(redis_server: RedisServer, postgres_server: PostgresServer) -> None:
    """The checks can be registered by hand, whatever kind the client is."""
    app = new_app()
    dockerflow = Dockerflow(app, registry=CheckRegistry())
    clients: list[Any] = [
        redis.Redis.from_url(redis_server.url),
        redis.asyncio.Redis.from_url(redis_server.url),
    ]
    engines: list[Any] = [
        create_engine(postgres_server.url()),
        create_async_engine(postgres_server.url()),
    ]
    for client, engine in zip(clients, engines, strict=True):
        kind = type(client).__module__
        dockerflow.registry.register_partial(
            checks.check_redis_connected, client, name=f"{kind} redis"
        )
        dockerflow.registry.register_partial(
            checks.check_database_connected, engine, name=f"{kind} database"
        )
        dockerflow.registry.register_partial(
            checks.check_migrations_applied, "nowhere.ini", engine, name=f"{kind} migrations"
        )
    server = SanicServer(app)
    try:
        found = heartbeat_of(server)["checks"]
    finally:
        server.submit(clients[1].aclose()).result(30)
        server.submit(engines[1].dispose()).result(30)
        clients[0].close()
        engines[0].dispose()
        server.close()
    assert {name.split()[1]: status for name, status in found.items()} == {
        "redis": "ok",
        "database": "ok",
        "migrations": "info",
    }
    assert len(found) == 6
