"""What only Flask has: the extension, blinker signals, ``g``, hooks, WSGI."""

from __future__ import annotations

import io
import logging
import pathlib
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

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
    stream_with_context,
)
from werkzeug.exceptions import NotFound, ServiceUnavailable
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wsgi import FileWrapper, wrap_file

from dockerflow import checks
from dockerflow.checks import CheckRegistry
from dockerflow.flask import Dockerflow, HeartbeatFailure, signals
from dockerflow.logging import request_id_context
from tests.adapters.conftest import Log
from tests.adapters.harness import WSGIApp, environ_of

PROBES = ("/__version__", "/__heartbeat__", "/__lbheartbeat__")
ABC = {"X-Request-ID": "abc"}


@pytest.fixture
def app() -> Flask:
    """An application without any extension."""
    app = Flask(__name__)

    @app.get("/")
    def hello() -> str:
        return "hello"

    @app.get("/empty")
    def empty() -> tuple[str, int]:
        return "", 204

    @app.get("/boom")
    def boom() -> str:
        raise RuntimeError("boom")

    @app.get("/stream")
    def stream() -> Response:
        def chunks() -> Iterator[str]:
            yield g.request_id
            yield request.path
            yield str(request_id_context.get())

        return Response(stream_with_context(chunks()))

    return app


@pytest.fixture
def registry() -> CheckRegistry:
    """An empty registry."""
    return CheckRegistry()


@pytest.fixture
def dockerflow(app: Flask, registry: CheckRegistry) -> Dockerflow:
    """The extension of the application."""
    return Dockerflow(app, registry=registry)


class Extended(Dockerflow):
    """An extension that adds a field, and knows who asks."""

    def summary_extra(self) -> dict[str, Any]:
        return {**super().summary_extra(), "seen": request.headers.get("X-Tenant")}

    def user_id(self) -> str:
        return "ada"


@pytest.fixture(params=["wrapper", "hooks"])
def server(request: pytest.FixtureRequest, app: Flask, registry: CheckRegistry) -> WSGIApp:
    """The application, served by its WSGI callable, and by the one from before the extension."""
    before = app.wsgi_app
    Extended(app, registry=registry)
    return WSGIApp(app if request.param == "wrapper" else before)


# ---------------------------------------------------------------------- the extension


def test_another_extension(app: Flask, dockerflow: Dockerflow) -> None:
    """Another extension on one app is refused, with the remedy; the same one is no fault."""
    wsgi_app = app.wsgi_app
    dockerflow.init_app(app)
    assert app.wsgi_app is wsgi_app
    with pytest.raises(RuntimeError, match=r"use that one, app\.extensions\[\"dockerflow\"\]"):
        Dockerflow(app)


def test_factory(app: Flask, registry: CheckRegistry, log: Log) -> None:
    """One extension serves several apps, each with its own requests and endpoints."""
    dockerflow = Dockerflow(registry=registry)
    other = Flask("other")
    other.config["DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE"] = 503
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    for one in (app, other):
        dockerflow.init_app(one)
        assert one.extensions["dockerflow"] is dockerflow
    assert app.test_client().get("/__heartbeat__").status_code == 500
    assert other.test_client().get("/__heartbeat__").status_code == 503
    assert len(log.summaries) == 2


