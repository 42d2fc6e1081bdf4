"""What Django's middleware does in fewer steps for ordinary requests: with the same result."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIHandler
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.test import Client, RequestFactory

from dockerflow.django import views
from dockerflow.django.middleware import DockerflowMiddleware
from dockerflow.django.observed import KEY
from dockerflow.endpoints import Reply
from tests.adapters.conftest import Log
from tests.adapters.django import BOTH, OURS, View, aget, get, hello, serving
from tests.adapters.harness import Answer, WSGIApp


def streamed(request: HttpRequest, status: int = 200) -> StreamingHttpResponse:
    """Respond with a body of the kind that the server asks for."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    is_asgi = isinstance(request, ASGIRequest)
    return StreamingHttpResponse(chunks() if is_asgi else iter([b"one", b"two"]), status=status)


class Overriding(DockerflowMiddleware):
    """A middleware that overrides all that may be overridden, and changes nothing."""

    def process_request(self, request: HttpRequest) -> Any:
        """Do as the middleware does."""
        return super().process_request(request)

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Do as the middleware does."""
        return super().process_response(request, response)

    def _build_extra_meta(self, request: HttpRequest) -> Any:
        return super()._build_extra_meta(request).items()


class Streaming(DockerflowMiddleware):
    """A middleware that streams what comes as a whole."""

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Say what came, and what is sent in its place."""
        super().process_response(request, response)
        return super().process_response(request, streamed(request, 202))


class Bare(HttpResponseBase):
    """A response that is neither Django's whole one nor its streamed one."""

    streaming = False

    def __iter__(self) -> Any:
        return iter([b"bare"])


def raises(request: HttpRequest) -> HttpResponse:
    """Fail."""
    raise LookupError("mine")


RESPONSES: dict[str, View] = {
    "whole": lambda request: HttpResponse("hello"),
    "json": lambda request: JsonResponse({"a": 1}, status=201),
    "redirect": lambda request: HttpResponseRedirect("/other"),
    "failed": lambda request: HttpResponse(status=503),
    "with an id": lambda request: HttpResponse(headers={"x-request-id": "its own"}),
    "streamed": streamed,
    "raises": raises,
}


@BOTH
@pytest.mark.parametrize("respond", RESPONSES.values(), ids=RESPONSES)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"DOCKERFLOW_SUMMARY_LOG_QUERYSTRING": True},
        {"DOCKERFLOW_SUMMARY_EXCLUDE_PATHS": ["/other"]},
        {"DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER": False},
    ],
    ids=lambda settings: next(iter(settings), "none"),
)
def test_overriding_changes_nothing(
    answer: Callable[..., Answer], log: Log, respond: View, settings: dict[str, Any]
) -> None:
    """A middleware whose methods are overridden answers and records as one whose are not."""
    pages: list[Any] = []
    for name in (OURS, f"{__name__}.Overriding"):
        page = answer(respond, "/page?a=b", MIDDLEWARE=[name], **settings)
        summary = log.summaries[-1]
        assert isinstance(summary.pop("t"), int)
        pages.append(
            (
                page.status,
                page.body,
                [(key, value) for key, value in page.headers if value != summary["rid"]],
                page.header("X-Request-ID") == summary.pop("rid"),
                json.dumps(summary),
            )
        )
    assert pages[0] == pages[1]
    assert len(log.summaries) == 2


def test_methods_that_tests_patch(log: Log) -> None:
    """A method that is patched when a request comes is called, however late it was patched."""
    with serving(lambda request, rest="": HttpResponse("hello")):
        client = Client()
        client.get("/page")

        def build(self: Any, request: HttpRequest) -> dict[str, Any]:
            return {"path": "patched"}

        def respond(self: Any, request: HttpRequest, response: Any) -> Any:
            return HttpResponse("patched")

        with mock.patch.object(DockerflowMiddleware, "_build_extra_meta", build):
            client.get("/page")
        with mock.patch.object(DockerflowMiddleware, "process_response", respond):
            assert client.get("/page").content == b"patched"
    assert [each["path"] for each in log.summaries] == ["/page", "patched"]
    middleware = DockerflowMiddleware(hello)
    with mock.patch.object(middleware, "_build_extra_meta", return_value={"path": "its own"}):
        middleware(RequestFactory().get("/"))
    assert log.summaries[-1]["path"] == "its own"


def test_provisional_time(log: Log) -> None:
    """A subclass is shown the time that has passed until then."""
    seen: list[int] = []

    class Timed(DockerflowMiddleware):
        def _build_extra_meta(self, request: HttpRequest) -> dict[str, Any]:
            fields = super()._build_extra_meta(request)
            seen.append(fields["t"])
            return fields

    clock = itertools.count(5_000_000, 5_000_000)
    middleware = Timed(hello)
    with mock.patch("time.monotonic_ns", clock.__next__):
        middleware(RequestFactory().get("/"))
    assert (seen, log.summary["t"]) == ([5], 10)


