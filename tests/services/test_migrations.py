"""The Alembic checks against a real PostgreSQL and SQLite."""

from __future__ import annotations

import functools
import logging
import os
import pathlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from alembic.config import Config
from sqlalchemy import Engine, create_engine, exc
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from dockerflow.checks.alembic import (
    check_migrations_applied,
    check_migrations_applied_async,
    migrations_check,
)
from tests.services.beats import Beats
from tests.services.faults import FaultProxy
from tests.services.servers import PostgresServer, Server

ENV = "raise AssertionError('env.py was run')\n"


class Directory:
    """A migration directory under construction."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.versions = path / "versions"
        self.versions.mkdir(parents=True)
        (path / "env.py").write_text(ENV)
        self.ini = path / "alembic.ini"
        self.ini.write_text(f"[alembic]\nscript_location = {path}\n")

    def add(
        self, revision: str, down: object = None, *, depends: object = None, more: str = ""
    ) -> None:
        """Add a migration."""
        (self.versions / f"{revision}_.py").write_text(
            f"revision = {revision!r}\ndown_revision = {down!r}\n"
            f"branch_labels = None\ndepends_on = {depends!r}\n{more}\n"
        )

    def config(self) -> Config:
        return Config(str(self.ini))


@pytest.fixture
def scripts(tmp_path: pathlib.Path) -> Directory:
    return Directory(tmp_path / "migrations")


@pytest.fixture
def engine(tmp_path: pathlib.Path) -> Iterator[Engine]:
    made = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    yield made
    made.dispose()


def stamp(engine: Engine, *revisions: str, table: str = "alembic_version") -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"drop table if exists {table}")
        connection.exec_driver_sql(f"create table {table} (version_num varchar(32) primary key)")
        for revision in revisions:
            connection.exec_driver_sql(f"insert into {table} values ('{revision}')")


def says(scripts: Directory, engine: Engine, **options: Any) -> dict[str, str]:
    messages = check_migrations_applied(scripts.config(), engine, **options)
    return {str(each.id).rpartition(".")[2]: each.msg for each in messages}


def test_up_to_date(scripts: Directory, engine: Engine) -> None:
    """A database at the head has nothing to say, nor one without migrations."""
    assert says(scripts, engine) == {}
    scripts.add("aaa")
    scripts.add("bbb", "aaa")
    stamp(engine, "bbb")
    assert says(scripts, engine) == {}


def test_unapplied(scripts: Directory, engine: Engine) -> None:
    """A database behind the head is told the head, whether it has a version table or not."""
    scripts.add("aaa")
    scripts.add("bbb", "aaa")
    expected = {"W001": "Unapplied migrations found: bbb"}
    assert says(scripts, engine) == expected
    stamp(engine)
    assert says(scripts, engine) == expected
    stamp(engine, "aaa")
    assert says(scripts, engine) == expected


def test_the_version_table_is_not_made(scripts: Directory, engine: Engine) -> None:
    """Looking changes nothing in the database."""
    scripts.add("aaa")
    says(scripts, engine)
    with engine.connect() as connection:
        tables = connection.exec_driver_sql("select name from sqlite_master").all()
    assert tables == []


def test_branches(scripts: Directory, engine: Engine) -> None:
    """Of several heads those that are missing are told, in order, and merges count."""
    scripts.add("root")
    scripts.add("left", "root")
    scripts.add("right", "root")
    scripts.add("alone")
    stamp(engine, "root")
    assert says(scripts, engine) == {"W001": "Unapplied migrations found: alone, left, right"}
    stamp(engine, "left", "alone")
    assert says(scripts, engine) == {"W001": "Unapplied migrations found: right"}
    stamp(engine, "left", "right", "alone")
    assert says(scripts, engine) == {}
    scripts.add("merge", ("left", "right"))
    assert says(scripts, engine) == {"W001": "Unapplied migrations found: merge"}
    stamp(engine, "merge", "alone")
    assert says(scripts, engine) == {}


def test_dependencies(scripts: Directory, engine: Engine) -> None:
    """A head that an applied revision depends on is applied, though the table doesn't name it."""
    scripts.add("base_a")
    scripts.add("base_b")
    scripts.add("head_b", "base_b", depends="base_a")
    stamp(engine, "head_b")
    assert says(scripts, engine) == {}
    stamp(engine, "base_b")
    assert says(scripts, engine) == {"W001": "Unapplied migrations found: base_a, head_b"}


def test_ahead(scripts: Directory, engine: Engine) -> None:
    """A database that is newer than the code is called that."""
    scripts.add("aaa")
    stamp(engine, "zzz")
    assert says(scripts, engine) == {
        "W001": "Database is ahead of the code: no script has its revisions zzz"
    }


