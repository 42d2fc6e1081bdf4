"""The SQLAlchemy checks against a real PostgreSQL and SQLite, and the ways they fail."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import pathlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self
from unittest import mock

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, event, exc, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool, Pool, StaticPool

from dockerflow.checks.sqlalchemy import (
    check_database_connected,
    check_database_connected_async,
    database_check,
)
from tests.services.beats import Beats, check_threads, wait_until
from tests.services.faults import BlackHole, FaultProxy
from tests.services.servers import PostgresServer, Server

MakeProxy = Callable[[Server], FaultProxy]
USER = "df_check"


class Application(Beats):
    """An application with one engine, of one driver."""

    def __init__(self, driver: str, *, asynchronous: bool) -> None:
        super().__init__(asynchronous=asynchronous)
        self.driver = driver
        self._engines: list[Engine | AsyncEngine] = []

    def engine(self, port: int, database: str = "postgres", **options: Any) -> Any:
        """Make an engine whose connections can be told from others by their application name."""
        url = f"postgresql+{self.driver}://postgres:hunter2@127.0.0.1:{port}/{database}"
        named: dict[str, Any] = {"application_name": USER}
        if self.driver == "asyncpg":
            named = {"server_settings": named}
        named |= options.pop("connect_args", {})
        create = create_async_engine if self.asynchronous else create_engine
        self._engines.append(create(url, connect_args=named, **options))
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


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dockerflow.checks._database.PATIENCE", 2)  # psycopg's least


def sync_engine(engine: Any) -> Engine:
    return engine.sync_engine if isinstance(engine, AsyncEngine) else engine


def connections_to(server: PostgresServer) -> int:
    with psycopg.connect(server.url("postgresql")) as admin:
        query = "select count(*) from pg_stat_activity where application_name = %s"
        row = admin.execute(query, [USER]).fetchone()
        assert row is not None
        return int(row[0])


def refuse(proxy: FaultProxy) -> None:
    proxy.down()


def fall_silent(proxy: FaultProxy) -> None:
    proxy.mode = "silent"


def reset(proxy: FaultProxy) -> None:
    proxy.mode = "reset"
    proxy.drop_all(reset=True)


def hang_up(proxy: FaultProxy) -> None:
    proxy.mode = "close"
    proxy.drop_all()


def babble(proxy: FaultProxy) -> None:
    proxy.mode = "garbage"
    proxy.drop_all()


def cut_in_the_handshake(proxy: FaultProxy) -> None:
    proxy.cut_after = 5
    proxy.drop_all()


def heal(proxy: FaultProxy) -> None:
    proxy.up()
    proxy.mode = "pass"
    proxy.cut_after = None


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "fault", [refuse, fall_silent, reset, hang_up, babble, cut_in_the_handshake]
)
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


@pytest.mark.usefixtures("impatient")
def test_black_hole(app: Application, black_hole: BlackHole) -> None:
    """A port whose packets are dropped is given up."""
    assert list(app.says(database_check(app.engine(black_hole.port)))) == ["E008"]


def test_silence_is_reported_before_the_clock_strikes(
    postgres_server: PostgresServer, proxy: MakeProxy
) -> None:
    """A server that says nothing is reported as such, not as a check that is still running."""
    between = proxy(postgres_server)
    between.mode = "silent"
    with Application("psycopg", asynchronous=False) as app:
        said = app.says(database_check(app.engine(between.port)))
        assert said == {
            "E008": "DB-API error: (psycopg.errors.ConnectionTimeout) connection timeout expired"
        }


@pytest.mark.usefixtures("impatient")
def test_frozen(app: Application, postgres_server: PostgresServer) -> None:
    """A server stopped in its tracks is reported, though the pool has an idle connection to it."""
    engine = app.engine(postgres_server.port)
    app.use(engine)
    check = database_check(engine)
    postgres_server.freeze()
    assert list(app.says(check)) == ["E008"]
    postgres_server.thaw()
    assert app.says(check) == {}


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


def test_frozen_in_mid_query_costs_one_thread(postgres_server: PostgresServer) -> None:
    """A query that hangs beyond every time-out costs one thread, and recovers by itself."""
    with Application("psycopg", asynchronous=False) as app:
        engine = app.engine(postgres_server.port)
        check = database_check(engine)
        assert app.says(check) == {}

        frozen = threading.Event()

        @event.listens_for(engine, "connect", once=True)
        def freeze(*_: object) -> None:
            postgres_server.freeze()
            frozen.set()

        for _ in range(20):
            assert list(app.says(check, timeout=0.01)) == ["E013"]
            assert len(check_threads()) == 1
            assert frozen.wait(20)
        [thread] = check_threads()
        postgres_server.thaw()
        thread.join(20)
        assert app.says(check) == {}
        wait_until(lambda: connections_to(postgres_server) == 0)


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_a_cancelled_check_leaves_nothing_behind(
    postgres_server: PostgresServer, driver: str
) -> None:
    """An async check that hangs in its query is cut off by the clock, and so is its connection."""
    with Application(driver, asynchronous=True) as app:
        engine = app.engine(postgres_server.port)
        check = database_check(engine)
        assert app.says(check) == {}
        listener = mock.Mock(side_effect=lambda *_: postgres_server.freeze())
        event.listen(engine.sync_engine, "connect", listener)
        assert list(app.says(check, timeout=1.5)) == ["E013"]
        assert listener.called
        event.remove(engine.sync_engine, "connect", listener)
        if driver == "asyncpg":  # psycopg takes ten seconds to give a query up
            wait_until(lambda: app.run(tasks_but_this()) == 0)
        postgres_server.thaw()
        wait_until(lambda: app.run(tasks_but_this()) == 0)
        assert app.says(check) == {}
        wait_until(lambda: connections_to(postgres_server) == 0)


async def tasks_but_this() -> int:
    await asyncio.sleep(0)
    return len(asyncio.all_tasks()) - 1


def test_no_connection_is_left(app: Application, postgres_server: PostgresServer) -> None:
    """A hundred heartbeats leave no connection to the server, and nothing in memory."""
    check = database_check(app.engine(postgres_server.port))
    before = pools_in_memory()
    for _ in range(100):
        assert app.says(check) == {}
    wait_until(lambda: connections_to(postgres_server) == 0)
    assert pools_in_memory() <= before


def pools_in_memory() -> int:
    gc.collect()
    # by type(): isinstance() would ask proxies, such as Django's lazy objects, what they stand for
    return sum(issubclass(type(each), Pool) for each in gc.get_objects())


def test_a_used_up_pool_is_not_waited_for(
    app: Application, postgres_server: PostgresServer
) -> None:
    """While the application holds its only connection, the database is not called down."""
    engine = app.engine(postgres_server.port, pool_size=1, max_overflow=0, pool_timeout=30)
    check = database_check(engine)
    if app.asynchronous:
        held = app.run(engine.connect().__aenter__())
        assert app.says(check) == {}
        app.run(held.close())
    else:
        with engine.connect():
            assert app.says(check) == {}


def test_the_application_is_left_alone(
    app: Application, postgres_server: PostgresServer, proxy: MakeProxy
) -> None:
    """The check opens no connection in the pool, and limits none of the application's own."""
    engine = app.engine(postgres_server.port)
    pool = sync_engine(engine).pool
    before = pool.status()
    assert app.says(database_check(engine)) == {}
    assert sync_engine(engine).pool is pool
    assert pool.status() == before
    dialect = sync_engine(engine).dialect
    with mock.patch.object(dialect, "connect", wraps=dialect.connect) as connect:
        app.use(engine)
    connect.assert_called_once()
    assert not {"connect_timeout", "timeout"} & connect.call_args.kwargs.keys()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_applications_own_limit_counts(black_hole: BlackHole, *, asynchronous: bool) -> None:
    """A time-out that the engine was given is not replaced."""
    driver, parameter = ("asyncpg", "timeout") if asynchronous else ("psycopg", "connect_timeout")
    with Application(driver, asynchronous=asynchronous) as app:
        engine = app.engine(black_hole.port, connect_args={parameter: 60})
        assert list(app.says(database_check(engine), timeout=2.5)) == ["E013"]
        black_hole.close()
        for thread in check_threads():
            thread.join(20)


