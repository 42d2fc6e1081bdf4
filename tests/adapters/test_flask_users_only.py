"""The user in Flask's summaries: whom Flask-Login has loaded, and nobody is loaded for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from flask import Flask, session
from flask_login import (  # type: ignore[import-untyped]
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


@pytest.fixture
def app() -> Flask:
    """An application with the extension."""
    app = Flask(__name__)
    app.secret_key = "secret"
    app.add_url_rule("/", "hello", lambda: "hello")
    Dockerflow(app, registry=CheckRegistry())
    return app


class Base(DeclarativeBase):
    """The tables of the users."""


class Account(UserMixin, Base):  # type: ignore[misc]
    """A user in a database."""

    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def queries(app: Flask) -> Iterator[list[str]]:
    """The statements that reach the database of an application with Flask-Login's users."""
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db = SQLAlchemy(app, model_class=Base)
    manager = LoginManager(app)
    statements: list[str] = []

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(user_id: str) -> Account | None:
        return db.session.get(Account, int(user_id))

    @app.get("/login")
    def login() -> str:
        account = Account()
        db.session.add(account)
        db.session.commit()
        login_user(account)
        return "welcome"

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
        event.listen(
            db.engine,
            "before_cursor_execute",
            lambda conn, cursor, statement, *args: statements.append(statement),
        )
        engine = db.engine
    yield statements
    engine.dispose()


@pytest.mark.parametrize(
    ("path", "uid", "asked"),
    [
        ("/", "", 0),  # nobody has been loaded
        ("/whoami", "1", 1),
        ("/commit", "1", 1),  # whose attributes a commit has expired
    ],
)
def test_user(app: Flask, queries: list[str], log: Log, path: str, uid: str, asked: int) -> None:
    """The summary has the user whom the application has loaded; nobody is loaded for it."""
    client = app.test_client()
    client.get("/login")
    queries.clear()
    client.get(path)
    assert [fields["uid"] for fields in log.summaries] == ["1", uid]
    assert len(queries) == asked  # the application's own


def test_anonymous_user(app: Flask, queries: list[str], log: Log) -> None:
    """A user who is not logged in has no id."""
    app.test_client().get("/whoami")
    assert log.summary["uid"] == ""


class OldUser:
    """A user as classes were written before Flask-Login 0.3, and the id as it is."""

    def __init__(self, **attributes: object) -> None:
        vars(self).update(attributes)

    is_active = True

    def get_id(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("user", "uid"),
    [
        (OldUser(), ""),
        (OldUser(is_authenticated=lambda: True), 0),
        (OldUser(is_authenticated=lambda: False), ""),
        (OldUser(is_authenticated=True), 0),
    ],
)
def test_users_of_any_class(app: Flask, queries: list[str], log: Log, user: Any, uid: Any) -> None:
    """is_authenticated may be a property, a method, or missing, and nothing is complained about."""
    app.add_url_rule("/old", view_func=lambda: str(login_user(user)), endpoint="old")
    app.test_client().get("/old")
    assert log.summary["uid"] == uid
    assert log.of("dockerflow.flask") == []


def test_user_loader_that_raises(app: Flask, log: Log) -> None:
    """A user loader that raises leaves the page and the original error as they are."""
    manager = LoginManager(app)

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(user_id: str) -> Any:
        raise RuntimeError("no user")

    @app.get("/login")
    def login() -> str:
        session["_user_id"] = "1"
        return "welcome"

    app.add_url_rule("/user", "user", lambda: str(current_user))
    client = app.test_client()
    client.get("/login")
    assert client.get("/").text == "hello"
    assert client.get("/user").status_code == 500
    assert log.summaries[-1]["msg"] == "no user"


def test_without_flask_login(app: Flask, queries: list[str], log: Log) -> None:
    """Without Flask-Login nobody has an id."""
    with mock.patch("dockerflow.flask.app.has_flask_login", False):
        app.test_client().get("/login")
    assert log.summary["uid"] == ""
