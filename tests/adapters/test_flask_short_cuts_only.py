"""Around Flask's own methods, and in fewer steps: nobody may notice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from flask import Flask, Request, g
from werkzeug.test import create_environ

from dockerflow.flask import Dockerflow
from dockerflow.logging import request_id_context
from tests.adapters.conftest import Log
from tests.adapters.harness import WSGIApp


class Extended(Dockerflow):
    """An extension that adds a field, and knows who asks."""

    def summary_extra(self) -> dict[str, Any]:
        return {**super().summary_extra(), "more": g.more}

    def user_id(self) -> str:
        return "ada"


@pytest.fixture
def app() -> Flask:
    """An application that says its request id, and what is to be in the summary."""
    app = Flask(__name__)

    @app.before_request
    def before() -> None:
        g.more = "mine"

    @app.get("/")
    def hello() -> str:
        return f"{g.request_id}"

    return app


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, RuntimeError])
@pytest.mark.parametrize("propagate", [False, True])
def test_fields_of_a_request_that_fails(
    app: Flask, log: Log, error: type[BaseException], propagate: bool
) -> None:
    """Whatever ends a request, its summary says who asked, and has the fields of a subclass."""
    Extended(app)
    app.config["PROPAGATE_EXCEPTIONS"] = propagate

    @app.get("/end")
    def end() -> str:
        raise error("the end")

    if propagate or not issubclass(error, Exception):
        with pytest.raises(error):
            app(create_environ("/end"), lambda *_: lambda _: None)
    else:
        assert WSGIApp(app).request("/end").status == 500
    fields = log.summary
    assert (fields["uid"], fields["more"], fields["errno"]) == ("ada", "mine", 500)
    assert fields["msg"] == "the end"


def test_a_server_that_fails(app: Flask, log: Log) -> None:
    """Where the server takes no response, the summary has the fields that were known."""
    Extended(app)

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[..., Any]:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        app(create_environ("/"), start_response)
    assert (log.summary["uid"], log.summary["more"]) == ("ada", "mine")


class Known(Dockerflow):
    """An extension that knows who asks, and leaves the fields as they are."""

    def user_id(self) -> str:
        return f"{g.more}'s"


@pytest.mark.parametrize("fails", [False, True])
def test_users_of_a_subclass(app: Flask, log: Log, fails: bool) -> None:
    """Who asks is what a subclass says, while Flask's context is there, and the server may fail."""
    Known(app)

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[..., Any]:
        if fails:
            raise OSError("gone")
        return lambda _: None

    with pytest.raises(OSError, match="gone") if fails else contextlib.nullcontext():
        app(create_environ("/"), start_response)
    assert log.summary["uid"] == "mine's"
    assert log.summary["errno"] == (500 if fails else 0)


def test_a_user_of_the_moment(app: Flask, log: Log) -> None:
    """A user_id() that a test puts on the extension is asked."""
    dockerflow = Dockerflow(app)
    dockerflow.user_id = lambda: "ada"  # type: ignore[method-assign]
    WSGIApp(app).request("/")
    assert log.summary["uid"] == "ada"


def test_a_response_alone(app: Flask, log: Log) -> None:
    """A response that a test processes by itself gets the id if it has none, and is recorded."""
    Dockerflow(app)
    for headers, sent in ({}, ["abc"]), ({"x-request-id": "mine"}, ["mine"]):
        with app.test_request_context("/", headers={"X-Request-ID": "abc"}):
            response = app.process_response(app.response_class("", headers=headers))
        assert response.headers.getlist("X-Request-ID") == sent
    assert [(fields["path"], fields["code"]) for fields in log.summaries] == [("/", 200)] * 2


def test_fields_of_any_kind(app: Flask, log: Log) -> None:
    """What summary_extra() returns may be whatever a dict is made of."""

    class Other(Dockerflow):
        def summary_extra(self) -> Any:
            return {"path": "/", "rid": g._request_id}.items()

    Other(app)
    WSGIApp(app).request("/", headers={"X-Request-ID": "abc"})
    assert (log.summary["path"], log.summary["rid"], log.summary["code"]) == ("/", "abc", 200)


