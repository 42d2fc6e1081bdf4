"""What exists in Flask only: the extension, blinker signals, ``g``, hooks, WSGI."""

from __future__ import annotations

import logging
import pathlib
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from unittest import mock
from wsgiref.util import FileWrapper

import pytest
from flask import (
    Flask,
    Response,
    copy_current_request_context,
    current_app,
    g,
    got_request_exception,
    has_request_context,
    request,
    send_file,
)
from werkzeug.exceptions import NotFound, ServiceUnavailable
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from dockerflow import checks
from dockerflow.checks import CheckRegistry
from dockerflow.flask import Dockerflow, signals
from dockerflow.logging import request_id_context
from tests.adapters.apps.wrapped.flask import new_app
from tests.adapters.conftest import Log
from tests.adapters.harness import Teapot, WSGIApp, environ_of

PROBES = ("/__version__", "/__heartbeat__", "/__lbheartbeat__")
ABC = {"X-Request-ID": "abc"}


@pytest.fixture
def app() -> Flask:
    """An application without any extension."""
    return new_app()


@pytest.fixture
def dockerflow(app: Flask) -> Dockerflow:
    """The extension of the application."""
    return Dockerflow(app, registry=CheckRegistry())


class Extended(Dockerflow):
    """An extension that adds a field and the user's id."""

    def summary_extra(self) -> dict[str, Any]:
        return {**super().summary_extra(), "tenant": request.environ["HTTP_X_TENANT"]}

    def user_id(self) -> str:
        return "ada"


def filter_by_path(record: logging.LogRecord) -> bool:
    """Filter records by a function that reads Flask's request."""
    record.filtered = has_request_context() and request.path
    return True


@pytest.fixture(params=["wrapper", "hooks"])
def server(request: pytest.FixtureRequest, app: Flask) -> Iterator[WSGIApp]:
    """The application, served through its new WSGI callable and through the original one."""
    before = app.wsgi_app
    dockerflow = Extended(app, registry=CheckRegistry())
    dockerflow.summary_logger.addFilter(filter_by_path)
    yield WSGIApp(app if request.param == "wrapper" else before)
    dockerflow.summary_logger.removeFilter(filter_by_path)


# ---------------------------------------------------------------------- the extension


def test_another_extension(app: Flask, dockerflow: Dockerflow) -> None:
    """Another extension on one app is refused, with the remedy; the same one is accepted."""
    wsgi_app = app.wsgi_app
    dockerflow.init_app(app)
    assert app.wsgi_app is wsgi_app
    with pytest.raises(RuntimeError, match=r"use that one, app\.extensions\[\"dockerflow\"\]"):
        Dockerflow(app)


def test_factory(app: Flask, log: Log) -> None:
    """One extension serves several apps, each with its own requests and endpoints."""
    dockerflow = Dockerflow(registry=CheckRegistry())
    other = Flask("other")
    other.config["DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE"] = 503
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    for one, status in ((app, 500), (other, 503)):
        dockerflow.init_app(one)
        assert one.extensions["dockerflow"] is dockerflow
        assert one.test_client().get("/__heartbeat__").status_code == status
    assert len(log.summaries) == 2


