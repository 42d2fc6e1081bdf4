"""Django's databases and caches, as checks see them."""

from __future__ import annotations

import pathlib
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.checks import Info, Tags
from django.core.management import call_command
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.signals import connection_created
from django.test import AsyncClient, Client, override_settings
from django.utils.decorators import async_only_middleware

from dockerflow.checks import default_registry
from dockerflow.django.checks import check_database_connected, check_migrations_applied
from tests.adapters.django import BOTH, OURS, Get, View, aget, alone, get, heartbeat

CONNECTED = "dockerflow.django.checks.check_database_connected"
MIGRATED = "dockerflow.django.checks.check_migrations_applied"
REDIS = "dockerflow.django.checks.check_redis_connected"


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with alone():
        yield
    connection.close()


# ---------------------------------------------------------------------- connections


def count() -> Iterator[Any]:
    """Return the number of users as a message."""
    yield Info(str(User.objects.count()))


async def count_async() -> Any:
    """Return the number of users, asynchronously."""
    return Info(str(await User.objects.acount()))


@pytest.mark.parametrize(
    ("answer", "check"),
    [(get, count), (aget, count), (get, count_async)],
    ids=["wsgi", "asgi", "async check"],
)
def test_connections_of_checks(answer: Get, check: Any) -> None:
    """A connection that a check opens belongs to its own thread, and is closed after the check."""
    opened: list[tuple[Any, Any]] = []

    def note(connection: Any, **kwargs: Any) -> None:
        opened.append((threading.current_thread(), connection))

    default_registry.register(check)
    with mock.patch.dict(connection.settings_dict, CONN_MAX_AGE=None):
        connection.ensure_connection()
        connection_created.connect(note)
        assert heartbeat(answer)["status"] == "info"
    ((thread, used),) = opened
    assert thread is not threading.current_thread()
    thread.join(10)
    assert not thread.is_alive()
    assert used.connection is None
    assert connection.connection is not None


@async_only_middleware
def async_only(get_response: View) -> View:
    """Be an async-only middleware."""
    return get_response


def test_async_check_beneath_an_async_middleware() -> None:
    """Under WSGI an async check may use the ORM beneath an async-only middleware."""
    default_registry.register(count_async)
    assert heartbeat(MIDDLEWARE=[f"{__name__}.async_only", OURS])["status"] == "info"


@async_to_sync
async def get_asgi(path: str) -> Any:
    return await AsyncClient().get(path)


@pytest.mark.parametrize("check", [count, count_async])
@pytest.mark.parametrize("client_get", [Client().get, get_asgi], ids=["wsgi", "asgi"])
def test_within_an_atomic_block(check: Any, client_get: Callable[..., Any]) -> None:
    """Within an atomic block, as in a TestCase, checks see its changes and leave it open."""
    default_registry.register(check, name="check")
    with transaction.atomic(), override_settings(DOCKERFLOW_CHECKS=[CONNECTED]):
        User.objects.create(username="uncommitted")
        body = client_get("/__heartbeat__").json()
        assert connection.in_atomic_block
        transaction.set_rollback(True)
    assert body["details"]["check"]["messages"] == {"check": "1"}
    assert body["checks"]["check_database_connected"] == "ok"


@BOTH
def test_database_in_memory(answer: Get) -> None:
    """With SQLite in memory only checks of the database run in the caller's thread."""
    threads: dict[str, threading.Thread] = {}

    def asking() -> None:
        threads["asking"] = threading.current_thread()

    def other() -> None:
        threads["other"] = threading.current_thread()

    asking.tags = (Tags.database,)  # type: ignore[attr-defined]
    default_registry.register(asking)
    default_registry.register(other)
    with mock.patch.object(type(connections["default"]), "is_in_memory_db", return_value=True):
        assert heartbeat(answer)["status"] == "ok"
    assert (threads["asking"] is threading.current_thread()) is (answer is get)
    assert threads["other"].name.startswith("dockerflow-check")
    assert not threads["asking"].name.startswith("dockerflow-check")


@BOTH
def test_no_clock(answer: Get) -> None:
    """Without a time limit checks use the caller's connections, and leave them open."""
    default_registry.register(count)
    with mock.patch.dict(connection.settings_dict, CONN_MAX_AGE=None):
        connection.ensure_connection()
        body = heartbeat(answer, DOCKERFLOW_CHECK_TIMEOUT=None)
    assert connection.connection is not None
    assert body["details"]["count"]["messages"] == {"count": "0"}


# ---------------------------------------------------------------------- the built-in checks


class Apart:
    """A database router that puts only sessions into the second database."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Return whether an application's tables belong in a database."""
        return (app_label == "sessions") is (db == "other")


@pytest.fixture
def other(tmp_path: pathlib.Path) -> Iterator[str]:
    """A second database, without any table."""
    database = {**connections.settings["default"], "NAME": str(tmp_path / "other.sqlite3")}
    with mock.patch.dict(connections.settings, other=database):
        yield "other"
        connections["other"].close()
        del connections["other"]


@pytest.fixture
def broken(tmp_path: pathlib.Path) -> Iterator[None]:
    """A database that can't be opened."""
    connection.close()
    with mock.patch.dict(connection.settings_dict, NAME=str(tmp_path)):
        yield


