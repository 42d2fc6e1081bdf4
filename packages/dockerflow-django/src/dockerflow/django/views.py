"""The endpoints as views. The middleware calls them itself; ``dockerflow.django.urls`` offers them.

``aversion`` and ``aheartbeat`` are what async code awaits in place of their namesakes.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
from collections.abc import Callable
from typing import Any, TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.dispatch import Signal
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, SimpleCookie
from django.http.response import ResponseHeaders

from dockerflow.checks import ERROR
from dockerflow.endpoints import (
    CONTAINER_ROOT,
    Reply,
    error_called,
    find_version_to_send,
    heartbeat_reply,
    lbheartbeat_reply,
    version_endpoint,
    version_endpoint_async,
)
from dockerflow.version import VersionError

from .conf import endpoint_settings, logger, setting, version_callback
from .heartbeat import run_checks, run_checks_async
from .signals import heartbeat_failed, heartbeat_passed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dockerflow.checks import ChecksResults  # a millisecond that the first heartbeat takes

View = TypeVar("View", bound=Callable[[HttpRequest], HttpResponse])


class _Every:
    def __contains__(self, alias: object) -> bool:
        return True


def _for_probers(view: View) -> View:
    # A prober has neither a token nor a user, and ATOMIC_REQUESTS would ask the databases first.
    for name, value in {
        "csrf_exempt": True,
        "login_required": False,
        "_non_atomic_requests": _Every(),
    }.items():
        setattr(view, name, value)
    return view


# ---------------------------------------------------------------------- the views


@_for_probers
def version(request: HttpRequest) -> HttpResponse:
    """Answer with ``version.json``.

    :param request: a request of any path.
    """
    if _belongs_to_loop(request):
        return async_to_sync(aversion)(request)
    return _refusal(request) or _to_response(request, version_endpoint(_read_version, logger))


async def aversion(request: HttpRequest) -> HttpResponse:
    """Do as :func:`version` does; a callback of the application that is sync gets a thread.

    :param request: as there.
    """
    refused = _refusal(request)
    if refused is not None:
        return refused

    def read() -> object:
        is_own = setting("DOCKERFLOW_VERSION_CALLBACK") is not None
        return sync_to_async(_read_version)() if is_own else _read_version()

    return _to_response(request, await version_endpoint_async(read, logger))


@_for_probers
def heartbeat(request: HttpRequest) -> HttpResponse:
    """Run the checks, and answer with what they say.

    :param request: a request of any path.
    """
    if _belongs_to_loop(request):
        return async_to_sync(aheartbeat)(request)
    refused = _refusal(request)
    if refused is not None:
        return refused
    results = run_checks()
    _signal_of(results).send_robust(sender=heartbeat, level=results.level)
    return _to_response(request, _heartbeat_reply(results))


async def aheartbeat(request: HttpRequest) -> HttpResponse:
    """Do as :func:`heartbeat` does, with async checks on the running event loop.

    :param request: as there.
    """
    refused = _refusal(request)
    if refused is not None:
        return refused
    results = await run_checks_async()
    signal: Any = _signal_of(results)
    if signal.has_listeners(heartbeat):
        # since Django 5.0; either calls sync receivers where they may use the ORM
        send = getattr(signal, "asend_robust", None) or sync_to_async(signal.send_robust)
        await send(sender=heartbeat, level=results.level)
    return _to_response(request, _heartbeat_reply(results))


@_for_probers
def lbheartbeat(request: HttpRequest) -> HttpResponse:
    """Answer that the process serves requests.

    :param request: a request of any path.
    """
    return _refusal(request) or _to_response(request, _LBHEARTBEAT)


@_for_probers
def error(request: HttpRequest) -> HttpResponse:
    """Raise, so that the reporting of errors can be tried.

    :param request: a request of any path.
    :raises dockerflow.endpoints.ErrorEndpointCalled: always.
    :raises django.http.Http404: where ``DOCKERFLOW_ERROR_ENDPOINT`` is off.
    """
    if not endpoint_settings.error_endpoint:
        raise Http404
    return _refusal(request) or error_called(logger)


ENDPOINTS = {
    f"/__{name}__{slash}": name
    for name in ("version", "heartbeat", "lbheartbeat", "error")
    for slash in ("", "/")
}


def endpoint_of(path: str, *, asynchronous: bool) -> Callable[[HttpRequest], Any] | None:
    """Return the view of a path of the application, ``None`` where it is the application's own.

    :param path: the path, without the prefix that the server strips.
    :param asynchronous: prefer one whose answer is awaited.
    """
    name = ENDPOINTS.get(path)
    if name is None or (name == "error" and not endpoint_settings.error_endpoint):
        return None
    # looked up now, since applications' tests patch them
    view: Callable[[HttpRequest], Any] = globals()[name]
    return globals().get(f"a{name}", view) if asynchronous else view


# ---------------------------------------------------------------------- what they say

_LBHEARTBEAT = lbheartbeat_reply()


def _read_version() -> object:
    root: Any = setting("BASE_DIR")
    try:
        callback = version_callback()
    except ValueError as wrong:
        raise VersionError(str(wrong)) from wrong
    if callback is None:
        return find_version_to_send(root, ())
    if inspect.iscoroutinefunction(callback):
        callback = async_to_sync(callback)
    return callback(os.fspath(CONTAINER_ROOT if root is None else root))


def _heartbeat_reply(results: ChecksResults) -> Reply:
    return heartbeat_reply(
        results,
        show_details=endpoint_settings.show_details(bool(setting("DEBUG"))),
        failed_status=endpoint_settings.failed_status,
    )


def _signal_of(results: ChecksResults) -> Signal:
    return heartbeat_failed if results.level >= ERROR else heartbeat_passed


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if request.method in ("GET", "HEAD"):
        return None
    response = HttpResponseNotAllowed(["GET", "HEAD"])
    response.headers["Cache-Control"] = "no-store"
    return response


def _to_response(request: HttpRequest, reply: Reply) -> HttpResponse:
    status, content, media_type, more = reply
    # WSGI servers send what they are given, also in answer to HEAD.
    body = b"" if request.method == "HEAD" else content
    store = _checked_headers(HttpResponse, status, media_type, more, len(content))
    if store is None:
        return _new_response(status, media_type, more, len(content), body)
    return _assembled(status, store, body)


def _new_response(
    status: int, media_type: str, more: tuple[tuple[str, str], ...], length: int, body: bytes
) -> HttpResponse:
    response = HttpResponse(body, media_type, status)
    response.headers["Content-Length"] = str(length)
    for name, value in more:
        response.headers[name] = value
    return response


def _assembled(status: int, store: dict[str, Any], body: bytes) -> HttpResponse:
    # What Django's constructor sets, at a third of the time, which it needs to look at the headers.
    response = HttpResponse.__new__(HttpResponse)
    own: Any = response  # parts that types do not tell of
    own.headers = headers = ResponseHeaders({})
    headers._store = store.copy()
    own._charset = None
    own._resource_closers = []
    own._handler_class = None
    own.cookies = SimpleCookie()
    own.closed = False
    own.status_code = status
    own._reason_phrase = None
    own._container = [body]
    return response


@functools.lru_cache(maxsize=32)
def _checked_headers(
    kind: object, status: int, media_type: str, more: tuple[tuple[str, str], ...], length: int
) -> dict[str, Any] | None:
    """Return the headers of a response as Django keeps them, once it has found them good.

    :param kind: the class of responses, which a test may have replaced.
    :returns: ``None`` where a response is more than is known here: with another Django.
    """
    response = _new_response(status, media_type, more, length, b"")
    try:
        store: dict[str, Any] = vars(response.headers)["_store"]
        is_known = _parts(_assembled(status, store, b"")) == _parts(response)
    except Exception:
        return None
    return store if is_known else None


def _parts(response: HttpResponse) -> object:
    parts: dict[str, Any] = vars(response)
    kinds: dict[str, object] = {name: type(parts[name]) for name in parts}
    return parts, kinds, vars(response.headers)


def _belongs_to_loop(request: HttpRequest) -> bool:
    """Say whether this is a thread in which an ASGI application's event loop runs a sync view."""
    if not isinstance(request, ASGIRequest):
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False
