"""RequestObserver around plain ASGI applications, and observed async bodies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from dockerflow.logging import request_id_context
from dockerflow.logging.asgi import Message, Receive, RequestObserver, Scope, Send
from dockerflow.logging.bodies import ObservedAsyncBody
from dockerflow.logging.request import RequestObservation, RequestSettings

from .lines import fields

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
BODY: Message = {"type": "http.response.body", "body": b"hello"}
MORE: Message = {**BODY, "more_body": True}
GONE: Message = {"type": "http.disconnect"}


@pytest.fixture(autouse=True)
def summaries(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "request.summary")
    return caplog


def summary(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Return the fields of the only summary."""
    (made,) = caplog.records
    return fields(made)


def scope(**more: Any) -> Scope:
    return {
        "type": "http",
        "method": "GET",
        "path": "/p",
        "query_string": b"a=%20",
        "headers": [(b"x-request-id", b"the-id")],
        **more,
    }


class Server:
    """Serves one request, and keeps what the application sends."""

    def __init__(self, app: Any, **more: Any) -> None:
        self.app = app
        self.scope = scope(**more)
        self.sent: list[Message] = []
        self.failing = ""
        self.after_send: Callable[[Message], None] = lambda message: None

    async def receive(self) -> Message:
        return GONE

    async def send(self, message: Message) -> None:
        if message["type"] == self.failing:
            raise ConnectionResetError
        self.sent.append(message)
        self.after_send(message)

    async def serve(self) -> str | None:
        """Return the request id that is left in the context."""
        with contextlib.suppress(ZeroDivisionError, OSError):
            await self.app(self.scope, self.receive, self.send)
        return request_id_context.get()


def sending(*messages: Message, error: BaseException | None = None) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert request_id_context.get() == "the-id"
        for message in messages:
            await send(message)
        if error is not None:
            raise error

    return app


def served(app: Any, **more: Any) -> list[Message]:
    server = Server(RequestObserver(app), **more)
    asyncio.run(server.serve())
    return server.sent


@pytest.mark.parametrize(
    ("messages", "code"), [([], 500), ([START], 200), ([{**START, "status": 201}, MORE], 201)]
)
def test_a_crash(summaries: pytest.LogCaptureFixture, messages: list[Message], code: int) -> None:
    """What the application raises is recorded, and goes on with its id in the context."""
    error = ZeroDivisionError("crashed")
    server = Server(RequestObserver(sending(*messages, error=error)))

    async def serve() -> None:
        with pytest.raises(ZeroDivisionError) as raised:
            await server.app(server.scope, server.receive, server.send)
        assert raised.value is error
        assert request_id_context.get() == "the-id", "the server's own traceback bears it"

    asyncio.run(serve())
    found = summary(summaries)
    assert (found["code"], found["errno"], found["msg"]) == (code, 500, "crashed")
    assert summaries.records[0].levelno == logging.ERROR


def test_a_crash_after_the_answer(summaries: pytest.LogCaptureFixture) -> None:
    """What a background task raises after the last byte changes nothing about the request."""
    served(sending(START, BODY, error=ZeroDivisionError("later")))
    found = summary(summaries)
    assert (found["code"], found["errno"]) == (200, 0)


@pytest.mark.parametrize("last", [MORE, BODY])
def test_a_cancelled_request(summaries: pytest.LogCaptureFixture, last: Message) -> None:
    """Who is cancelled, with the last byte in hand too, is a client that went away."""
    started = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(last)

    async def hang(message: Message) -> None:
        if message is last:
            started.set()
            await asyncio.Event().wait()

    async def main() -> None:
        server = Server(RequestObserver(app))
        task = asyncio.create_task(server.app(server.scope, server.receive, hang))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert summary(summaries)["code"] == 499


def test_cancelled_after_an_error_page(summaries: pytest.LogCaptureFixture) -> None:
    """Who cancels the background tasks behind an error page that was sent changes nothing."""
    app = RequestObserver(sending({**START, "status": 503}, BODY, error=asyncio.CancelledError()))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(Server(app).serve())
    found = summary(summaries)
    assert (found["code"], found["errno"]) == (503, 503)


