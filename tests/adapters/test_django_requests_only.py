"""What only Django has of requests: its middleware stack, subclasses, exceptions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception
from django.db import connection
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
)
from django.test import Client, RequestFactory, override_settings

from dockerflow.django.middleware import DockerflowMiddleware
from dockerflow.logging import request_id_context
from tests.adapters.conftest import Log
from tests.adapters.django import BOTH, OURS, View, call, get, hello, is_async, serving
from tests.adapters.harness import Answer, environ_of


@pytest.fixture
def middleware() -> DockerflowMiddleware:
    """The middleware around a view, by itself."""
    return DockerflowMiddleware(hello)


@pytest.fixture
def request_() -> HttpRequest:
    """A request that no handler has seen."""
    return RequestFactory().get("/", headers={"User-Agent": "agent/1"})


# ---------------------------------------------------------------------- methods, called by tests


def test_methods(middleware: DockerflowMiddleware, request_: HttpRequest, log: Log) -> None:
    """process_request and process_response, called by themselves, make the one record."""
    assert middleware.process_request(request_) is None
    assert request_id_context.get() == vars(request_)["_id"]
    assert isinstance(vars(request_)["_start_timestamp"], float)
    response = HttpResponse(status=503)
    assert middleware.process_response(request_, response) is response
    assert response.headers["X-Request-ID"] == vars(request_)["_id"]
    assert (log.summary["code"], log.summary["errno"]) == (503, 503)
    assert log.summary["rid"] == vars(request_)["_id"]
    assert request_id_context.get() is None


def test_process_exception(
    middleware: DockerflowMiddleware, request_: HttpRequest, log: Log
) -> None:
    """process_exception, called by itself, is in the one record, unless it was answered."""
    middleware.process_request(request_)
    middleware.process_exception(request_, ValueError("boom"))
    assert log.summaries == []
    middleware.process_response(request_, HttpResponse(status=500))
    assert (log.summary["errno"], log.summary["msg"]) == (500, "boom")
    middleware.process_request(request_)
    middleware.process_exception(request_, Http404())
    middleware.process_response(request_, HttpResponse(status=404))
    assert log.summaries[1]["errno"] == 0


def test_removed_attributes(
    middleware: DockerflowMiddleware, request_: HttpRequest, log: Log
) -> None:
    """Without start, id and response there are no t and code, and the id that was given."""
    middleware.process_request(request_)
    rid = vars(request_)["_id"]
    del vars(request_)["_id"], vars(request_)["_start_timestamp"]
    assert middleware.process_response(request_, None) is None
    assert log.summary["rid"] == rid
    assert not {"t", "code"} & log.summary.keys()


def test_request_used_twice(
    middleware: DockerflowMiddleware, request_: HttpRequest, log: Log
) -> None:
    """A request that a test uses again has a record of its own each time, however it is used."""
    middleware.process_response(request_, HttpResponse())
    middleware(request_)
    middleware(request_)
    assert [each["code"] for each in log.summaries] == [200, 200, 200]


def test_extra_meta(middleware: DockerflowMiddleware, request_: HttpRequest) -> None:
    """_build_extra_meta says what the record will have."""
    middleware.process_request(request_)
    meta = middleware._build_extra_meta(request_)
    middleware.process_response(request_, None)
    assert meta.pop("t") >= 0
    assert meta == {
        "errno": 0,
        "agent": "agent/1",
        "lang": "",
        "method": "GET",
        "path": "/",
        "uid": "",
        "rid": vars(request_)["_id"],
    }


# ---------------------------------------------------------------------- subclasses


class Extended(DockerflowMiddleware):
    """A middleware of an application."""

    threads: list[threading.Thread] = []  # noqa: RUF012 - what the test reads

    def process_request(self, request: HttpRequest) -> Any:
        """Look at the request in sync."""
        connection.ensure_connection()
        self.threads.append(threading.current_thread())
        return super().process_request(request)

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Look at the response in sync."""
        connection.ensure_connection()
        self.threads.append(threading.current_thread())
        response.headers["X-Seen"] = "yes"
        return super().process_response(request, response)

    def process_exception(self, request: HttpRequest, exception: Exception) -> Any:
        """Answer an exception."""
        return HttpResponse("mine", status=418) if isinstance(exception, KeyError) else None

    def _build_extra_meta(self, request: HttpRequest) -> dict[str, Any]:
        return {**super()._build_extra_meta(request), "extended": request_id_context.get()}


