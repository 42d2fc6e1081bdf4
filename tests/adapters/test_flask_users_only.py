"""The user in Flask's summaries: the one that Flask-Login has loaded, if any."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from flask import Flask
from flask_login import (  # type: ignore[import-untyped] # it ships no types
    LoginManager,
    UserMixin,
    current_user,
    login_user,
)
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from dockerflow.checks import CheckRegistry
from dockerflow.flask import Dockerflow
from tests.adapters.conftest import Log


class Base(DeclarativeBase):
    """The tables of the users."""


class Account(UserMixin, Base):  # type: ignore[misc] # of an untyped class
    """A user in a database."""

    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)


db = SQLAlchemy(model_class=Base)


@pytest.fixture
def app() -> Iterator[Flask]:
    """An application with the extension and a user of Flask-Login in its database."""
    app = Flask(__name__)
    app.secret_key = "secret"
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db.init_app(app)
    Dockerflow(app, registry=CheckRegistry())

    @LoginManager(app).user_loader  # type: ignore[untyped-decorator]
    def load(user_id: str) -> Account | None:
        return db.session.get(Account, int(user_id))

    app.add_url_rule("/", "hello", lambda: "hello")

    @app.get("/login")
    def login() -> str:
        return str(login_user(db.session.get(Account, 1)))

    @app.get("/whoami")
    def whoami() -> str:
        return str(current_user.get_id())

    @app.get("/commit")
    def commit() -> str:
        assert current_user.is_authenticated
        db.session.commit()
        return "committed"

    with app.app_context():
        db.create_all()
        db.session.add(Account(id=1))
        db.session.commit()
        engine = db.engine
    yield app
    engine.dispose()


@pytest.mark.parametrize(
    ("path", "uid", "asked"),
    [
        ("/", "", 0),  # no user is loaded
        ("/whoami", "1", 1),
        ("/commit", "1", 1),  # a commit has expired the user's attributes
    ],
)
def test_user(app: Flask, log: Log, path: str, uid: str, asked: int) -> None:
    """The summary has the user that the application has loaded, and never loads one itself."""
    client = app.test_client()
    client.get("/login")
    statements = mock.Mock()
    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", statements)
    client.get(path)
    assert [fields["uid"] for fields in log.summaries] == ["1", uid]
    assert statements.call_count == asked  # all by the application


def test_anonymous_user(app: Flask, log: Log) -> None:
    """A user who is not logged in has no id."""
    app.test_client().get("/whoami")
    assert log.summary["uid"] == ""


@pytest.mark.parametrize(
    ("attributes", "uid"),
    [
        ({}, ""),
        ({"is_authenticated": True}, 0),
        ({"is_authenticated": lambda: True}, 0),  # before Flask-Login 0.3
        ({"is_authenticated": lambda: False}, ""),
    ],
)
def test_users_of_any_class(app: Flask, log: Log, attributes: dict[str, Any], uid: Any) -> None:
    """is_authenticated may be a property, a method, or missing, and the id stays as it is."""
    user = SimpleNamespace(is_active=True, get_id=lambda: 0, **attributes)
    app.add_url_rule("/old", "old", lambda: str(login_user(user)))
    app.test_client().get("/old")
    assert log.summary["uid"] == uid
    assert log.of("dockerflow.flask") == []


def test_user_loader_that_raises(app: Flask, log: Log) -> None:
    """A user loader that raises changes neither the page nor the original error."""
    client = app.test_client()
    client.get("/login")
    with mock.patch.object(db.session, "get", side_effect=RuntimeError("no user")):
        assert client.get("/").text == "hello"
        assert client.get("/whoami").status_code == 500
    assert log.summaries[-1]["msg"] == "no user"


def test_without_flask_login(app: Flask, log: Log) -> None:
    """Without Flask-Login there are no user ids."""
    with mock.patch("dockerflow.flask.app.has_flask_login", False):
        app.test_client().get("/login")
    assert log.summary["uid"] == ""
