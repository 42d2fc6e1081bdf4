"""Flask extensions that provide a Redis, databases or migrations."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask_migrate import Migrate
from flask_redis import FlaskRedis  # type: ignore[import-untyped]
from flask_sqlalchemy import SQLAlchemy

from dockerflow.checks import CheckRegistry
from dockerflow.flask import Dockerflow
from tests.services.servers import PostgresServer, RedisServer
from tests.services.service import write_migrations


@pytest.fixture
def app(tmp_path: pathlib.Path) -> Iterator[Flask]:
    """An application next to a folder of migrations; its engines are disposed of after the test."""
    write_migrations(tmp_path)
    app = Flask("shop")
    yield app
    with app.app_context():
        for engine in app.extensions["sqlalchemy"].engines.values():
            engine.dispose()


def heartbeat(app: Flask) -> Any:
    return app.test_client().get("/__heartbeat__").json


def stamp(app: Flask, bind: str | None = None, table: str = "alembic_version") -> None:
    with app.app_context(), app.extensions["sqlalchemy"].engines[bind].begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {table} (version_num VARCHAR(32))")
        connection.exec_driver_sql(f"INSERT INTO {table} VALUES ('a1')")


def test_flask_redis(redis_server: RedisServer) -> None:
    """Flask-Redis's extension is checked like a client, even if its init_app() comes later."""
    app = Flask("shop")
    app.config["REDIS_URL"] = redis_server.url
    store = FlaskRedis()
    Dockerflow(app, redis=store, registry=CheckRegistry())
    store.init_app(app)
    assert heartbeat(app)["checks"] == {"check_redis_connected": "ok"}
    redis_server.kill()
    details = heartbeat(app)["details"]["check_redis_connected"]
    assert list(details["messages"]) == ["dockerflow.health.E004"]
    store.close()


@pytest.mark.parametrize("alone", [False, True])
def test_binds(app: Flask, postgres_server: PostgresServer, *, alone: bool) -> None:
    """All binds of Flask-SQLAlchemy are checked and named, with or without a default database."""
    if not alone:
        app.config["SQLALCHEMY_DATABASE_URI"] = postgres_server.url()
    nowhere = "postgresql+psycopg://127.0.0.1:1/nowhere"
    app.config["SQLALCHEMY_BINDS"] = {"good": postgres_server.url(), "one": nowhere, "two": nowhere}
    Dockerflow(app, db=SQLAlchemy(app), registry=CheckRegistry())
    ((id, text),) = heartbeat(app)["details"]["check_database_connected"]["messages"].items()
    assert id == "dockerflow.health.E008"
    assert re.findall(r"DB-API error: (.*?): \(", text) == ["bind 'one'", "bind 'two'"]


def test_version_table(app: Flask, tmp_path: pathlib.Path) -> None:
    """The version table configured in Flask-Migrate is the one that is read."""
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'shop.db'}"
    migrate = Migrate(app, SQLAlchemy(app), directory=str(tmp_path), version_table="shop_version")
    Dockerflow(app, migrate=migrate, registry=CheckRegistry())
    assert heartbeat(app)["checks"] == {"check_migrations_applied": "warning"}
    stamp(app, table="shop_version")
    assert heartbeat(app)["checks"] == {"check_migrations_applied": "ok"}


def test_migrations_of_binds(app: Flask, tmp_path: pathlib.Path) -> None:
    """Without a default database the migrations of all binds are checked, and named."""
    binds = {name: f"sqlite:///{tmp_path / name}.db" for name in ("one", "two")}
    app.config["SQLALCHEMY_BINDS"] = binds
    migrate = Migrate(app, SQLAlchemy(app), directory=str(tmp_path))
    Dockerflow(app, migrate=migrate, registry=CheckRegistry())
    stamp(app, bind="one")
    details = heartbeat(app)["details"]["check_migrations_applied"]
    expected = {"dockerflow.health.W001": "bind 'two': Unapplied migrations found: a1"}
    assert details["messages"] == expected
