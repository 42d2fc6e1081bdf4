"""The distributions of this repository and their properties: a new one is a new row here."""

from __future__ import annotations

import dataclasses
import pathlib
import tomllib
from typing import Any

ROOT = pathlib.Path(__file__).parents[2]
REPOSITORY = "https://github.com/dockerflow/dockerflow-python"

# Scripts that run the built-in checks on an empty SQLite, and store their ``statuses``.

CHECK_DJANGO = """
import django
from django.conf import settings
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DOCKERFLOW_HEARTBEAT_SHOW_DETAILS=True,
    INSTALLED_APPS=["dockerflow.django"],
    MIDDLEWARE=["dockerflow.django.middleware.DockerflowMiddleware"],
    ROOT_URLCONF=(),
)
django.setup()
from django.test import Client
statuses = Client().get("/__heartbeat__").json()["checks"]
"""

CHECK_FASTAPI = """
from fastapi import FastAPI
from sqlalchemy import create_engine
from dockerflow.checks import run_checks
from dockerflow.fastapi import Dockerflow
extension = Dockerflow(FastAPI(), db=create_engine("sqlite://"), migrate="alembic.ini")
statuses = run_checks(extension.checks.items()).statuses
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

CHECK_SANIC = """
from sanic import Sanic
from sqlalchemy import create_engine
from dockerflow.checks import run_checks
from dockerflow.sanic import Dockerflow
extension = Dockerflow(Sanic("service"), db=create_engine("sqlite://"), migrate="alembic.ini")
statuses = run_checks(extension.checks.items()).statuses
"""

CHECK_ANY = """
from sqlalchemy import create_engine
from dockerflow.checks import run_checks
from dockerflow.{leaf} import Dockerflow
extension = Dockerflow(print, db=create_engine("sqlite://"), migrate="alembic.ini")
statuses = run_checks(extension.checks.items()).statuses
"""


@dataclasses.dataclass(frozen=True)
class Distribution:
    """One distribution.

    :ivar leaves: the packages that it has under ``dockerflow``.
    :ivar framework: the distribution that it requires besides those of ours, if any.
    :ivar imports: the top-level modules of all that it requires which its modules import.
    :ivar libraries: further distributions that it requires.
    :ivar stands_on: those of ours that it requires.
    :ivar for_extras: its modules that only work with what an extra installs.
    :ivar check: a script that runs its built-in checks, as above.
    :ivar migrations: the status of the check of migrations in that script.
    """

    name: str
    leaves: tuple[str, ...]
    framework: str | None = None
    imports: frozenset[str] = frozenset()
    libraries: tuple[str, ...] = ()
    stands_on: tuple[str, ...] = ("dockerflow-core", "dockerflow-logging")
    for_extras: frozenset[str] = frozenset()
    check: str = ""
    migrations: str = "info"

    @property
    def folder(self) -> pathlib.Path:
        """Its folder in the repository."""
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
        """The import names of all its modules, but for those for extras."""
        paths = (path.relative_to(self.source.parent) for path in self.source.rglob("*.py"))
        names = (".".join(path.with_suffix("").parts) for path in paths)
        return sorted({name.removesuffix(".__init__") for name in names} - self.for_extras)

    @property
    def extras(self) -> list[str]:
        """The names of its extras."""
        return list(self.project.get("optional-dependencies", ()))

    def pinned(self, *extras: str) -> str:
        """Return the requirement of exactly this version, which only the wheels under test have."""
        chosen = f"[{','.join(extras)}]" if extras else ""
        return f"{self.name}{chosen}=={self.project['version']}"

    def __str__(self) -> str:
        return self.name


CORE = Distribution(
    "dockerflow-core", ("checks", "endpoints", "health", "probe", "version"), stands_on=()
)
LOGGING = Distribution("dockerflow-logging", ("logging",), stands_on=())
ADAPTERS = (
    Distribution(
        "dockerflow-django",
        ("django",),
        framework="Django",
        imports=frozenset({"asgiref", "django"}),  # Django requires the other one
        check=CHECK_DJANGO,
        migrations="ok",
    ),
    Distribution(
        "dockerflow-fastapi",
        ("fastapi",),
        framework="fastapi",
        imports=frozenset({"anyio", "fastapi", "starlette"}),  # FastAPI requires the other two
        check=CHECK_FASTAPI,
    ),
    Distribution(
        "dockerflow-flask",
        ("flask",),
        framework="Flask",
        imports=frozenset({"blinker", "click", "flask", "werkzeug"}),  # Flask requires the others
        check=CHECK_FLASK,
    ),
    Distribution(
        "dockerflow-sanic",
        ("sanic",),
        framework="sanic",
        imports=frozenset({"sanic", "sanic_ext"}),  # the other one, if it is installed
        check=CHECK_SANIC,
    ),
    Distribution("dockerflow-wsgi", ("wsgi",), check=CHECK_ANY.format(leaf="wsgi")),
    Distribution(
        "dockerflow-asgi",
        ("asgi",),
        imports=frozenset({"trio"}),  # if the server runs on it
        check=CHECK_ANY.format(leaf="asgi"),
    ),
)
CELERY = Distribution(
    "dockerflow-celery",
    ("celery",),
    framework="celery",
    imports=frozenset({"billiard", "celery"}),  # Celery requires the other one
)
CHECK = Distribution(
    "dockerflow-check",
    ("check",),
    imports=frozenset({"click", "httpx", "pytest", "rich", "yaml"}),
    libraries=("click", "httpx", "PyYAML", "rich"),
    stands_on=("dockerflow-core",),
    for_extras=frozenset({"dockerflow.check.conformance", "dockerflow.check.plugin"}),  # of pytest
)
DISTRIBUTIONS = (CORE, LOGGING, *ADAPTERS, CELERY, CHECK)

# What the extras install: importing an adapter imports none of it.
LIBRARIES_OF_EXTRAS = frozenset(
    {
        "alembic",
        "django_redis",
        "flask_login",
        "flask_migrate",
        "flask_redis",
        "flask_sqlalchemy",
        "opentelemetry",
        "redis",
        "sanic_redis",
        "sqlalchemy",
    }
)