@pytest.mark.parametrize("already", [False, True])
def test_hooks_that_make_the_connection(
    app: Application, postgres_server: PostgresServer, *, already: bool
) -> None:
    """The application's own way to connect, say with a token from a cloud, is the check's way."""
    engine = app.engine(1, "nowhere")
    check = database_check(engine)
    if already:
        assert list(app.says(check)) == ["E008"]

    @event.listens_for(sync_engine(engine), "do_connect")
    def with_token(dialect: Any, record: Any, arguments: Any, parameters: dict[str, Any]) -> None:
        parameters |= {"port": postgres_server.port, "password": "token"}
        parameters["database" if "database" in parameters else "dbname"] = "postgres"

    assert app.says(check) == {}
    assert app.says(check) == {}


def test_other_pools(postgres_server: PostgresServer) -> None:
    """Engines without a pool, with options of their own and with a creator are checked as well."""
    with Application("psycopg", asynchronous=False) as app:
        engine = app.engine(postgres_server.port, poolclass=NullPool)
        assert app.says(database_check(engine)) == {}
        assert (
            app.says(database_check(engine.execution_options(isolation_level="AUTOCOMMIT"))) == {}
        )
        assert engine.pool is engine.execution_options().pool
        creator = functools.partial(psycopg.connect, postgres_server.url("postgresql"))
        engine = create_engine("postgresql+psycopg://", creator=creator)
        assert app.says(database_check(engine)) == {}
        engine.dispose()


