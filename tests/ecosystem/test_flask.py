"""Flask with other extensions, which are created before ours and after it."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Request, abort
from flask.testing import FlaskClient
from flask_cors import CORS
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import (  # type: ignore[import-untyped]
    LoginManager,
    UserMixin,
    current_user,
    login_required,
    login_user,
)
from flask_restx import Api, Resource
from flask_talisman import Talisman
from flask_wtf import CSRFProtect
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_flask_exporter import PrometheusMetrics
from simple_websocket import Client, ConnectionClosed
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from dockerflow.checks import CheckRegistry
from dockerflow.flask import Dockerflow
from tests.adapters.apps.wrapped.flask import new_app
from tests.adapters.harness import WSGIApp
from tests.ecosystem.conftest import Serve
from tests.servers.web import WebServer

Setup = Callable[[Flask], object]

ABC = {"X-Request-ID": "abc"}
PROBES = ("/__version__", "/__heartbeat__", "/__lbheartbeat__")


class Summaries:
    """The request summaries of a test, as the attributes of their records."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self.caplog = caplog

    def take(self) -> list[dict[str, Any]]:
        """Return the summaries since the last call."""
        taken = [vars(each) for each in self.caplog.records if each.name == "request.summary"]
        self.caplog.clear()
        return taken

    def take_one(self) -> dict[str, Any]:
        """Return the only summary."""
        (summary,) = self.take()
        return summary


@pytest.fixture
def summaries(caplog: pytest.LogCaptureFixture) -> Summaries:
    return Summaries(caplog)


def client_of(setup: Setup, order: str, **config: Any) -> FlaskClient:
    """Build an application with another extension, and ours before it, after it or not at all."""
    app = new_app()
    app.config.update({"SECRET_KEY": "secret", **config})
    if order == "before":
        dockerflow_of(app)
    setup(app)
    if order == "after":
        dockerflow_of(app)
    return app.test_client()


def dockerflow_of(app: Flask) -> Dockerflow:
    dockerflow = Dockerflow(app, registry=CheckRegistry())
    dockerflow.version_callback(lambda root: {"version": "1"})
    return dockerflow


new_in_3_1 = pytest.mark.skipif(
    "TRUSTED_HOSTS" not in Flask.default_config, reason="new in Flask 3.1"
)
both_orders = pytest.mark.parametrize("order", ["before", "after"])


# ---------------------------------------------------------------------- what guards an application


def limit(app: Flask, storage: str = "memory://") -> Limiter:
    return Limiter(get_remote_address, app=app, default_limits=["0/hour"], storage_uri=storage)


def limit_by_redis_that_is_down(app: Flask) -> None:
    limit(app, "redis://127.0.0.1:1")


def trust_one_host(app: Flask) -> None:
    app.config["TRUSTED_HOSTS"] = ["shop.example"]


def ask_for_a_login(app: Flask) -> None:
    @LoginManager(app).request_loader
    def load(request: Request) -> None:
        if request.path == "/boom":
            raise RuntimeError("the users are down")

    @app.before_request
    @login_required
    def guard() -> None:
        pass


def serve_an_api(app: Flask) -> None:
    """Let Flask-RESTX handle all errors of the application, which it signals as exceptions."""
    api = Api(app, doc="/doc", catch_all_404s=True)

    @api.errorhandler(KeyError)
    def explain(error: KeyError) -> Any:
        return {"message": "no such key"}, 400

    class Raises(Resource):
        def get(self, what: str) -> None:
            if what.isdigit():
                abort(int(what))
            raise {"key": KeyError}.get(what, ValueError)(what)

    api.add_resource(Raises, "/api/<what>")


def measure(app: Flask) -> None:
    PrometheusMetrics(app, registry=CollectorRegistry(), group_by="endpoint")


@both_orders
@pytest.mark.parametrize(
    "setup",
    [limit, limit_by_redis_that_is_down, Talisman, CSRFProtect, trust_one_host, ask_for_a_login,
     serve_an_api, measure, CORS],
)  # fmt: skip
def test_probes(setup: Setup, order: str, summaries: Summaries) -> None:
    """A probe is answered and recorded, whatever guards the application."""
    client = client_of(setup, order)
    for path in PROBES:
        assert (client.get(path).status_code, client.post(path).status_code) == (200, 405)
        assert [each["path"] for each in summaries.take()] == [path] * 2


