"""Pytest fixtures of the servers and of a failing network, for every folder of tests.

A server starts for the first test that uses it and serves the whole run; each test gets it
running, and may stop or kill it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.services.faults import FaultProxy
from tests.services.servers import PostgresServer, RedisServer, Server


@pytest.fixture(scope="session")
def redis_session() -> Iterator[RedisServer]:
    """One Redis for the whole run; tests use ``redis_server``."""
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_session() -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole run; tests use ``postgres_server``."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def redis_server(redis_session: RedisServer) -> RedisServer:
    """A running Redis, whatever the previous test has done to it."""
    redis_session.start()
    return redis_session


@pytest.fixture
def postgres_server(postgres_session: PostgresServer) -> PostgresServer:
    """A running PostgreSQL, whatever the previous test has done to it."""
    postgres_session.start()
    return postgres_session


@pytest.fixture
def proxy() -> Iterator[Callable[[Server], FaultProxy]]:
    """Create a ``FaultProxy`` in front of a server; it is closed after the test."""
    made: list[FaultProxy] = []

    def make(server: Server) -> FaultProxy:
        made.append(FaultProxy(server.port))
        return made[-1]

    yield make
    for each in made:
        each.mode = "refuse"  # this also closes its connections
