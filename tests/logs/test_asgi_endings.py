"""How requests of ASGI end: each way to send a last byte, clients that leave, servers that fail."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dockerflow.logging.asgi import Message, Receive, RequestObserver, Scope, Send

from .lines import fields

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
BODY: Message = {"type": "http.response.body", "body": b"abc"}
MORE: Message = {**BODY, "more_body": True}
GONE: Message = {"type": "http.disconnect"}
ID = (b"x-request-id", b"the-id")

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@pytest.fixture(autouse=True)
def summaries(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "request.summary")
    return caplog


def outcomes(caplog: pytest.LogCaptureFixture) -> list[tuple[int, int]]:
    """Return code and errno of each summary."""
    return [(found["code"], found["errno"]) for found in map(fields, caplog.records)]


def scope(**more: Any) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": "/", "headers": [ID], **more}


async def gone() -> Message:
    return GONE


async def ignore(message: Message) -> None: ...


def sending(*messages: Message) -> Application:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def serve(app: Application, receive: Receive = gone, send: Send = ignore, **more: Any) -> None:
    asyncio.run(RequestObserver(app)(scope(**more), receive, send))


def sent_by(app: Application, **more: Any) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    serve(app, send=send, **more)
    return sent


@pytest.mark.parametrize(
    "rest",
    [
        [{"type": "http.response.body"}],
        [MORE, {**BODY, "more_body": False}],
        [{"type": "http.response.push", "path": "/style.css", "headers": []}, BODY],
        [BODY, {"type": "http.response.trailers", "headers": [(b"t", b"1")]}],
    ],
)
def test_messages(summaries: pytest.LogCaptureFixture, rest: list[Message]) -> None:
    """All messages reach the server as they are, whatever their kind."""
    start, *others = sent_by(sending({**START, "headers": iter([(b"a", b"b")])}, *rest))
    assert start == {**START, "headers": [(b"a", b"b"), ID]}
    assert others == rest
    assert outcomes(summaries) == [(200, 0)]


def test_a_start_without_headers(summaries: pytest.LogCaptureFixture) -> None:
    """A response needs no headers."""
    start, _ = sent_by(sending({"type": "http.response.start", "status": 204}, BODY))
    assert start["headers"] == [ID]
    assert outcomes(summaries) == [(204, 0)]


@pytest.mark.parametrize(
    ("method", "messages"),
    [("HEAD", ()), *(("GET", sent) for sent in [(), (START,), (START, MORE), (START, BODY)])],
)
def test_cancelled(
    summaries: pytest.LogCaptureFixture, method: str, messages: tuple[Message, ...]
) -> None:
    """A cancelled request stays cancelled and is 499; after its last byte it has its code."""

    async def main() -> None:
        answered = asyncio.Event()

        async def hang(scope: Scope, receive: Receive, send: Send) -> None:
            await sending(*messages)(scope, receive, send)
            answered.set()
            await asyncio.Event().wait()

        request = RequestObserver(hang)(scope(method=method), gone, ignore)
        task = asyncio.ensure_future(request)
        await answered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert outcomes(summaries) == [(200 if BODY in messages else 499, 0)]


@pytest.mark.parametrize("answer", [(), ({**START, "status": 400}, BODY)])
def test_disconnect_while_a_body_is_read(
    summaries: pytest.LogCaptureFixture, answer: tuple[Message, ...]
) -> None:
    """A client that goes away while it uploads is 499, whatever the application makes of it."""

    async def upload(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() is GONE
        await sending(*answer)(scope, receive, send)
        if not answer:
            raise RuntimeError("client disconnected")

    with contextlib.suppress(RuntimeError):
        serve(upload)
    assert outcomes(summaries) == [(499, 0)]


@pytest.mark.parametrize(
    ("method", "headers", "code"),
    [("GET", [], 499), ("GET", [(b"Content-Length", b"3")], 200), ("HEAD", [], 200)],
)
@pytest.mark.parametrize("noticed_by", ["receive", "send"])
def test_disconnect_before_the_formal_end(
    summaries: pytest.LogCaptureFixture,
    method: str,
    headers: list[tuple[bytes, bytes]],
    code: int,
    noticed_by: str,
) -> None:
    """A client that has all it is to get, and leaves before the stream's formal end, is no 499."""
    received: list[bytes] = []

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await sending({**START, "headers": headers}, MORE)(scope, receive, send)
        if noticed_by == "receive":
            await receive()
        else:
            await send({"type": "http.response.body", "body": b""})

    async def send(message: Message) -> None:
        if received:
            raise OSError
        if "body" in message:
            received.append(message["body"])

    with contextlib.suppress(OSError):
        serve(stream, send=send, method=method)
    assert outcomes(summaries) == [(code, 0)]


def test_disconnect_while_the_last_byte_is_taken(summaries: pytest.LogCaptureFixture) -> None:
    """A disconnect that comes while the server takes the last byte is of no account."""

    async def main() -> None:
        ending, noticed = asyncio.Event(), asyncio.Event()

        async def listen(scope: Scope, receive: Receive, send: Send) -> None:
            async def listener() -> None:
                await receive()
                noticed.set()

            task = asyncio.create_task(listener())
            await sending(START, BODY)(scope, receive, send)
            await task

        async def receive() -> Message:
            await ending.wait()
            return GONE

        async def send(message: Message) -> None:
            if message is BODY:
                ending.set()
                await noticed.wait()

        await RequestObserver(listen)(scope(), receive, send)

    asyncio.run(main())
    assert outcomes(summaries) == [(200, 0)]


@pytest.mark.parametrize(
    ("failing", "error", "code", "errno"),
    [
        ("http.response.start", OSError, 499, 0),
        ("http.response.body", OSError, 499, 0),
        ("http.response.start", RuntimeError, 500, 500),
        ("http.response.body", RuntimeError, 200, 500),
    ],
)
def test_a_send_that_fails(
    summaries: pytest.LogCaptureFixture,
    failing: str,
    error: type[Exception],
    code: int,
    errno: int,
) -> None:
    """A client that is found gone by any message is a 499; a server that refuses one is not."""

    async def send(message: Message) -> None:
        if message["type"] == failing:
            raise error("sent")

    with pytest.raises(error, match="sent"):
        serve(sending(START, BODY), send=send)
    assert outcomes(summaries) == [(code, errno)]


def test_a_copied_scope(summaries: pytest.LogCaptureFixture) -> None:
    """A request that is made of an earlier one's scope is a request of its own."""
    app = RequestObserver(sending(START, BODY))
    first = scope(headers=[])
    for one in (first, first.copy()):
        asyncio.run(app(one, gone, ignore))
        first.update(one)
    rids = {fields(made)["rid"] for made in summaries.records}
    assert len(rids) == len(summaries.records) == 2


def test_a_websocket_that_is_refused(summaries: pytest.LogCaptureFixture) -> None:
    """A response that refuses a websocket has the id like any response, and there is no summary."""
    start = {"type": "websocket.http.response.start", "status": 403, "headers": []}
    assert sent_by(sending(start), type="websocket") == [{**start, "headers": [ID]}]
    assert summaries.records == []


@pytest.mark.parametrize("kind", ["lifespan", "webtransport"])
def test_other_scopes(kind: str) -> None:
    """A lifespan, and scopes of kinds to come, pass through untouched."""
    given: list[Any] = []

    async def app(*args: Any) -> None:
        given.extend(args)

    message_scope: Scope = {"type": kind}
    asyncio.run(RequestObserver(app)(message_scope, gone, ignore))
    assert given == [message_scope, gone, ignore]
    assert message_scope == {"type": kind}