def test_a_new_script_is_noticed(scripts: Directory, engine: Engine) -> None:
    """Scripts are read once, and again when one is added, changed or taken away."""
    scripts.add("aaa", more="import tests.services.test_migrations as t; t.imported.append('aaa')")
    stamp(engine, "aaa")
    imported.clear()
    for _ in range(3):
        assert says(scripts, engine) == {}
    assert imported == ["aaa"]
    scripts.add("bbb", "aaa")
    assert says(scripts, engine) == {"W001": "Unapplied migrations found: bbb"}
    (scripts.versions / "bbb_.py").unlink()
    assert says(scripts, engine) == {}


imported: list[str] = []


def test_other_version_locations(
    scripts: Directory, engine: Engine, tmp_path: pathlib.Path
) -> None:
    """Migrations may be in several directories, of which some are nested."""
    other = Directory(tmp_path / "other")
    scripts.add("aaa")
    other.add("bbb")
    (other.versions / "deep").mkdir()
    (other.versions / "bbb_.py").rename(other.versions / "deep" / "bbb_.py")
    scripts.ini.write_text(
        f"[alembic]\nscript_location = {scripts.path}\nrecursive_version_locations = true\n"
        f"version_path_separator = os\npath_separator = os\n"
        f"version_locations = {scripts.versions}{os.pathsep}{other.versions}\n"
    )
    assert says(scripts, engine) == {"W001": "Unapplied migrations found: aaa, bbb"}


def test_the_version_table_has_another_name(scripts: Directory, engine: Engine) -> None:
    """The version table's name can be given."""
    scripts.add("aaa")
    stamp(engine, "aaa", table="shop_version")
    assert says(scripts, engine, version_table="shop_version") == {}
    assert list(says(scripts, engine)) == ["W001"]


