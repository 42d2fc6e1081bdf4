"""What only Django has of requests: its middleware stack, subclasses, exceptions."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
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


@pytest.mark.parametrize("response", [None, {}])
def test_no_response(
    middleware: DockerflowMiddleware, request_: HttpRequest, log: Log, response: Any
) -> None:
    """What is no response is handed on, and recorded without a code."""
    middleware.process_request(request_)
    assert middleware.process_response(request_, response) is response
    assert "code" not in log.summary


def test_process_exception(
    middleware: DockerflowMiddleware, request_: HttpRequest, log: Log
) -> None:
    """process_exception, called by itself, records the exception; the response adds nothing."""
    middleware.process_request(request_)
    middleware.process_exception(request_, Http404())
    assert log.summaries == []
    middleware.process_exception(request_, ValueError("boom"))
    assert (log.summary["errno"], log.summary["msg"]) == (500, "boom")
    middleware.process_response(request_, HttpResponse(status=500))
    assert len(log.summaries) == 1
    request_id_context.set(None)


def test_removed_attributes(
    middleware: DockerflowMiddleware, request_: HttpRequest, log: Log
) -> None:
    """Where tests remove the start or the id, or there has been none, there is no t and no id."""
    middleware.process_request(request_)
    del vars(request_)["_id"], vars(request_)["_start_timestamp"]
    middleware.process_response(request_, None)
    middleware.process_response(RequestFactory().get("/"), HttpResponse())
    assert [(each["rid"], "t" in each) for each in log.summaries] == [(None, False)] * 2


def test_request_used_twice(
    middleware: DockerflowMiddleware, request_: HttpRequest, log: Log
) -> None:
    """A request that a test uses again has an id and a record of its own each time."""
    middleware(request_)
    middleware(request_)
    assert len({each["rid"] for each in log.summaries}) == 2


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
    assert (log.summary["code"], log.summary["errno"], log.summary["msg"]) == (code, 0, "")


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
    assert (log.summary["errno"], log.summary["msg"]) == (0, "")


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


def test_propagated_exceptions(log: Log) -> None:
    """An exception that Django hands on is the same object, and recorded."""
    error = LookupError("mine")

    def view(request: HttpRequest) -> HttpResponse:
        raise error

    assert get(view, DEBUG_PROPAGATE_EXCEPTIONS=True).error is error
    assert (log.summary["errno"], log.summary["msg"]) == (500, "mine")


def test_exceptions_of_the_test_client(log: Log) -> None:
    """Django's test client raises what a view raised, or answers with the page."""

    def view(request: HttpRequest, rest: str = "") -> HttpResponse:
        raise LookupError("mine")

    with serving(view):
        with pytest.raises(LookupError, match="mine"):
            Client().get("/page")
        assert Client(raise_request_exception=False).get("/page").status_code == 500
        with pytest.raises(Exception, match="__error__ endpoint"):
            Client().get("/__error__")
    assert [each["errno"] for each in log.summaries] == [500, 500, 500]


def test_page_of_the_error_endpoint() -> None:
    """The page of an endpoint that raises bears the id, like that of any view."""
    page = get(hello, "/__error__")
    assert (page.status, page.error) == (500, None)
    assert page.header("X-Request-ID")


@pytest.mark.parametrize("error", [None, LookupError("mine")], ids=["answered", "raised"])
def test_nothing_is_kept(log: Log, error: Exception | None) -> None:
    """A request is forgotten as soon as it has been answered, if Django itself forgets it."""
    import weakref

    requests: list[weakref.ref[HttpRequest]] = []

    def view(request: HttpRequest) -> HttpResponse:
        requests.append(weakref.ref(request))
        if error is not None:
            raise error.with_traceback(None)
        return HttpResponse()

    gc.collect()
    gc.disable()
    try:
        get(view, MIDDLEWARE=[])
        get(view)
        kept = [each() is not None for each in requests]
        assert kept[0] is kept[1]
    finally:
        gc.enable()


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


# ---------------------------------------------------------------------- settings


def test_settings_that_change(log: Log) -> None:
    """Each request goes by the settings as they are then, however they have been changed."""

    def answer() -> tuple[str | None, str | None, Any]:
        headers = Client().get("/page?a=b").headers
        return headers.get("X-Request-ID"), headers.get("X-Mine"), log.summaries[-1]["rid"]

    with serving(lambda request, rest="": HttpResponse()):
        with override_settings():
            ours, mine, rid = answer()
            assert (ours, mine) == (rid, None)
        settings.DOCKERFLOW_REQUEST_ID_HEADER_NAME = "X-Mine"
        with override_settings():
            ours, mine, rid = answer()
            assert (ours, mine) == (None, rid)
        with override_settings(DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER=False):
            assert answer()[:2] == (None, None)
        assert answer()[1] is not None
        settings.DOCKERFLOW_SUMMARY_LOG_QUERYSTRING = True
        answer()
        assert log.summaries[-1]["querystring"] == "a=b"
        paths = settings.DOCKERFLOW_SUMMARY_EXCLUDE_PATHS = ["/other"]
        answer()
        count = len(log.summaries)
        paths.append("/page")
        Client().get("/page")
        assert len(log.summaries) == count
        with override_settings():
            assert Client().get("/page").headers["X-Mine"]
            del settings.DOCKERFLOW_REQUEST_ID_HEADER_NAME
            assert Client().get("/page").headers["X-Request-ID"]


def test_headers_of_the_applications_own(log: Log) -> None:
    """A response whose headers are no longer Django's own gets the id all the same."""

    def view(request: HttpRequest) -> HttpResponse:
        response: Any = HttpResponse()
        response.headers = {"Content-Type": "text/plain"}
        return response  # type: ignore[no-any-return]

    assert get(view).header("X-Request-ID") == log.summary["rid"]
