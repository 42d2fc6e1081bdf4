"""Who asked, as the records of Django's requests say it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.http import (
    HttpRequest,
    HttpResponse,
)
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.utils.functional import SimpleLazyObject

from tests.adapters.conftest import Log
from tests.adapters.django import AUTH, OURS, get, migrate, serving

# ---------------------------------------------------------------------- users


@pytest.fixture(scope="session")
def migrated() -> None:
    """A database with the tables of the installed applications."""
    migrate()


@pytest.fixture
def user(migrated: None) -> Iterator[User]:
    """A user in the database."""
    user = User.objects.create(username="jane")
    yield user
    user.delete()
    connection.close()


@pytest.mark.parametrize(
    ("look", "found"), [(False, False), (True, True)], ids=["not loaded", "loaded"]
)
def test_user_of_the_session(user: User, log: Log, look: bool, found: bool) -> None:
    """The record has the user whom the application has loaded, and nobody is loaded for it."""

    def view(request: HttpRequest, rest: str = "") -> HttpResponse:
        return HttpResponse(str(request.user) if look else "")

    with serving(view, MIDDLEWARE=[OURS, *AUTH]):
        client = Client()
        client.force_login(user)
        with CaptureQueriesContext(connection) as queries:
            response = client.get("/page")
    assert log.summary["uid"] == (user.pk if found else "")
    assert len(queries) == (2 if look else 0)
    assert response.has_header("Vary") is look


def test_user_of_async_views(user: User, log: Log) -> None:
    """A user whom request.auser() has loaded is recorded as well."""
    if not hasattr(__import__("django.contrib.auth").contrib.auth, "aget_user"):
        assert not hasattr(user, "auser")  # Django 4.2 has no such thing
        return

    async def view(request: HttpRequest, rest: str = "") -> HttpResponse:
        return HttpResponse(str(await request.auser()))

    async def read() -> Any:
        client = AsyncClient()
        await client.aforce_login(user)
        return await client.get("/page")

    with serving(view, MIDDLEWARE=[OURS, *AUTH]):
        assert asyncio.run(read()).content == b"jane"
    assert log.summary["uid"] == user.pk


class Named:
    """A user of an application's own kind."""

    is_authenticated = True
    pk = "jane"


class Failing:
    """A user whose id can't be had."""

    is_authenticated = True

    @property
    def pk(self) -> Any:
        """Raise."""
        raise LookupError("mine")


def evaluated(user: Any) -> Any:
    lazy = SimpleLazyObject(lambda: user)
    str(lazy)
    return lazy


@pytest.mark.parametrize(
    ("user", "uid"),
    [
        (Named(), "jane"),
        (User(pk=7), 7),
        (AnonymousUser(), ""),
        (evaluated(User(pk=7)), 7),
        (evaluated(AnonymousUser()), ""),
        (SimpleLazyObject(pytest.fail), ""),
        (None, ""),
        (Failing(), ""),
    ],
    ids=["plain", "model", "anonymous", "lazy", "lazy anonymous", "not loaded", "none", "failing"],
)
def test_user_set_by_the_application(log: Log, user: Any, uid: Any) -> None:
    """Whoever the application has put into request.user, nothing is loaded and nothing breaks."""

    def view(request: HttpRequest) -> HttpResponse:
        request.user = user
        return HttpResponse()

    assert get(view).status == 200
    assert log.summary["uid"] == uid
    assert len(log.of("dockerflow.django")) == (type(user) is Failing)