def test_nothing_of_the_process_changes(
    scripts: Directory, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Heartbeats add no path, no log line, and no change to the configuration."""
    scripts.ini.write_text(
        f"[alembic]\nscript_location = {scripts.path}\nprepend_sys_path = {scripts.path}\n"
        "path_separator = os\n"
    )
    (scripts.path / "of_the_migrations.py").write_text("")
    scripts.add("aaa", more="import of_the_migrations")
    config = scripts.config()
    attributes, path = dict(config.attributes), list(sys.path)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.INFO)
    for _ in range(3):
        check_migrations_applied(config, engine)
    assert sys.path == path
    assert caplog.records == []
    assert dict(config.attributes) == attributes


@pytest.mark.parametrize("missing", ["scripts", "versions", "ini"])
def test_a_missing_directory(scripts: Directory, engine: Engine, missing: str) -> None:
    """What is not there is named, and fails nothing."""
    if missing == "versions":
        path = scripts.versions
        path.rmdir()
    elif missing == "ini":
        path = scripts.ini
        path.unlink()
    else:
        path = scripts.path / "nowhere"
        scripts.ini.write_text(f"[alembic]\nscript_location = {path}\n")
    [message] = check_migrations_applied(str(scripts.ini), engine)
    assert message.id == "dockerflow.health.I001"
    assert message.msg.startswith("Can't check migrations: the ")
    assert message.msg.endswith("does not exist")
    assert str(path) in message.msg


@pytest.mark.parametrize("trouble", ["setting", "cycle"])
def test_scripts_that_make_no_sense(scripts: Directory, engine: Engine, trouble: str) -> None:
    """Alembic's own complaint is passed on."""
    if trouble == "setting":
        scripts.ini.write_text("[alembic]\n")
        expected = "No 'script_location' key found in configuration"
    else:
        scripts.add("aaa", "bbb")
        scripts.add("bbb", "aaa")
        expected = "Cycle is detected in revisions"
    for _ in range(2):
        said = says(scripts, engine)
        assert list(said) == ["I001"]
        assert said["I001"].startswith("Can't check migrations: ")
        assert expected in said["I001"]


def test_a_script_that_raises(scripts: Directory, engine: Engine) -> None:
    """A migration that can't be imported is an error, each time."""
    scripts.add("aaa", more="1 / 0")
    check = migrations_check(scripts.config(), engine)
    with Beats(asynchronous=False) as beats, Beats(asynchronous=True) as async_beats:
        for _ in range(2):
            assert list(beats.says(check)) == ["E011"]
        async_engine = create_async_engine("sqlite+aiosqlite://")
        check = migrations_check(scripts.config(), async_engine)
        for _ in range(2):
            assert list(async_beats.says(check)) == ["E011"]
        async_beats.run(async_engine.dispose())


@pytest.mark.parametrize("driver", ["psycopg", "psycopg-async", "asyncpg-async"])
def test_postgres(
    scripts: Directory,
    postgres_server: PostgresServer,
    proxy: Callable[[Server], FaultProxy],
    driver: str,
) -> None:
    """The database's schemas are looked in, its absence is told, and its return noticed."""
    between = proxy(postgres_server)
    driver, _, kind = driver.partition("-")
    url = f"postgresql+{driver}://postgres:hunter2@127.0.0.1:{between.port}/postgres"
    admin = create_engine(postgres_server.url())
    with admin.begin() as connection:
        connection.exec_driver_sql("drop schema if exists shop cascade")
        connection.exec_driver_sql("create schema shop")
    stamp(admin, "aaa", table="shop.versions")
    scripts.add("aaa")
    engine: Any = create_async_engine(url) if kind else create_engine(url)
    with Beats(asynchronous=bool(kind)) as beats:
        place = {"version_table": "versions", "version_table_schema": "shop"}
        check = migrations_check(scripts.ini, engine, **place)
        assert beats.says(check) == {}
        check = migrations_check(scripts.config(), engine, **place)
        assert beats.says(check) == {}
        between.down()
        said = beats.says(check)
        assert list(said) == ["I001"]
        assert said["I001"].startswith("Can't connect to database to check migrations: (")
        assert "hunter2" not in said["I001"]
        between.up()
        assert beats.says(check) == {}
        check = migrations_check(scripts.config(), engine)
        assert beats.says(check) == {"W001": "Unapplied migrations found: aaa"}
        if kind:
            beats.run(engine.dispose())
        else:
            engine.dispose()
    admin.dispose()


def test_a_directory_that_hangs_costs_one_thread(scripts: Directory) -> None:
    """A script that takes its time holds up one thread, and never the event loop."""
    scripts.add("aaa", more="import tests.services.test_migrations as t; t.gate.wait(20)")
    gate.clear()
    engine = create_async_engine("sqlite+aiosqlite://")
    with Beats(asynchronous=True) as beats:
        check = migrations_check(scripts.config(), engine)
        for _ in range(5):
            assert list(beats.says(check, timeout=0.01)) == ["E013"]
        names = [each.name for each in threading.enumerate()]
        assert names.count("dockerflow-migrations") == 1
        gate.set()
        assert beats.says(check) == {"W001": "Unapplied migrations found: aaa"}
        beats.run(engine.dispose())


gate = threading.Event()


def test_sqlite_in_memory(scripts: Directory) -> None:
    """A database in memory is looked at in its one connection."""
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    scripts.add("aaa")
    stamp(engine, "aaa")
    with Beats(asynchronous=False) as beats:
        assert beats.says(migrations_check(scripts.config(), engine)) == {}
    engine.dispose()


def test_a_mocked_connect_is_asked(scripts: Directory, engine: Engine) -> None:
    """A test of an application may replace ``connect``, and gets what it put there."""
    error = exc.OperationalError("SELECT 1", {}, Exception("down"))
    with mock.patch.object(engine, "connect", side_effect=error):
        assert says(scripts, engine) == {
            "I001": "Can't connect to database to check migrations: (builtins.Exception) down"
        }
    with (
        mock.patch.object(engine, "connect", side_effect=ZeroDivisionError),
        pytest.raises(ZeroDivisionError),
    ):
        says(scripts, engine)


def test_flask_migrate(scripts: Directory, engine: Engine) -> None:
    """Flask-Migrate's extension brings the directory, the database and the version table."""
    flask = pytest.importorskip("flask")
    flask_migrate = pytest.importorskip("flask_migrate")
    flask_sqlalchemy = pytest.importorskip("flask_sqlalchemy")
    app = flask.Flask("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = str(engine.url)
    db = flask_sqlalchemy.SQLAlchemy(app)
    migrate = flask_migrate.Migrate(app, db, directory=str(scripts.path))
    scripts.add("aaa")
    with app.app_context():
        [message] = check_migrations_applied(migrate)
        assert message.msg == "Unapplied migrations found: aaa"
        stamp(db.engine, "aaa", table="shop_version")
        migrate.init_app(app, version_table="shop_version")
        assert check_migrations_applied(migrate) == []
        assert migrations_check(migrate)() == []
        nowhere = flask_migrate.Migrate(app, db, directory="nowhere")
        [message] = check_migrations_applied(nowhere)
        assert (
            message.msg
            == "Can't check migrations: the migration directory 'nowhere' does not exist"
        )
        db.engine.dispose()


def test_a_database_is_needed(scripts: Directory) -> None:
    """A configuration alone does not say which engine to ask, and that is said at once."""
    with pytest.raises(TypeError, match="engine as its second argument"):
        migrations_check(scripts.config())
    with pytest.raises(TypeError, match="engine as its second argument"):
        check_migrations_applied(scripts.config())


def test_the_check_that_fits(scripts: Directory, engine: Engine) -> None:
    """The builder gives a callable of the engine's own kind."""
    check = migrations_check(scripts.ini, engine)
    assert isinstance(check, functools.partial)
    assert check.func is check_migrations_applied
    check = migrations_check(scripts.ini, create_async_engine("sqlite+aiosqlite://"))
    assert isinstance(check, functools.partial)
    assert check.func is check_migrations_applied_async
