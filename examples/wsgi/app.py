"""A small service that counts visits in a database and reports its health.

By default it uses only SQLite. ``DATABASE_URL`` and ``REDIS_URL`` name other backing services::

    DATABASE_URL=postgresql+psycopg://user:password@host/database
    REDIS_URL=redis://:password@host:6379/0
"""

from __future__ import annotations

import logging
import os

import falcon
import redis
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from dockerflow import checks
from dockerflow.logging import configure
from dockerflow.wsgi import Dockerflow

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


def create_app() -> Dockerflow:
    """Create the application; gunicorn calls this.

    Environment variables such as ``DOCKERFLOW_CHECK_TIMEOUT=2`` set it.
    """
    engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///visits.db"))
    session = sessionmaker(engine)
    redis_url = os.environ.get("REDIS_URL")
    cache = redis.Redis.from_url(redis_url) if redis_url else None

    class Visits:
        """The page of the service."""

        def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
            """Count a visit."""
            with session.begin() as transaction:
                transaction.add(Visit())
                transaction.flush()
                count = transaction.scalar(select(func.count()).select_from(Visit))
            log.info("counted a visit", extra={"visits": count})
            response.content_type = falcon.MEDIA_TEXT
            response.text = f"You are visitor number {count}.\n"

    app = falcon.App()
    app.add_route("/", Visits())
    dockerflow = Dockerflow(app, db=engine, redis=cache)

    @dockerflow.check
    def enough_disk() -> list[checks.CheckMessage]:
        disk = os.statvfs(".")
        free = disk.f_bavail * disk.f_frsize
        if free < 10_000_000:
            return [checks.Warning(f"{free} bytes left on the disk", id="visits.health.W001")]
        return []

    try:
        Base.metadata.create_all(engine)
    except Exception:
        log.exception("The tables could not be created: the service starts anyway")

    return dockerflow
