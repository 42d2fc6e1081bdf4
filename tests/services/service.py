"""What each framework gives test_heartbeat.py: an application with all its backing services."""

from __future__ import annotations

import abc
import importlib
import importlib.util
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from dockerflow.checks import CheckRegistry
from tests.adapters.harness import FRAMEWORKS, Answer, RunningApp
from tests.services.servers import PostgresServer

REVISION = """
revision = "a1"
down_revision = None
def upgrade(): ...
def downgrade(): ...
"""


HEALTHY = {"check_migrations_applied": ["W001"]}


class Service(abc.ABC):
    """An application with a page ``/`` and the three built-in checks of services, given ports."""

    database_down = "E008"

    def __init__(self) -> None:
        self.registry = CheckRegistry()
        self.server: RunningApp
        self.by_hand: Mapping[Callable[..., Any], tuple[Any, ...]] = {}
        """The adapter's checks, with what each is given where it is registered by hand."""

    @abc.abstractmethod
    def configure(self, **settings: Any) -> None:
        """Change settings of the running application."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close its connections and stop it."""

    def migrate(self, server: PostgresServer) -> None:
        """Apply the migrations."""
        server.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        server.execute("INSERT INTO alembic_version VALUES ('a1')")

    def unmigrate(self, server: PostgresServer) -> None:
        """Revert a migration."""
        server.execute("DELETE FROM alembic_version")

    def get(self, path: str) -> Answer:
        """Send a request."""
        return self.server.request(path)

    @property
    def down(self) -> dict[str, list[str]]:
        """The heartbeat's result while no service can be reached."""
        return {
            "check_redis_connected": ["E004"],
            "check_database_connected": [self.database_down],
            "check_migrations_applied": ["I001"],
        }

    @property
    def hanging(self) -> dict[str, list[str]]:
        """The heartbeat's result while no service answers."""
        return {name: ["E013"] for name in self.down}

    def heartbeat(self) -> dict[str, list[str]]:
        """Request a heartbeat; return the message ids of each check that isn't ok."""
        answer = self.get("/__heartbeat__")
        assert b"hunter2" not in answer.body
        body = json.loads(answer.body)
        assert answer.status == (500 if body["status"] in ("error", "critical") else 200)
        return {
            name: [id.rpartition(".")[2] for id in details["messages"]]
            for name, details in body["details"].items()
        }

    def answers(self) -> bool:
        """Return whether the application's own page and its liveness endpoint work."""
        return self.get("/").body == b"hello" and self.get("/__lbheartbeat__").status == 200


Start = Callable[[pathlib.Path, int, int], Service]
"""Starts an application, given a folder of migrations and the ports of Redis and PostgreSQL."""


def installed_services() -> dict[str, Start]:
    """Return the applications of the frameworks whose adapters are installed."""
    return {
        kind: start
        for name in FRAMEWORKS
        if importlib.util.find_spec(f"dockerflow.{name}") is not None
        for kind, start in importlib.import_module(f"tests.services.apps.{name}").SERVICES.items()
    }


def redis_url(port: int) -> str:
    """Return the URL of a Redis with a password."""
    return f"redis://:hunter2@127.0.0.1:{port}/0"


def database_url(port: int) -> str:
    """Return SQLAlchemy's URL of a PostgreSQL with a password."""
    return f"postgresql+psycopg://postgres:hunter2@127.0.0.1:{port}/postgres"


def write_migrations(folder: pathlib.Path) -> None:
    """Write an Alembic directory with one migration and its alembic.ini."""
    (folder / "versions").mkdir()
    (folder / "versions" / "a1.py").write_text(REVISION)
    (folder / "env.py").write_text("")
    (folder / "alembic.ini").write_text(f"[alembic]\nscript_location = {folder}\n")
