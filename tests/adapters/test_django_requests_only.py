"""Requests in Django only: middleware stack, subclasses, exceptions, users."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import django
import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser, User
from django.core.signals import got_request_exception
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject

from dockerflow.django.middleware import DockerflowMiddleware
from dockerflow.logging import request_id_context
from tests.adapters.apps.django import hello
from tests.adapters.conftest import Log
from tests.adapters.django import AUTH, BOTH, OURS, Get, call, get, migrate, serving
from tests.adapters.harness import environ_of


@pytest.fixture
def middleware() -> DockerflowMiddleware:
    """The middleware around a view, called directly."""
    return DockerflowMiddleware(hello)


@pytest.fixture
def request_() -> Any:
    """A request that no handler has processed."""
    return RequestFactory().get("/")


# ---------------------------------------------------------------------- methods, called by tests


def test_methods(middleware: DockerflowMiddleware, request_: Any, log: Log) -> None:
    """process_request and process_response, called directly, write one record."""
    assert middleware.process_request(request_) is None
    assert request_id_context.get() == request_._id
    assert isinstance(request_._start_timestamp, float)
    response = HttpResponse(status=503)
    assert middleware.process_response(request_, response) is response
    assert response.headers["X-Request-ID"] == request_._id
    found = log.summary
    assert (found["code"], found["errno"], found["rid"]) == (503, 503, request_._id)
    assert request_id_context.get() is None


def test_method_before_the_call(middleware: DockerflowMiddleware, request_: Any, log: Log) -> None:
    """After process_request, calling the middleware ends the request and removes its id."""
    middleware.process_request(request_)
    middleware(request_)
    assert log.summary["code"] == 200
    assert request_id_context.get() is None


def test_process_exception(middleware: DockerflowMiddleware, request_: Any, log: Log) -> None:
    """process_exception, called directly, adds to the one record, unless it was handled."""
    for error, status in ((ValueError("boom"), 500), (Http404(), 404)):
        middleware.process_request(request_)
        middleware.process_exception(request_, error)
        middleware.process_response(request_, HttpResponse(status=status))
    assert [(each["errno"], each.get("msg")) for each in log.summaries] == [
        (500, "boom"),
        (0, None),
    ]


def test_removed_attributes(middleware: DockerflowMiddleware, request_: Any, log: Log) -> None:
    """Without start, id and response the record lacks t and code, and keeps the id."""
    middleware.process_request(request_)
    rid = request_._id
    del request_._id, request_._start_timestamp
    assert middleware.process_response(request_, None) is None
    assert log.summary["rid"] == rid
    assert not {"t", "code"} & log.summary.keys()


def test_request_used_twice(middleware: DockerflowMiddleware, request_: Any, log: Log) -> None:
    """A request that a test uses again has a new record each time, however it is used."""
    middleware.process_response(request_, HttpResponse())
    middleware(request_)
    middleware(request_)
    assert [each["code"] for each in log.summaries] == [200, 200, 200]


def test_extra_meta(middleware: DockerflowMiddleware, request_: Any, log: Log) -> None:
    """_build_extra_meta returns the fields of the record."""
    middleware.process_request(request_)
    meta = middleware._build_extra_meta(request_)
    middleware.process_response(request_, None)
    assert meta["t"] >= 0
    assert {**meta, "t": log.summary["t"]} == log.summary


# ---------------------------------------------------------------------- subclasses


class Extended(DockerflowMiddleware):
    """A middleware of an application, whose methods must not run on an event loop."""

    def process_request(self, request: HttpRequest) -> Any:
        """Read the request."""
        connection.ensure_connection()
        request.META["seen"] = "yes"
        return super().process_request(request)

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Read the response."""
        connection.ensure_connection()
        response.headers["X-Seen"] = request.META["seen"]
        return super().process_response(request, response)

    def process_exception(self, request: HttpRequest, exception: Exception) -> Any:
        """Answer an exception."""
        return HttpResponse("mine", status=418) if isinstance(exception, RuntimeError) else None

    def _build_extra_meta(self, request: HttpRequest) -> dict[str, Any]:
        return {**super()._build_extra_meta(request), "extended": request_id_context.get()}


class Broken(DockerflowMiddleware):
    """A middleware whose fields raise."""

    def _build_extra_meta(self, request: HttpRequest) -> dict[str, Any]:
        raise LookupError("mine")


