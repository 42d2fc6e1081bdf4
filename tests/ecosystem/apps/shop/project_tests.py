"""The project's own tests, which pytest-django runs for test_django.py."""

from __future__ import annotations

from typing import Any
from urllib.request import urlopen

import pytest
from django.contrib.auth.models import User
from django.test import Client, TestCase, TransactionTestCase, override_settings

CHECKS = [
    "dockerflow.django.checks.check_database_connected",
    "tests.ecosystem.apps.shop.checks.has_users",
]
with_checks = override_settings(DOCKERFLOW_CHECKS=CHECKS)


@with_checks
class TestRolledBack(TestCase):
    """Tests in a transaction, whose changes other connections don't see."""

    def test_sync(self) -> None:
        """A heartbeat sees the test's changes."""
        assert self.client.get("/__heartbeat__").status_code == 500
        User.objects.create(username="ada")
        assert self.client.get("/__heartbeat__").status_code == 200

    async def test_async(self) -> None:
        """An async heartbeat sees the test's changes."""
        assert (await self.async_client.get("/__heartbeat__")).status_code == 500
        await User.objects.acreate(username="ada")
        assert (await self.async_client.get("/__heartbeat__")).status_code == 200


class TestCommitted(TransactionTestCase):
    """Tests whose tables are emptied afterwards."""

    test_sync = with_checks(TestRolledBack.test_sync)
    test_async = with_checks(TestRolledBack.test_async)


def test_settings(client: Client, db: None, settings: Any) -> None:
    """Settings that a test changes apply at once, and only during the test."""
    settings.DOCKERFLOW_CHECKS = CHECKS
    settings.DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE = 503
    settings.DOCKERFLOW_REQUEST_ID_HEADER_NAME = "X-Trace"
    answer = client.get("/__heartbeat__", headers={"X-Trace": "mine"})
    assert (answer.status_code, answer.headers["X-Trace"]) == (503, "mine")


def test_settings_are_reset(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """A test without database access can use the endpoints that don't need it."""
    caplog.set_level("INFO", "request.summary")
    answer = client.get("/__lbheartbeat__", headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (200, "mine")
    assert [vars(record)["rid"] for record in caplog.records] == ["mine"]


@with_checks
def test_server(live_server: Any) -> None:
    """The server of a test sees the test's changes."""
    User.objects.create(username="ada")
    assert urlopen(f"{live_server}/__heartbeat__").status == 200
