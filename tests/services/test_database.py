"""The SQLAlchemy checks against a real PostgreSQL and SQLite, and the ways they fail."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, Self
from unittest import mock

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, exc, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from dockerflow.checks.sqlalchemy import (
    check_database_connected,
    check_database_connected_async,
    database_check,
)
from tests.services.beats import Beats, check_threads, wait_until
from tests.services.faults import FAULTS, FaultProxy, fall_silent, heal
from tests.services.servers import PostgresServer, Server

MakeProxy = Callable[[Server], FaultProxy]
USER = "df_check"


class Application(Beats):
    """An application with engines of one driver."""

    def __init__(self, driver: str, *, asynchronous: bool) -> None:
        super().__init__(asynchronous=asynchronous)
        self.driver = driver
        self._engines: list[Engine | AsyncEngine] = []

    def engine(self, port: int, database: str = "postgres") -> Any:
        """Make an engine whose connections can be told from others by their application name."""
        url = f"postgresql+{self.driver}://postgres:hunter2@127.0.0.1:{port}/{database}"
        named: dict[str, Any] = {"application_name": USER}
        if self.driver == "asyncpg":
            named = {"server_settings": named}
        create = create_async_engine if self.asynchronous else create_engine
        self._engines.append(create(url, connect_args=named))
        return self._engines[-1]

    def use(self, engine: Any) -> None:
        """Run a query, as the application would, which leaves a connection in the pool."""
        if self.asynchronous:

            async def query() -> None:
                async with engine.connect() as connection:
                    await connection.scalar(select(1))

            self.run(query())
        else:
            with engine.connect() as connection:
                connection.scalar(select(1))

    def __exit__(self, *exc: object) -> None:
        for engine in self._engines:
            if isinstance(engine, AsyncEngine):
                self.run(engine.dispose())
            else:
                engine.dispose()
        super().__exit__(*exc)

    def __enter__(self) -> Self:
        return self


@pytest.fixture(params=["psycopg", "psycopg-async", "asyncpg-async"])
def app(request: pytest.FixtureRequest) -> Iterator[Application]:
    driver, _, kind = request.param.partition("-")
    with Application(driver, asynchronous=kind == "async") as made:
        yield made


def connections_to(server: PostgresServer) -> int:
    with psycopg.connect(server.url("postgresql")) as admin:
        query = "select count(*) from pg_stat_activity where application_name = %s"
        row = admin.execute(query, [USER]).fetchone()
        assert row is not None
        return int(row[0])


@pytest.mark.parametrize("fault", [each for each in FAULTS if each is not fall_silent])
def test_faults_of_the_network(
    app: Application,
    postgres_server: PostgresServer,
    proxy: MakeProxy,
    fault: Callable[[FaultProxy], None],
) -> None:
    """Each fault is an error of the database, and the first heartbeat after it is ok."""
    between = proxy(postgres_server)
    engine = app.engine(between.port)
    app.use(engine)
    check = database_check(engine)
    assert app.says(check) == {}
    fault(between)
    said = app.says(check)
    assert list(said) == ["E008"]
    assert said["E008"].startswith("DB-API error: (")
    assert "\n" not in said["E008"]
    assert "hunter2" not in said["E008"]
    heal(between)
    assert app.says(check) == {}


def test_a_silent_database(
    app: Application, postgres_server: PostgresServer, proxy: MakeProxy
) -> None:
    """Heartbeats that don't wait for silence have one run between them, and it recovers."""
    between = proxy(postgres_server)
    check = database_check(app.engine(between.port))
    assert app.says(check) == {}
    fall_silent(between)
    for _ in range(10):
        assert list(app.says(check, timeout=0.02)) == ["E013"]
        assert len(check_threads()) <= 1
    heal(between)
    for thread in check_threads():
        thread.join()
    wait_until(lambda: app.says(check) == {})


def test_killed_and_back(app: Application, postgres_server: PostgresServer) -> None:
    """A connection that the pool had before a restart is no failure afterwards."""
    engine = app.engine(postgres_server.port)
    app.use(engine)
    check = database_check(engine)
    postgres_server.kill()
    assert list(app.says(check)) == ["E008"]
    postgres_server.start()
    assert app.says(check) == {}


def test_restarted_between_heartbeats(app: Application, postgres_server: PostgresServer) -> None:
    """A restart that no heartbeat saw is no failure, though the pool's connection is cut."""
    engine = app.engine(postgres_server.port)
    app.use(engine)
    postgres_server.kill()
    postgres_server.start()
    assert app.says(database_check(engine)) == {}


def test_connections(app: Application, postgres_server: PostgresServer) -> None:
    """Heartbeats use a connection of the application's pool and give it back."""
    check = database_check(app.engine(postgres_server.port))
    for _ in range(20):
        assert app.says(check) == {}
    assert connections_to(postgres_server) == 1


def test_refused_by_the_server(app: Application, postgres_server: PostgresServer) -> None:
    """What the server says of an unknown database is in the message."""
    said = app.says(database_check(app.engine(postgres_server.port, "nowhere")))
    assert list(said) == ["E008"]
    assert 'database "nowhere"' in said["E008"]


