"""FastAPI's heartbeat over its backing services, with sync and async clients, and how they fail."""

from __future__ import annotations

import contextlib
import json
import logging
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from fastapi import FastAPI
from sqlalchemy import Connection, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from dockerflow.checks import CheckRegistry
from dockerflow.fastapi import Dockerflow, checks
from tests.adapters.harness import Answer, ASGIApp
from tests.services.beats import check_threads, wait_until
from tests.services.faults import BlackHole, FaultProxy
from tests.services.servers import PostgresServer, RedisServer, Server

MakeProxy = Callable[[Server], FaultProxy]

REVISION = """
revision = "a1"
down_revision = None
def upgrade(): ...
def downgrade(): ...
"""


@pytest.fixture(autouse=True)
def _summary_logger() -> Iterator[None]:
    """Leave the logger of the summaries as it was: it is set up at the first request."""
    logger = logging.getLogger("request.summary")
    level, handlers = logger.level, logger.handlers[:]
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


class Service:
    """A FastAPI application with all its backing services, behind the ports that it is given.

    :param asynchronous: whether its clients are asyncio's.
    """

    def __init__(
        self, folder: pathlib.Path, redis_port: int, postgres_port: int, *, asynchronous: bool
    ) -> None:
        (folder / "versions").mkdir()
        (folder / "versions" / "a1.py").write_text(REVISION)
        config = folder / "alembic.ini"
        config.write_text(f"[alembic]\nscript_location = {folder}\n")
        self.app = FastAPI()
        self.app.state.DOCKERFLOW_CHECK_TIMEOUT = 2
        self.app.add_api_route("/", lambda: "hello")
        url = f"postgresql+psycopg://postgres:hunter2@127.0.0.1:{postgres_port}/postgres"
        redis_url = f"redis://:hunter2@127.0.0.1:{redis_port}/0"
        self.engine = create_engine(url)
        self.async_engine = create_async_engine(url)
        self.redis = redis.Redis.from_url(redis_url)
        self.async_redis = redis.asyncio.Redis.from_url(redis_url)
        self.dockerflow = Dockerflow(
            self.app,
            db=self.async_engine if asynchronous else self.engine,
            redis=self.async_redis if asynchronous else self.redis,
            migrate=config,
            registry=CheckRegistry(),
        )
        self.server = ASGIApp(self.app)

    def get(self, path: str) -> Answer:
        """Send a request."""
        return self.server.request(path)

    def heartbeat(self) -> dict[str, list[str]]:
        """Ask for a heartbeat; return the ids of the messages of each check that isn't ok."""
        answer = self.get("/__heartbeat__")
        assert b"hunter2" not in answer.body
        body: Any = json.loads(answer.body)
        assert answer.status == (500 if body["status"] in ("error", "critical") else 200)
        return {
            name: [id.rpartition(".")[2] for id in details["messages"]]
            for name, details in body["details"].items()
        }

    def answers(self) -> bool:
        """Return whether the application's own pages, and its liveness, go on."""
        return self.get("/").body == b'"hello"' and self.get("/__lbheartbeat__").status == 200

    def fill_pools(self) -> None:
        """Leave a connection in each pool, to be cut."""

        async def fill() -> None:
            async with self.async_engine.connect():
                pass

        self.server.submit(fill()).result(30)
        with self.engine.connect():
            pass

    def close(self) -> None:
        """Close its connections."""
        self.redis.close()
        self.engine.dispose()
        self.server.submit(self._close()).result(30)
        self.server.close()

    async def _close(self) -> None:
        await self.async_redis.connection_pool.disconnect()
        await self.async_engine.dispose()


HEALTHY = {"check_migrations_applied": ["W001"]}
DOWN = {
    "check_redis_connected": ["E004"],
    "check_database_connected": ["E008"],
    "check_migrations_applied": ["I001"],
}
HANGING = {name: ["E013"] for name in DOWN}


@pytest.fixture
def proxies(
    redis_server: RedisServer, postgres_server: PostgresServer, proxy: MakeProxy
) -> list[FaultProxy]:
    """What stands between the application and its services."""
    return [proxy(redis_server), proxy(postgres_server)]


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def asynchronous(request: pytest.FixtureRequest) -> bool:
    """Each kind of clients in turn."""
    kind: bool = request.param
    return kind


