"""The distributions of this repository, and what is true of each: a new one is a new row here."""

from __future__ import annotations

import dataclasses
import pathlib
import tomllib
from typing import Any

ROOT = pathlib.Path(__file__).parents[2]

SERVE_FLASK = """
from flask import Flask
from dockerflow.flask import Dockerflow
app = Flask(__name__)
Dockerflow(app, version_path=".")
client = app.test_client()
answers = {path: client.get(path).status_code for path in paths}
"""

CHECK_FLASK = """
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from dockerflow.flask import Dockerflow
app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
db = SQLAlchemy(app)
Dockerflow(app, db=db, migrate=Migrate(app, db))
statuses = app.test_client().get("/__heartbeat__").json["checks"]
"""


@dataclasses.dataclass(frozen=True)
class Distribution:
    """One distribution.

    ``leaves``: the packages that it has under ``dockerflow``. ``framework``: the distribution that
    it requires beside core and logging. ``imports``: the top-level modules which its modules import
    at once; ``lazily``: those which they may import on use, or for type checkers only. ``serve``:
    a script that serves ``paths`` and leaves the statuses in ``answers``; ``check``: one that runs
    the built-in checks on an empty SQLite, and leaves their ``statuses``; ``show``: the line that
    prints what the example of its README answers.
    """

    name: str
    leaves: tuple[str, ...]
    framework: str | None = None
    imports: frozenset[str] = frozenset()
    lazily: frozenset[str] = frozenset()
    serve: str = ""
    check: str = ""
    show: str = ""

    @property
    def folder(self) -> pathlib.Path:
        """Where it lives in the repository."""
        return ROOT / "packages" / self.name

    @property
    def source(self) -> pathlib.Path:
        """Its part of the namespace."""
        return self.folder / "src" / "dockerflow"

    @property
    def project(self) -> dict[str, Any]:
        """The ``[project]`` table of its ``pyproject.toml``."""
        table: dict[str, Any] = tomllib.loads((self.folder / "pyproject.toml").read_text())
        return dict(table["project"])

    @property
    def modules(self) -> list[str]:
        """The import names of all its modules."""
        paths = (path.relative_to(self.source.parent) for path in self.source.rglob("*.py"))
        names = (".".join(path.with_suffix("").parts) for path in paths)
        return sorted(name.removesuffix(".__init__") for name in names)

    def __str__(self) -> str:
        return self.name


CORE = Distribution(
    "dockerflow-core",
    ("checks", "endpoints", "health", "version"),
    lazily=frozenset({"alembic", "redis", "sqlalchemy"}),
)
LOGGING = Distribution("dockerflow-logging", ("logging",))
ADAPTERS = (
    Distribution(
        "dockerflow-flask",
        ("flask",),
        framework="Flask",
        imports=frozenset({"blinker", "flask", "werkzeug"}),  # Flask requires the other two
        lazily=frozenset({"flask_login", "flask_migrate", "flask_sqlalchemy", "sqlalchemy"}),
        serve=SERVE_FLASK,
        check=CHECK_FLASK,
        show='print(app.test_client().get("/__heartbeat__").text)',
    ),
)
DISTRIBUTIONS = (CORE, LOGGING, *ADAPTERS)

# What the extras install: importing an adapter imports none of them.
LIBRARIES_OF_EXTRAS = frozenset(
    {
        "alembic",
        "django_redis",
        "flask_login",
        "flask_migrate",
        "flask_redis",
        "flask_sqlalchemy",
        "redis",
        "sanic_redis",
        "sqlalchemy",
    }
)
