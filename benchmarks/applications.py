"""An application of each framework with the view ``/hello``, called as a server would call it.

They run with these packages and with the existing one, so they use only the API of both.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import pathlib
import re
import socket
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any
from wsgiref.util import setup_testing_defaults

from dockerflow.checks import register

from . import by_hand
from .timing import Work

Checks = Sequence[Callable[..., Any]]

# The headers of a browser, through a proxy.
HEADERS = {
    "Host": "service.example.org",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Accept-Language": "de,en-US;q=0.7,en;q=0.3",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Connection": "keep-alive",
    "Cookie": "theme=dark; consent=1",
    "X-Forwarded-For": "203.0.113.7",
}


def _flask(path: str, package: str, checks: Checks = ()) -> Work:
    from flask import Flask

    from dockerflow.flask import Dockerflow

    app = Flask("service", root_path=".")
    app.add_url_rule("/hello", view_func=lambda: "hello")
    for check in checks:
        register(check)
    if package:
        Dockerflow(app, version_path=_version_folder())
    return _wsgi(app, path)


def _fastapi(path: str, package: str, checks: Checks = ()) -> Work:
    from fastapi import FastAPI
    from starlette.responses import PlainTextResponse

    from dockerflow.fastapi import router
    from dockerflow.fastapi.middleware import MozlogRequestSummaryLogger, RequestIdMiddleware

    async def hello() -> str:
        return "hello"

    app = FastAPI()
    app.add_api_route("/hello", hello, response_class=PlainTextResponse)
    for check in checks:
        register(check)
    if package == "dockerflow":  # the existing package has no extension; both use the parts
        app.state.APP_DIR = _version_folder()
        app.include_router(router)
        app.add_middleware(RequestIdMiddleware)
        app.add_middleware(MozlogRequestSummaryLogger)
    elif package:
        peer: Any = import_module(package)  # installed only in the benchmark environment
        app.add_middleware(peer.CorrelationIdMiddleware)
    return _asgi(app, path)


def _django(path: str, package: str, checks: Checks = (), *, is_async: bool) -> Work:
    import django
    from django.conf import settings
    from django.core import checks as django_checks
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpRequest, HttpResponse
    from django.urls import path as route

    def hello(request: HttpRequest) -> HttpResponse:
        return HttpResponse("hello")

    async def hello_async(request: HttpRequest) -> HttpResponse:
        return HttpResponse("hello")

    apps = ["django.contrib.auth", "django.contrib.contenttypes", "dockerflow.django"]
    middleware = {
        "": [],
        "dockerflow": ["dockerflow.django.middleware.DockerflowMiddleware"],
        "django_guid": ["django_guid.middleware.guid_middleware"],
    }
    settings.configure(
        ALLOWED_HOSTS=["*"],
        BASE_DIR=pathlib.Path(_version_folder()),
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DJANGO_GUID={"GUID_HEADER_NAME": "X-Request-ID"},
        DOCKERFLOW_CHECKS=[],
        INSTALLED_APPS=[*apps, "django_guid"] if package == "django_guid" else apps,
        LOGGING_CONFIG=None,
        MIDDLEWARE=middleware[package],
        ROOT_URLCONF=(route("hello", hello_async if is_async else hello),),
        SECRET_KEY="of-no-use" * 8,
        USE_TZ=True,
    )
    for check in checks:
        django_checks.register(check)
    django.setup()
    # With these settings, the existing package would log Django's own checks at each heartbeat.
    logging.getLogger("dockerflow").setLevel(logging.CRITICAL)
    logging.getLogger("django_guid").setLevel(logging.WARNING)
    return _asgi(ASGIHandler(), path) if is_async else _wsgi(WSGIHandler(), path)


def _sanic(path: str, package: str, checks: Checks = ()) -> Work:
    from sanic import HTTPResponse, Request, Sanic
    from sanic.response import text

    from dockerflow.sanic import Dockerflow

    async def hello(request: Request[Any, Any]) -> HTTPResponse:
        return text("hello")

    app: Any = Sanic("service", configure_logging=False)
    app.config.ACCESS_LOG = False
    app.add_route(hello, "/hello")
    if package:
        extension: Any = Dockerflow(app, version_path=_version_folder())
        for check in checks:
            extension.check(check, name=check.__name__)
    return _served_by_sanic(app, path)


def _bare_wsgi(path: str, package: str, checks: Checks = ()) -> Work:
    from dockerflow.wsgi import Dockerflow

    def app(environ: object, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
        return [b"hello"]

    if package == "by_hand":
        by_hand.setup()
        return _wsgi(by_hand.WSGIMiddleware(app), path)
    return _wsgi(Dockerflow(app) if package else app, path)


def _bare_asgi(path: str, package: str, checks: Checks = ()) -> Work:
    from dockerflow.asgi import Dockerflow

    headers = [(b"content-type", b"text/plain"), (b"content-length", b"5")]

    async def app(scope: object, receive: object, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"hello"})

    if package == "by_hand":
        by_hand.setup()
        return _asgi(by_hand.ASGIMiddleware(app), path)
    if package == "asgi_correlation_id":
        peer: Any = import_module(package)
        return _asgi(peer.CorrelationIdMiddleware(app), path)
    return _asgi(Dockerflow(app) if package else app, path)


# Each builds an application with a package (dockerflow, a similar one, or "" for none) and with
# heartbeat checks, and returns a function that requests a path.
APPLICATIONS: dict[str, Callable[..., Work]] = {
    "flask": _flask,
    "fastapi": _fastapi,
    "django_wsgi": partial(_django, is_async=False),
    "django_asgi": partial(_django, is_async=True),
    "sanic": _sanic,
    "wsgi": _bare_wsgi,
    "asgi": _bare_asgi,
}


def _wsgi(app: Any, path: str) -> Work:
    """Return a function that requests a path from a WSGI application, as gunicorn does."""
    base: dict[str, Any] = {
        "PATH_INFO": path,
        "QUERY_STRING": "page=2",
        "RAW_URI": f"{path}?page=2",
        "REMOTE_ADDR": "127.0.0.1",
        **{"HTTP_" + name.upper().replace("-", "_"): value for name, value in HEADERS.items()},
    }
    setup_testing_defaults(base)
    statuses: list[str] = []

    def start_response(status: str, headers: object, exc_info: object = None) -> None:
        statuses.append(status)

    def ask(count: int) -> None:
        for _ in range(count):
            body = app({**base, "wsgi.input": io.BytesIO()}, start_response)
            b"".join(body)
            if hasattr(body, "close"):
                body.close()
            assert statuses.pop() == "200 OK"

    return ask


def _asgi(app: Any, path: str) -> Work:
    """Return a function that requests a path from an ASGI application, as uvicorn does."""
    base: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 40312),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"page=2",
        "headers": [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()],
    }
    loop = asyncio.new_event_loop()

    async def ask_once() -> None:
        messages = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            if not messages:
                await loop.create_future()  # until the client disconnects
            return messages.pop()

        async def send(message: dict[str, Any]) -> None:
            assert message.get("status", 200) == 200, message

        await app({**base, "state": {}}, receive, send)

    async def ask_all(count: int) -> None:
        for _ in range(count):
            await loop.create_task(ask_once())

    return lambda count: loop.run_until_complete(ask_all(count))


def _served_by_sanic(app: Any, path: str) -> Work:
    """Return a function that requests a path from a Sanic application's own server."""
    headers = [f"{name}: {value}" for name, value in HEADERS.items()]
    request = "\r\n".join([f"GET {path} HTTP/1.1", *headers, "", ""]).encode()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        listening = socket.create_server(("127.0.0.1", 0))
        server = await app.create_server(sock=listening, return_asyncio_server=True)
        await server.startup()
        await server.before_start()
        await server.start_serving()
        await server.after_start()
        return await asyncio.open_connection(*listening.getsockname())

    reader, writer = loop.run_until_complete(connect())

    async def ask_all(count: int) -> None:
        for _ in range(count):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)

    return lambda count: loop.run_until_complete(ask_all(count))


def _version_folder() -> str:
    """Return a folder with a ``version.json``, which lives as long as the process."""
    folder = tempfile.mkdtemp(prefix="dockerflow-benchmark-")
    version = {"version": "2026.11.0", "commit": "52ce614fbf99540a1bf6228e36be6cef63b4d73b"}
    pathlib.Path(folder, "version.json").write_text(json.dumps(version), encoding="utf-8")
    return folder
