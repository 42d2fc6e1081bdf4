"""The Alembic checks with a real PostgreSQL and SQLite."""

from __future__ import annotations

import os
import pathlib
import sys
import time
from collections.abc import Callable, Iterator
from unittest import mock

import pytest
from alembic.config import Config
from sqlalchemy import Engine, create_engine, exc

from dockerflow.checks.alembic import (
    check_migrations_applied,
    migrations_check,
)
from tests.services.beats import Beats
from tests.services.clients import DRIVERS, Application
from tests.services.faults import FaultProxy
from tests.services.servers import PostgresServer, Server

INI = "[alembic]\nscript_location = %(here)s\n"


class Directory:
    """A migration directory under construction."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.versions = path / "versions"
        self.versions.mkdir(parents=True)
        (path / "env.py").write_text("raise AssertionError('env.py was run')\n")
        self.ini = path / "alembic.ini"
        self.ini.write_text(INI)

    def add(self, revision: str, down: object = None, more: str = "") -> None:
        """Add a migration."""
        lines = (f"revision = {revision!r}", f"down_revision = {down!r}", more, "")
        (self.versions / f"{revision}_.py").write_text("\n".join(lines))

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


def stamp(engine: Engine, *revisions: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("drop table if exists alembic_version")
        connection.exec_driver_sql("create table alembic_version (version_num varchar(32))")
        for revision in revisions:
            connection.exec_driver_sql(f"insert into alembic_version values ('{revision}')")


def says(scripts: Directory, engine: Engine) -> dict[str, str]:
    messages = check_migrations_applied(scripts.config(), engine)
    return {str(each.id).rpartition(".")[2]: each.msg for each in messages}


LINE = {"aaa": None, "bbb": "aaa"}
BRANCHES = {"root": None, "left": "root", "right": "root", "alone": None}
MERGE = {"left": None, "right": None, "merge": ("left", "right")}


@pytest.mark.parametrize(
    ("down_revisions", "applied", "missing"),
    [
        ({}, [], ""),
        (LINE, [], "bbb"),
        (LINE, ["aaa"], "bbb"),
        (LINE, ["bbb"], ""),
        (BRANCHES, ["root"], "alone, left, right"),
        (BRANCHES, ["left", "alone"], "right"),
        (BRANCHES, ["left", "right", "alone"], ""),
        (MERGE, ["left", "right"], "merge"),
        (MERGE, ["merge"], ""),
    ],
)
def test_heads(
    scripts: Directory,
    engine: Engine,
    down_revisions: dict[str, object],
    applied: list[str],
    missing: str,
) -> None:
    """The heads that the database lacks are listed, in order."""
    for revision, down in down_revisions.items():
        scripts.add(revision, down)
    stamp(engine, *applied)
    expected = {"W001": f"Unapplied migrations found: {missing}"} if missing else {}
    assert says(scripts, engine) == expected


def test_no_version_table(scripts: Directory, engine: Engine) -> None:
    """A database without a version table lacks all migrations, and the table is not created."""
    scripts.add("aaa")
    assert says(scripts, engine) == {"W001": "Unapplied migrations found: aaa"}
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select name from sqlite_master").all() == []


def test_dependencies(scripts: Directory, engine: Engine) -> None:
    """A head that an applied revision depends on is applied, even if the table doesn't name it."""
    scripts.add("base_a")
    scripts.add("base_b")
    scripts.add("head_b", "base_b", "depends_on = 'base_a'")
    stamp(engine, "head_b")
    assert says(scripts, engine) == {}
    stamp(engine, "base_b")
    assert says(scripts, engine) == {"W001": "Unapplied migrations found: base_a, head_b"}


def test_ahead(scripts: Directory, engine: Engine) -> None:
    """A database that is newer than the code is reported as such."""
    scripts.add("aaa")
    stamp(engine, "zzz")
    assert says(scripts, engine) == {
        "W001": "Database is ahead of the code: no script has its revisions zzz"
    }


imported: list[str] = []