@both_orders
@pytest.mark.parametrize(
    ("setup", "method", "path", "status", "error"),
    [
        (limit, "GET", "/", 429, None),
        (limit_by_redis_that_is_down, "GET", "/", 500, "Connection refused"),
        (Talisman, "GET", "/", 302, None),
        (CSRFProtect, "POST", "/echo", 400, None),
        pytest.param(trust_one_host, "GET", "/", 400, None, marks=new_in_3_1),
        (ask_for_a_login, "GET", "/", 401, None),
        (ask_for_a_login, "GET", "/boom", 500, "the users are down"),
        (serve_an_api, "GET", "/api/404", 404, None),
        (serve_an_api, "GET", "/missing", 404, None),
        (serve_an_api, "GET", "/api/key", 400, None),
        (serve_an_api, "GET", "/api/503", 503, None),
        (serve_an_api, "GET", "/api/value", 500, "value"),
    ],
)
def test_answers(
    setup: Setup,
    order: str,
    method: str,
    path: str,
    status: int,
    error: str | None,
    summaries: Summaries,
) -> None:
    """Responses of other extensions are the same as without ours, and correctly recorded."""
    without, answer = (
        client_of(setup, each).open(path, method=method, headers=ABC) for each in ("never", order)
    )
    assert (answer.status_code, answer.get_data()) == (status, without.get_data())
    assert answer.headers.pop("X-Request-ID") == "abc"
    assert set(answer.headers.keys()) == set(without.headers.keys())
    summary = summaries.take_one()
    assert (summary["code"], summary["rid"]) == (status, "abc")
    assert summary["errno"] == (status if status >= 500 else 0)
    assert summary["levelno"] == (logging.INFO if error is None else logging.ERROR)
    assert (error or "") in summary["msg"]


# ---------------------------------------------------------------------- what looks at requests


class User(UserMixin):
    id = "ada"


@both_orders
def test_user(order: str, summaries: Summaries) -> None:
    """Flask-Login's user is recorded if the application has loaded one, and is never loaded."""
    loaded: list[str] = []

    def setup(app: Flask) -> None:
        @LoginManager(app).user_loader
        def load(user_id: str) -> User:
            loaded.append(user_id)
            return User()

        app.add_url_rule("/log-in", "log_in", lambda: str(login_user(User())))
        app.add_url_rule("/me", "me", login_required(lambda: current_user.id))

    client = client_of(setup, order)
    for path, uid in {"/log-in": "ada", "/": "", "/me": "ada"}.items():
        assert client.get(path).status_code == 200
        assert (path, summaries.take_one()["uid"]) == (path, uid)
    assert loaded == ["ada"]


@both_orders
def test_cors(order: str) -> None:
    """A script from another origin may read the id of each answer, also of error pages."""
    client = client_of(lambda app: CORS(app, expose_headers=["X-Request-ID"]), order)
    for path in ("/", "/missing", "/boom"):
        headers = client.get(path, headers={"Origin": "https://shop.example", **ABC}).headers
        assert headers.getlist("Access-Control-Expose-Headers") == ["X-Request-ID"]
        assert headers.getlist("X-Request-ID") == ["abc"]


@both_orders
def test_prometheus_flask_exporter(order: str, summaries: Summaries) -> None:
    """The exporter counts as without ours, but no probes; its page may be excluded."""
    counted = []
    for each in ("never", order):
        client = client_of(measure, each, DOCKERFLOW_SUMMARY_EXCLUDE_PATHS="/metrics")
        for path in ("/", "/boom", "/missing", *(() if each == "never" else PROBES)):
            client.get(path)
        summaries.take()
        lines = client.get("/metrics").text.splitlines()
        counted.append([line for line in lines if re.match(r"flask_\w+(total|count)\{", line)])
    assert counted[0] == counted[1] != []
    assert summaries.take() == []


# ---------------------------------------------------------------------- where it is mounted


@both_orders
@pytest.mark.parametrize("excluded", ["", "/metrics"])
def test_mounted_below(order: str, excluded: str, summaries: Summaries) -> None:
    """A page mounted below our extension is recorded or excluded by its whole path."""

    def setup(app: Flask) -> None:
        pages = {"/metrics": make_wsgi_app(CollectorRegistry())}
        app.wsgi_app = DispatcherMiddleware(app.wsgi_app, pages)  # type: ignore[method-assign]

    client = client_of(setup, order, DOCKERFLOW_SUMMARY_EXCLUDE_PATHS=excluded)
    assert client.get("/metrics").status_code == 200
    recorded = order == "after" and not excluded  # a mount outside of it answers before it
    assert [each["path"] for each in summaries.take()] == ["/metrics"] * recorded


