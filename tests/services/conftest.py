"""Fixtures of the adapters' tests: an application whose backing services can fail."""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Callable, Iterator

import pytest

from tests.services.beats import check_threads, wait_until
from tests.services.faults import FaultProxy
from tests.services.servers import PostgresServer, RedisServer, Server
from tests.services.service import HEALTHY, Service, installed_services, write_migrations


@pytest.fixture
def start(tmp_path: pathlib.Path) -> Iterator[Callable[[str, int, int], Service]]:
    """Start an application, by its name and the ports of Redis and PostgreSQL."""
    summaries = logging.getLogger("request.summary")  # FastAPI's sets it up at the first request
    level, handlers = summaries.level, summaries.handlers[:]
    write_migrations(tmp_path)
    started: list[Service] = []

    def start(name: str, redis_port: int, postgres_port: int) -> Service:
        service = installed_services()[name](tmp_path, redis_port, postgres_port)
        service.configure(DOCKERFLOW_CHECK_TIMEOUT=60)
        started.append(service)
        return service

    yield start
    wait_until(lambda: not check_threads())
    for service in started:
        service.close()
    summaries.setLevel(level)
    summaries.handlers[:] = handlers


@pytest.fixture
def proxies(
    redis_server: RedisServer,
    postgres_server: PostgresServer,
    proxy: Callable[[Server], FaultProxy],
) -> list[FaultProxy]:
    """The proxies between the application and its Redis and PostgreSQL."""
    return [proxy(redis_server), proxy(postgres_server)]


@pytest.fixture(params=installed_services())
def service(
    request: pytest.FixtureRequest,
    start: Callable[[str, int, int], Service],
    proxies: list[FaultProxy],
) -> Service:
    """Each application, after a first healthy heartbeat."""
    service = start(request.param, *(each.port for each in proxies))
    assert service.heartbeat() == HEALTHY
    return service
