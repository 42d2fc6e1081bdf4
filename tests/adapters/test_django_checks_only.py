"""The databases and caches of Django, as the checks find them."""

from __future__ import annotations

import io
import pathlib
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from asgiref.sync import async_to_sync, markcoroutinefunction
from django.contrib.auth.models import User
from django.core.checks import Info, Tags
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.signals import connection_created
from django.test import AsyncClient, override_settings

from dockerflow.checks import default_registry
from dockerflow.django.checks import check_database_connected, check_migrations_applied
from tests.adapters.django import BEATS, OURS, alone, heartbeat, migrate


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("dockerflow.django.checks.database.KEPT_FOR", 0)
    with alone():
        yield


@pytest.fixture(scope="session")
def migrated() -> None:
    """A database with the tables of the installed applications."""
    migrate()


# ---------------------------------------------------------------------- connections


@BEATS
def test_connections_of_checks(migrated: None, beat: Callable[..., Any]) -> None:
    """A connection that a check opens is its own thread's, and closed after it."""
    seen: list[Any] = []

    def check() -> None:
        assert User.objects.count() >= 0
        seen.append((threading.current_thread(), connections["default"]))

    default_registry.register(check)
    connection.ensure_connection()
    assert beat()["status"] == "ok"
    ((thread, used),) = seen
    assert thread is not threading.current_thread()
    assert used.connection is None
    assert connection.connection is not None
    connection.close()


def test_connections_of_async_checks(migrated: None) -> None:
    """A connection that an async check opens for a sync caller is closed after it."""
    seen: list[Any] = []

    async def check() -> None:
        await User.objects.acount()

    def opened(connection: Any, **kwargs: Any) -> None:
        seen.append((threading.current_thread(), connection))

    default_registry.register(check)
    connection_created.connect(opened)
    try:
        assert heartbeat()["status"] == "ok"
    finally:
        connection_created.disconnect(opened)
    ((thread, used),) = seen
    thread.join(10)
    assert used.connection is None


class AsyncOnly:
    """A middleware that knows no sync."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response: Callable[..., Any]) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: Any) -> Any:
        """Hand on."""
        return await self.get_response(request)


def test_async_check_beneath_an_async_middleware(migrated: None) -> None:
    """Under WSGI an async check may use the ORM beneath a middleware that knows no sync."""

    async def check() -> None:
        await User.objects.acount()

    default_registry.register(check)
    assert heartbeat(MIDDLEWARE=[f"{__name__}.AsyncOnly", OURS])["status"] == "ok"


def uncommitted() -> Iterator[Any]:
    """Be a check that sees how many users only the test's transaction has."""
    yield Info(str(User.objects.filter(username="uncommitted").count()))


async def uncommitted_async() -> Any:
    """Be an async check that sees the same."""
    return Info(str(await User.objects.filter(username="uncommitted").acount()))


@pytest.mark.parametrize("check", [uncommitted, uncommitted_async])
@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
def test_within_an_atomic_block(migrated: None, check: Any, is_async: bool) -> None:
    """Within an atomic block, as in a TestCase, checks see what is in it, and leave it open."""

    async def beat() -> Any:
        return (await AsyncClient().get("/__heartbeat__")).json()

    default_registry.register(check, name="check")
    listed = ["dockerflow.django.checks.check_database_connected"]
    with transaction.atomic(), override_settings(DOCKERFLOW_CHECKS=listed):
        User.objects.create(username="uncommitted")
        body = async_to_sync(beat)() if is_async else heartbeat()
        assert connection.in_atomic_block
        transaction.set_rollback(True)
    assert body["details"]["check"]["messages"] == {"check": "1"}
    assert body["checks"]["check_database_connected"] == "ok"
    connection.close()


@BEATS
def test_database_in_memory(beat: Callable[..., Any]) -> None:
    """With SQLite in memory what checks the database runs in the caller, and other checks don't."""
    threads: dict[str, threading.Thread] = {}
    ours = threading.current_thread()

    def note(name: str) -> Callable[[], None]:
        def check() -> None:
            threads[name] = threading.current_thread()

        return check

    asking = note("asking")
    asking.tags = (Tags.database,)  # type: ignore[attr-defined]
    default_registry.register(asking, name="asking")
    default_registry.register(note("other"), name="other")
    with mock.patch.object(type(connections["default"]), "is_in_memory_db", return_value=True):
        assert beat()["status"] == "ok"
    assert (threads["asking"] is ours) is (beat is heartbeat)
    assert threads["other"].name.startswith("dockerflow-check")
    assert not threads["asking"].name.startswith("dockerflow-check")


@BEATS
def test_no_clock(migrated: None, beat: Callable[..., Any]) -> None:
    """Without a clock checks use the caller's connections, under ASGI too."""

    def check() -> Iterator[Any]:
        yield Info(str(User.objects.count()))

    default_registry.register(check)
    assert beat(DOCKERFLOW_CHECK_TIMEOUT=None)["details"]["check"]["status"] == "info"