FAILURES: list[tuple[Exception, dict[str, str]]] = [
    (
        exc.OperationalError("SELECT 1", {}, Exception("down")),
        {"E008": "DB-API error: (builtins.Exception) down"},
    ),
    (exc.SQLAlchemyError("what?"), {"E009": 'Database misconfigured: "what?"'}),
    (exc.ArgumentError("bad\nURL"), {"E009": 'Database misconfigured: "bad URL"'}),
    (exc.SQLAlchemyError(), {"E009": 'Database misconfigured: "SQLAlchemyError"'}),
    (ConnectionResetError("cut"), {"E008": "DB-API error: (ConnectionResetError) cut"}),
    (ZeroDivisionError("oops"), {"E011": "ZeroDivisionError"}),
]


@pytest.mark.parametrize("target", ["engine", "class"])
@pytest.mark.parametrize(("error", "messages"), FAILURES)
def test_connect_is_called(error: Exception, messages: dict[str, str], target: str) -> None:
    """The engine's own ``connect`` is called, so that mocks and instrumentation see it."""
    engine = create_engine("sqlite://")
    with Beats(asynchronous=False) as beats:
        owner = engine if target == "engine" else Engine
        with mock.patch.object(owner, "connect", side_effect=error):
            assert beats.says(database_check(engine)) == messages
        assert beats.says(database_check(engine)) == {}
    engine.dispose()


@pytest.mark.parametrize(("error", "messages"), FAILURES)
def test_async_connect_is_called(error: Exception, messages: dict[str, str]) -> None:
    """The same holds for an async engine."""
    engine = create_async_engine("postgresql+asyncpg://127.0.0.1:1/nowhere")
    with (
        Beats(asynchronous=True) as beats,
        mock.patch.object(AsyncEngine, "connect", side_effect=error),
    ):
        assert beats.says(database_check(engine)) == messages


@pytest.mark.parametrize(
    ("url", "text", "masked"),
    [
        (
            "postgresql+psycopg://u:hunter2@host/db",
            "hunter2 is wrong, xhunter2x",
            "*** is wrong, x***x",
        ),
        ("postgresql+psycopg://u:p%40ss@host/db", "no p@ss, no p%40ss", "no ***, no ***"),
        ("postgresql+psycopg://u:one@two@host/db", "no host 'two@host'", "no host '***@host'"),
        ("postgresql+psycopg://u:hunter2@host/db", "see x://u:a@b@c", "see x://***@c"),
    ],
)
def test_a_password_is_not_shown(url: str, text: str, masked: str) -> None:
    """A password that an error repeats is masked wherever it stands, also an unescaped ``@``."""
    engine = create_engine(url)
    error = exc.OperationalError("SELECT 1", {}, Exception(text))
    with mock.patch.object(engine, "connect", side_effect=error):
        [message] = check_database_connected(engine)
    assert message.msg == f"DB-API error: (builtins.Exception) {masked}"


@pytest.mark.parametrize("alone", [False, True])
def test_flask_sqlalchemy(postgres_server: PostgresServer, *, alone: bool) -> None:
    """All binds of Flask-SQLAlchemy are asked, with a default database or alone, and named."""
    flask = pytest.importorskip("flask")
    flask_sqlalchemy = pytest.importorskip("flask_sqlalchemy")
    app = flask.Flask("shop")
    if not alone:
        app.config["SQLALCHEMY_DATABASE_URI"] = postgres_server.url()
    nowhere = "postgresql+psycopg://127.0.0.1:1/nowhere"
    app.config["SQLALCHEMY_BINDS"] = {"good": postgres_server.url(), "one": nowhere, "two": nowhere}
    db = flask_sqlalchemy.SQLAlchemy(app)
    check = database_check(db)
    with app.app_context():
        texts = [message.msg for message in check()]
        assert [text.partition(": (")[0] for text in texts] == [
            "DB-API error: bind 'one'",
            "DB-API error: bind 'two'",
        ]
        for engine in db.engines.values():
            engine.dispose()


def test_the_wrong_check_for_an_engine() -> None:
    """An async engine given to the sync check is refused with the name of the right one."""
    engine = create_async_engine("sqlite+aiosqlite://")
    with pytest.raises(TypeError, match="_async"):
        check_database_connected(engine)


@pytest.mark.parametrize("wrong", ["postgresql://u:hunter2@host", 5, object(), {"engine": None}])
def test_what_is_no_database(wrong: Any) -> None:
    """What is no database is refused when the check is built, by its type and with the remedy."""
    with pytest.raises(TypeError, match=r"db= is of type .* set it to an engine") as caught:
        database_check(wrong)
    assert "hunter2" not in str(caught.value)


def test_the_check_that_fits() -> None:
    """The builder gives a callable of the engine's own kind."""
    check = database_check(create_engine("sqlite://"))
    assert isinstance(check, functools.partial)
    assert check.func is check_database_connected
    check = database_check(create_async_engine("sqlite+aiosqlite://"))
    assert isinstance(check, functools.partial)
    assert check.func is check_database_connected_async