@BOTH
def test_subclass(answer: Get, log: Log) -> None:
    """Overridden methods are called where sync code runs, and their fields are recorded."""
    stack = [f"{__name__}.Extended"]
    page = answer("/", MIDDLEWARE=stack)
    assert (page.body, page.header("X-Seen")) == (b"hello", "yes")
    assert log.summary["extended"] == log.summary["rid"] == page.header("X-Request-ID")
    probe = answer("/__heartbeat__", MIDDLEWARE=stack)
    assert (probe.status, probe.header("X-Seen")) == (200, "yes")
    assert answer("/boom", MIDDLEWARE=stack).status == 418
    assert (log.summaries[2]["code"], log.summaries[2]["errno"]) == (418, 0)


@BOTH
def test_subclass_that_raises(answer: Get, log: Log) -> None:
    """A subclass whose fields raise changes no response, and the request is recorded."""
    assert answer("/", MIDDLEWARE=[f"{__name__}.Broken"]).body == b"hello"
    assert log.summary["path"] == "/"
    (line,) = log.of("dockerflow.django")
    assert "mine" in line["Fields"]["error"]


def test_listed_twice(log: Log) -> None:
    """A middleware that is listed twice, or with a subclass of it, records a request once."""
    page = get("/", MIDDLEWARE=[OURS, OURS, f"{__name__}.Extended"])
    assert page.header("X-Seen") == "yes"
    assert "extended" not in log.summary
    assert page.header("X-Request-ID") == log.summary["rid"]


# ---------------------------------------------------------------------- exceptions


class Raising(MiddlewareMixin):
    """A middleware that raises after the view."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Raise."""
        raise LookupError("in a middleware")


@BOTH
def test_exception_of_another_middleware(answer: Get, log: Log) -> None:
    """An exception of another middleware is recorded with its text."""
    assert answer("/", MIDDLEWARE=[OURS, f"{__name__}.Raising"]).status == 500
    found = log.summary
    assert (found["code"], found["errno"], found["msg"]) == (500, 500, "in a middleware")


def test_exception_that_the_application_reports(log: Log) -> None:
    """An exception that the application has handled and reported is no error of the request."""

    def view(request: HttpRequest) -> HttpResponse:
        try:
            raise LookupError("mine")
        except LookupError:
            got_request_exception.send(sender=view, request=request)
        return HttpResponse(status=503)

    assert get("/", view).status == 503
    assert (log.summary["errno"], log.summary.get("msg")) == (503, None)


def test_worker_shutdown(log: Log) -> None:
    """An exception that stops a server's worker is passed on, and the request is recorded."""
    error = SystemExit(1)

    def view(request: HttpRequest) -> HttpResponse:
        raise error

    with pytest.raises(SystemExit) as raised:
        get("/", view)
    assert raised.value is error
    assert (log.summary["code"], log.summary["errno"]) == (500, 500)
    assert request_id_context.get() is None


def test_exceptions_of_the_test_client(log: Log) -> None:
    """Django's test client raises the view's exception, or gets the error page with its id."""
    with serving():
        with pytest.raises(RuntimeError, match="boom"):
            Client().get("/boom")
        for path in ("/boom", "/__error__"):
            page = Client(raise_request_exception=False).get(path)
            assert (page.status_code, page.has_header("X-Request-ID")) == (500, True)
        with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True), pytest.raises(RuntimeError):
            Client().get("/boom")
    assert [each["errno"] for each in log.summaries] == [500] * 4


# ---------------------------------------------------------------------- requests


def test_headers_are_not_read_early() -> None:
    """request.headers includes what other middleware puts into META, as without the middleware."""

    def view(request: HttpRequest) -> HttpResponse:
        assert "headers" not in vars(request)
        return HttpResponse()

    assert get("/", view).status == 200


@pytest.mark.parametrize("query", ["a=\xc3\xa9", "a=%C3%A9"], ids=ascii)
def test_raw_query(log: Log, query: str) -> None:
    """A query that a client has not escaped is read as UTF-8."""
    with serving(DOCKERFLOW_SUMMARY_LOG_QUERYSTRING=True):
        call(environ_of("/", query=query))
    assert log.summary["querystring"] == "a=é"


def test_id_for_others(log: Log) -> None:
    """Other middleware has the id in request.META, and lines that Django logs later have it too."""
    seen: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request.headers["X-Request-ID"])
        return HttpResponse(status=503)

    page = get("/", view)
    assert seen == [page.header("X-Request-ID")]
    (line,) = log.of("django.request")
    assert line["Fields"]["rid"] == seen[0]


