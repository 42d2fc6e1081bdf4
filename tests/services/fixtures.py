"""Pytest fixtures of the servers and of the ways they fail, for every folder of tests.

A server starts when the first test asks for it and serves the whole run; each test gets it
healthy, and may stop, kill or freeze it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.services.faults import BlackHole, FaultProxy
from tests.services.servers import PostgresServer, RedisServer, Server


@pytest.fixture(scope="session")
def redis_session() -> Iterator[RedisServer]:
    """One Redis for the whole run; tests ask for ``redis_server``."""
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_session() -> Iterator[PostgresServer]:
    """One PostgreSQL for the whole run; tests ask for ``postgres_server``."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def redis_server(redis_session: RedisServer) -> Iterator[RedisServer]:
    """A Redis that answers, whatever the test before has done to it."""
    redis_session.heal()
    yield redis_session
    redis_session.thaw()  # what a test leaves frozen may hang the fixtures that end after it


@pytest.fixture
def postgres_server(postgres_session: PostgresServer) -> Iterator[PostgresServer]:
    """A PostgreSQL that answers, whatever the test before has done to it."""
    postgres_session.heal()
    yield postgres_session
    postgres_session.thaw()


@pytest.fixture
def proxy() -> Iterator[Callable[[Server], FaultProxy]]:
    """Make a ``FaultProxy`` in front of a server; it is closed after the test."""
    made: list[FaultProxy] = []

    def make(server: Server) -> FaultProxy:
        made.append(FaultProxy("127.0.0.1", server.port))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def black_hole() -> Iterator[BlackHole]:
    """A port that neither accepts nor refuses."""
    with BlackHole() as hole:
        yield hole
