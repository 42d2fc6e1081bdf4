"""Flask 3.2, or a simulation of it that calls hooks as its changelog announces."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from flask import Flask, g

from dockerflow.checks import CheckRegistry
from dockerflow.flask import Dockerflow
from dockerflow.logging import request_id_context
from tests.adapters.apps.wrapped.flask import new_app
from tests.adapters.harness import WSGIApp
from tests.ecosystem.apps.flask_next import FLASK_3_2

ABC = {"X-Request-ID": "abc"}


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An application of the next Flask, without our extension."""
    monkeypatch.setattr("tests.adapters.apps.wrapped.flask.Flask", FLASK_3_2)
    return new_app()


@pytest.fixture(params=["wrapper", "hooks"])
def serve(request: pytest.FixtureRequest, app: Flask) -> Callable[[], WSGIApp]:
    """Add our extension, and serve the application by its wrapper or by its hooks alone."""

    def serve() -> WSGIApp:
        inner = app.wsgi_app
        Dockerflow(app, registry=CheckRegistry())
        return WSGIApp(app if request.param == "wrapper" else inner)

    return serve


def one_summary(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (summary,) = [vars(each) for each in caplog.records if each.name == "request.summary"]
    return summary


@pytest.mark.parametrize(
    ("path", "code", "errno"),
    [("/id", 200, 0), ("/missing", 404, 0), ("/abort/503", 503, 503), ("/boom", 500, 500),
     ("/handled", 418, 0), ("/stream", 200, 0), ("/__lbheartbeat__", 200, 0)],
)  # fmt: skip
def test_requests(
    app: Flask,
    serve: Callable[[], WSGIApp],
    path: str,
    code: int,
    errno: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A request is answered with its id, which is in its own g, and has a summary."""
    caplog.set_level(logging.INFO)
    app.view_functions["id"] = lambda: g.request_id
    server = serve()
    with app.app_context():
        g.request_id = "of the test"
        answer = server.request(path, headers=ABC)
    assert (answer.status, answer.header("X-Request-ID")) == (code, "abc")
    assert path != "/id" or answer.body == b"abc"
    summary = one_summary(caplog)
    assert (summary["code"], summary["errno"], summary["rid"]) == (code, errno, "abc")


def test_teardown(
    app: Flask, serve: Callable[[], WSGIApp], caplog: pytest.LogCaptureFixture
) -> None:
    """A request is recorded and its id removed, even if other teardown functions raise."""
    caplog.set_level(logging.INFO)
    app.teardown_request(mock.Mock(side_effect=RuntimeError("before ours")))
    server = serve()
    app.teardown_request(mock.Mock(side_effect=RuntimeError("after ours")))
    assert isinstance(server.request("/", headers=ABC).error, ExceptionGroup)
    assert (one_summary(caplog)["rid"], request_id_context.get()) == ("abc", None)


def test_nothing_is_replaced(app: Flask) -> None:
    """Our extension replaces only the WSGI callable of an application."""
    before = {**vars(app), "wsgi_app": None}
    Dockerflow(app, registry=CheckRegistry())
    assert [name for name, value in vars(app).items() if value is not before[name]] == ["wsgi_app"]
