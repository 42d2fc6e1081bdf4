"""What applies to all tests: fixtures, the rule about docstrings, the hypothesis profile."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings

# Files of a framework have its name, and are ignored if its adapter is not installed.
collect_ignore_glob = [
    f"*/test_{name}{ending}"
    for name in ("django", "fastapi", "flask", "sanic", "celery", "wsgi", "asgi")
    if find_spec(f"dockerflow.{name}") is None
    for ending in (".py", "_*.py")
]

# These have an environment of their own: `hatch run ecosystem`.
if find_spec("gevent") is None and find_spec("eventlet") is None:
    collect_ignore_glob.append("ecosystem/test_*.py")

pytest_plugins = ["pytester", "tests.packaging.fixtures", "tests.services.fixtures"]

# No deadline: a test that fails on a busy machine says nothing about the code.
settings.register_profile(
    "dockerflow", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("dockerflow")


@pytest.fixture
def clock() -> Iterator[mock.Mock]:
    """The clock of kept results, which stands still until a test sets its ``return_value``."""
    with mock.patch("dockerflow.checks.kept.time") as time:
        time.monotonic.return_value = 1000.0
        yield time.monotonic


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse tests without a docstring."""
    silent = [
        item.nodeid
        for item in items
        if isinstance(item, pytest.Function) and not (item.function.__doc__ or "").strip()
    ]
    if silent:
        listing = "\n  ".join(silent)
        raise pytest.UsageError(
            f"give these tests a docstring, one sentence that says what is true:\n  {listing}"
        )