class Broken(DockerflowMiddleware):
    """A middleware whose fields can't be had."""

    def _build_extra_meta(self, request: HttpRequest) -> dict[str, Any]:
        raise LookupError("mine")


@BOTH
def test_subclass(answer: Callable[..., Answer], log: Log) -> None:
    """What a subclass overrides is called where sync code runs, and its fields are recorded."""
    Extended.threads.clear()
    page = answer(hello, MIDDLEWARE=[f"{__name__}.Extended"])
    assert (page.body, page.header("X-Seen")) == (b"hello", "yes")
    assert log.summary["extended"] == log.summary["rid"] == page.header("X-Request-ID")
    assert len(Extended.threads) == 2
    probe = answer(hello, "/__heartbeat__", MIDDLEWARE=[f"{__name__}.Extended"])
    assert (probe.status, probe.header("X-Seen")) == (200, "yes")

    def raises(request: HttpRequest) -> HttpResponse:
        raise KeyError("x")

    assert answer(raises, MIDDLEWARE=[f"{__name__}.Extended"]).status == 418
    assert (log.summaries[2]["code"], log.summaries[2]["errno"]) == (418, 0)
    connection.close()


@BOTH
def test_subclass_that_raises(answer: Callable[..., Answer], log: Log) -> None:
    """A subclass whose fields can't be had changes no response, and the request is recorded."""
    assert answer(hello, MIDDLEWARE=[f"{__name__}.Broken"]).body == b"hello"
    assert log.summary["path"] == "/page"
    (line,) = log.of("dockerflow.django")
    assert "mine" in line["Fields"]["error"]


class Late(DockerflowMiddleware):
    """A middleware that raises when the record has been written."""

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Raise at the end."""
        super().process_response(request, response)
        raise LookupError("late")


def test_subclass_that_raises_too_late(log: Log) -> None:
    """A subclass that raises after the record is Django's to answer, and nothing else is logged."""
    assert get(hello, MIDDLEWARE=[f"{__name__}.Late"]).status == 500
    assert len(log.summaries) == 1
    assert log.of("dockerflow.django") == []


def test_listed_twice(log: Log) -> None:
    """A middleware that is listed twice, or with a subclass of it, records a request once."""
    page = get(hello, MIDDLEWARE=[OURS, OURS, f"{__name__}.Extended"])
    assert page.header("X-Seen") == "yes"
    assert "extended" not in log.summary
    assert page.header("X-Request-ID") == log.summary["rid"]
    connection.close()


# ---------------------------------------------------------------------- exceptions


@BOTH
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Http404(), 404),
        (PermissionDenied(), 403),
        (SuspiciousOperation("x"), 400),
        (BadRequest("x"), 400),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exceptions_with_a_status(
    answer: Callable[..., Answer], log: Log, error: Exception, code: int
) -> None:
    """What Django answers with a status of its own is no failure."""

    def view(request: HttpRequest) -> HttpResponse:
        raise error

    assert answer(view).status == code
    assert (log.summary["code"], log.summary["errno"], log.summary.get("msg", "")) == (code, 0, "")


class Raising:
    """A middleware that raises, before or after the view."""

    sync_capable = async_capable = True

    def __new__(cls, get_response: View) -> Any:
        """Be a middleware of the kind of the next one."""

        def middleware(request: HttpRequest) -> Any:
            get_response(request)
            raise LookupError("in a middleware")

        async def async_middleware(request: HttpRequest) -> Any:
            await get_response(request)
            raise LookupError("in a middleware")

        return async_middleware if is_async(get_response) else middleware


@BOTH
def test_exception_of_another_middleware(answer: Callable[..., Answer], log: Log) -> None:
    """An exception of another middleware is recorded with its text."""
    assert answer(hello, MIDDLEWARE=[OURS, f"{__name__}.Raising"]).status == 500
    assert (log.summary["code"], log.summary["errno"]) == (500, 500)
    assert log.summary["msg"] == "in a middleware"