def test_settings_are_read_when_used(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A setting that is wrong at request time is logged, and the default used."""
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    app.config["DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE"] = 200
    app.config["DOCKERFLOW_CHECK_TIMEOUT"] = "soon"
    app.config["DOCKERFLOW_SUMMARY_EXCLUDE_PATHS"] = 7
    assert app.test_client().get("/__heartbeat__").status_code == 500
    faults = " ".join(line["Fields"]["msg"] for line in log.of("dockerflow.flask"))
    for name in ("FAILED_STATUS_CODE is 200", "CHECK_TIMEOUT is 'soon'", "EXCLUDE_PATHS is 7"):
        assert name in faults


def test_checks_of_the_extension(dockerflow: Dockerflow, registry: CheckRegistry) -> None:
    """check, init_check and checks work on the extension's registry, by default the process's."""

    def ping(client: str) -> checks.CheckMessage:
        return checks.Info(client)

    @dockerflow.check
    def one() -> None: ...

    @dockerflow.check(name="two")
    def other() -> None: ...

    dockerflow.init_check(ping, "client")
    assert list(dockerflow.checks) == ["one", "two", "ping"]
    assert dockerflow.checks is registry.checks
    assert registry.run_checks().details["ping"]["messages"] == {"ping": "client"}
    assert Dockerflow().checks is checks.get_checks()


def test_application_called_dockerflow(registry: CheckRegistry, tmp_path: pathlib.Path) -> None:
    """An app named after the namespace works where it says its paths, which a namespace has not."""
    app = Flask("dockerflow", root_path=str(tmp_path), instance_path=str(tmp_path))
    Dockerflow(app, registry=registry)
    assert app.test_client().get("/__lbheartbeat__").status_code == 200


# ---------------------------------------------------------------------- the endpoints


@pytest.mark.parametrize("registered", ["before", "after"])
@pytest.mark.parametrize("path", PROBES)
def test_probes_that_hooks_would_refuse(
    app: Flask, registry: CheckRegistry, log: Log, path: str, registered: str
) -> None:
    """No hook of the application can refuse a probe, whenever it was registered."""
    dockerflow = Dockerflow(registry=registry)
    dockerflow.version_callback(lambda _: {})
    if registered == "after":
        dockerflow.init_app(app)
    app.before_request(lambda: ("log in first", 401))
    dockerflow.init_app(app)
    answer = app.test_client().get(path, headers=ABC)
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (200, "abc")
    assert (log.summary["path"], log.summary["code"], log.summary["rid"]) == (path, 200, "abc")


def test_probes_and_teardown_functions(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A teardown function that misses what a hook makes is logged, and refuses no probe."""
    app.teardown_appcontext(lambda error: g.made_by_a_hook.close())
    answer = WSGIApp(app).request("/__lbheartbeat__")
    assert (answer.status, answer.error, log.summary["code"]) == (200, None, 200)
    assert "made_by_a_hook" in log.of("dockerflow.flask")[0]["Fields"]["error"]


def test_views(app: Flask, dockerflow: Dockerflow) -> None:
    """The endpoints are views with names, as other extensions ask for them, and have OPTIONS."""
    assert app.test_client().options("/__heartbeat__").allow == {"GET", "HEAD", "OPTIONS"}
    rules = {rule.endpoint: rule.rule for rule in app.url_map.iter_rules()}
    for name in ("version", "heartbeat", "lbheartbeat", "error"):
        assert rules[f"dockerflow.{name}"] == f"/__{name}__"
        assert app.view_functions[f"dockerflow.{name}"].__name__ == name


def test_probe_of_a_mounted_application(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """Below a prefix, probes are answered, and excluded by their path with it and without."""
    app.config["DOCKERFLOW_SUMMARY_EXCLUDE_PATHS"] = "/__lbheartbeat__,/api/__version__"
    mounted = WSGIApp(DispatcherMiddleware(mock.Mock(), {"/api": app}))
    assert mounted.request("/api/__lbheartbeat__").status == 200
    assert mounted.request("/api/__version__").status == 404
    assert mounted.request("/api/__heartbeat__").status == 200
    assert log.summary["path"] == "/api/__heartbeat__"


def test_version_places(app: Flask, dockerflow: Dockerflow) -> None:
    """version.json is looked for in the parent of root_path, then root_path, then /app.

    A version callback is called once, with the first of them, and has current_app.
    """
    app.root_path = "/somewhere/package"
    with mock.patch("dockerflow.version.get_version", return_value=None) as get_version:
        assert app.test_client().get("/__version__").status_code == 404
    assert [call.args for call in get_version.call_args_list] == [
        ("/somewhere",),
        ("/somewhere/package",),
        ("/app",),
    ]
    dockerflow.version_callback(lambda root: {current_app.name: root})
    assert app.test_client().get("/__version__").json == {app.name: "/somewhere"}


def test_version_callback_that_raises(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """What a version callback raises goes to the application's error handlers, once."""
    callback = dockerflow.version_callback(mock.Mock(side_effect=[LookupError(), ValueError("v")]))
    app.register_error_handler(LookupError, lambda error: ("handled", 418))
    client = app.test_client()
    assert client.get("/__version__").text == "handled"
    assert client.get("/__version__").status_code == 500
    assert callback.call_count == 2
    assert [fields.get("msg", "") for fields in log.summaries] == ["", "v"]


@pytest.mark.parametrize("handled", [500, Exception, HeartbeatFailure])
def test_heartbeat_and_error_handlers(app: Flask, dockerflow: Dockerflow, handled: Any) -> None:
    """No error handler of the application hides what a failed heartbeat says."""
    app.register_error_handler(handled, lambda error: ("handled", 200))
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    answer = app.test_client().get("/__heartbeat__")
    assert answer.status_code == 500
    assert answer.json is not None
    assert answer.json["status"] == "error"


def test_signals(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """Each heartbeat sends one signal with its level, and the app itself as the sender.

    A receiver that raises is logged; the answer and the other receivers don't notice.
    """
    sent: list[tuple[str, Any, int]] = []

    @signals.heartbeat_passed.connect_via(app)
    def broken(sender: Flask, level: int) -> None:
        raise RuntimeError("statsd is down")

    @signals.heartbeat_passed.connect_via(app)
    async def passed(sender: Flask, level: int, **extra: Any) -> None:
        sent.append(("passed", sender, level))

    @signals.heartbeat_failed.connect_via(app)
    def failed(sender: Flask, level: int, **extra: Any) -> None:
        sent.append(("failed", sender, level))

    client = app.test_client()
    assert client.get("/__heartbeat__").status_code == 200
    dockerflow.check(lambda: checks.Warning("m"), name="one")
    client.get("/__heartbeat__")
    dockerflow.check(lambda: checks.Critical("m"), name="two")
    client.get("/__heartbeat__")
    assert sent == [("passed", app, 0), ("passed", app, 30), ("failed", app, 50)]
    errors = [line["Fields"]["error"] for line in log.of("dockerflow.flask")]
    assert ["statsd is down" in error for error in errors] == [True, True]


@pytest.mark.parametrize("timeout", [5, None])
def test_context_of_checks(app: Flask, dockerflow: Dockerflow, timeout: float | None) -> None:
    """Each check has an app context of its own, torn down after it, and no request."""
    app.config["DOCKERFLOW_CHECK_TIMEOUT"] = timeout
    torn_down: list[Any] = []
    seen: list[Any] = []

    @app.teardown_appcontext
    def teardown(error: BaseException | None) -> None:
        torn_down.append(g.get("mine"))

    def look(mine: str) -> None:
        seen.append((current_app == app, g.get("mine"), has_request_context()))
        g.mine = mine

    @dockerflow.check
    def one() -> None:
        look("one")

    @dockerflow.check
    async def two() -> None:
        look("two")

    with app.test_request_context():
        assert app.test_client().get("/__heartbeat__").status_code == 200
    assert seen == [(True, None, False)] * 2
    assert {"one", "two"} <= set(torn_down)


# ---------------------------------------------------------------------- the request id in g


def test_g(app: Flask, dockerflow: Dockerflow) -> None:
    """The request id and the start are in g, and the application's own g.request_id stays."""
    with app.test_request_context("/", headers=ABC):
        app.preprocess_request()
        assert (g._request_id, g.request_id) == ("abc", "abc")
        assert time.time() - g._start_timestamp < 60
    with app.test_request_context("/", headers=ABC):
        g.request_id = "mine"
        app.preprocess_request()
        assert (g._request_id, g.request_id) == ("abc", "mine")


def test_hooks_that_were_there_before(app: Flask, registry: CheckRegistry, log: Log) -> None:
    """A hook registered before the extension has the id, and may answer in place of the view."""
    app.before_request(lambda: (f"refused {g.request_id}", 403))
    Dockerflow(app, registry=registry)
    answer = app.test_client().get("/", headers=ABC)
    assert (answer.text, answer.headers["X-Request-ID"]) == ("refused abc", "abc")
    assert log.summary["code"] == 403
    assert log.summary["t"] >= 0


def test_g_of_a_shared_app_context(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """Requests made within one pushed app context have an id each, in g as well."""
    app.add_url_rule("/id", view_func=lambda: g.request_id, endpoint="id")
    with app.app_context():
        for rid in ("one", "two"):
            assert app.test_client().get("/id", headers={"X-Request-ID": rid}).text == rid
    assert [fields["rid"] for fields in log.summaries] == ["one", "two"]


def test_request_within_a_request(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A request made while another is served has an id and a summary of its own."""

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
    """Where the start was removed from g the summary has no t; the id stays in any case."""
    app.before_request(lambda: delattr(g, name))
    app.test_client().get("/", headers=ABC)
    assert ("t" in log.summary) == (name != "_start_timestamp")
    assert log.summary["rid"] == "abc"


# ---------------------------------------------------------------------- the summary


@pytest.mark.parametrize("setting", [None, "PROPAGATE_EXCEPTIONS", "TESTING", "DEBUG"])
@pytest.mark.parametrize("raised", [RuntimeError, SystemExit])
def test_fields_of_a_request_that_fails(
    app: Flask, server: WSGIApp, log: Log, setting: str | None, raised: type[BaseException]
) -> None:
    """Whatever ends a request, the exception is its own, and the summary has the extra fields."""
    error = raised("the end")
    if setting is not None:
        app.config[setting] = True

    @app.get("/end")
    def end() -> str:
        raise error

    if setting or raised is SystemExit:
        with pytest.raises(raised) as leaving:
            server.app(environ_of("/end", "GET", "", {"X-Tenant": "acme"}, b""), mock.Mock())
        assert leaving.value is error
    else:
        answer = server.request("/end", headers={"X-Tenant": "acme"})
        assert (answer.status, answer.error) == (500, None)
    fields = log.summary
    assert (fields["uid"], fields["seen"]) == ("ada", "acme")
    assert (fields["code"], fields["errno"], fields["msg"]) == (500, 500, "the end")
    assert request_id_context.get() is None


@pytest.mark.parametrize("path", ["/", "/empty", "/missing", "/boom"])
@pytest.mark.parametrize("propagate", [False, True])
def test_filters_that_read_the_request(
    app: Flask, server: WSGIApp, log: Log, path: str, propagate: bool
) -> None:
    """A filter of the log has Flask's request while a summary is written, error pages' too.

    A streamed response is recorded when Flask's request is gone.
    """
    app.config["PROPAGATE_EXCEPTIONS"] = propagate
    seen: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        seen.append(request.path)
        return True

    logger = logging.getLogger("request.summary")
    logger.addFilter(keep)
    try:
        answer = server.request(path, headers={**ABC, "X-Tenant": "acme"})
    finally:
        logger.removeFilter(keep)
    if answer.error is None:
        assert answer.header("X-Request-ID") == "abc"
    assert seen == [path]
    code = {"/empty": 204, "/missing": 404, "/boom": 500}.get(path, 200)
    fields = {name: log.summary[name] for name in ("path", "code", "rid", "seen")}
    assert fields == {"path": path, "code": code, "rid": "abc", "seen": "acme"}
    assert request_id_context.get() is None


def test_summary_extra_that_raises(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """Fields that can't be had change no response, and the request is recorded."""
    with mock.patch.object(dockerflow, "user_id", side_effect=LookupError("no tenant")):
        answer = app.test_client().get("/")
    assert (answer.status_code, answer.text) == (200, "hello")
    assert (log.summary["path"], log.summary["code"], log.summary["uid"]) == ("/", 200, "")
    assert "no tenant" in log.of("dockerflow.flask")[0]["Fields"]["error"]


def test_summary_extra_of_a_test(app: Flask, dockerflow: Dockerflow) -> None:
    """summary_extra() may be called by a test that has pushed a request context."""
    with app.test_request_context("/x", headers={**ABC, "User-Agent": "agent/1"}):
        fields = dockerflow.summary_extra()
    assert (fields["path"], fields["agent"], fields["rid"]) == ("/x", "agent/1", "abc")


@pytest.mark.parametrize("where", ["before", "after"])
def test_hooks_that_raise(app: Flask, server: WSGIApp, log: Log, where: str) -> None:
    """A hook of the application that raises is a failure like any, with one summary.

    The page of an error handler is served.
    """

    def hook(*args: Any) -> Any:
        raise RuntimeError(where)

    app.before_request(hook) if where == "before" else app.after_request(hook)
    app.register_error_handler(500, lambda error: ("sorry", 500))
    answer = server.request("/", headers=ABC)
    assert (answer.status, answer.body) == (500, b"sorry")
    fields = {name: log.summary[name] for name in ("path", "code", "errno", "msg", "rid")}
    assert fields == {"path": "/", "code": 500, "errno": 500, "msg": where, "rid": "abc"}


def test_teardown_that_raises(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """What a teardown function raises passes through; the response was recorded before it."""
    error = RuntimeError("teardown")
    app.teardown_request(mock.Mock(side_effect=error))
    assert WSGIApp(app).request("/").error is error
    assert (log.summary["code"], request_id_context.get()) == (200, None)


@pytest.mark.parametrize(
    ("error", "code", "errno", "severity"),
    [
        (NotFound(), 404, 0, 6),
        (ServiceUnavailable(), 503, 503, 6),
        (ValueError("invalid"), 400, 0, 6),
        (ValueError("invalid"), 500, 500, 3),
    ],
)
def test_exceptions_that_were_answered(
    app: Flask, server: WSGIApp, log: Log, error: Exception, code: int, errno: int, severity: int
) -> None:
    """An exception that is announced and answered, as Flask-RESTX does, is judged by the answer."""

    @app.get("/answered")
    def answered() -> Any:
        got_request_exception.send(app, exception=error)
        return "message", code

    server.request("/answered")
    (line,) = log.of("request.summary")
    assert (line["Fields"]["code"], line["Fields"]["errno"]) == (code, errno)
    assert line["Severity"] == severity


def test_thread_with_the_request_context(app: Flask, server: WSGIApp, log: Log) -> None:
    """A thread that borrows the request's context, and fails, does not end the request."""

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


# ---------------------------------------------------------------------- bodies


def test_streams(server: WSGIApp, log: Log) -> None:
    """A stream has Flask's context and the id, may be cut off, and is recorded at its end."""
    assert server.request("/stream", headers=ABC).body == b"abc/streamabc"
    assert request_id_context.get() is None
    server.request("/stream", read=1)
    assert request_id_context.get() is None
    server.request("/stream", "HEAD")
    assert [fields["code"] for fields in log.summaries] == [200, 499, 200]


def test_stream_of_a_hook(app: Flask, registry: CheckRegistry, log: Log) -> None:
    """A stream that a hook from before the extension puts in place is recorded at its end."""
    error = RuntimeError("mid-stream")

    def chunks() -> Iterator[str]:
        yield "a"
        raise error

    @app.after_request
    def replace(response: Response) -> Response:
        return Response(chunks())

    Dockerflow(app, registry=registry)
    assert WSGIApp(app).request("/").error is error
    assert (log.summary["code"], log.summary["errno"]) == (200, 500)


def test_file_wrapper(app: Flask, server: WSGIApp, log: Log) -> None:
    """The server's own file wrapper reaches it as it is."""

    class ServersWrapper(FileWrapper):
        """What a server recognises by its type, to send the file by itself."""

    @app.get("/file")
    def file() -> Response:
        content = wrap_file(request.environ, io.BytesIO(b"content"))
        return Response(content, direct_passthrough=True)

    environ = environ_of("/file", "GET", "", None, b"")
    environ["wsgi.file_wrapper"] = ServersWrapper
    body: Any = server.app(environ, mock.Mock())
    assert type(body) is ServersWrapper
    assert b"".join(body) == b"content"
    body.close()
    assert body.file.closed
    assert log.summary["code"] == 200


def test_send_file(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A file that is sent arrives whole, also in part and not at all, and is recorded."""
    app.add_url_rule("/file", "file", lambda: send_file(__file__, conditional=True))
    client = app.test_client()
    with client.get("/file") as whole:
        assert whole.data.startswith(b'"""What only Flask has')
    with client.get("/file", headers={"Range": "bytes=3-6"}) as part:
        assert part.data == b"What"
    with client.get("/file", headers={"If-None-Match": whole.headers["ETag"]}) as unchanged:
        assert unchanged.status_code == 304
    assert [fields["code"] for fields in log.summaries] == [200, 206, 304]


# ---------------------------------------------------------------------- WSGI


@pytest.mark.parametrize("path", PROBES)
def test_probes_of_either_callable(
    app: Flask, server: WSGIApp, log: Log, path: str, tmp_path: pathlib.Path
) -> None:
    """Where the wrapper is bypassed, probes are answered by views."""
    (tmp_path / "version.json").write_text("{}")
    app.extensions["dockerflow"].version_path = tmp_path
    answer = server.request(path, headers=ABC)
    assert (answer.status, answer.header("Cache-Control")) == (200, "no-store")
    assert (log.summary["path"], log.summary["rid"]) == (path, "abc")


@pytest.mark.parametrize("sent", ["abc", "mine"])
def test_request_context_of_a_test(app: Flask, dockerflow: Dockerflow, log: Log, sent: str) -> None:
    """Where no server called, process_response writes the summary and sends the id back."""
    own = {} if sent == "abc" else {"x-request-id": sent}
    with app.test_request_context("/x?y=z", headers={**ABC, "User-Agent": "agent/1"}):
        app.preprocess_request()
        assert request_id_context.get() == "abc"
        response = app.process_response(app.response_class("", 201, own))
        assert response.headers.getlist("X-Request-ID") == [sent]
        fields = {name: log.summary[name] for name in ("path", "code", "agent", "rid")}
        assert fields == {"path": "/x", "code": 201, "agent": "agent/1", "rid": "abc"}
    assert request_id_context.get() is None
    assert len(log.summaries) == 1


def test_mounted_applications(app: Flask, registry: CheckRegistry, log: Log) -> None:
    """What is mounted below an application is recorded once, with the whole path."""
    inner = Flask("inner")
    Dockerflow(inner, registry=registry)
    inner.add_url_rule("/x", view_func=lambda: "inner", endpoint="x")
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/inner": inner})  # type: ignore[method-assign]
    Dockerflow(app, registry=registry)
    answer = WSGIApp(app).request("/inner/x", headers=ABC)
    assert (answer.body, answer.header("X-Request-ID")) == (b"inner", "abc")
    assert (log.summary["rid"], log.summary["path"]) == ("abc", "/inner/x")


def test_websocket(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A websocket has an id and no summary; Flask-Sock's end with StopIteration in gunicorn."""

    class Taken(Response):
        def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
            raise StopIteration(request_id_context.get())

    app.add_url_rule("/socket", view_func=lambda: Taken())
    error = WSGIApp(app).request("/socket", headers={**ABC, "Upgrade": "websocket"}).error
    assert isinstance(error, StopIteration)
    assert (error.value, log.summaries) == ("abc", [])
    WSGIApp(app).request("/missing", headers={"Upgrade": "websocket"})
    assert log.summary["code"] == 404
