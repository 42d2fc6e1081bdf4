"""The registry: names, decorators, limits."""

from __future__ import annotations

import functools
import logging
from typing import Any

import pytest

from dockerflow import checks
from dockerflow.checks import CheckRegistry

LOGGER = "dockerflow.checks.registry"


@pytest.fixture
def registry() -> CheckRegistry:
    """An empty registry."""
    return CheckRegistry()


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), "soon", True, [], 10**400])
def test_wrong_timeout(registry: CheckRegistry, timeout: Any) -> None:
    """A time limit that is not a positive number is refused at registration."""
    with pytest.raises(ValueError, match="positive number of seconds"):
        registry.register(list, name="one", timeout=timeout)
    with pytest.raises(ValueError, match="positive number of seconds"):
        registry.run_checks([("one", list)], timeout=timeout)
    assert registry.checks == {}


def test_taken_name(registry: CheckRegistry, caplog: pytest.LogCaptureFixture) -> None:
    """A name taken by another check is replaced, with a warning that says how to keep both."""

    def ping(target: str) -> None: ...

    registry.register_partial(ping, "broken")
    working = registry.register_partial(ping, "working")
    assert registry.checks == {"ping": working}
    (record,) = caplog.records
    assert (record.name, record.levelno) == (LOGGER, logging.WARNING)
    assert "'ping'" in record.message
    assert "name=" in record.message


def test_same_check_again(registry: CheckRegistry, caplog: pytest.LogCaptureFixture) -> None:
    """Registering the same check again, as an application factory does, causes no warning."""

    class Service:
        def ping(self) -> None: ...

    service = Service()
    for _ in range(2):
        registry.register(list, name="one")
        registry.register(service.ping)
        registry.register_partial(isinstance, service, Service)
    assert list(registry.checks) == ["one", "ping", "isinstance"]
    assert caplog.records == []


def test_register_as_decorator(registry: CheckRegistry) -> None:
    """The decorator works bare, with parentheses and with a name, and returns the function."""

    @registry.register
    def bare() -> None: ...

    @registry.register()
    def parentheses() -> None: ...

    @registry.register(name="named")
    def other() -> None: ...

    assert registry.checks == {"bare": bare, "parentheses": parentheses, "named": other}


def test_names(registry: CheckRegistry) -> None:
    """Partials, bound methods and objects get the name of what they call."""

    class Pinger:
        def __call__(self) -> None: ...

        def ping(self) -> None: ...

    registry.register(functools.partial(functools.partial(sorted), []))
    registry.register(Pinger())
    registry.register(Pinger().ping)
    assert list(registry.checks) == ["sorted", "Pinger", "ping"]


def test_default_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions of the module work on one registry, whose dictionary is live."""
    monkeypatch.setattr(checks.default_registry, "checks", {})
    live = checks.get_checks()

    @checks.register
    def one() -> None: ...

    two = checks.register_partial(one, name="two")
    assert live == {"one": one, "two": two} == checks.default_registry.checks
    checks.clear_checks()
    assert live == {}


def test_live_dictionary(registry: CheckRegistry) -> None:
    """A check put directly into the dictionary is used, without the previous check's limit."""
    registry.register(list, name="one", timeout=0.1)
    registry.get_checks()["one"] = lambda: checks.Info("m")
    assert registry.run_checks().statuses == {"one": "info"}
    del registry.get_checks()["one"]
    assert registry.run_checks().statuses == {}


def test_registering_while_running(registry: CheckRegistry) -> None:
    """A check may register another."""

    @registry.register
    def one() -> None:
        registry.register(list, name="two")

    assert registry.run_checks(timeout=None).statuses == {"one": "ok"}
    assert list(registry.checks) == ["one", "two"]