def test_path_below_a_mount(log: Log) -> None:
    """The path is the whole path, and is excluded with and without the prefix of a mount."""
    for excluded in ("/other", "/id/", "/mount/id"):
        with serving(DOCKERFLOW_SUMMARY_EXCLUDE_PATHS=excluded):
            call({**environ_of("/id"), "SCRIPT_NAME": "/mount"})
    assert log.summary["path"] == "/mount/id"


# ---------------------------------------------------------------------- settings


def test_settings_that_change(log: Log) -> None:
    """Settings of requests take effect at once when Django signals that they changed."""
    client = Client()

    def sent() -> set[str]:
        return {"X-Request-ID", "X-Mine"} & client.get("/?a=b").headers.keys()

    with serving():
        assert sent() == {"X-Request-ID"}
        with override_settings(DOCKERFLOW_REQUEST_ID_HEADER_NAME="X-Mine"):
            assert sent() == {"X-Mine"}
            with override_settings(DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER="off"):
                assert sent() == set()
        with override_settings(DOCKERFLOW_SUMMARY_LOG_QUERYSTRING=True):
            assert sent() == {"X-Request-ID"}
    assert [each.get("querystring") for each in log.summaries] == [None, None, None, "a=b"]


def test_wrong_settings_met_by_a_request(log: Log) -> None:
    """An invalid setting is replaced by its default, and logged once."""
    with serving(DOCKERFLOW_REQUEST_ID_HEADER_NAME="a b"):
        client = Client()
        assert [client.get("/").has_header("X-Request-ID") for _ in range(2)] == [True, True]
    (line,) = log.of("dockerflow.django")
    assert line["Fields"]["msg"].startswith("DOCKERFLOW_REQUEST_ID_HEADER_NAME is 'a b'; set it to")


# ---------------------------------------------------------------------- users


@pytest.fixture
def user() -> Iterator[User]:
    """A user in the database."""
    migrate()
    user = User.objects.create(username="jane")
    yield user
    user.delete()
    connection.close()


@pytest.mark.parametrize("loaded", [False, True])
def test_user_of_the_session(user: User, log: Log, loaded: bool) -> None:
    """The record has the user that the application has loaded, and never loads one itself."""

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(request.user) if loaded else "")

    with serving(view, MIDDLEWARE=[OURS, *AUTH]):
        client = Client()
        client.force_login(user)
        with CaptureQueriesContext(connection) as queries:
            response = client.get("/")
    assert log.summary["uid"] == (user.pk if loaded else "")
    assert len(queries) == (2 if loaded else 0)
    assert response.has_header("Vary") is loaded


def test_user_of_async_views(user: User, log: Log) -> None:
    """A user that request.auser() has loaded is recorded as well."""
    if django.VERSION < (5, 0):
        return  # it has no auser()

    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(await request.auser()))

    client = AsyncClient()
    client.force_login(user)
    with serving(view, MIDDLEWARE=[OURS, *AUTH]):
        assert async_to_sync(client.get)("/").content == b"jane"
    assert log.summary["uid"] == user.pk


def evaluated(user: Any) -> Any:
    lazy = SimpleLazyObject(lambda: user)
    str(lazy)
    return lazy


WITHOUT_ID = SimpleNamespace(is_authenticated=True)


@pytest.mark.parametrize(
    ("user", "uid"),
    [
        (SimpleNamespace(is_authenticated=True, pk="jane"), "jane"),
        (User(pk=7), 7),
        (AnonymousUser(), ""),
        (evaluated(User(pk=7)), 7),
        (evaluated(AnonymousUser()), ""),
        (SimpleLazyObject(pytest.fail), ""),
        (None, ""),
        (WITHOUT_ID, ""),
    ],
    ids=["plain", "model", "anonymous", "lazy", "lazy anonymous", "not loaded", "none", "failing"],
)
def test_user_set_by_the_application(log: Log, user: Any, uid: Any) -> None:
    """Whatever the application has put into request.user, nothing is loaded and nothing breaks."""

    def view(request: HttpRequest) -> HttpResponse:
        request.user = user
        return HttpResponse()

    assert get("/", view).status == 200
    assert log.summary["uid"] == uid
    assert len(log.of("dockerflow.django")) == (user is WITHOUT_ID)
