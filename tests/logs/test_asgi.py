"""RequestObserver around plain ASGI applications: what it sends and records, and when."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any
from unittest.mock import AsyncMock

import pytest

from dockerflow.logging import request_id_context
from dockerflow.logging.asgi import ASGIApplication, Message, Receive, RequestObserver, Scope, Send
from dockerflow.logging.bodies import ObservedAsyncBody
from dockerflow.logging.request import RequestObservation, RequestSettings

from .conftest import Summaries

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
WITH_LENGTH: Message = {**START, "headers": [(b"Content-Length", b"3")]}
BODY: Message = {"type": "http.response.body", "body": b"abc"}
MORE: Message = {**BODY, "more_body": True}
PATH_SEND: Message = {"type": "http.response.pathsend", "path": "/file"}
ZERO_COPY: Message = {"type": "http.response.zerocopysend", "file": 3}
OTHER: Message = {"type": "of an extension"}
GONE: Message = {"type": "http.disconnect"}
ID = (b"x-request-id", b"the-id")


def scope(**more: Any) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": "/", "headers": [ID], **more}


async def gone() -> Message:
    return GONE


async def ignore(message: Message) -> None: ...


def sending(*messages: Message, error: BaseException | None = None) -> ASGIApplication:
    """Return an application that sends the messages; a GONE among them is received instead."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert request_id_context.get() == "the-id"
        for message in messages:
            if message is GONE:
                assert await receive() is GONE
            else:
                await send(message)
        if error is not None:
            raise error

    return app


def serve(app: RequestObserver, send: Send = ignore, **more: Any) -> None:
    async def main() -> None:
        await app(scope(**more), gone, send)
        assert request_id_context.get() is None

    asyncio.run(main())


def sent_by(app: RequestObserver, **more: Any) -> list[Message]:
    send = AsyncMock()
    serve(app, send, **more)
    return [call.args[0] for call in send.await_args_list]


# ---------------------------------------------------------------------- answers


@pytest.mark.parametrize(("path", "whole"), [("/app/p", "/app/p"), ("/p", "/app/p")])
def test_an_answer(summaries: Summaries, path: str, whole: str) -> None:
    """The answer is the application's, with the id, and only the outer observer records it."""
    app = RequestObserver(RequestObserver(sending(START, BODY)))
    start, body = sent_by(app, root_path="/app", path=path)
    assert start == {**START, "headers": [ID]}
    assert body is BODY
    assert START["headers"] == [], "the application's message stays as it was"
    found = summaries.only
    assert (found["code"], found["rid"], found["path"]) == (200, "the-id", whole)


@pytest.mark.parametrize(
    ("headers", "rest"),
    [
        ({}, [{"type": "http.response.body"}]),
        ({"headers": iter([(b"a", b"b")])}, [MORE, {**BODY, "more_body": False}]),
        ({}, [{"type": "http.response.push", "path": "/style.css", "headers": []}, BODY]),
        ({}, [BODY, {"type": "http.response.trailers", "headers": [(b"t", b"1")]}]),
    ],
)
def test_messages(summaries: Summaries, headers: dict[str, Any], rest: list[Message]) -> None:
    """All messages reach the server unchanged, whatever their type; headers may be absent."""
    bare: Message = {"type": "http.response.start", "status": 204}
    start, *others = sent_by(RequestObserver(sending({**bare, **headers}, *rest)))
    assert start == {**bare, "headers": [(b"a", b"b"), ID] if headers else [ID]}
    assert others == rest
    assert summaries.outcomes == [(204, 0)]


@pytest.mark.parametrize("last", [BODY, PATH_SEND, ZERO_COPY])
def test_the_last_byte(summaries: Summaries, last: Message) -> None:
    """The record is written with the last byte, before background tasks end."""
    recorded: list[int] = []

    async def send(message: Message) -> None:
        recorded.append(len(summaries.records))

    serve(RequestObserver(sending(START, MORE, last, OTHER)), send)
    assert recorded == [0, 0, 0, 1]


