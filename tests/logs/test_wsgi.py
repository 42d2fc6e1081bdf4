"""RequestObserver around plain WSGI applications."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unittest.mock import Mock
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest

from dockerflow.logging import request_id_context
from dockerflow.logging.request import RequestSettings
from dockerflow.logging.wsgi import RequestObserver

from .conftest import Summaries


def environ(**more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"HTTP_X_REQUEST_ID": "the-id", "QUERY_STRING": "", **more}
    setup_testing_defaults(made)
    return made


def answering(body: Any) -> Any:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        assert request_id_context.get() == "the-id"
        start_response("200 OK", [("Content-Type", "text/plain")])
        return body  # type: ignore[no-any-return]

    return app


class Chunks:
    """A body that counts how often it was closed."""

    def __init__(self, fail_at: int | None = None, fail_to_close: bool = False) -> None:
        self.closed = 0
        self.fail_at = fail_at
        self.fail_to_close = fail_to_close

    def __iter__(self) -> Iterator[bytes]:
        for number in range(3):
            assert request_id_context.get() == "the-id"
            if number == self.fail_at:
                raise ZeroDivisionError("in mid-stream")
            yield b"x"

    def close(self) -> None:
        assert request_id_context.get() == "the-id"
        self.closed += 1
        if self.fail_to_close:
            raise OSError("close")


def test_an_answer(summaries: Summaries) -> None:
    """The answer is the application's, with the id, and only the outer observer records it."""
    app = RequestObserver(RequestObserver(validator(answering([b"hello"]))))
    body = validator(app)(environ(), start := Mock())
    assert list(body) == [b"hello"]
    body.close()  # type: ignore[attr-defined] # typeshed has it as any iterable
    headers = [("Content-Type", "text/plain"), ("X-Request-ID", "the-id")]
    start.assert_called_once_with("200 OK", headers)
    found = summaries.only
    assert (found["code"], found["rid"], found["method"]) == (200, "the-id", "GET")
    assert request_id_context.get() is None


def test_a_crash(summaries: Summaries) -> None:
    """An exception of the application is recorded and raised to the server, unchanged."""
    error = ZeroDivisionError("crashed")

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        raise error

    with pytest.raises(ZeroDivisionError) as raised:
        RequestObserver(app)(environ(), Mock())
    assert raised.value is error
    assert summaries.outcomes == [(500, 500)]
    assert request_id_context.get() is None


def read(body: Any) -> None:
    list(body)


def leave(body: Any) -> None:
    assert next(iter(body)) == b"x"
    body.close()


def close(body: Any) -> None:
    body.close()


@pytest.mark.parametrize(
    ("use", "chunks", "method", "raised", "outcome"),
    [
        (read, Chunks(), "GET", None, (200, 0)),
        (read, Chunks(fail_at=1), "GET", ZeroDivisionError, (200, 500)),
        (leave, Chunks(), "GET", None, (499, 0)),
        (close, Chunks(), "HEAD", None, (200, 0)),
        (close, Chunks(fail_to_close=True), "GET", OSError, (200, 500)),
    ],
)
def test_streams(
    summaries: Summaries,
    use: Callable[[Any], None],
    chunks: Chunks,
    method: str,
    raised: type[Exception] | None,
    outcome: tuple[int, int],
) -> None:
    """A stream has its id while it is generated, and is closed once, which ends the request."""
    body = RequestObserver(answering(chunks))(environ(REQUEST_METHOD=method), Mock())
    assert summaries.records == []
    with pytest.raises(raised) if raised else contextlib.nullcontext():
        use(body)
    assert summaries.outcomes == [outcome]
    assert chunks.closed == (use is not read)


@pytest.mark.parametrize("body", [[b"x"], (b"x",), FileWrapper(io.BytesIO(b"x"))])
def test_bodies_at_hand(summaries: Summaries, body: Any) -> None:
    """Lists, and files in the server's own wrapper, are passed on unchanged."""
    app = RequestObserver(answering(body))
    assert app(environ(**{"wsgi.file_wrapper": FileWrapper}), Mock()) is body
    assert summaries.outcomes == [(200, 0)]


def test_an_error_page(summaries: Summaries) -> None:
    """An application that restarts its answer after an error calls start_response with exc_info."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        start_response("500 Oops", [], ("kind", "error", "trace"))
        return []

    RequestObserver(app)(environ(), start := Mock())
    assert [len(call.args) for call in start.call_args_list] == [2, 3]
    assert summaries.outcomes == [(500, 500)]


def test_an_error_page_that_comes_too_late(summaries: Summaries) -> None:
    """An error page that the server refuses, because headers are sent, doesn't change the code."""

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"one"
        error = RuntimeError("cut")
        start_response("500 Oops", [], (RuntimeError, error, None))

    start = Mock(side_effect=[None, RuntimeError("cut")])
    with pytest.raises(RuntimeError, match="cut"):
        list(RequestObserver(app)(environ(), start))
    assert summaries.outcomes == [(200, 500)]


def test_paths_and_settings(summaries: Summaries) -> None:
    """The path is the whole one, decoded; settings and logger are the given ones."""
    settings = RequestSettings(logs_query_string=True, sends_id=False)
    app = RequestObserver(answering([]), settings, logging.getLogger("other.summary"))
    path = "/gr\u00c3\u00b6\u00c3\u009fe"
    app(environ(QUERY_STRING="a=%20", SCRIPT_NAME="/app", PATH_INFO=path), start := Mock())
    start.assert_called_once_with("200 OK", [("Content-Type", "text/plain")])
    found = summaries.only
    assert (found["path"], found["querystring"]) == ("/app/größe", "a= ")
    assert summaries.records[0].name == "other.summary"
