"""Flask's heartbeat over its backing services, and the ways they fail."""

from __future__ import annotations

import contextlib
import gc
import pathlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from flask import Flask
from flask_migrate import Migrate
from flask_redis import FlaskRedis  # type: ignore[import-untyped]
from flask_sqlalchemy import SQLAlchemy

from dockerflow.checks import CheckRegistry
from dockerflow.flask import Dockerflow
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


class Service:
    """A Flask application with all its backing services, behind the ports that it is given."""

    def __init__(self, folder: pathlib.Path, redis_port: int, postgres_port: int) -> None:
        (folder / "versions").mkdir()
        (folder / "versions" / "a1.py").write_text(REVISION)
        (folder / "alembic.ini").write_text("[alembic]\n")
        (folder / "env.py").write_text("")
        self.app = Flask(__name__)
        server = f"postgres:hunter2@127.0.0.1:{postgres_port}"
        url = f"postgresql+psycopg://{server}/postgres?connect_timeout=5"
        self.app.config.update(SQLALCHEMY_DATABASE_URI=url, DOCKERFLOW_CHECK_TIMEOUT=2)
        self.db = SQLAlchemy(self.app)
        self.redis = redis.Redis.from_url(f"redis://:hunter2@127.0.0.1:{redis_port}/0")
        Dockerflow(
            self.app,
            db=self.db,
            redis=self.redis,
            migrate=Migrate(self.app, self.db, directory=str(folder)),
            registry=CheckRegistry(),
        )
        self.app.add_url_rule("/", view_func=lambda: "hello")

    def heartbeat(self) -> dict[str, list[str]]:
        """Ask for a heartbeat; return the ids of the messages of each check that isn't ok."""
        answer = self.app.test_client().get("/__heartbeat__")
        assert "hunter2" not in answer.text
        body: Any = answer.json
        failed = body["status"] in ("error", "critical")
        assert answer.status_code == (500 if failed else 200)
        return {
            name: [id.rpartition(".")[2] for id in details["messages"]]
            for name, details in body["details"].items()
        }

    def answers(self) -> bool:
        """Return whether the application's own pages, and its liveness, go on."""
        client = self.app.test_client()
        return client.get("/").text == "hello" and client.get("/__lbheartbeat__").status_code == 200

    def close(self) -> None:
        """Close its connections."""
        self.redis.close()
        with self.app.app_context():
            self.db.engine.dispose()


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


@pytest.fixture
def service(tmp_path: pathlib.Path, proxies: list[FaultProxy]) -> Iterator[Service]:
    """The application, whose first heartbeat has been healthy."""
    service = Service(tmp_path, *(proxy.port for proxy in proxies))
    with redis.Redis.from_url(f"redis://127.0.0.1:{proxies[0].port}") as admin:
        admin.config_set("requirepass", "hunter2")
    try:
        assert service.heartbeat() == HEALTHY
        with service.app.app_context(), service.db.engine.connect():
            pass  # leaves a connection in the pool, to be cut
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
    assert set(found) == set(DOWN)
    if fault == "silent":  # until the limit of the heartbeat
        assert found == HANGING
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
    wait_until(lambda: not check_threads())
    assert service.heartbeat() == HEALTHY


def test_frozen_servers(
    service: Service, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    """Frozen servers cost no more than a thread for each check, and are well when they thaw."""
    service.app.config["DOCKERFLOW_CHECK_TIMEOUT"] = 0.5
    redis_server.freeze()
    postgres_server.freeze()
    for _ in range(3):
        found = service.heartbeat()
        assert found["check_database_connected"] == ["E013"]
        assert found["check_migrations_applied"] == ["E013"]
        assert found["check_redis_connected"] in (["E004"], ["E013"])
        assert service.answers()
        assert len(check_threads()) <= 3
    redis_server.thaw()
    postgres_server.thaw()
    wait_until(lambda: not check_threads())
    assert service.heartbeat() == HEALTHY


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


def test_black_hole(tmp_path: pathlib.Path, black_hole: BlackHole) -> None:
    """Behind a firewall that drops everything the heartbeat does not wait for the checks."""
    service = Service(tmp_path, black_hole.port, black_hole.port)
    service.app.config["DOCKERFLOW_CHECK_TIMEOUT"] = 0.5
    try:
        assert service.heartbeat() == HANGING
        assert service.answers()
    finally:
        service.close()


def test_unapplied_and_unknown_migrations(service: Service) -> None:
    """Migrations are told apart: none applied, all applied, the database ahead of the code."""
    texts: list[Any] = []
    with service.app.app_context(), service.db.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    try:
        for revision in ("a1", "b2"):
            with service.app.app_context(), service.db.engine.begin() as connection:
                connection.exec_driver_sql("DELETE FROM alembic_version")
                connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{revision}')")
            answer: Any = service.app.test_client().get("/__heartbeat__").json
            texts.append(answer["details"].get("check_migrations_applied", {}).get("messages"))
    finally:
        with service.app.app_context(), service.db.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE alembic_version")
    assert texts[0] is None
    assert "b2" in texts[1]["dockerflow.health.W001"]


def heartbeat_with(client: Any) -> Any:
    app = Flask(__name__)
    Dockerflow(app, redis=client, registry=CheckRegistry())
    return app.test_client().get("/__heartbeat__").json


def test_flask_redis(redis_server: RedisServer) -> None:
    """Flask-Redis's extension is checked like a client."""
    app = Flask(__name__)
    app.config["REDIS_URL"] = redis_server.url
    store = FlaskRedis()
    Dockerflow(app, redis=store, registry=CheckRegistry())
    store.init_app(app)
    try:
        body: Any = app.test_client().get("/__heartbeat__").json
        assert body["checks"] == {"check_redis_connected": "ok"}
    finally:
        store.close()


def test_asyncio_client(redis_server: RedisServer) -> None:
    """An asyncio client is checked too, in each heartbeat."""
    client = redis.asyncio.Redis.from_url(redis_server.url)
    for _ in range(2):
        assert heartbeat_with(client)["checks"] == {"check_redis_connected": "ok"}
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        del client  # whose connections belong to event loops that have ended
        gc.collect()
