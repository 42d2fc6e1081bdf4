"""A small service that counts visits in a database and reports its health.

By default it uses only SQLite. ``DATABASE_URL`` and ``REDIS_URL`` name other backing services::

    DATABASE_URL=postgresql+psycopg://user:password@host/database
    REDIS_URL=redis://:password@host:6379/0

Run it with ``python app.py`` on ``$PORT`` or 8000, or with ``sanic app:create_app --factory``.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import redis.asyncio
from sanic import HTTPResponse, Request, Sanic
from sanic.response import text
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from dockerflow.logging import dict_config
from dockerflow.sanic import Dockerflow, checks

log = logging.getLogger("visits")


class Base(DeclarativeBase):
    """The tables of the service."""


class Visit(Base):
    """One visit."""

    __tablename__ = "visits"
    id: Mapped[int] = mapped_column(primary_key=True)


def create_app() -> Sanic[Any, Any]:
    """Create the application; ``sanic --factory`` calls this in each of its processes."""
    # Variables such as SANIC_DOCKERFLOW_CHECK_TIMEOUT=2 set the configuration. All logs, including
    # Sanic's, go to stdout with the request id: JSON in a container, readable text in a terminal.
    app: Sanic[Any, Any] = Sanic("visits", log_config=dict_config("visits"))
    app.config.MOTD = False
    engine = create_async_engine(os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///visits.db"))
    session = async_sessionmaker(engine)
    redis_url = os.environ.get("REDIS_URL")
    cache = redis.asyncio.Redis.from_url(redis_url) if redis_url else None
    dockerflow = Dockerflow(app, db=engine, redis=cache)

    @dockerflow.check
    def enough_disk() -> list[checks.CheckMessage]:
        disk = os.statvfs(".")
        free = disk.f_bavail * disk.f_frsize
        if free < 10_000_000:
            return [checks.Warning(f"{free} bytes left on the disk", id="visits.health.W001")]
        return []

    @app.before_server_start
    async def make_tables(app: Sanic[Any, Any]) -> None:
        try:
            async with engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
        except Exception:
            log.exception("The tables could not be created: the service starts anyway")

    @app.after_server_stop
    async def close(app: Sanic[Any, Any]) -> None:
        await engine.dispose()
        if cache is not None:
            await cache.aclose()

    @app.get("/")
    async def visit(request: Request[Any, Any]) -> HTTPResponse:
        async with session.begin() as transaction:
            transaction.add(Visit())
            await transaction.flush()
            count = await transaction.scalar(select(func.count()).select_from(Visit))
        log.info("counted a visit", extra={"visits": count})
        return text(f"You are visitor number {count}.\n")

    return app


if __name__ == "__main__":
    create_app().run(
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ.get("PORT", "8000")),
        single_process=True,  # one process per container; the platform adds containers
    )