def test_settings_are_read_when_used(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A setting that becomes invalid while requests run is logged, and the default is used."""
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    app.config["DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE"] = 200
    app.config["DOCKERFLOW_SUMMARY_EXCLUDE_PATHS"] = 7
    assert app.test_client().get("/__heartbeat__").status_code == 500
    faults = " ".join(line["Fields"]["msg"] for line in log.of("dockerflow.flask"))
    assert "FAILED_STATUS_CODE is 200" in faults
    assert "EXCLUDE_PATHS is 7" in faults


def test_checks_of_the_extension(dockerflow: Dockerflow) -> None:
    """check, init_check and checks work on the extension's registry, by default the process's."""

    @dockerflow.check
    @dockerflow.check(name="two")
    def one() -> None: ...

    ping = mock.Mock(__name__="ping", return_value=[])
    dockerflow.init_check(ping, "client")
    assert list(dockerflow.checks) == ["two", "one", "ping"]
    assert dockerflow.registry.run_checks().level == 0
    ping.assert_called_once_with("client")
    assert Dockerflow().checks is checks.get_checks()


def test_application_called_dockerflow(tmp_path: pathlib.Path) -> None:
    """An app named after the namespace works if root_path is given, which a namespace lacks."""
    app = Flask("dockerflow", root_path=str(tmp_path), instance_path=str(tmp_path))
    Dockerflow(app, registry=CheckRegistry())
    assert app.test_client().get("/__lbheartbeat__").status_code == 200


# ---------------------------------------------------------------------- the endpoints


@pytest.mark.parametrize("path", PROBES)
def test_probes_that_hooks_would_refuse(app: Flask, log: Log, path: str) -> None:
    """No hook of the application can refuse a probe, whenever it was registered."""
    app.before_request(lambda: ("log in first", 401))
    Dockerflow(app, registry=CheckRegistry()).version_callback(lambda root: {})
    app.before_request(lambda: ("log in first", 401))
    assert app.test_client().get(path, headers=ABC).status_code == 200
    assert (log.summary["path"], log.summary["code"], log.summary["rid"]) == (path, 200, "abc")


def test_probes_and_teardown_functions(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A teardown function that fails because no hook ran is logged, and refuses no probe."""
    app.teardown_appcontext(lambda error: g.made_by_a_hook.close())
    answer = WSGIApp(app).request("/__lbheartbeat__")
    assert (answer.status, answer.error, log.summary["code"]) == (200, None, 200)
    assert "made_by_a_hook" in log.of("dockerflow.flask")[0]["Fields"]["error"]


def test_views(app: Flask, dockerflow: Dockerflow) -> None:
    """The endpoints are views with names, as other extensions expect, and answer OPTIONS."""
    assert app.test_client().options("/__heartbeat__").allow == {"GET", "HEAD", "OPTIONS"}
    rules = {rule.endpoint: rule.rule for rule in app.url_map.iter_rules()}
    for name in ("version", "heartbeat", "lbheartbeat", "error"):
        assert rules[f"dockerflow.{name}"] == f"/__{name}__"
        assert app.view_functions[f"dockerflow.{name}"].__name__ == name


def test_probe_of_a_mounted_application(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """Below a prefix, probes are answered, and excluded by their path with and without it."""
    app.config["DOCKERFLOW_SUMMARY_EXCLUDE_PATHS"] = "/__lbheartbeat__,/api/__version__"
    mounted = WSGIApp(DispatcherMiddleware(mock.Mock(), {"/api": app}))
    for name, status in (("lbheartbeat", 200), ("version", 404), ("heartbeat", 200)):
        assert mounted.request(f"/api/__{name}__").status == status
    assert log.summary["path"] == "/api/__heartbeat__"


def test_version_places(app: Flask, dockerflow: Dockerflow) -> None:
    """version.json is in the parent of root_path, root_path or /app; callbacks get the first."""
    app.root_path = "/somewhere/package"
    with mock.patch("dockerflow.version.get_version", return_value=None) as get_version:
        assert app.test_client().get("/__version__").status_code == 404
    places = [call.args[0] for call in get_version.call_args_list]
    assert places == ["/somewhere", "/somewhere/package", "/app"]
    dockerflow.version_callback(lambda root: {current_app.name: root})
    assert app.test_client().get("/__version__").json == {app.name: "/somewhere"}


def test_version_callback_and_error_handlers(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """An exception of a version callback is handled by the application, and is no error then."""
    dockerflow.version_callback(mock.Mock(side_effect=Teapot))
    assert app.test_client().get("/__version__").text == "short and stout"
    assert (log.summary["code"], log.summary["errno"]) == (418, 0)


def test_heartbeat_and_error_handlers(app: Flask, dockerflow: Dockerflow) -> None:
    """No error handler of the application replaces the response of a failed heartbeat."""
    app.register_error_handler(500, lambda error: ("handled", 200))
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    assert app.test_client().get("/__heartbeat__").text.startswith('{"status": "error"')


def test_signal_of_a_group(app: Flask, dockerflow: Dockerflow) -> None:
    """Only the signal of a group's heartbeat has the name of the group."""
    app.config["DOCKERFLOW_HEARTBEAT_GROUPS"] = {"ready": []}
    receiver = mock.Mock()
    dockerflow.check(list, name="one")
    signals.heartbeat_passed.connect(receiver, app)
    for path in ("/__heartbeat__/ready", "/__heartbeat__"):
        app.test_client().get(path)
    group, heartbeat = mock.call(app, level=0, group="ready"), mock.call(app, level=0)
    assert receiver.call_args_list == [group, heartbeat]


def test_signals(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """Each heartbeat sends its level from the app itself; a receiver that raises is logged."""
    sent: list[tuple[str, Any, int]] = []

    @signals.heartbeat_passed.connect_via(app)
    def broken(sender: Flask, level: int) -> None:
        raise RuntimeError("statsd is down")

    @signals.heartbeat_passed.connect_via(app)
    async def passed(sender: Flask, level: int) -> None:
        sent.append(("passed", sender, level))

    @signals.heartbeat_failed.connect_via(app)
    def failed(sender: Flask, level: int) -> None:
        sent.append(("failed", sender, level))

    dockerflow.check(lambda: checks.Warning("m"), name="one")
    assert app.test_client().get("/__heartbeat__").status_code == 200
    dockerflow.check(lambda: checks.Critical("m"), name="two")
    assert app.test_client().get("/__heartbeat__").status_code == 500
    assert sent == [("passed", app, 30), ("failed", app, 50)]
    (line,) = log.of("dockerflow.flask")
    assert "statsd is down" in line["Fields"]["error"]


@pytest.mark.parametrize("timeout", [5, None])
def test_context_of_checks(app: Flask, dockerflow: Dockerflow, timeout: float | None) -> None:
    """Each check has its own app context, torn down after it, and no request."""
    app.config["DOCKERFLOW_CHECK_TIMEOUT"] = timeout
    torn_down: list[Any] = []
    seen: list[Any] = []
    app.teardown_appcontext(lambda error: torn_down.append(g.get("mine")))

    def look(mine: str) -> None:
        seen.append((current_app == app, g.get("mine"), has_request_context()))
        g.mine = mine

    async def look_async(mine: str) -> None:
        look(mine)

    dockerflow.init_check(look, "one")
    dockerflow.init_check(look_async, "two")
    with app.test_request_context():
        assert app.test_client().get("/__heartbeat__").status_code == 200
    assert seen == [(True, None, False)] * 2
    assert {"one", "two"} <= set(torn_down)


# ---------------------------------------------------------------------- the request id in g


def test_g(app: Flask, dockerflow: Dockerflow) -> None:
    """The request id and the start are in g, and an application's own g.request_id is kept."""
    for own in (None, "mine"):
        with app.test_request_context("/", headers=ABC):
            if own is not None:
                g.request_id = own
            app.preprocess_request()
            assert (g._request_id, g.request_id) == ("abc", own or "abc")
            assert time.time() - g._start_timestamp < 60


def test_g_of_another_class(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """The class of g may be the application's own, without the methods of Flask's class."""
    app.app_ctx_globals_class = SimpleNamespace  # type: ignore[assignment] # typed as its own
    app.add_url_rule("/g", view_func=lambda: g.request_id, endpoint="g")
    assert app.test_client().get("/g", headers=ABC).text == "abc"
    assert log.summary["uid"] == ""


def test_hooks_that_were_there_before(app: Flask, log: Log) -> None:
    """A hook registered before the extension has the id, and can refuse /__error__ like a view."""
    app.before_request(lambda: (f"refused {g.request_id}", 403))
    Dockerflow(app, registry=CheckRegistry())
    answer = app.test_client().get("/__error__", headers=ABC)
    assert (answer.text, answer.headers["X-Request-ID"]) == ("refused abc", "abc")
    assert log.summary["code"] == 403
    assert log.summary["t"] >= 0


def test_g_of_a_shared_app_context(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """Requests within one pushed app context each have their own id, also in g."""
    app.add_url_rule("/g", "g", lambda: g.request_id)
    with app.app_context():
        for rid in ("one", "two"):
            assert app.test_client().get("/g", headers={"X-Request-ID": rid}).text == rid
    assert [fields["rid"] for fields in log.summaries] == ["one", "two"]


def test_request_within_a_request(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A request made while another is served has its own id and summary."""

    @app.get("/outer")
    def outer() -> str:
        app.test_client().get("/", headers={"X-Request-ID": "inner"})
        with app.test_request_context("/elsewhere", headers={"X-Request-ID": "pushed"}):
            app.preprocess_request()
            assert request_id_context.get() == "pushed"
        return request_id_context.get() or ""

    assert app.test_client().get("/outer", headers={"X-Request-ID": "outer"}).text == "outer"
    assert [fields["rid"] for fields in log.summaries] == ["inner", "outer"]


@pytest.mark.parametrize("name", ["_start_timestamp", "_request_id"])
def test_removed_attributes(app: Flask, dockerflow: Dockerflow, log: Log, name: str) -> None:
    """If the start is removed from g, the summary has no t; the id is kept in any case."""
    app.before_request(lambda: delattr(g, name))
    app.test_client().get("/", headers=ABC)
    assert ("t" in log.summary) == (name != "_start_timestamp")
    assert log.summary["rid"] == "abc"


# ---------------------------------------------------------------------- the summary


@pytest.mark.parametrize(
    ("path", "code"), [("/", 200), ("/status/204", 204), ("/missing", 404), ("/boom", 500)]
)
def test_fields_and_filters(server: WSGIApp, log: Log, path: str, code: int) -> None:
    """A subclass adds fields, and log filters can read Flask's request, for error pages too."""
    server.request(path, headers={"X-Tenant": "acme"})
    assert (log.summary["tenant"], log.summary["uid"]) == ("acme", "ada")
    assert (log.summary["code"], log.summary["filtered"]) == (code, path)


def test_fields_that_fail(server: WSGIApp, log: Log) -> None:
    """Fields that raise change no response, and the request is recorded."""
    assert server.request("/").body == b"hello"
    assert (log.summary["path"], log.summary["code"], log.summary["uid"]) == ("/", 200, "")
    assert "HTTP_X_TENANT" in log.of("dockerflow.flask")[0]["Fields"]["error"]


@pytest.mark.parametrize("error", [RuntimeError("end"), SystemExit("end")], ids=repr)
def test_exceptions_that_leave(app: Flask, server: WSGIApp, log: Log, error: BaseException) -> None:
    """An unhandled exception is raised unchanged, and is recorded like an error page."""
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.view_functions["hello"] = mock.Mock(side_effect=error)
    with pytest.raises(type(error)) as leaving:
        server.app(environ_of("/", "GET", "", {"X-Tenant": "acme"}, b""), mock.Mock())
    assert leaving.value is error
    assert (log.summary["tenant"], log.summary["uid"]) == ("acme", "ada")
    assert (log.summary["code"], log.summary["errno"], log.summary["msg"]) == (500, 500, "end")
    assert (log.summary["filtered"], request_id_context.get()) == ("/", None)


@pytest.mark.parametrize("where", ["before_request", "after_request"])
def test_hooks_that_raise(app: Flask, server: WSGIApp, log: Log, where: str) -> None:
    """A hook that raises is a failure like any other, with one summary and the error page."""
    hook = mock.Mock(side_effect=RuntimeError(where))
    getattr(app, where)(hook)
    app.register_error_handler(500, lambda error: ("sorry", 500))
    answer = server.request("/", headers=ABC)
    assert (answer.status, answer.body) == (500, b"sorry")
    fields = {name: log.summary[name] for name in ("path", "code", "errno", "msg", "rid")}
    assert fields == {"path": "/", "code": 500, "errno": 500, "msg": where, "rid": "abc"}


def test_teardown_that_raises(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """An exception of a teardown function is raised; the response was recorded before it."""
    error = RuntimeError("teardown")
    app.teardown_request(mock.Mock(side_effect=error))
    assert WSGIApp(app).request("/").error is error
    assert (log.summary["code"], request_id_context.get()) == (200, None)


@pytest.mark.parametrize(
    ("error", "code", "severity"),
    [(NotFound(), 404, 6), (ServiceUnavailable(), 503, 6), (ValueError("invalid"), 500, 3)],
    ids=repr,
)
def test_exceptions_that_were_answered(
    app: Flask, server: WSGIApp, log: Log, error: Exception, code: int, severity: int
) -> None:
    """An exception that is signalled but answered, as in Flask-RESTX, is judged by the answer."""

    @app.get("/answered")
    def answered() -> Any:
        got_request_exception.send(app, exception=error)
        return "message", code

    server.request("/answered")
    (line,) = log.of("request.summary")
    assert (line["Fields"]["code"], line["Severity"]) == (code, severity)
    assert line["Fields"]["errno"] == (0 if code < 500 else code)


def test_thread_with_the_request_context(app: Flask, server: WSGIApp, log: Log) -> None:
    """A thread that copies the request's context and fails does not end the request."""

    @app.get("/thread")
    def thread() -> str:
        @copy_current_request_context
        def fail() -> None:
            raise LookupError("in the thread")

        with ThreadPoolExecutor() as pool:
            assert isinstance(pool.submit(fail).exception(), LookupError)
        return request_id_context.get() or ""

    answer = server.request("/thread", headers=ABC)
    assert (answer.body, answer.header("X-Request-ID")) == (b"abc", "abc")
    assert (log.summary["code"], log.summary["errno"]) == (200, 0)
    assert request_id_context.get() is None


def test_stream_of_a_hook(app: Flask, log: Log) -> None:
    """A stream from a hook that was registered before the extension is recorded at its end."""
    stream = app.view_functions["stream_fails"]
    app.after_request(lambda response: stream())
    Dockerflow(app, registry=CheckRegistry())
    assert WSGIApp(app).request("/").body == b"one"
    assert (log.summary["code"], log.summary["errno"]) == (200, 500)


def test_send_file(app: Flask, server: WSGIApp, log: Log) -> None:
    """A file is sent in the server's own wrapper, in part, or not at all, as without dockerflow."""
    app.add_url_rule("/file", "file", lambda: send_file(__file__, conditional=True))
    environ = {**environ_of("/file", "GET", "", None, b""), "wsgi.file_wrapper": FileWrapper}
    whole: Any = server.app(environ, mock.Mock())
    assert type(whole) is FileWrapper  # which a server recognizes by its type
    whole.close()
    part = server.request("/file", headers={"Range": "bytes=3-6"})
    assert part.body == b"What"
    headers = {"If-None-Match": str(part.header("ETag"))}
    assert server.request("/file", headers=headers).status == 304
    assert [fields["code"] for fields in log.summaries] == [200, 206, 304]


def test_request_context_of_a_test(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """Without a server, process_response writes the summary and sets the id header."""
    with app.test_request_context("/x?y=z", headers={**ABC, "User-Agent": "agent/1"}):
        assert dockerflow.summary_extra()["rid"] == "abc"
        app.preprocess_request()
        assert request_id_context.get() == "abc"
        response = app.process_response(app.response_class("", 201))
        assert response.headers["X-Request-ID"] == "abc"
        fields = {name: log.summary[name] for name in ("path", "code", "agent", "rid")}
        assert fields == {"path": "/x", "code": 201, "agent": "agent/1", "rid": "abc"}
    assert (request_id_context.get(), len(log.summaries)) == (None, 1)


def test_mounted_applications(app: Flask, log: Log) -> None:
    """An application mounted below another is recorded once, with the whole path."""
    inner = new_app()
    Dockerflow(inner, registry=CheckRegistry())
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/inner": inner})  # type: ignore[method-assign]
    Dockerflow(app, registry=CheckRegistry())
    answer = WSGIApp(app).request("/inner/id", headers=ABC)
    assert (answer.body, answer.header("X-Request-ID")) == (b"abc", "abc")
    assert (log.summary["rid"], log.summary["path"]) == ("abc", "/inner/id")


def test_websocket(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A websocket has an id and no summary, also when Flask-Sock ends it with StopIteration."""

    class Taken(Response):
        def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
            raise StopIteration(request_id_context.get())

    app.add_url_rule("/socket", "socket", Taken)
    error = WSGIApp(app).request("/socket", headers={**ABC, "Upgrade": "websocket"}).error
    assert isinstance(error, StopIteration)
    assert (error.value, log.summaries) == ("abc", [])
