"""The id of a request is sent to the named services, and nowhere else.

The clients are those of the recipes in docs/requests.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from dockerflow.logging import outgoing_headers, request_id_context
from tests.servers.web import ROOT

PAGE = (ROOT / "docs" / "requests.md").read_text()

Get = Callable[[str], None]


class Service:
    """The ids of requests that a server has received. ``/to?ADDRESS`` redirects there."""

    def __init__(self) -> None:
        self.url = ""
        self.ids: list[str | None] = []


@contextlib.contextmanager
def serving(host: str) -> Iterator[Service]:
    """Serve at one of this machine's host names."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.ids.append(self.headers["X-Request-ID"])
            _, _, address = self.path.partition("?")
            self.send_response(302 if address else 200)
            self.send_header("Location", address)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://{host}:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield service
        server.shutdown()
        thread.join()


@pytest.fixture
def named() -> Iterator[Service]:
    """Serve at the host that the recipes name."""
    with serving("127.0.0.1") as service:
        yield service


@pytest.fixture
def third_party() -> Iterator[Service]:
    """Serve at another host."""
    with serving("localhost") as service:
        yield service


@pytest.fixture(params=["requests", "httpx", "httpx-async", "aiohttp"])
def get(request: pytest.FixtureRequest, named: Service) -> Get:
    """Return a function that sends a GET by a recipe of the page, following redirects."""
    library, _, asynchronous = request.param.partition("-")
    block = re.search(rf":caption: with_{library}\.py\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    code = block[1].replace("http://stock.internal/", named.url)
    recipe: dict[str, Any] = {}
    exec(code.replace("stock.internal", "127.0.0.1"), recipe)

    def get_with_requests(url: str) -> None:
        with recipe["session"] as session:
            session.get(url).raise_for_status()

    def get_with_httpx(url: str) -> None:
        with recipe["client"] as client:
            client.get(url, follow_redirects=True).raise_for_status()

    async def get_with_httpx_async(url: str) -> None:
        async with recipe["async_client"] as client:
            (await client.get(url, follow_redirects=True)).raise_for_status()

    async def get_with_aiohttp(url: str) -> None:
        async with recipe["new_session"]() as session, session.get(url) as response:
            response.raise_for_status()

    match library, asynchronous:
        case "requests", _:
            return get_with_requests
        case "httpx", "":
            return get_with_httpx
        case "httpx", _:
            return lambda url: asyncio.run(get_with_httpx_async(url))
        case _:
            return lambda url: asyncio.run(get_with_aiohttp(url))


@pytest.fixture
def request_id() -> Iterator[str]:
    """Be in a request."""
    token = request_id_context.set("mine")
    yield "mine"
    request_id_context.reset(token)


def test_a_named_service_gets_the_id(get: Get, named: Service, request_id: str) -> None:
    """Requests to a named host have the id of the request."""
    get(named.url)
    assert named.ids == [request_id]


def test_a_third_party_gets_none(get: Get, third_party: Service, request_id: str) -> None:
    """Requests to another host do not have the id."""
    get(third_party.url)
    assert third_party.ids == [None]


def test_a_redirect_does_not_carry_the_id(
    get: Get, named: Service, third_party: Service, request_id: str
) -> None:
    """On a redirect from a named host to another one and back, only the named host gets the id."""
    get(f"{named.url}to?{third_party.url}to?{named.url}")
    assert named.ids == [request_id, request_id]
    assert third_party.ids == [None]


@pytest.mark.parametrize("value", [None, "", "not sane", "x\r\nY: z", "x" * 201])
def test_nothing_is_sent_without_a_sane_id(get: Get, named: Service, value: str | None) -> None:
    """Outside a request, or with an id that no header can carry, no id is sent."""
    token = request_id_context.set(value)
    try:
        get(named.url)
    finally:
        request_id_context.reset(token)
    assert named.ids == [None]


def test_the_header_may_have_another_name(request_id: str) -> None:
    """A service that reads another header gets the id in it."""
    assert outgoing_headers("X-Trace") == {"X-Trace": request_id}