@pytest.fixture
def service(
    tmp_path: pathlib.Path, proxies: list[FaultProxy], asynchronous: bool
) -> Iterator[Service]:
    """The application, whose first heartbeat has been healthy."""
    service = Service(tmp_path, *(proxy.port for proxy in proxies), asynchronous=asynchronous)
    with redis.Redis.from_url(f"redis://127.0.0.1:{proxies[0].port}") as admin:
        admin.config_set("requirepass", "hunter2")
    try:
        assert service.heartbeat() == HEALTHY
        service.fill_pools()
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


@pytest.mark.parametrize("fault", ["refused", "silent", "reset", "close", "garbage"])
def test_faults(service: Service, proxies: list[FaultProxy], fault: Any) -> None:
    """Whatever happens to the lines, each check says so, the rest goes on, and it recovers."""
    for proxy in proxies:
        if fault == "refused":
            proxy.down()
        else:
            proxy.mode = fault
            proxy.drop_all(reset=fault == "reset")
    found = service.heartbeat()
    assert set(found) == set(DOWN)
    if fault == "silent":  # until the limit of the heartbeat, unless a client notices the cut line
        assert found["check_database_connected"] == ["E013"]
        assert all(ids in (["E013"], DOWN[name]) for name, ids in found.items())
    else:
        assert found["check_database_connected"] == ["E008"]
        assert found["check_migrations_applied"] == ["I001"]
        assert found["check_redis_connected"] in (["E004"], ["E010"])
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
    """Frozen servers cost no more than a thread for each check, and are well when they thaw."""
    service.app.state.DOCKERFLOW_CHECK_TIMEOUT = 0.5
    redis_server.freeze()
    postgres_server.freeze()
    for _ in range(3):
        assert service.heartbeat() == HANGING
        assert service.answers()
        assert len(check_threads()) <= 3
    redis_server.thaw()
    postgres_server.thaw()
    wait_until(lambda: not check_threads())
    service.app.state.DOCKERFLOW_CHECK_TIMEOUT = 2
    wait_until(lambda: service.heartbeat() == HEALTHY)


def test_pages_while_the_heartbeat_waits(service: Service, proxies: list[FaultProxy]) -> None:
    """While a heartbeat waits for a database that says nothing, the other pages answer."""
    service.app.state.DOCKERFLOW_CHECK_TIMEOUT = 60
    database = proxies[1]
    database.mode = "silent"
    database.drop_all()
    before = database.connections
    waiting = service.server.submit(service.server.exchange("/__heartbeat__"))
    database.wait_for_connections(before + 1)
    assert service.answers()
    assert not waiting.done()
    database.mode = "pass"
    assert waiting.result(30).status == 200


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


def test_black_hole(tmp_path: pathlib.Path, black_hole: BlackHole, asynchronous: bool) -> None:
    """Behind a firewall that drops everything the heartbeat does not wait for the checks."""
    service = Service(tmp_path, black_hole.port, black_hole.port, asynchronous=asynchronous)
    service.app.state.DOCKERFLOW_CHECK_TIMEOUT = 0.5
    try:
        assert service.heartbeat() == HANGING
        assert service.answers()
    finally:
        service.close()


def test_unapplied_and_unknown_migrations(service: Service) -> None:
    """Migrations are told apart: none applied, all applied, the database ahead of the code."""
    texts: list[Any] = []

    def run(sql: str) -> None:
        connection: Connection
        with service.engine.begin() as connection:
            connection.exec_driver_sql(sql)

    run("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    try:
        for revision in ("a1", "b2"):
            run("DELETE FROM alembic_version")
            run(f"INSERT INTO alembic_version VALUES ('{revision}')")
            body = json.loads(service.get("/__heartbeat__").body)
            texts.append(body["details"].get("check_migrations_applied", {}).get("messages"))
    finally:
        run("DROP TABLE alembic_version")
    assert texts[0] is None
    assert "b2" in texts[1]["dockerflow.health.W001"]


def test_checks_registered_by_hand(service: Service, tmp_path: pathlib.Path) -> None:
    """The checks of dockerflow.fastapi.checks take sync and async clients alike."""
    registry = service.dockerflow.registry
    registry.clear_checks()
    for kind, client, engine in (
        ("sync", service.redis, service.engine),
        ("async", service.async_redis, service.async_engine),
    ):
        config = tmp_path / "alembic.ini"
        registry.register_partial(checks.check_redis_connected, client, name=f"redis {kind}")
        registry.register_partial(checks.check_database_connected, engine, name=f"db {kind}")
        registry.register_partial(
            checks.check_migrations_applied, config, engine, name=f"migrations {kind}"
        )
    assert service.heartbeat() == {"migrations sync": ["W001"], "migrations async": ["W001"]}
    assert len(service.dockerflow.checks) == 6