# ---------------------------------------------------------------------- the built-in checks


class Apart:
    """A database router that keeps sessions alone in the second database."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Say which application's tables belong where."""
        return (app_label == "sessions") is (db == "other")


@pytest.fixture
def other(tmp_path: pathlib.Path) -> Iterator[str]:
    """A second database, without any table."""
    connections.settings["other"] = {
        **connections.settings["default"],
        "NAME": str(tmp_path / "other.sqlite3"),
    }
    yield "other"
    connections["other"].close()
    del connections["other"]
    del connections.settings["other"]


def test_several_databases(migrated: None, other: str) -> None:
    """Each database is checked, and for the migrations that routers send there."""
    databases = ["default", other]
    assert check_database_connected(databases=databases) == []
    assert check_migrations_applied(databases=databases) == []
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.Apart"]):
        (message,) = check_migrations_applied(databases=databases)
        assert message.msg == 'Unapplied migration sessions.0001_initial (database "other")'
        assert message.id == "dockerflow.health.W001"


def test_several_databases_that_are_down(other: str, broken: None) -> None:
    """Each database that is down is named, but for the default one."""
    connections[other].settings_dict["NAME"] = connection.settings_dict["NAME"]
    body = heartbeat(DOCKERFLOW_CHECKS=["dockerflow.django.checks.check_database_connected"])
    (text,) = body["details"]["check_database_connected"]["messages"].values()
    first, second = text.split("; ")
    assert first == "Could not connect to database: unable to open database file"
    assert second == f'{first} (database "other")'


def test_migrations_found_clean_are_kept(migrated: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database without unapplied migrations is asked again after a minute or a migration."""
    monkeypatch.setattr("dockerflow.django.checks.database.KEPT_FOR", 60)
    loader = mock.Mock(side_effect=OperationalError)
    check_migrations_applied()
    with mock.patch("django.db.migrations.loader.MigrationLoader", loader):
        assert check_migrations_applied() == []
        call_command("migrate", "sessions", verbosity=0)
        (message,) = check_migrations_applied()
    assert message.id == "dockerflow.health.I001"


def test_connection_that_was_cut() -> None:
    """A connection that the calling thread has open, and that has been cut, is replaced."""
    connection.ensure_connection()
    with mock.patch.object(connection, "is_usable", side_effect=[False, True]):
        assert check_database_connected() == []
    with mock.patch.object(connection, "is_usable", return_value=False):
        (message,) = check_database_connected([])
    assert (message.id, message.msg) == (
        "dockerflow.health.E002",
        "Database connection is not usable",
    )
    connection.close()


@pytest.mark.parametrize(
    ("engine", "ids"),
    [
        ("django.db.backends.dummy", ["E003", "I001"]),
        ("acme.no.such", ["E003", "I001"]),
    ],
)
def test_misconfigured_database(
    monkeypatch: pytest.MonkeyPatch, engine: str, ids: list[str]
) -> None:
    """A database without a driver is said to be misconfigured."""
    monkeypatch.setitem(connections.settings["default"], "ENGINE", engine)
    body = heartbeat(
        DOCKERFLOW_CHECKS=[
            "dockerflow.django.checks.check_database_connected",
            "dockerflow.django.checks.check_migrations_applied",
        ]
    )
    found = [id.rpartition(".")[2] for each in body["details"].values() for id in each["messages"]]
    assert found == ids


@pytest.fixture
def broken(tmp_path: pathlib.Path) -> Iterator[None]:
    """A database that can't be opened."""
    connection.close()
    name = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = str(tmp_path)
    yield
    connection.settings_dict["NAME"] = name


def test_manage_check(broken: None) -> None:
    """Without databases to look at, manage.py check works while the database is down."""
    redis = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
    with override_settings(CACHES={"default": redis}):
        call_command("check", stdout=io.StringIO())
    with pytest.raises(SystemCheckError, match="Could not connect to database: unable to open"):
        call_command("check", databases=["default"], stdout=io.StringIO())


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
        (DJANGOS, "redis://:hunter2@127.0.0.1:1", "E004"),
        (DJANGO_REDIS, "redis://:hunter2@127.0.0.1:1", "E004"),
    ],
)
def test_redis_that_is_not_there(backend: str, location: str, id: str) -> None:
    """A cache without Redis, a client or an answer is said to be so by its own id."""
    body = heartbeat(
        CACHES={"default": {"BACKEND": backend, "LOCATION": location}},
        DOCKERFLOW_CHECKS=["dockerflow.django.checks.check_redis_connected"],
    )
    ((found, text),) = body["details"]["check_redis_connected"]["messages"].items()
    assert found == f"dockerflow.health.{id}"
    assert "hunter2" not in text
    assert ("dockerflow-django[redis]" in text) is ("acme" in backend)
