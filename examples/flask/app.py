"""A small service that counts visits in a database and reports its health.

By default it uses only SQLite. ``DATABASE_URL`` and ``REDIS_URL`` name other backing services::

    DATABASE_URL=postgresql+psycopg://user:password@host/database
    REDIS_URL=redis://:password@host:6379/0
"""

from __future__ import annotations

import logging
import os

import redis
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from dockerflow.flask import Dockerflow, checks
from dockerflow.logging import configure

# All logs, including the server's, go to stdout with the request id: JSON in a container, readable
# text in a terminal.
configure("visits")
log = logging.getLogger("visits")


class Base(DeclarativeBase):
    """The tables of the service."""


class Visit(Base):
    """One visit."""

    __tablename__ = "visits"
    id: Mapped[int] = mapped_column(primary_key=True)


db = SQLAlchemy(model_class=Base)


def create_app() -> Flask:
    """Create the application; ``flask run`` and gunicorn call this."""
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL", "sqlite:///visits.db")
    app.config.from_prefixed_env()  # FLASK_DOCKERFLOW_CHECK_TIMEOUT=2, and so on
    db.init_app(app)

    redis_url = os.environ.get("REDIS_URL")
    cache = redis.Redis.from_url(redis_url) if redis_url else None
    dockerflow = Dockerflow(app, db=db, redis=cache)

    @dockerflow.check
    def enough_disk() -> list[checks.CheckMessage]:
        disk = os.statvfs(".")
        free = disk.f_bavail * disk.f_frsize
        if free < 10_000_000:
            return [checks.Warning(f"{free} bytes left on the disk", id="visits.health.W001")]
        return []

    with app.app_context():
        try:
            db.create_all()
        except Exception:
            log.exception("The tables could not be created: the service starts anyway")

    @app.get("/")
    def visit() -> str:
        db.session.add(Visit())
        db.session.commit()
        count = db.session.scalar(text("SELECT count(*) FROM visits"))
        log.info("counted a visit", extra={"visits": count})
        return f"You are visitor number {count}.\n"

    return app
