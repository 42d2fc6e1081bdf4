"""The distributions of this repository, and what is true of each: a new one is a new row here."""

from __future__ import annotations

import dataclasses
import pathlib
import tomllib
from typing import Any

ROOT = pathlib.Path(__file__).parents[2]

ASK_ASGI = """
import asyncio

async def ask(app, *paths):
    "Start an ASGI application, and return its answers as pairs of status and body."
    begin, stop = asyncio.Event(), asyncio.Event()
    events = iter(["lifespan.startup", "lifespan.shutdown"])

    async def lifespan_event():
        event = next(events)
        if event == "lifespan.shutdown":
            await stop.wait()
        return {"type": event}

    async def lifespan_answer(message):
        begin.set()

    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    living = asyncio.ensure_future(app(scope, lifespan_event, lifespan_answer))
    await begin.wait()
    answers = []
    for path in paths:
        status, body = [], []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            status.append(message.get("status"))
            body.append(message.get("body", b""))

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
            "root_path": "", "headers": [(b"host", b"localhost")], "state": {},
            "client": ("127.0.0.1", 1), "server": ("localhost", 80),
        }
        try:
            await app(scope, receive, send)
        except Exception:
            pass  # Starlette hands it on to the server, after it has answered
        answers.append((status[0], b"".join(body).decode()))
    stop.set()
    await living
    return answers
"""

SERVE_FASTAPI = f"""
{ASK_ASGI}
from fastapi import FastAPI
from dockerflow.fastapi import Dockerflow
app = FastAPI()
Dockerflow(app, version_path=".")
answers = {{path: status for path, (status, _) in zip(paths, asyncio.run(ask(app, *paths)))}}
"""

SERVE_SANIC = f"""
{ASK_ASGI}
from sanic import Sanic
from dockerflow.sanic import Dockerflow
app = Sanic("service")
Dockerflow(app, version_path=".")
answers = {{path: status for path, (status, _) in zip(paths, asyncio.run(ask(app, *paths)))}}
"""

CHECK_FASTAPI = f"""
{ASK_ASGI}
import json
from fastapi import FastAPI
from sqlalchemy import create_engine
from dockerflow.fastapi import Dockerflow
app = FastAPI()
Dockerflow(app, db=create_engine("sqlite://"), migrate="alembic.ini")
statuses = json.loads(asyncio.run(ask(app, "/__heartbeat__"))[0][1])["checks"]
"""

CHECK_SANIC = f"""
{ASK_ASGI}
import json
from sanic import Sanic
from sqlalchemy import create_engine
from dockerflow.sanic import Dockerflow
app = Sanic("service")
Dockerflow(app, db=create_engine("sqlite://"), migrate="alembic.ini")
statuses = json.loads(asyncio.run(ask(app, "/__heartbeat__"))[0][1])["checks"]
"""

SHOW_ASGI = f"""
{ASK_ASGI}
import logging
logging.disable()  # FastAPI's adapter writes its summary to stdout by itself
print(asyncio.run(ask(app, "/__heartbeat__"))[0][1])
"""

CONFIGURE_DJANGO = """
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="secret",
    ALLOWED_HOSTS=["*"],
    DOCKERFLOW_HEARTBEAT_SHOW_DETAILS=True,
    BASE_DIR=".",
    ROOT_URLCONF=(),
    INSTALLED_APPS=["dockerflow.django"],
    MIDDLEWARE=["dockerflow.django.middleware.DockerflowMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
from django.test import Client
client = Client(raise_request_exception=False)
"""

SERVE_DJANGO = f"""
{CONFIGURE_DJANGO}
answers = {{path: client.get(path).status_code for path in paths}}
"""

CHECK_DJANGO = f"""
{CONFIGURE_DJANGO}
statuses = client.get("/__heartbeat__").json()["checks"]
"""

SHOW_DJANGO = """
from django.test import Client
print(Client(SERVER_NAME="localhost").get("/__heartbeat__").content.decode())
"""

# The example ends by handing over to the commands of Django.
COMMAND_OF_DJANGO = f"""
import sys
sys.argv = ["service.py", "shell", "--verbosity", "0", "--command", {SHOW_DJANGO!r}]
"""

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
    the built-in checks on an empty SQLite, and leaves their ``statuses``, of which ``migrations``
    is the one of migrations; ``prepare`` and ``show``: what is put before and behind the example
    of its README, so that its answer is printed.
    """

    name: str
    leaves: tuple[str, ...]
    framework: str | None = None
    imports: frozenset[str] = frozenset()
    lazily: frozenset[str] = frozenset()
    serve: str = ""
    check: str = ""
    migrations: str = "info"
    prepare: str = ""
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
        "dockerflow-django",
        ("django",),
        framework="Django",
        imports=frozenset({"asgiref", "django"}),  # Django requires the other one
        lazily=frozenset({"django_redis", "redis"}),
        serve=SERVE_DJANGO,
        check=CHECK_DJANGO,
        prepare=COMMAND_OF_DJANGO,
        migrations="ok",
    ),
    Distribution(
        "dockerflow-fastapi",
        ("fastapi",),
        framework="fastapi",
        imports=frozenset({"fastapi", "starlette"}),  # FastAPI requires the other one
        lazily=frozenset({"alembic", "sqlalchemy"}),
        serve=SERVE_FASTAPI,
        check=CHECK_FASTAPI,
        show=SHOW_ASGI,
    ),
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
    Distribution(
        "dockerflow-sanic",
        ("sanic",),
        framework="sanic",
        imports=frozenset({"sanic"}),
        lazily=frozenset({"alembic", "redis", "sanic_redis", "sqlalchemy"}),
        serve=SERVE_SANIC,
        check=CHECK_SANIC,
        show=SHOW_ASGI,
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
