"""Clients of Redis and engines of databases, sync and asyncio ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import redis
import redis.asyncio
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from tests.services.beats import Beats
from tests.services.service import database_url, redis_url

DRIVERS = ("psycopg", "psycopg-async", "asyncpg-async")


class Clients:
    """A client of redis-py and an engine of SQLAlchemy.

    :param asynchronous: whether they are asyncio's.
    """

    def __init__(self, redis_port: int, postgres_port: int, *, asynchronous: bool) -> None:
        self.asynchronous = asynchronous
        self.redis: Any
        self.engine: Any
        if asynchronous:
            self.redis = redis.asyncio.Redis.from_url(redis_url(redis_port))
            self.engine = create_async_engine(database_url(postgres_port))
        else:
            self.redis = redis.Redis.from_url(redis_url(redis_port))
            self.engine = create_engine(database_url(postgres_port))

    def by_hand(self, checks: Any, migrate: Any) -> dict[Callable[..., Any], tuple[Any, ...]]:
        """Return the checks of an adapter's module, with the object that each is given."""
        return {
            checks.check_redis_connected: (self.redis,),
            checks.check_database_connected: (self.engine,),
            checks.check_migrations_applied: (migrate, self.engine),
        }

    async def close(self) -> None:
        """Close their connections, on the event loop that has used them."""
        if self.asynchronous:
            await self.redis.aclose()
            await self.engine.dispose()
        else:
            self.redis.close()
            self.engine.dispose()


class Application(Beats):
    """An application with an engine, given the driver's name, with ``-async`` for an async one."""

    def __init__(self, driver: str) -> None:
        super().__init__(asynchronous=driver.endswith("-async"))
        self.driver = driver.removesuffix("-async")
        self._engine: Any = None

    def engine(self, port: int, database: str = "postgres", user: str = "postgres:hunter2") -> Any:
        """Create its engine, which is disposed of at the end."""
        create = create_async_engine if self.asynchronous else create_engine
        url = f"postgresql+{self.driver}://{user}@127.0.0.1:{port}/{database}"
        self._engine = create(url)
        return self._engine

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.asynchronous:
            self.run(self._engine.dispose())
        else:
            self._engine.dispose()
        super().__exit__(*exc)