def test_scripts_are_read_once_a_minute(
    scripts: Directory, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scripts are kept for a minute; changes of the database are noticed at once."""
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
    """Migrations may be in several directories, some of them nested."""
    other = Directory(tmp_path / "other")
    scripts.add("aaa")
    other.add("bbb")
    (other.versions / "deep").mkdir()
    (other.versions / "bbb_.py").rename(other.versions / "deep" / "bbb_.py")
    scripts.ini.write_text(
        f"{INI}recursive_version_locations = true\n"
        f"version_path_separator = os\npath_separator = os\n"
        f"version_locations = {scripts.versions}{os.pathsep}{other.versions}\n"
    )
    assert says(scripts, engine) == {"W001": "Unapplied migrations found: aaa, bbb"}


def test_nothing_of_the_process_changes(scripts: Directory, engine: Engine) -> None:
    """A check changes neither the import path nor the configuration."""
    scripts.ini.write_text(f"{INI}prepend_sys_path = {scripts.path}\npath_separator = os\n")
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
    ("ini", "revisions", "reason"),
    [
        (None, {}, "alembic.ini"),
        ("[alembic]\n", {}, "'script_location'"),
        ("[alembic]\nscript_location = nowhere\n", {}, "nowhere"),
        (INI, {"aaa": ("bbb", ""), "bbb": ("aaa", "")}, "Cycle is detected in revisions"),
        (INI, {"aaa": ("zzz", "")}, "zzz"),
        (INI, {"aaa": (None, "1 / 0")}, "ZeroDivisionError"),
        (INI, {"aaa": (None, "1 /")}, "SyntaxError"),
        ("[alembic]\nscript_location = hunter2%\n", {}, "InterpolationSyntaxError"),
        (INI, {"aaa": (None, "raise OSError('no access for hunter2')")}, "OSError"),
    ],
)
@pytest.mark.filterwarnings("ignore:Revision .* is not present:UserWarning")
def test_scripts_that_cannot_be_read(
    scripts: Directory,
    engine: Engine,
    ini: str | None,
    revisions: dict[str, tuple[str | None, str]],
    reason: str,
) -> None:
    """An exception of Alembic is shown with its text, one of a script only with its type."""
    if ini is None:
        scripts.ini.unlink()
    else:
        scripts.ini.write_text(ini)
    for revision, (down, more) in revisions.items():
        scripts.add(revision, down, more)
    stamp(engine, "aaa")
    for _ in range(2):
        [message] = check_migrations_applied(str(scripts.ini), engine)
        assert message.id == "dockerflow.health.I001"
        assert message.msg.startswith("Can't check migrations: ")
        assert reason in message.msg
        assert "hunter2" not in message.msg


def test_what_a_script_raises(
    scripts: Directory, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the text and the traceback of a script's exception, with URLs masked."""
    caplog.set_level("INFO")
    scripts.add("aaa", more="raise OSError('no table in postgresql://u:hunter2@host')")
    with Beats(asynchronous=False) as beats:
        said = beats.says(migrations_check(scripts.ini, engine))
    assert said == {"I001": "Can't check migrations: OSError"}
    assert "OSError: no table in postgresql://***@host\nTraceback" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("driver", DRIVERS)
def test_postgres(
    scripts: Directory,
    postgres_server: PostgresServer,
    proxy: Callable[[Server], FaultProxy],
    driver: str,
) -> None:
    """The database's schemas are searched; its outage is reported, and its return noticed."""
    postgres_server.execute(
        "DROP SCHEMA IF EXISTS shop CASCADE; CREATE SCHEMA shop;"
        "CREATE TABLE shop.versions AS SELECT 'aaa' AS version_num"
    )
    scripts.add("aaa")
    between = proxy(postgres_server)
    with Application(driver) as app:
        engine = app.engine(between.port)
        place = {"version_table": "versions", "version_table_schema": "shop"}
        check = migrations_check(scripts.ini, engine, **place)
        assert app.says(check) == {}
        between.mode = "refuse"
        said = app.says(check)
        assert list(said) == ["I001"]
        assert said["I001"].startswith("Can't connect to database to check migrations: (")
        assert "hunter2" not in said["I001"]
        between.mode = "pass"
        assert app.says(check) == {}
        postgres_server.kill()
        postgres_server.start()
        assert app.says(check) == {}, "a connection that the restart has cut is no failure"
        check = migrations_check(scripts.config(), engine)
        assert app.says(check) == {"W001": "Unapplied migrations found: aaa"}


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


@pytest.mark.parametrize(
    ("in_database", "ids"), [("17164a7d1c2e", []), ("73d96d3120ff", ["dockerflow.health.W001"])]
)
def test_alembics_own_methods_are_called(
    scripts: Directory, engine: Engine, in_database: str, ids: list[str]
) -> None:
    """Tests of applications replace Alembic's methods, and get the values that they set."""
    with (
        mock.patch("alembic.script.ScriptDirectory.get_heads", return_value=("17164a7d1c2e",)),
        mock.patch(
            "alembic.migration.MigrationContext.get_current_heads", return_value=(in_database,)
        ),
    ):
        messages = check_migrations_applied(scripts.config(), engine)
    assert [message.id for message in messages] == ids


def test_a_database_is_needed(scripts: Directory) -> None:
    """A configuration alone does not name an engine, and that is refused at once."""
    with pytest.raises(TypeError, match="set it to the engine"):
        migrations_check(scripts.config())
    with pytest.raises(TypeError, match="set it to the engine"):
        check_migrations_applied(scripts.config())