def test_a_copied_scope(summaries: Summaries) -> None:
    """A request that is created from an earlier one's scope is a request of its own."""
    app = RequestObserver(sending(START, BODY))
    first = scope()
    asyncio.run(app(first, gone, ignore))
    asyncio.run(app(first.copy(), gone, ignore))
    assert summaries.outcomes == [(200, 0), (200, 0)]


def test_settings(summaries: Summaries) -> None:
    """Settings and logger are the given ones."""
    settings = RequestSettings(sends_id=False, logs_query_string=True)
    app = RequestObserver(sending(START, BODY), settings, logging.getLogger("other.summary"))
    assert sent_by(app, query_string=b"a=%20") == [START, BODY]
    assert summaries.only["querystring"] == "a= "
    assert summaries.records[0].name == "other.summary"


def test_websockets(summaries: Summaries) -> None:
    """A websocket has its id, also in a response that refuses it, and no summary."""
    accept: Message = {"type": "websocket.accept"}
    assert sent_by(RequestObserver(sending(accept)), type="websocket") == [accept]
    start: Message = {"type": "websocket.http.response.start", "status": 403, "headers": []}
    body: Message = {"type": "websocket.http.response.body"}
    refused = RequestObserver(sending(start, body))
    assert sent_by(refused, type="websocket") == [{**start, "headers": [ID]}, body]
    assert summaries.records == []


@pytest.mark.parametrize("kind", ["lifespan", "webtransport"])
def test_other_scopes(kind: str) -> None:
    """A lifespan, and scopes of future types, pass through unchanged."""
    app = AsyncMock()
    asyncio.run(RequestObserver(app)({"type": kind}, gone, ignore))
    app.assert_awaited_once_with({"type": kind}, gone, ignore)


# ---------------------------------------------------------------------- other endings

CRASH = ZeroDivisionError("crashed")
CANCELLED = asyncio.CancelledError()


@pytest.mark.parametrize(
    ("messages", "error", "outcome"),
    [
        ([], CRASH, (500, 500)),
        ([START], CRASH, (200, 500)),
        ([{**START, "status": 201}, MORE], CRASH, (201, 500)),
        ([START, BODY], CRASH, (200, 0)),
        ([], CANCELLED, (499, 0)),
        ([START], CANCELLED, (499, 0)),
        ([START, MORE], CANCELLED, (499, 0)),
        ([START, BODY], CANCELLED, (200, 0)),
        ([{**START, "status": 503}, BODY], CANCELLED, (503, 503)),
    ],
)
def test_an_application_that_raises(
    summaries: Summaries, messages: list[Message], error: BaseException, outcome: tuple[int, int]
) -> None:
    """An exception of the application is raised with its id; after the last byte it is ignored."""

    async def main() -> None:
        with pytest.raises(type(error)) as raised:
            await RequestObserver(sending(*messages, error=error))(scope(), gone, ignore)
        assert raised.value is error
        assert request_id_context.get() == "the-id", "the server's own traceback bears it"

    asyncio.run(main())
    assert summaries.outcomes == [outcome]


@pytest.mark.parametrize(
    ("messages", "error", "outcome"),
    [
        ([START], OSError("sent"), (499, 0)),
        ([START, BODY], OSError("sent"), (499, 0)),
        ([START], RuntimeError("sent"), (500, 500)),
        ([START, BODY], RuntimeError("sent"), (200, 500)),
        ([START, MORE], CANCELLED, (499, 0)),
        ([START, BODY], CANCELLED, (499, 0)),
    ],
)
def test_a_send_that_fails(
    summaries: Summaries, messages: list[Message], error: BaseException, outcome: tuple[int, int]
) -> None:
    """A send that fails because the client has gone is 499; one that the server refuses is not."""

    async def send(message: Message) -> None:
        if message["type"] == messages[-1]["type"]:
            raise error

    with pytest.raises(type(error)) as raised:
        serve(RequestObserver(sending(*messages)), send)
    assert raised.value is error
    assert summaries.outcomes == [outcome]