def test_response_of_a_third_kind(log: Log) -> None:
    """A response of an application's own kind gets the id, and is recorded."""
    request = RequestFactory().get("/")
    response = DockerflowMiddleware(lambda request: Bare(status=203))(request)
    assert response.headers["X-Request-ID"] == log.summary["rid"]
    assert log.summary["code"] == 203


@BOTH
def test_stream_in_place_of_a_whole(answer: Callable[..., Answer], log: Log) -> None:
    """Where a subclass sends a stream in place of what came, the request ends with the stream."""
    stack = [f"{__name__}.Streaming"]
    page = answer(hello, MIDDLEWARE=stack)
    assert (page.status, page.body) == (202, b"onetwo")
    assert log.summary["code"] == 202
    with serving(lambda request, rest="": hello(request), MIDDLEWARE=stack):
        WSGIApp(WSGIHandler()).request("/page", read=1)
    assert log.summaries[1]["code"] == 499


@BOTH
def test_removed_start(answer: Callable[..., Answer], log: Log) -> None:
    """Where a view removes the start, there is no t."""

    def view(request: HttpRequest) -> HttpResponse:
        del vars(request)["_start_timestamp"]
        return HttpResponse()

    assert answer(view).status == 200
    assert "t" not in log.summary


@BOTH
def test_exception_is_not_kept(answer: Callable[..., Answer], log: Log) -> None:
    """What a view raised is recorded, and not kept with the request."""
    requests: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        raise LookupError("mine")

    assert answer(view).status == 500
    assert log.summary["msg"] == "mine"
    (request,) = requests
    assert vars(request)[KEY].error is None


class Naming:
    """A middleware that finds out late who is asking."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        """Hand on, and name the user."""
        response = self.get_response(request)
        vars(request)["user"] = SimpleNamespace(is_authenticated=True, pk=7)
        return response


def test_outer_of_two(log: Log) -> None:
    """Of two middlewares the outer says what is recorded, as late as it can."""
    get(hello, MIDDLEWARE=[OURS, f"{__name__}.Naming", f"{__name__}.Overriding"])
    assert log.summary["uid"] == 7


@BOTH
@pytest.mark.parametrize("respond", RESPONSES.values(), ids=RESPONSES)
def test_twice_is_as_once(answer: Callable[..., Answer], log: Log, respond: View) -> None:
    """A middleware that is listed twice makes the one record that it makes alone."""
    for count in (1, 2):
        answer(respond, MIDDLEWARE=[OURS] * count)
    once, twice = log.summaries
    assert once.pop("rid") != twice.pop("rid")
    assert {**once, "t": 0} == {**twice, "t": 0}


# ---------------------------------------------------------------------- the endpoints' calls


@BOTH
@pytest.mark.parametrize("name", [OURS, f"{__name__}.Overriding"])
@pytest.mark.parametrize(
    ("error", "status"),
    [(LookupError("mine"), 500), (PermissionDenied("mine"), 403), (Http404("mine"), 404)],
    ids=["500", "403", "404"],
)
def test_pages_of_endpoints(
    answer: Callable[..., Answer], log: Log, name: str, error: Exception, status: int
) -> None:
    """What an endpoint raises becomes the page that it becomes in a view, and bears the id."""

    def failing(request: HttpRequest, rest: str = "") -> HttpResponse:
        raise error

    with mock.patch.object(views, "lbheartbeat", failing):
        page = answer(hello, "/__lbheartbeat__", MIDDLEWARE=[name])
    expected = answer(failing, MIDDLEWARE=[name])
    assert (page.status, page.body, page.error) == (status, expected.body, None)
    ours, views_own = log.summaries
    assert page.header("X-Request-ID") == ours["rid"]
    for key in ("errno", "code", "msg"):
        assert ours[key] == views_own[key]


class Later:
    """A response that is to be awaited, and no coroutine."""

    def __await__(self) -> Any:
        yield from ()
        return HttpResponse("awaited", status=202)


async def respond_later(request: HttpRequest) -> HttpResponse:
    """Be an async view."""
    response: HttpResponse = await Later()
    return response


@pytest.mark.parametrize(
    ("view", "body"),
    [
        (lambda request: HttpResponse("whole", status=202), b"whole"),
        (lambda request: JsonResponse({}, status=202), b"{}"),
        (lambda request: Later(), b"awaited"),
        (respond_later, b"awaited"),
        (lambda request: streamed(request, 202), b"onetwo"),
    ],
    ids=["whole", "json", "awaitable", "async", "streamed"],
)
def test_patched_view_of_any_kind(log: Log, view: View, body: bytes) -> None:
    """Under ASGI a view that replaces an endpoint's may answer now or later, with any response."""
    with mock.patch.object(views, "lbheartbeat", view):
        page = aget(hello, "/__lbheartbeat__")
    assert (page.status, page.body) == (202, body)
    assert log.summary["code"] == 202
    assert page.header("X-Request-ID") == log.summary["rid"]


