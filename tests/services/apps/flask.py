"""Flask, with Flask-SQLAlchemy and Flask-Migrate."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import redis
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

from dockerflow.flask import Dockerflow, checks
from tests.adapters.harness import WSGIApp
from tests.services.service import Service, Start, database_url, redis_url


class FlaskService(Service):
    """The application."""

    def __init__(self, folder: pathlib.Path, redis_port: int, postgres_port: int) -> None:
        super().__init__()
        self.app = Flask(__name__)
        self.app.config["SQLALCHEMY_DATABASE_URI"] = database_url(postgres_port)
        self.app.add_url_rule("/", view_func=lambda: "hello")
        self.db = SQLAlchemy(self.app)
        self.redis = redis.Redis.from_url(redis_url(redis_port))
        migrate = Migrate(self.app, self.db, directory=str(folder))
        Dockerflow(self.app, db=self.db, redis=self.redis, migrate=migrate, registry=self.registry)
        self.server = WSGIApp(self.app)
        self.by_hand = {
            checks.check_redis_connected: (self.redis,),
            checks.check_database_connected: (self.db,),
            checks.check_migrations_applied: (migrate,),
        }

    def configure(self, **settings: Any) -> None:
        """Change settings of the running application."""
        self.app.config.update(settings)

    def close(self) -> None:
        """Close its connections."""
        self.redis.close()
        with self.app.app_context():
            self.db.engine.dispose()


SERVICES: Mapping[str, Start] = {"flask": FlaskService}