def test_exception_that_the_application_reports(log: Log) -> None:
    """An exception that the application has handled, and reports, is none of the request's."""

    def view(request: HttpRequest) -> HttpResponse:
        try:
            raise LookupError("mine")
        except LookupError:
            got_request_exception.send(sender=view, request=request)
            got_request_exception.send(sender=None)
        return HttpResponse()

    assert get(view).status == 200
    assert (log.summary["errno"], log.summary.get("msg", "")) == (0, "")


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt()], ids=repr)
def test_worker_shutdown(log: Log, error: BaseException) -> None:
    """What ends a server's worker passes through, and the request is recorded."""

    def view(request: HttpRequest) -> HttpResponse:
        raise error

    with pytest.raises(type(error)) as raised:
        get(view)
    assert raised.value is error
    assert (log.summary["code"], log.summary["errno"]) == (500, 500)
    assert request_id_context.get() is None


def test_exceptions_of_the_test_client(log: Log) -> None:
    """Django's test client raises what a view raised, or answers with the page and its id."""
    error = LookupError("mine")

    def view(request: HttpRequest, rest: str = "") -> HttpResponse:
        raise error

    with serving(view):
        with pytest.raises(LookupError) as raised:
            Client().get("/page")
        assert raised.value is error
        for path in ("/page", "/__error__"):
            page = Client(raise_request_exception=False).get(path)
            assert (page.status_code, page.has_header("X-Request-ID")) == (500, True)
        with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True), pytest.raises(LookupError):
            Client().get("/page")
    assert [each["errno"] for each in log.summaries] == [500] * 4


# ---------------------------------------------------------------------- requests


def test_headers_are_not_read_early() -> None:
    """What other middlewares put into META is in request.headers, as without the middleware."""

    def view(request: HttpRequest) -> HttpResponse:
        assert "headers" not in vars(request)
        assert "_cached_user" not in vars(request)
        return HttpResponse()

    assert get(view).status == 200


@pytest.mark.parametrize("query", [b"a=\xc3\xa9", b"a=%C3%A9"])
def test_raw_query(log: Log, query: bytes) -> None:
    """A query that a client has not escaped is read as UTF-8."""
    with serving(lambda request, rest="": HttpResponse(), DOCKERFLOW_SUMMARY_LOG_QUERYSTRING=True):
        environ = environ_of("/page", "GET", query.decode("latin-1"), None, b"")
        call(WSGIHandler(), environ)
    assert log.summary["querystring"] == "a=é"


def test_id_for_others(log: Log) -> None:
    """The id is in request.META for other middleware, and on the lines that Django logs later."""
    seen: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request.headers["X-Request-ID"])
        return HttpResponse(status=503)

    page = get(view)
    assert seen == [page.header("X-Request-ID")]
    (line,) = log.of("django.request")
    assert line["Fields"]["rid"] == seen[0]


def test_path_below_a_mount(log: Log) -> None:
    """The path is the whole path, and is excluded with and without what it is mounted at."""
    handler = WSGIHandler()
    environ = environ_of("/page", "GET", "", None, b"")
    with serving(lambda request, rest="": HttpResponse()):
        for excluded in ("/other", "/page/", "/mount/page"):
            with override_settings(DOCKERFLOW_SUMMARY_EXCLUDE_PATHS=excluded):
                call(handler, {**environ, "SCRIPT_NAME": "/mount"})
    assert log.summary["path"] == "/mount/page"


# ---------------------------------------------------------------------- settings


def test_settings_that_change(log: Log) -> None:
    """The settings of requests are those of the moment, wherever Django says that they change."""

    def header() -> str | None:
        names = dict(Client().get("/page?a=b").headers)
        return next((name for name in names if name in ("X-Request-ID", "X-Mine")), None)

    with serving(lambda request, rest="": HttpResponse()):
        assert header() == "X-Request-ID"
        with override_settings(DOCKERFLOW_REQUEST_ID_HEADER_NAME="X-Mine"):
            assert header() == "X-Mine"
            with override_settings(DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER="off"):
                assert header() is None
        assert header() == "X-Request-ID"
        with override_settings(DOCKERFLOW_SUMMARY_LOG_QUERYSTRING=True):
            header()
        assert log.summaries[-1]["querystring"] == "a=b"


def test_wrong_settings_met_by_a_request(log: Log) -> None:
    """A setting that makes no sense is replaced by its default, and logged once."""
    with serving(lambda request, rest="": HttpResponse(), DOCKERFLOW_REQUEST_ID_HEADER_NAME="a b"):
        client = Client()
        assert [client.get("/page").has_header("X-Request-ID") for _ in range(2)] == [True, True]
    (line,) = log.of("dockerflow.django")
    assert line["Fields"]["msg"].startswith("DOCKERFLOW_REQUEST_ID_HEADER_NAME is 'a b'; set it to")