def test_time_in_the_public_fields(app: Flask, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """summary_extra() has the time until then."""
    dockerflow = Dockerflow(app)
    with app.test_request_context("/"):
        app.preprocess_request()
        monkeypatch.setattr("dockerflow.logging.RequestSummary.elapsed", lambda _: 77)
        assert dockerflow.summary_extra()["t"] == 77


@pytest.mark.parametrize("when", ["before", "later", "class"])
def test_methods_that_others_replace(
    app: Flask, log: Log, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Flask's methods may be replaced around ours and under ours, on the app and its class."""
    called: list[str] = []
    target: Any = Flask if when == "class" else app
    if when != "before":
        Dockerflow(app)
    for name in ("preprocess_request", "process_response"):
        original = getattr(target, name)

        def replaced(*args: Any, original: Any = original, name: str = name) -> Any:
            called.append(name)
            return original(*args)

        monkeypatch.setattr(target, name, replaced)
    if when == "before":
        Dockerflow(app)
    answer = WSGIApp(app).request("/", headers={"X-Request-ID": "abc"})
    assert (answer.status, answer.body, answer.header("X-Request-ID")) == (200, b"abc", "abc")
    assert called == ["preprocess_request", "process_response"]
    assert len(log.summaries) == 1


def test_requests_after_one_without_a_server(app: Flask, log: Log) -> None:
    """A request context of a test's own changes nothing for the requests that are served."""
    Dockerflow(app)
    ids: list[str | None] = []

    @app.teardown_appcontext
    def teardown(error: BaseException | None) -> None:
        ids.append(request_id_context.get())

    for _ in range(2):
        with app.test_request_context("/", headers={"X-Request-ID": "test"}):
            app.preprocess_request()
    assert len(app.teardown_request_funcs[None]) == 1
    ids.clear()
    WSGIApp(app).request("/", headers={"X-Request-ID": "served"})
    assert ids == ["served"]


def test_an_id_that_the_application_has_changed(app: Flask) -> None:
    """What a test puts in the id's place stays there after its request context."""
    Dockerflow(app)
    token = request_id_context.set("outer")
    try:
        with app.test_request_context("/"):
            app.preprocess_request()
            request_id_context.set("changed")
        assert request_id_context.get() == "changed"
    finally:
        request_id_context.reset(token)


def test_ids_in_a_shared_app_context(app: Flask) -> None:
    """Requests made within one pushed app context find an id each in g."""
    Dockerflow(app)
    with app.app_context():
        for rid in ("one", "two"):
            assert app.test_client().get("/", headers={"X-Request-ID": rid}).text == rid


def test_a_request_class_of_the_application(app: Flask, log: Log) -> None:
    """Where Flask itself was not asked, the summary says what the application's requests say."""

    class Overriding(Request):
        def __init__(self, environ: Any) -> None:
            super().__init__(environ)
            self.method = environ["HTTP_X_METHOD"]

    def inner(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"inner"]

    app.request_class = Overriding
    app.wsgi_app = inner  # type: ignore[method-assign]
    Dockerflow(app)
    WSGIApp(app).request("/", headers={"X-Method": "PATCH"})
    assert log.summary["method"] == "PATCH"


def test_a_response_that_is_started_again(app: Flask, log: Log) -> None:
    """A start_response() with what went wrong reaches the server with it."""

    def inner(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            raise ValueError("late")
        except ValueError as error:
            start_response("500 Oh", [], (ValueError, error, None))
        return [b"oh"]

    app.wsgi_app = inner  # type: ignore[method-assign]
    Dockerflow(app)
    started: list[tuple[Any, ...]] = []
    start: Any = lambda *args: started.append(args)  # noqa: E731 - as a server's
    assert app(create_environ("/"), start) == [b"oh"]
    assert [args[0] for args in started] == ["200 OK", "500 Oh"]
    assert len(started[0]) == 2
    assert started[1][2][0] is ValueError
    assert log.summary["code"] == 500