# ---------------------------------------------------------------------- the endpoints' responses


class OtherHeaders(dict[str, str]):
    """Headers that are not kept as Django keeps them."""


class OtherResponse(HttpResponse):
    """The response of another Django."""

    def __init__(self, content: Any = b"", content_type: Any = None, status: Any = None) -> None:
        super().__init__(content, content_type, status)
        self.headers: Any = OtherHeaders(self.headers)


REPLY = Reply(207, b"{}", "application/json", (("Cache-Control", "no-store"), ("X-A", "b")))


def state(response: HttpResponse) -> Any:
    """Return all that a response consists of, with the kinds of things and the order of headers."""
    parts = {name: (type(part), part) for name, part in vars(response).items()}
    return type(response), parts, vars(response.headers), [*response.items()]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "reply",
    [Reply(200), REPLY, Reply(404, b"not found"), Reply(503, b"", "text/html", ())],
    ids=lambda reply: str(reply.status),
)
def test_responses_of_endpoints(reply: Reply, method: str) -> None:
    """The response of an endpoint is put together, and is what the constructor makes."""
    made = HttpResponse(b"" if method == "HEAD" else reply.body, reply.media_type, reply.status)
    made["Content-Length"] = str(len(reply.body))
    for name, value in reply.headers:
        made[name] = value
    with mock.patch.object(views, "_new_response", wraps=views._new_response) as new:
        request = RequestFactory().generic(method, "/")
        assert state(views._to_response(request, reply)) == state(made)
        new.reset_mock()
        response = views._to_response(request, reply)
        new.assert_not_called()
    assert state(response) == state(made)
    assert (response.charset, response.reason_phrase) == (made.charset, made.reason_phrase)
    assert state(pickle.loads(pickle.dumps(response))) == state(made)
    response.write(b"more")
    assert response.content == made.content + b"more"


def test_responses_share_nothing() -> None:
    """What is done to one response of an endpoint is not seen in the next."""
    request = RequestFactory().get("/")
    first = views._to_response(request, REPLY)
    expected = [*first.items()]
    first["X-A"] = "changed"
    first["X-C"] = "added"
    first.set_cookie("theme", "dark")
    first.write(b"more")
    first._resource_closers.append(lambda: None)  # type: ignore[attr-defined] # Django's own
    first.status_code = 500
    first.close()
    second = views._to_response(request, REPLY)
    assert [*second.items()] == expected
    assert (second.status_code, second.content, second.closed) == (207, b"{}", False)
    assert not second.cookies
    assert second._resource_closers == []  # type: ignore[attr-defined] # likewise


def kinds(thing: object) -> dict[str, type]:
    """Return the parts of an object, by their classes."""
    return {name: type(part) for name, part in vars(thing).items()}


class LargerResponse(HttpResponse):
    """The response of a Django that notes more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.more: list[str] = []


class SmallerResponse(HttpResponse):
    """The response of a Django that keeps its content otherwise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept = vars(self).pop("_container")

    def __iter__(self) -> Any:
        return iter(self.kept)


class OtherCookiesResponse(HttpResponse):
    """The response of a Django that keeps cookies in a class of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        vars(self)["cookies"] = OtherHeaders()


class MoreHeadersResponse(HttpResponse):
    """The response of a Django whose headers note more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        vars(self.headers)["noted"] = "more"


class LockedResponse(HttpResponse):
    """The response of a Django that lets only its constructor set parts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        vars(self)["unlocked"] = True
        super().__init__(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        if "unlocked" not in vars(self):
            raise AttributeError(name)
        super().__setattr__(name, value)


@pytest.mark.parametrize(
    "kind",
    [
        OtherResponse,
        LargerResponse,
        SmallerResponse,
        OtherCookiesResponse,
        MoreHeadersResponse,
        LockedResponse,
    ],
)
def test_response_of_another_django(kind: type[HttpResponse]) -> None:
    """Where a response has other parts than those known, the constructor makes it."""
    request = RequestFactory().get("/")
    usual = views._to_response(request, REPLY)
    with mock.patch.object(views, "HttpResponse", kind):
        for _ in range(2):
            response = views._to_response(request, REPLY)
            made = kind(b"{}", "application/json", 207)
            for one, other in ((response, made), (response.headers, made.headers)):
                assert kinds(one) == kinds(other)
            assert [*response.headers.items()] == [*usual.headers.items()]
            assert (response.status_code, [*response]) == (207, [b"{}"])


def test_headers_that_are_not_djangos(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The id of an endpoint's answer goes by the same way."""
    monkeypatch.setattr(views, "HttpResponse", OtherResponse)
    page = get(hello, "/__lbheartbeat__")
    assert page.header("X-Request-ID") == log.summary["rid"]
    assert page.header("Cache-Control") == "no-store"
