"""A small service that counts visits in a database and reports its health.

By default it uses only SQLite. ``DATABASE_URL`` and ``REDIS_URL`` name other backing services::

    DATABASE_URL=postgresql+psycopg://user:password@host/database
    REDIS_URL=redis://:password@host:6379/0

Run it with ``uvicorn app:create_app --factory``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import redis.asyncio
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from dockerflow import checks
from dockerflow.asgi import Dockerflow
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


def create_app() -> Dockerflow:
    """Create the application; ``uvicorn --factory`` calls this.

    Environment variables such as ``DOCKERFLOW_CHECK_TIMEOUT=2`` set it.
    """
    engine = create_async_engine(os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///visits.db"))
    session = async_sessionmaker(engine)
    redis_url = os.environ.get("REDIS_URL")
    cache = redis.asyncio.Redis.from_url(redis_url) if redis_url else None

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        try:
            async with engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
        except Exception:
            log.exception("The tables could not be created: the service starts anyway")
        yield
        await engine.dispose()
        if cache is not None:
            await cache.aclose()

    async def visit(request: Request) -> PlainTextResponse:
        async with session.begin() as transaction:
            transaction.add(Visit())
            await transaction.flush()
            count = await transaction.scalar(select(func.count()).select_from(Visit))
        log.info("counted a visit", extra={"visits": count})
        return PlainTextResponse(f"You are visitor number {count}.\n")

    app = Starlette(routes=[Route("/", visit)], lifespan=lifespan)
    dockerflow = Dockerflow(app, db=engine, redis=cache, version_path=Path(__file__).parent)

    @dockerflow.check
    def enough_disk() -> list[checks.CheckMessage]:
        disk = os.statvfs(".")
        free = disk.f_bavail * disk.f_frsize
        if free < 10_000_000:
            return [checks.Warning(f"{free} bytes left on the disk", id="visits.health.W001")]
        return []

    return dockerflow