@pytest.mark.parametrize(
    ("messages", "code"), [([], 499), ([START, MORE], 499), ([START, BODY], 200)]
)
def test_a_disconnect(
    summaries: pytest.LogCaptureFixture, messages: list[Message], code: int
) -> None:
    """A disconnect that the application received, or that a send tells, before the end is a 499."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        assert await receive() is GONE

    served(app)
    server = Server(RequestObserver(sending(*messages, {"type": "any"})))
    server.failing = "any"
    asyncio.run(server.serve())
    assert [fields(made)["code"] for made in summaries.records] == [code, code]


@pytest.mark.parametrize(("path", "whole"), [("/app/p", "/app/p"), ("/p", "/app/p")])
def test_an_answer(summaries: pytest.LogCaptureFixture, path: str, whole: str) -> None:
    """The answer is the application's, with the id, and recorded once, by the outer observer."""
    start, body = served(RequestObserver(sending(START, BODY)), root_path="/app", path=path)
    assert start == {**START, "headers": [(b"x-request-id", b"the-id")]}
    assert body is BODY
    assert START["headers"] == [], "the application's message stays as it was"
    found = summary(summaries)
    assert (found["code"], found["rid"], found["path"]) == (200, "the-id", whole)


@pytest.mark.parametrize(
    "last",
    [
        BODY,
        {"type": "http.response.pathsend", "path": "/file"},
        {"type": "http.response.zerocopysend", "file": 3},
    ],
)
def test_the_last_byte(summaries: pytest.LogCaptureFixture, last: Message) -> None:
    """The record is written with the last byte, not when background tasks have ended."""
    recorded: list[tuple[str, int]] = []
    app = sending(START, MORE, last, {"type": "after"})
    server = Server(RequestObserver(app))
    server.after_send = lambda message: recorded.append((message["type"], len(summaries.records)))
    assert asyncio.run(server.serve()) is None
    assert [count for _, count in recorded] == [0, 0, 0, 1]


def test_websockets(summaries: pytest.LogCaptureFixture) -> None:
    """A websocket has its id and no summary; other scopes are passed on."""
    message = {"type": "websocket.accept"}
    assert served(sending(message), type="websocket") == [message]
    start = {**START, "type": "websocket.http.response.start"}
    start["headers"] = [(b"content-length", b"5"), (b"x-request-id", b"mine")]
    refusal = [start, {**BODY, "type": "websocket.http.response.body"}]
    assert served(sending(*refusal), type="websocket") == refusal

    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        assert request_id_context.get() is None

    served(lifespan, type="lifespan")
    assert summaries.records == []


def test_settings(summaries: pytest.LogCaptureFixture) -> None:
    """Settings and logger are those that were given."""
    summaries.set_level(logging.INFO, "other.summary")
    settings = RequestSettings(sends_id=False, logs_query_string=True)
    app = RequestObserver(sending(START, BODY), settings, logging.getLogger("other.summary"))
    server = Server(app)
    asyncio.run(server.serve())
    assert server.sent == [START, BODY]
    assert summary(summaries)["querystring"] == "a= "
    assert summaries.records[0].name == "other.summary"


# ---------------------------------------------------------------------- async bodies


async def chunks(error: BaseException | None = None) -> AsyncIterator[bytes]:
    for _ in range(2):
        assert request_id_context.get() == "the-id"
        yield b"x"
    if error is not None:
        raise error


def observed(body: Any) -> ObservedAsyncBody[bytes]:
    headers = {"X-Request-ID": "the-id"}
    observation = RequestObservation(
        RequestSettings(), method="GET", path="/", get_header=headers.get
    )
    observation.response_started(200, [])
    return ObservedAsyncBody(body, observation)


async def read(body: ObservedAsyncBody[bytes]) -> None:
    assert [chunk async for chunk in body] == [b"x", b"x"]


async def leave(body: ObservedAsyncBody[bytes]) -> None:
    assert await anext(body) == b"x"
    await body.aclose()


@pytest.mark.parametrize(
    ("use", "body", "raised", "code", "errno"),
    [
        (read, chunks(ZeroDivisionError()), ZeroDivisionError, 200, 500),
        (read, chunks(asyncio.CancelledError()), asyncio.CancelledError, 499, 0),
        (read, 5, TypeError, 200, 500),
        (leave, chunks(), None, 499, 0),
        (read, chunks(), None, 200, 0),
    ],
)
def test_async_bodies(
    summaries: pytest.LogCaptureFixture,
    use: Callable[[ObservedAsyncBody[bytes]], Coroutine[Any, Any, None]],
    body: Any,
    raised: type[BaseException] | None,
    code: int,
    errno: int,
) -> None:
    """An async body has its id while it is made, and its end is the request's."""

    async def main() -> None:
        with pytest.raises(raised) if raised else contextlib.nullcontext():
            await use(observed(body))
        assert request_id_context.get() is None

    asyncio.run(main())
    found = summary(summaries)
    assert (found["code"], found["errno"]) == (code, errno)