@pytest.mark.parametrize("database", ["nowhere", "template0"])
def test_refused_by_the_server(
    app: Application, postgres_server: PostgresServer, database: str
) -> None:
    """What the server says of an unknown or a closed database is in the message."""
    said = app.says(database_check(app.engine(postgres_server.port, database)))
    assert list(said) == ["E008"]
    assert f'database "{database}"' in said["E008"]


def test_sqlite_file(tmp_path: pathlib.Path) -> None:
    """SQLite is ok with a file and says so without a folder."""
    with Beats(asynchronous=False) as beats, Beats(asynchronous=True) as async_beats:
        good, bad = tmp_path / "shop.db", tmp_path / "nowhere" / "shop.db"
        for path, ids in ((good, []), (bad, ["E008"])):
            engine = create_engine(f"sqlite:///{path}")
            assert list(beats.says(database_check(engine))) == ids
            engine.dispose()
            async_engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
            assert list(async_beats.says(database_check(async_engine))) == ids
            async_beats.run(async_engine.dispose())
        # aiosqlite's thread has a last word for the loop
        wait_until(lambda: "_connection_worker" not in str(threading.enumerate()))


def test_sqlite_in_memory() -> None:
    """The one connection of a database in memory is used, and stays open."""
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    with engine.begin() as connection:
        connection.exec_driver_sql("create table kept (x)")
    with Beats(asynchronous=False) as beats:
        assert beats.says(database_check(engine)) == {}
        lonely = create_engine("sqlite://")  # one database for each thread
        assert beats.says(database_check(lonely)) == {}
        lonely.dispose()
    with engine.begin() as connection:
        connection.exec_driver_sql("insert into kept values (1)")
    engine.dispose()


class Ours(Exception):
    """An exception of the application."""


FAILURES: list[tuple[Exception, dict[str, str]]] = [
    (
        exc.OperationalError("SELECT 1", {}, Exception("down")),
        {"E008": "DB-API error: (builtins.Exception) down"},
    ),
    (exc.SQLAlchemyError("what?"), {"E009": 'Database misconfigured: "what?"'}),
    (exc.ArgumentError("bad\nURL"), {"E009": 'Database misconfigured: "bad URL"'}),
    (exc.SQLAlchemyError(), {"E009": 'Database misconfigured: "SQLAlchemyError"'}),
    (ConnectionResetError("cut"), {"E008": "DB-API error: (ConnectionResetError) cut"}),
    (Ours("oops"), {"E011": "tests.services.test_database.Ours: oops"}),
]


