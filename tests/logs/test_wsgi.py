"""RequestObserver around plain WSGI applications."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest

from dockerflow.logging import request_id_context
from dockerflow.logging.request import RequestSettings
from dockerflow.logging.wsgi import RequestObserver

from .lines import fields

Start = Callable[..., Any]


@pytest.fixture(autouse=True)
def summaries(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "request.summary")
    return caplog


def summary(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Return the fields of the only summary."""
    (made,) = caplog.records
    return fields(made)


def environ(**more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "HTTP_X_REQUEST_ID": "the-id",
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        **more,
    }
    setup_testing_defaults(made)
    return made


def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
    """Do as a server that is content with anything."""


def get(app: Any, **more: Any) -> tuple[str, dict[str, str], bytes]:
    """Ask an application as a server does, with wsgiref's own checks on both sides of it."""
    answer: list[Any] = []

    def note(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        answer[:] = [status, dict(headers)]
        return lambda data: None

    body = validator(app)(environ(**more), note)
    content = b"".join(body)
    body.close()  # type: ignore[attr-defined]
    return answer[0], answer[1], content


def hello(environ: Any, start_response: Start) -> list[bytes]:
    assert request_id_context.get() == "the-id"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


class Chunks:
    """A body that notes what is done to it."""

    def __init__(self, fail_at: int = 99, fail_to_close: bool = False) -> None:
        self.made = 0
        self.closed = 0
        self.fail_at = fail_at
        self.fail_to_close = fail_to_close

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(3):
            assert request_id_context.get() == "the-id"
            if self.made == self.fail_at:
                raise ZeroDivisionError("in mid-stream")
            self.made += 1
            yield b"x"

    def close(self) -> None:
        assert request_id_context.get() == "the-id"
        self.closed += 1
        if self.fail_to_close:
            raise OSError("close")


def streaming(chunks: Iterable[bytes], status: str = "200 OK") -> Any:
    def app(environ: Any, start_response: Start) -> Iterable[bytes]:
        start_response(status, [("Content-Type", "text/plain")])
        return chunks

    return app


def test_a_crash(summaries: pytest.LogCaptureFixture) -> None:
    """What the application raises is recorded and goes on to the server, as it was."""
    error = ZeroDivisionError("crashed")

    def app(environ: Any, start_response: Start) -> list[bytes]:
        raise error

    with pytest.raises(ZeroDivisionError) as raised:
        RequestObserver(app)(environ(), start)
    assert raised.value is error
    found = summary(summaries)
    assert (found["code"], found["errno"], found["msg"]) == (500, 500, "crashed")
    assert summaries.records[0].levelno == logging.ERROR
    assert request_id_context.get() is None


def read(body: Any) -> None:
    list(body)


def leave(body: Any) -> None:
    assert next(iter(body)) == b"x"
    body.close()


def close(body: Any) -> None:
    body.close()


@pytest.mark.parametrize(
    ("use", "chunks", "method", "raised", "code", "errno"),
    [
        (read, Chunks(fail_at=1), "GET", ZeroDivisionError, 200, 500),
        (leave, Chunks(), "GET", None, 499, 0),
        (close, Chunks(fail_to_close=True), "GET", OSError, 200, 500),
        (close, Chunks(), "HEAD", None, 200, 0),
        (read, Chunks(), "GET", None, 200, 0),
    ],
)
def test_streams(
    summaries: pytest.LogCaptureFixture,
    use: Callable[[Any], None],
    chunks: Chunks,
    method: str,
    raised: type[Exception] | None,
    code: int,
    errno: int,
) -> None:
    """A stream has its id while it is made, its end is the request's, and it is closed once."""
    body: Any = RequestObserver(streaming(chunks))(environ(REQUEST_METHOD=method), start)
    assert summaries.records == []
    with pytest.raises(raised) if raised else contextlib.nullcontext():
        use(body)
    found = summary(summaries)
    assert (found["code"], found["errno"]) == (code, errno)
    assert chunks.closed == (use is not read)


def test_an_answer(summaries: pytest.LogCaptureFixture) -> None:
    """The answer is the application's, with the id in its header, and recorded."""
    status, headers, content = get(RequestObserver(hello), PATH_INFO="/p")
    assert (status, content) == ("200 OK", b"hello")
    assert headers == {"Content-Type": "text/plain", "X-Request-ID": "the-id"}
    found = summary(summaries)
    assert (found["code"], found["rid"], found["method"]) == (200, "the-id", "GET")
    assert request_id_context.get() is None


def test_bodies_at_hand(summaries: pytest.LogCaptureFixture) -> None:
    """Lists, and files in the server's own wrapper, are handed over as they are."""
    for body in ([b"x"], (b"x",), FileWrapper(io.BytesIO(b"x"))):
        given: Any = body
        app = RequestObserver(streaming(given))
        assert app(environ(**{"wsgi.file_wrapper": FileWrapper}), start) is body
    assert [fields(made)["code"] for made in summaries.records] == [200] * 3


def test_an_error_page(summaries: pytest.LogCaptureFixture) -> None:
    """An application that answers anew after an error gives start_response its third argument."""
    given: list[Any] = []

    def note(*args: Any) -> Any:
        given.append(args)

    def app(environ: Any, start_response: Start) -> list[bytes]:
        start_response("200 OK", [])
        start_response("500 Oops", [], ("kind", "error", "trace"))
        return []

    RequestObserver(app)(environ(), note)
    assert [len(args) for args in given] == [2, 3]
    assert summary(summaries)["errno"] == 500


def test_paths_and_settings(summaries: pytest.LogCaptureFixture) -> None:
    """The path is the whole one, decoded; settings and logger are those that were given."""
    settings = RequestSettings(logs_query_string=True, sends_id=False)
    logger = logging.getLogger("other.summary")
    summaries.set_level(logging.INFO, "other.summary")
    app = RequestObserver(streaming([]), settings, logger)
    more = {"SCRIPT_NAME": "/app", "PATH_INFO": "/gr\u00c3\u00b6\u00c3\u009fe"}
    _, headers, _ = get(app, QUERY_STRING="a=%20", **more)
    assert "X-Request-ID" not in headers
    found = summary(summaries)
    assert (found["path"], found["querystring"]) == ("/app/größe", "a= ")
    assert summaries.records[0].name == "other.summary"


def test_one_within_another(summaries: pytest.LogCaptureFixture) -> None:
    """Of two observers of one request, the outer one records it."""
    _, headers, _ = get(RequestObserver(RequestObserver(hello)))
    assert headers["X-Request-ID"] == "the-id"
    assert summary(summaries)["code"] == 200