@pytest.mark.parametrize(
    ("method", "messages", "code"),
    [
        ("GET", [], 499),
        ("HEAD", [], 499),
        ("GET", [START, MORE], 499),
        ("GET", [START, BODY], 200),
        ("GET", [WITH_LENGTH, MORE], 200),
        ("HEAD", [START, MORE], 200),
    ],
)
@pytest.mark.parametrize("noticed", [GONE, OTHER], ids=["received", "sent"])
def test_a_client_that_leaves(
    summaries: Summaries, method: str, messages: list[Message], code: int, noticed: Message
) -> None:
    """A client that leaves is a 499, unless it has received everything."""

    async def send(message: Message) -> None:
        if message is OTHER:
            raise OSError

    with contextlib.suppress(OSError):
        serve(RequestObserver(sending(*messages, noticed)), send, method=method)
    assert summaries.outcomes == [(code, 0)]


@pytest.mark.parametrize(
    "upload",
    [sending(GONE, {**START, "status": 400}, BODY), sending(GONE, error=RuntimeError("gone"))],
)
def test_a_client_that_leaves_while_it_uploads(
    summaries: Summaries, upload: ASGIApplication
) -> None:
    """A client that leaves during its upload is 499, whatever the application makes of it."""
    with contextlib.suppress(RuntimeError):
        serve(RequestObserver(upload))
    assert summaries.outcomes == [(499, 0)]


def test_a_client_that_leaves_while_the_last_byte_is_taken(summaries: Summaries) -> None:
    """A disconnect that comes while the server takes the last byte is ignored."""
    listeners: list[Receive] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        listeners.append(receive)
        await sending(START, BODY)(scope, receive, send)

    async def send(message: Message) -> None:
        if message is BODY:
            assert await listeners[0]() is GONE

    serve(RequestObserver(app), send)
    assert summaries.outcomes == [(200, 0)]


# ---------------------------------------------------------------------- async bodies


async def chunks(error: BaseException | None = None) -> AsyncIterator[bytes]:
    for _ in range(2):
        assert request_id_context.get() == "the-id"
        yield b"x"
    if error is not None:
        raise error


async def read(body: ObservedAsyncBody[bytes]) -> None:
    assert [chunk async for chunk in body] == [b"x", b"x"]


async def leave(body: ObservedAsyncBody[bytes]) -> None:
    assert await anext(body) == b"x"
    await body.aclose()


@pytest.mark.parametrize(
    ("use", "body", "raised", "outcome"),
    [
        (read, chunks(), None, (200, 0)),
        (read, chunks(ZeroDivisionError()), ZeroDivisionError, (200, 500)),
        (read, chunks(asyncio.CancelledError()), asyncio.CancelledError, (499, 0)),
        (read, 5, TypeError, (200, 500)),
        (leave, chunks(), None, (499, 0)),
    ],
)
def test_async_bodies(
    summaries: Summaries,
    use: Callable[[ObservedAsyncBody[bytes]], Coroutine[Any, Any, None]],
    body: Any,
    raised: type[BaseException] | None,
    outcome: tuple[int, int],
) -> None:
    """An async body has its id while it is generated, and its end is the request's end."""
    headers = {"X-Request-ID": "the-id"}
    observation = RequestObservation(
        RequestSettings(), method="GET", path="/", get_header=headers.get
    )
    observation.response_started(200, [])

    async def main() -> None:
        with pytest.raises(raised) if raised else contextlib.nullcontext():
            await use(ObservedAsyncBody(body, observation))
        assert request_id_context.get() is None

    asyncio.run(main())
    assert summaries.outcomes == [outcome]
