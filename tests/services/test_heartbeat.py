"""Every framework's heartbeat with its backing services, and the ways they fail."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest

from tests.services.beats import check_threads, wait_until
from tests.services.faults import BROKEN, FaultProxy, Mode, black_hole
from tests.services.servers import PostgresServer, RedisServer
from tests.services.service import HEALTHY, Service, installed_services

NAMES = list(installed_services())


def set_mode(proxies: list[FaultProxy], mode: Mode) -> None:
    for each in proxies:
        each.mode = mode


@pytest.mark.parametrize("mode", BROKEN)
def test_faults(service: Service, proxies: list[FaultProxy], mode: Mode) -> None:
    """Whatever happens to the connections, each check fails, other pages work, and it recovers."""
    set_mode(proxies, mode)
    found = service.heartbeat()
    if mode == "garbage":  # a client of Redis may report either
        assert found["check_redis_connected"] in (["E004"], ["E010"])
        found["check_redis_connected"] = ["E004"]
    assert found == service.down
    assert service.answers()
    set_mode(proxies, "pass")
    assert service.heartbeat() == HEALTHY


def test_silence(service: Service, proxies: list[FaultProxy]) -> None:
    """Services that don't answer cost one thread for each check, which recover with them."""
    service.configure(DOCKERFLOW_CHECK_TIMEOUT=0.5)
    set_mode(proxies, "silent")
    for _ in range(3):
        assert service.heartbeat() == service.hanging
        assert service.answers()
        assert len(check_threads()) <= 3
    set_mode(proxies, "pass")
    wait_until(lambda: service.heartbeat() == HEALTHY)


def test_pages_while_a_heartbeat_waits(service: Service, proxies: list[FaultProxy]) -> None:
    """While a heartbeat waits for services that don't answer, the other pages do."""
    set_mode(proxies, "silent")
    with ThreadPoolExecutor() as executor:
        waiting = executor.submit(service.heartbeat)
        wait_until(lambda: all(each.held for each in proxies))
        assert service.answers()
        assert not waiting.done()
        set_mode(proxies, "pass")
        assert waiting.result() == HEALTHY


@pytest.mark.parametrize("name", NAMES)
def test_black_hole(start: Callable[[str, int, int], Service], name: str) -> None:
    """Behind a firewall that drops everything the heartbeat does not wait for the checks."""
    with black_hole() as port:
        service = start(name, port, port)
        service.configure(DOCKERFLOW_CHECK_TIMEOUT=0.5)
        assert service.heartbeat() == service.hanging
        assert service.answers()


@pytest.mark.parametrize("timeout", [60, None], ids=["clock", "no clock"])
def test_killed_servers(
    service: Service,
    redis_server: RedisServer,
    postgres_server: PostgresServer,
    timeout: float | None,
) -> None:
    """Servers that are killed and come back are ok at the first heartbeat."""
    service.configure(DOCKERFLOW_CHECK_TIMEOUT=timeout)
    redis_server.kill()
    postgres_server.kill()
    for _ in range(2):
        assert service.heartbeat() == service.down
    redis_server.start()
    postgres_server.start()
    assert service.heartbeat() == HEALTHY
    assert service.answers()


def test_migrations(service: Service, postgres_server: PostgresServer, clock: mock.Mock) -> None:
    """A heartbeat notices new migrations at once, and reverted ones within a minute."""
    try:
        service.migrate(postgres_server)
        assert service.heartbeat() == {}
        service.unmigrate(postgres_server)
        clock.return_value += 60
        assert service.heartbeat() == HEALTHY
    finally:
        postgres_server.clear()


def test_kept_results(service: Service, proxies: list[FaultProxy], clock: mock.Mock) -> None:
    """A kept result hides an outage until it expires; an outage is never kept."""
    service.configure(DOCKERFLOW_CHECK_KEEP=30)
    assert service.heartbeat() == HEALTHY
    set_mode(proxies, "refuse")
    clock.return_value += 29
    assert service.heartbeat() == {"check_migrations_applied": ["I001"]}
    clock.return_value += 1
    for _ in range(2):
        assert service.heartbeat() == service.down
        set_mode(proxies, "pass")
        assert service.heartbeat() == HEALTHY
        set_mode(proxies, "refuse")
        clock.return_value += 30


@pytest.mark.parametrize(
    "service", [name for name in NAMES if not name.startswith("django")], indirect=True
)
def test_checks_registered_by_hand(service: Service, proxies: list[FaultProxy]) -> None:
    """The checks of the adapter can be registered with the client; Django's in a setting."""
    service.registry.clear_checks()
    for check, arguments in service.by_hand.items():
        service.registry.register_partial(check, *arguments)
    assert service.heartbeat() == HEALTHY
    set_mode(proxies, "refuse")
    assert service.heartbeat() == service.down