@pytest.mark.parametrize("target", ["engine", "class"])
@pytest.mark.parametrize(("error", "messages"), FAILURES)
def test_a_mocked_connect_is_asked(error: Exception, messages: dict[str, str], target: str) -> None:
    """A test of an application may replace ``connect``, and gets what it put there."""
    engine = create_engine("sqlite://")
    owner = engine if target == "engine" else Engine
    with Beats(asynchronous=False) as beats:
        with mock.patch.object(owner, "connect", side_effect=error):
            said = beats.says(database_check(engine))
        assert list(said) == list(messages)
        assert said == messages or "E011" in said
        assert beats.says(database_check(engine)) == {}
    engine.dispose()


def test_a_mocked_async_connect_is_asked() -> None:
    """The same holds for an async engine."""
    engine = create_async_engine("postgresql+asyncpg://127.0.0.1:1/nowhere")
    with Beats(asynchronous=True) as beats:
        error = exc.OperationalError("SELECT 1", {}, Exception("down"))
        with mock.patch.object(AsyncEngine, "connect", side_effect=error):
            said = beats.says(database_check(engine))
        assert said == {"E008": "DB-API error: (builtins.Exception) down"}


def test_a_password_is_not_told() -> None:
    """A password that an error repeats is left out, with SQLAlchemy's links and statements."""
    engine = create_engine("sqlite://")
    engine.url = engine.url.set(password="hunter2")
    error = exc.OperationalError("SELECT 1", {}, Exception("password hunter2 is wrong"))
    with mock.patch.object(engine, "connect", side_effect=error):
        [message] = check_database_connected(engine)
    assert message.msg == "DB-API error: (builtins.Exception) password *** is wrong"


def test_flask_sqlalchemy(postgres_server: PostgresServer) -> None:
    """Flask-SQLAlchemy's extension is asked for its default bind, in an application context."""
    flask = pytest.importorskip("flask")
    flask_sqlalchemy = pytest.importorskip("flask_sqlalchemy")
    app = flask.Flask("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = postgres_server.url()
    app.config["SQLALCHEMY_BINDS"] = {"other": "postgresql+psycopg://127.0.0.1:1/nowhere"}
    db = flask_sqlalchemy.SQLAlchemy(app)
    with app.app_context():
        assert check_database_connected(db) == []
        with mock.patch.object(db.engine, "connect", side_effect=exc.SQLAlchemyError("x")):
            assert [each.id for each in check_database_connected(db)] == ["dockerflow.health.E009"]
        [message] = check_database_connected(db.engines["other"])
        assert message.id == "dockerflow.health.E008"
        for engine in db.engines.values():
            engine.dispose()


def test_the_wrong_check_for_an_engine() -> None:
    """An async engine given to the sync check is refused with the name of the right one."""
    engine = create_async_engine("sqlite+aiosqlite://")
    with pytest.raises(TypeError, match="_async"):
        check_database_connected(engine)


def test_the_check_that_fits() -> None:
    """The builder gives a callable of the engine's own kind."""
    check = database_check(create_engine("sqlite://"))
    assert isinstance(check, functools.partial)
    assert check.func is check_database_connected
    check = database_check(create_async_engine("sqlite+aiosqlite://"))
    assert isinstance(check, functools.partial)
    assert check.func is check_database_connected_async


def test_a_pool_that_can_not_be_made_again() -> None:
    """An engine with a pool class of the application's own is asked itself."""

    class Own(StaticPool):
        def recreate(self) -> Any:
            raise NotImplementedError

    engine = create_engine("sqlite://", poolclass=Own)
    with contextlib.closing(engine.raw_connection()):
        assert check_database_connected(engine) == []
    engine.pool.dispose()
