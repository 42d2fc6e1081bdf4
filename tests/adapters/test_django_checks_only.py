"""The databases and caches of Django, as the checks find them."""

from __future__ import annotations

import io
import logging
import pathlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth.models import User
from django.core.checks import Info, Tags
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection, connections, transaction
from django.test import Client, override_settings

from dockerflow.checks import default_registry
from dockerflow.django.checks import check_database_connected, check_migrations_applied
from tests.adapters.django import BEATS, alone, heartbeat, migrate


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
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
    closed = threading.Event()
    seen: list[Any] = []

    async def check() -> None:
        await User.objects.acount()

    def opened(connection: Any, **kwargs: Any) -> None:
        close = connection.close

        def closing() -> None:
            close()
            closed.set()

        connection.close = closing
        seen.append(connection)

    from django.db.backends.signals import connection_created

    default_registry.register(check)
    connection_created.connect(opened)
    try:
        assert heartbeat()["status"] == "ok"
    finally:
        connection_created.disconnect(opened)
    assert closed.wait(10)
    (used,) = seen
    assert used.connection is None
    del used.close


def test_within_an_atomic_block(migrated: None) -> None:
    """Within an atomic block, as in a TestCase, checks see what is in it, and leave it open."""

    def check() -> Iterator[Any]:
        yield Info(str(User.objects.filter(username="uncommitted").count()))

    default_registry.register(check)
    with transaction.atomic():
        User.objects.create(username="uncommitted")
        body = heartbeat(DOCKERFLOW_CHECKS=["dockerflow.django.checks.check_database_connected"])
        assert body["details"]["check"]["messages"] == {"check": "1"}
        assert body["checks"]["check_database_connected"] == "ok"
        assert connection.in_atomic_block
        transaction.set_rollback(True)


def test_within_an_atomic_block_async(migrated: None) -> None:
    """The same holds where a test calls an ASGI application."""
    from asgiref.sync import async_to_sync
    from django.test import AsyncClient

    def check() -> Iterator[Any]:
        yield Info(str(User.objects.filter(username="uncommitted").count()))

    async def beat() -> Any:
        return (await AsyncClient().get("/__heartbeat__")).json()

    default_registry.register(check)
    with transaction.atomic():
        User.objects.create(username="uncommitted")
        body = async_to_sync(beat)()
        transaction.set_rollback(True)
    assert body["details"]["check"]["messages"] == {"check": "1"}


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
        assert message.msg == "Unapplied migration sessions.0001_initial"
        assert message.id == "dockerflow.health.W001"
        assert message.obj == other
        assert (
            "check_migrations_applied"
            in heartbeat(DOCKERFLOW_CHECKS=["dockerflow.django.checks.check_migrations_applied"])[
                "details"
            ]
        )


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


@pytest.mark.parametrize(
    ("caches", "id"),
    [
        ({"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}, "E005"),
        ({"BACKEND": "acme.redis.NoSuch"}, "E005"),
        (
            {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "http://x"},
            "E006",
        ),
        ({"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "http://x"}, "E006"),
        (
            {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": "redis://:hunter2@127.0.0.1:1",
            },
            "E004",
        ),
        (
            {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": "redis://:hunter2@127.0.0.1:1",
            },
            "E004",
        ),
    ],
    ids=lambda value: value.get("BACKEND") if isinstance(value, dict) else value,
)
def test_redis_that_is_not_there(caches: Any, id: str) -> None:
    """A cache without Redis, a client or an answer is said to be so by its own id."""
    body = heartbeat(
        CACHES={"default": caches},
        DOCKERFLOW_CHECKS=["dockerflow.django.checks.check_redis_connected"],
    )
    (message,) = body["details"]["check_redis_connected"]["messages"].items()
    assert message[0] == f"dockerflow.health.{id}"
    assert "hunter2" not in message[1]
    if "acme" in caches["BACKEND"]:
        assert "dockerflow-django[redis]" in message[1]


def test_redis_client_that_others_patch() -> None:
    """A test may put a client of its own in the place of django-redis's."""
    caches = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://x"}}
    with (
        override_settings(CACHES=caches),
        mock.patch("django_redis.get_redis_connection") as get_redis_connection,
    ):
        from dockerflow.django.checks import check_redis_connected

        get_redis_connection.return_value.ping.return_value = False
        (message,) = check_redis_connected([])
    assert (message.id, message.msg) == ("dockerflow.health.E007", "Redis ping failed")


def test_imports() -> None:
    """The adapter imports no library of an extra."""
    import subprocess

    code = (
        "import sys, dockerflow.django.middleware, dockerflow.django.checks; "
        "assert not {'redis', 'django_redis', 'sqlalchemy', 'alembic'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_logging_is_untouched() -> None:
    """The middleware configures no logger of the application."""
    Client().get("/")
    logger = logging.getLogger("request.summary")
    assert (logger.level, logger.handlers) == (logging.NOTSET, [])
