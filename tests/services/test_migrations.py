"""The Alembic checks against a real PostgreSQL and SQLite."""

from __future__ import annotations

import functools
import os
import pathlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from alembic.config import Config
from sqlalchemy import Engine, create_engine, exc
from sqlalchemy.ext.asyncio import create_async_engine

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
    """A database at the head has nothing to say."""
    scripts.add("aaa")
    scripts.add("bbb", "aaa")
    stamp(engine, "bbb")
    assert says(scripts, engine) == {}


def test_no_migrations(scripts: Directory, engine: Engine) -> None:
    """A directory without migrations has nothing to say."""
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
    """Of several heads those that are missing are told, in order."""
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


def test_merges(scripts: Directory, engine: Engine) -> None:
    """A revision that merges branches is the head of both."""
    scripts.add("left")
    scripts.add("right")
    scripts.add("merge", ("left", "right"))
    stamp(engine, "left", "right")
    assert says(scripts, engine) == {"W001": "Unapplied migrations found: merge"}
    stamp(engine, "merge")
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


imported: list[str] = []


def test_scripts_are_read_once_a_minute(
    scripts: Directory, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scripts are kept for a minute; what changes in the database is noticed at once."""
    scripts.add("aaa", more="import tests.services.test_migrations as t; t.imported.append('aaa')")
    imported.clear()
    for revisions, ids in (((), ["W001"]), (("aaa",), []), (("zzz",), ["W001"]), (("aaa",), [])):
        stamp(engine, *revisions)
        assert list(says(scripts, engine)) == ids
    assert imported == ["aaa"]
    scripts.add("bbb", "aaa")
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert says(scripts, engine) == {"W001": "Unapplied migrations found: bbb"}


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


def test_nothing_of_the_process_changes(scripts: Directory, engine: Engine) -> None:
    """A check adds nothing to the import path or to the configuration."""
    scripts.ini.write_text(
        f"[alembic]\nscript_location = {scripts.path}\nprepend_sys_path = {scripts.path}\n"
        "path_separator = os\n"
    )
    (scripts.path / "of_the_migrations.py").write_text("")
    scripts.add("aaa", more="import of_the_migrations")
    config = scripts.config()
    attributes, path = dict(config.attributes), list(sys.path)
    assert [each.id for each in check_migrations_applied(config, engine)] == [
        "dockerflow.health.W001"
    ]
    assert sys.path == path
    assert dict(config.attributes) == attributes


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("no scripts", "nowhere"),
        ("no file", "alembic.ini"),
        ("no setting", "'script_location'"),
        ("cycle", "Cycle is detected in revisions"),
        ("no parent", "zzz"),
        ("raises", "ZeroDivisionError: division by zero"),
        ("no syntax", "SyntaxError"),
        ("secret", "postgresql://***@host"),
    ],
)
@pytest.mark.filterwarnings("ignore:Revision .* is not present:UserWarning")
def test_scripts_that_cannot_be_read(
    scripts: Directory, engine: Engine, trouble: str, reason: str
) -> None:
    """Whatever Alembic and the scripts raise is the reason why migrations can't be checked."""
    if trouble == "no scripts":
        scripts.ini.write_text(f"[alembic]\nscript_location = {scripts.path / 'nowhere'}\n")
    elif trouble == "no file":
        scripts.ini.unlink()
    elif trouble == "no setting":
        scripts.ini.write_text("[alembic]\n")
    elif trouble == "cycle":
        scripts.add("aaa", "bbb")
        scripts.add("bbb", "aaa")
    elif trouble == "no parent":
        scripts.add("aaa", "zzz")
    elif trouble == "secret":
        scripts.add("aaa", more="raise RuntimeError('postgresql://u:hunter2@host')")
    else:
        scripts.add("aaa", more="1 / 0" if trouble == "raises" else "1 /")
    stamp(engine, "aaa")
    for _ in range(2):
        [message] = check_migrations_applied(str(scripts.ini), engine)
        assert message.id == "dockerflow.health.I001"
        assert message.msg.startswith("Can't check migrations: ")
        assert reason in message.msg


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
        postgres_server.kill()
        postgres_server.start()
        assert beats.says(check) == {}, "a connection that the restart has cut is no failure"
        check = migrations_check(scripts.config(), engine)
        assert beats.says(check) == {"W001": "Unapplied migrations found: aaa"}
        if kind:
            beats.run(engine.dispose())
        else:
            engine.dispose()
    admin.dispose()


def test_connect_is_called(scripts: Directory, engine: Engine) -> None:
    """The engine's own ``connect`` is called, so that mocks and instrumentation see it."""
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
        db.engine.dispose()


@pytest.mark.parametrize(
    ("in_database", "ids"), [("17164a7d1c2e", []), ("73d96d3120ff", ["dockerflow.health.W001"])]
)
def test_alembics_own_methods_are_called(
    scripts: Directory, engine: Engine, in_database: str, ids: list[str]
) -> None:
    """Tests of applications replace Alembic's methods, and get what they put there."""
    with (
        mock.patch("alembic.script.ScriptDirectory.get_heads", return_value=("17164a7d1c2e",)),
        mock.patch(
            "alembic.migration.MigrationContext.get_current_heads", return_value=(in_database,)
        ),
    ):
        messages = check_migrations_applied(scripts.config(), engine)
    assert [message.id for message in messages] == ids


def test_binds_without_a_default(scripts: Directory, tmp_path: pathlib.Path) -> None:
    """Where Flask-SQLAlchemy has no default database, all binds are looked at, and named."""
    flask = pytest.importorskip("flask")
    flask_migrate = pytest.importorskip("flask_migrate")
    flask_sqlalchemy = pytest.importorskip("flask_sqlalchemy")
    app = flask.Flask("shop")
    app.config["SQLALCHEMY_BINDS"] = {
        name: f"sqlite:///{tmp_path / name}.db" for name in ("one", "two")
    }
    db = flask_sqlalchemy.SQLAlchemy(app)
    migrate = flask_migrate.Migrate(app, db, directory=str(scripts.path))
    scripts.add("aaa")
    with app.app_context():
        stamp(db.engines["one"], "aaa")
        [message] = migrations_check(migrate)()
        assert message.msg == "bind 'two': Unapplied migrations found: aaa"
        for each in db.engines.values():
            each.dispose()


@pytest.mark.parametrize("wrong", [5, object(), {"script_location": "x"}])
def test_what_is_no_configuration(wrong: Any, engine: Engine) -> None:
    """What names no migrations is refused when the check is built, with the remedy."""
    with pytest.raises(TypeError, match=r"migrate= is of type .* set it to a Flask-Migrate"):
        migrations_check(wrong, engine)


def test_a_database_is_needed(scripts: Directory) -> None:
    """A configuration alone does not say which engine to ask, and that is said at once."""
    with pytest.raises(TypeError, match="set it to the engine"):
        migrations_check(scripts.config())
    with pytest.raises(TypeError, match="set it to the engine"):
        check_migrations_applied(scripts.config())


def test_the_check_that_fits(scripts: Directory, engine: Engine) -> None:
    """The builder gives a callable of the engine's own kind."""
    check = migrations_check(scripts.ini, engine)
    assert isinstance(check, functools.partial)
    assert check.func is check_migrations_applied
    check = migrations_check(scripts.ini, create_async_engine("sqlite+aiosqlite://"))
    assert isinstance(check, functools.partial)
    assert check.func is check_migrations_applied_async
