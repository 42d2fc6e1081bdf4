"""The SQLAlchemy checks with a real PostgreSQL, and the ways it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from unittest import mock

import pytest
from sqlalchemy import Engine, create_engine, exc
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from dockerflow.checks.sqlalchemy import (
    check_database_connected,
    database_check,
)
from tests.services.beats import Beats, wait_until
from tests.services.clients import DRIVERS, Application
from tests.services.faults import BROKEN, FaultProxy, Mode
from tests.services.servers import PostgresServer, Server


@pytest.fixture(params=DRIVERS)
def app(request: pytest.FixtureRequest) -> Iterator[Application]:
    """An application, with each driver."""
    with Application(request.param) as app:
        yield app


@pytest.mark.parametrize("mode", BROKEN)
def test_faults_of_the_network(
    app: Application,
    postgres_server: PostgresServer,
    proxy: Callable[[Server], FaultProxy],
    mode: Mode,
) -> None:
    """Each fault is an error of the database, and the first heartbeat after it is ok."""
    between = proxy(postgres_server)
    check = database_check(app.engine(between.port))
    assert app.says(check) == {}
    between.mode = mode
    said = app.says(check)
    assert list(said) == ["E008"]
    assert said["E008"].startswith("DB-API error: (")
    assert "\n" not in said["E008"]
    assert "hunter2" not in said["E008"]
    between.mode = "pass"
    assert app.says(check) == {}


def test_silence(
    app: Application, postgres_server: PostgresServer, proxy: Callable[[Server], FaultProxy]
) -> None:
    """A server that doesn't answer runs into the time limit, and the check recovers."""
    between = proxy(postgres_server)
    check = database_check(app.engine(between.port))
    assert app.says(check) == {}
    between.mode = "silent"
    assert list(app.says(check, timeout=0.1)) == ["E013"]
    between.mode = "pass"
    wait_until(lambda: app.says(check) == {})


@pytest.mark.parametrize("noticed", [True, False])
def test_restart(app: Application, postgres_server: PostgresServer, *, noticed: bool) -> None:
    """A connection that a restart has cut causes no failure, whether a heartbeat saw it or not."""
    check = database_check(app.engine(postgres_server.port))
    assert app.says(check) == {}
    postgres_server.kill()
    if noticed:
        assert list(app.says(check)) == ["E008"]
    postgres_server.start()
    assert app.says(check) == {}


def test_connections(app: Application, postgres_server: PostgresServer) -> None:
    """Heartbeats use a connection of the application's pool and return it."""
    check = database_check(app.engine(postgres_server.port))
    for _ in range(20):
        assert app.says(check) == {}
    wait_until(lambda: postgres_server.clients() == 1)


def test_refused_by_the_server(app: Application, postgres_server: PostgresServer) -> None:
    """The server's message about an unknown database is shown."""
    said = app.says(database_check(app.engine(postgres_server.port, "nowhere")))
    assert list(said) == ["E008"]
    assert 'database "nowhere"' in said["E008"]


@pytest.mark.parametrize("owner", ["engine", "Engine", "AsyncEngine"])
@pytest.mark.parametrize(
    ("error", "messages"),
    [
        (
            exc.OperationalError("SELECT 1", {}, Exception("down")),
            {"E008": "DB-API error: (builtins.Exception) down"},
        ),
        (exc.SQLAlchemyError("what?"), {"E009": 'Database misconfigured: "what?"'}),
        (exc.ArgumentError("bad\nURL"), {"E009": 'Database misconfigured: "bad URL"'}),
        (exc.SQLAlchemyError(), {"E009": 'Database misconfigured: "SQLAlchemyError"'}),
        (ConnectionResetError("cut"), {"E008": "DB-API error: (ConnectionResetError) cut"}),
        (ZeroDivisionError("oops"), {"E011": "ZeroDivisionError"}),
    ],
)
def test_connect_is_called(error: Exception, messages: dict[str, str], owner: str) -> None:
    """The engine's own ``connect`` is called, so that mocks and instrumentation see it."""
    asynchronous = owner == "AsyncEngine"
    create = create_async_engine if asynchronous else create_engine
    engine = create("postgresql+psycopg://127.0.0.1:1/nowhere")
    patched = {"engine": engine, "Engine": Engine, "AsyncEngine": AsyncEngine}[owner]
    with (
        Beats(asynchronous=asynchronous) as beats,
        mock.patch.object(patched, "connect", side_effect=error),
    ):
        assert beats.says(database_check(engine)) == messages


@pytest.mark.parametrize(
    ("user", "text", "masked"),
    [
        ("u:hunter2", "hunter2 is wrong, xhunter2x", "*** is wrong, x***x"),
        ("u:p%40ss", "no p@ss, no p%40ss", "no ***, no ***"),
        ("u:p%2Fss", "no p%2fss", "no ***"),
        ("u:one@two", "no host 'two@host'", "no host '***@host'"),
        (r"u:one@t\wo", r"no host 't\\wo@host'", "no host '***@host'"),
        ("u:one@two/three", "no host 'two' for three", "no host '***' for ***"),
        ("u:hunter2", "see x://u:a@b@c", "see x://***@c"),
    ],
)
def test_a_password_is_not_shown(user: str, text: str, masked: str) -> None:
    """A password in an error is masked wherever it appears, also with an unescaped ``@``."""
    engine = create_engine(f"postgresql+psycopg://{user}@host/db")
    error = exc.OperationalError("SELECT 1", {}, Exception(text))
    with mock.patch.object(engine, "connect", side_effect=error):
        [message] = check_database_connected(engine)
    assert message.msg == f"DB-API error: (builtins.Exception) {masked}"


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    "password", ["12@hunter2", r"12@hunter2\34", "12@hunter2/34", "12@hunter2#34"]
)
def test_a_password_that_a_driver_takes_for_a_host(driver: str, password: str) -> None:
    """If a driver takes a password with an unescaped ``@`` for a host name, it is not shown."""
    with Application(driver) as app:
        said = app.says(database_check(app.engine(1, user=f"u:{password}")))
    assert list(said) == ["E008"]
    assert "hunter2" not in str(said)


def test_the_wrong_check_for_an_engine() -> None:
    """An async engine given to the sync check is refused with the name of the right one."""
    engine = create_async_engine("sqlite+aiosqlite://")
    with pytest.raises(TypeError, match="_async"):
        check_database_connected(engine)