def test_several_databases(other: str) -> None:
    """Each database is checked, including the migrations that routers allow there."""
    databases = ["default", other]
    assert check_database_connected(databases=databases) == []
    assert check_migrations_applied(databases=databases) == []
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.Apart"]):
        (message,) = check_migrations_applied(databases=databases)
    assert message.msg == 'Unapplied migration sessions.0001_initial (database "other")'
    assert message.id == "dockerflow.health.W001"


def test_several_databases_that_are_down(other: str, broken: None) -> None:
    """Each database that is down is named, except the default one."""
    connections[other].settings_dict["NAME"] = connection.settings_dict["NAME"]
    body = heartbeat(DOCKERFLOW_CHECKS=[CONNECTED])
    (text,) = body["details"]["check_database_connected"]["messages"].values()
    first = "Could not connect to database: unable to open database file"
    assert text == f'{first}; {first} (database "other")'


@BOTH
def test_migrations_found_clean_are_kept(answer: Get, clock: mock.Mock) -> None:
    """A database without unapplied migrations is queried again after a minute or a migration."""

    def status() -> Any:
        return heartbeat(answer, DOCKERFLOW_CHECKS=[MIGRATED])["checks"]["check_migrations_applied"]

    loader = mock.Mock(side_effect=OperationalError)
    for forget in (
        lambda: call_command("migrate", "sessions", verbosity=0),
        lambda: setattr(clock, "return_value", clock.return_value + 60),
    ):
        assert status() == "ok"
        with mock.patch("django.db.migrations.loader.MigrationLoader", loader):
            assert status() == "ok"
        forget()
        with mock.patch("django.db.migrations.loader.MigrationLoader", loader):
            assert status() == "info"


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("client_get", [Client().get, get_asgi], ids=["wsgi", "asgi"])
def test_nothing_is_kept_in_tests(client_get: Callable[..., Any]) -> None:
    """Within an atomic block, as in a TestCase, each heartbeat runs the checks."""
    calls: list[int] = []
    default_registry.register(lambda: calls.append(1), name="check", keep=60)
    with override_settings(DOCKERFLOW_CHECKS=[MIGRATED], DOCKERFLOW_CHECK_KEEP=60):
        client_get("/__heartbeat__")
        client_get("/__heartbeat__")
        assert len(calls) == 1
        with transaction.atomic():
            client_get("/__heartbeat__")
            client_get("/__heartbeat__")
        assert len(calls) == 3


def test_connection_that_was_cut() -> None:
    """A broken connection that the calling thread has open is replaced."""
    connection.ensure_connection()
    with mock.patch.object(connection, "is_usable", side_effect=[False, True]):
        assert check_database_connected() == []
    with mock.patch.object(connection, "is_usable", return_value=False):
        (message,) = check_database_connected([])
    assert message.id == "dockerflow.health.E002"
    assert message.msg == "Database connection is not usable"


def test_connection_of_a_pool_without_a_check() -> None:
    """If the pool has no check(), a broken connection is still replaced."""
    connection.ensure_connection()
    pool = object()  # as Oracle's, which this test can't start
    with (
        mock.patch.object(connection, "pool", pool, create=True),
        mock.patch.object(connection, "is_usable", side_effect=[False, True]),
    ):
        assert check_database_connected() == []


@pytest.mark.parametrize("engine", ["django.db.backends.dummy", "acme.no.such"])
def test_misconfigured_database(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    """A database without a driver is reported as misconfigured."""
    monkeypatch.setitem(connections.settings["default"], "ENGINE", engine)
    body = heartbeat(DOCKERFLOW_CHECKS=[CONNECTED, MIGRATED])
    found = [id for each in body["details"].values() for id in each["messages"]]
    assert found == ["dockerflow.health.E003", "dockerflow.health.I001"]


LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
DJANGOS = "django.core.cache.backends.redis.RedisCache"
DJANGO_REDIS = "django_redis.cache.RedisCache"


@pytest.mark.parametrize(
    ("backend", "location", "id"),
    [
        (LOCMEM, "", "E005"),
        ("acme.redis.NoSuch", "", "E005"),
        (DJANGOS, "http://x", "E006"),
        (DJANGO_REDIS, "http://x", "E006"),
        (DJANGOS, "redis://:hunter2/@127.0.0.1:1", "E006"),
        (DJANGO_REDIS, "redis://:hunter2/@127.0.0.1:1", "E006"),
        (DJANGOS, "redis://:hunter2,x@127.0.0.1:1", "E006"),
        (DJANGO_REDIS, "redis://:hunter2,x@127.0.0.1:1", "E006"),
        (DJANGOS, "redis://:4321/hunter2@127.0.0.1:1", "E004"),
        (DJANGO_REDIS, "redis://:4321/hunter2@127.0.0.1:1", "E004"),
        (DJANGOS, "redis://:hunter2@127.0.0.1:1", "E004"),
        (DJANGO_REDIS, "redis://:hunter2@127.0.0.1:1", "E004"),
    ],
)
def test_redis_that_is_not_there(backend: str, location: str, id: str) -> None:
    """A cache without Redis, without a client or without an answer is reported under its own id."""
    caches = {"default": {"BACKEND": backend, "LOCATION": location}}
    body = heartbeat(CACHES=caches, DOCKERFLOW_CHECKS=[REDIS])
    ((found, text),) = body["details"]["check_redis_connected"]["messages"].items()
    assert found == f"dockerflow.health.{id}"
    assert not re.search("hunter2|4321", text)
    assert ("dockerflow-django[redis]" in text) is ("acme" in backend)