@pytest.mark.parametrize("excluded", ["/__lbheartbeat__", "/shop/__lbheartbeat__/"])
def test_mounted(excluded: str, summaries: Summaries) -> None:
    """A mounted application answers its probes, and excludes them by either path."""
    app = client_of(dockerflow_of, "never", DOCKERFLOW_SUMMARY_EXCLUDE_PATHS=excluded).application
    server = WSGIApp(DispatcherMiddleware(NotFound(), {"/shop": app}))
    assert server.request("/shop/__lbheartbeat__").status == 200
    assert summaries.take() == []
    assert server.request("/shop/id", headers=ABC).body == b"abc"
    assert summaries.take_one()["path"] == "/shop/id"


@both_orders
def test_proxy_fix(order: str, summaries: Summaries) -> None:
    """Behind a proxy that removes a prefix, ProxyFix outside of our extension restores it."""

    def setup(app: Flask) -> None:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1)  # type: ignore[method-assign]

    client = client_of(setup, order, DOCKERFLOW_SUMMARY_EXCLUDE_PATHS="/__lbheartbeat__")
    for path in ("/__lbheartbeat__", "/redirect"):
        client.get(path, headers={"X-Forwarded-Prefix": "/shop"})
    assert summaries.take_one()["path"] == ("/shop/redirect" if order == "before" else "/redirect")


# ---------------------------------------------------------------------- servers

APP = "tests.ecosystem.apps.flask_service:app"
GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}", APP, "--threads")
SERVERS = {
    "sync": (*GUNICORN, "1"),
    "gthread": (*GUNICORN, "4"),
    "flask-run": ("-m", "flask", "--app", APP, "run", "--port", "{port}"),
}


def say_hello(server: WebServer, path: str, request_id: str) -> Any:
    """Send a text through a websocket, and return the answer."""
    url = f"ws://127.0.0.1:{server.port}{path}"
    with contextlib.closing(Client.connect(url, headers={"X-Request-ID": request_id})) as client:
        client.send("hello")
        return client.receive(timeout=30)


@pytest.mark.parametrize("words", SERVERS.values(), ids=SERVERS)
def test_flask_sock(serve: Serve, words: tuple[str, ...]) -> None:
    """A websocket has an id, and a summary only if it fails or is refused."""
    server = serve(*words)
    assert say_hello(server, "/echo", "good") == "hello"
    with pytest.raises(ConnectionClosed):
        say_hello(server, "/fails", "bad")
    assert b"400 BAD REQUEST" in server.get("/echo", "refused")
    server.stop()
    assert [line["Type"] for line in server.lines("good")] == ["app"]
    bad, refused = server.summary("bad"), server.summary("refused")
    assert (bad["code"], bad["errno"], bad["msg"]) == (500, 500, "hello")
    assert (refused["code"], refused["errno"]) == (400, 0)


def test_worker_timeout(serve: Serve) -> None:
    """A request during which gunicorn kills its sync worker is an error, not a client that left."""
    server = serve(*SERVERS["sync"], "--timeout", "1")
    server.get("/hangs", "hung")
    summary = server.summary("hung")
    assert (summary["code"], summary["errno"]) == (500, 500)


class MountedServer(WebServer):
    """A server whose paths begin with a prefix."""

    def get(self, path: str, request_id: str = "ready", method: str = "GET") -> bytes:
        return super().get(f"/shop{path}", request_id, method)


def test_script_name() -> None:
    """With gunicorn's SCRIPT_NAME a probe is excluded by its path within it, unless it fails."""
    with contextlib.closing(MountedServer(SERVERS["gthread"])) as server:
        excluded = "/__lbheartbeat__,/__heartbeat__"
        server.environ.update(SCRIPT_NAME="/shop", FLASK_DOCKERFLOW_SUMMARY_EXCLUDE_PATHS=excluded)
        server.start()
        server.get("/__heartbeat__", "failed")
        server.get("/missing", "missing")
        server.stop()
        assert server.lines("ready") == []
        assert server.summary("failed")["path"] == "/shop/__heartbeat__"
        assert server.summary("missing")["path"] == "/shop/missing"
