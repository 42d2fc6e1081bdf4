"""Invalid arguments are refused at start-up, by every adapter that accepts them."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sqlite3
from typing import Any

import pytest
import redis
import sqlalchemy

from dockerflow.checks import CheckRegistry
from dockerflow.endpoints import Endpoints
from tests.adapters.harness import FRAMEWORKS


class Core(Endpoints):
    """The common part of the adapters' extensions."""

    def __init__(self, db: Any = None, redis: Any = None, migrate: Any = None, **more: Any) -> None:
        super().__init__(**more)
        self.add_service_checks(db, redis, migrate, migrated_db=db)


INSTALLED = [name for name in FRAMEWORKS if importlib.util.find_spec(f"dockerflow.{name}")]
ADAPTERS = [importlib.import_module(f"dockerflow.{name}") for name in INSTALLED]
EXTENSIONS: dict[str, Any] = {
    "core": Core,
    **{each.__name__: each.Dockerflow for each in ADAPTERS if hasattr(each, "Dockerflow")},
}
for name in ("dockerflow.wsgi", "dockerflow.asgi"):  # they wrap an application
    if name in EXTENSIONS:
        EXTENSIONS[name] = functools.partial(EXTENSIONS[name], print)
each_extension = pytest.mark.parametrize("extension", EXTENSIONS.values(), ids=EXTENSIONS)

CLIENT = r"a client, such as redis\.Redis\.from_url"
ENGINE = r"an engine, such as sqlalchemy\.create_engine"
ALEMBIC = "a Flask-Migrate extension, an alembic.config.Config"


@each_extension
@pytest.mark.parametrize(
    ("argument", "value", "shown", "remedy"),
    [
        ("redis", "redis://:hunter2@host/0", r"str \(redis://\.\.\.\)", CLIENT),
        ("redis", "host=cache password=hunter2", "str", CLIENT),
        ("redis", {"host": "cache", "password": "hunter2"}, "dict", CLIENT),
        ("redis", 5, r"int \(5\)", CLIENT),
        ("redis", redis.Redis, r"\w+ \(Redis\)", CLIENT),
        ("db", "sqlite://", r"str \(sqlite://\.\.\.\)", ENGINE),
        ("db", "postgresql://u:hunter2@host", r"str \(postgresql://\.\.\.\)", ENGINE),
        ("db", 5, r"int \(5\)", ENGINE),
        ("db", sqlite3, r"module \(sqlite3\)", ENGINE),
        ("db", sqlalchemy.Engine, r"\w+ \(Engine\)", ENGINE),
        ("migrate", {"script_location": "x"}, "dict", ALEMBIC),
        ("silenced_checks", 5, r"int \(5\)", "a list of ids"),
        ("registry", "mine", "str", r"a dockerflow\.checks\.CheckRegistry"),
        ("version_path", 5, r"int \(5\)", "the path of a directory"),
    ],
)
def test_a_wrong_argument(
    extension: Any, argument: str, value: object, shown: str, remedy: str
) -> None:
    """The error names the argument, its type, its masked value, and the remedy."""
    engine = {"db": sqlalchemy.create_engine("sqlite://")} if argument == "migrate" else {}
    given = {"registry": CheckRegistry(), argument: value, **engine}
    with pytest.raises(
        TypeError, match=rf"^{argument}= is of type {shown}; set it to {remedy}"
    ) as e:
        extension(**given)
    assert "hunter2" not in str(e.value)


@each_extension
def test_a_list_given_as_text(extension: Any) -> None:
    """A text of silenced ids is one id, or several separated by commas."""
    given = extension(silenced_checks="acme.E001, acme.E002")
    assert set(given.silenced_checks) == {"acme.E001", "acme.E002"}


def test_a_check_that_is_none() -> None:
    """An object that can't be called is refused as a check; if it is a name, with the remedy."""
    with pytest.raises(TypeError, match="a check is of type str; set it to a function"):
        CheckRegistry().register("redis")  # type: ignore[call-overload] # that is the fault
