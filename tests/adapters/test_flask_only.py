"""What only Flask has: the extension, blinker signals, ``g``, Flask-Login, WSGI."""

from __future__ import annotations

import gc
import io
import logging
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any
from unittest import mock

import pytest
from flask import Flask, Response, current_app, g, has_request_context, request, session
from flask_login import (  # type: ignore[import-untyped]
    LoginManager,
    UserMixin,
    current_user,
    login_user,
)
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wsgi import FileWrapper, wrap_file

from dockerflow import checks
from dockerflow.checks import CheckRegistry
from dockerflow.flask import Dockerflow, HeartbeatFailure, signals
from dockerflow.flask.wsgi import ObservedRequest
from dockerflow.logging import request_id_context
from tests.adapters.conftest import Log
from tests.adapters.harness import WSGIApp, environ_of


@pytest.fixture
def app() -> Flask:
    """An application without any extension."""
    app = Flask(__name__)

    @app.get("/")
    def hello() -> str:
        return "hello"

    @app.get("/boom")
    def boom() -> str:
        raise RuntimeError("boom")

    return app


@pytest.fixture
def registry() -> CheckRegistry:
    """An empty registry."""
    return CheckRegistry()


@pytest.fixture
def dockerflow(app: Flask, registry: CheckRegistry) -> Dockerflow:
    """The extension of the application."""
    return Dockerflow(app, registry=registry)


# ---------------------------------------------------------------------- the extension


def test_second_extension(app: Flask, dockerflow: Dockerflow) -> None:
    """A second extension on one app is refused, with what to do instead."""
    with pytest.raises(RuntimeError, match="has a Dockerflow extension already"):
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


def test_endpoint_names(app: Flask, dockerflow: Dockerflow) -> None:
    """The endpoints have their names in the URL map."""
    names = {rule.endpoint: rule.rule for rule in app.url_map.iter_rules()}
    for name in ("version", "heartbeat", "lbheartbeat", "error"):
        assert names[f"dockerflow.{name}"] == f"/__{name}__"


def test_checks_of_the_extension(dockerflow: Dockerflow, registry: CheckRegistry) -> None:
    """check, init_check and checks work on the extension's registry."""

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


def test_default_registry(app: Flask) -> None:
    """Without a registry of its own an extension runs the checks of the process."""
    assert Dockerflow(app).checks is checks.get_checks()


def test_version_places(app: Flask, dockerflow: Dockerflow) -> None:
    """version.json is looked for in the parent of root_path, then root_path, then /app."""
    app.root_path = "/somewhere/package"
    with mock.patch("dockerflow.version.get_version", return_value=None) as get_version:
        assert app.test_client().get("/__version__").status_code == 404
    assert [call.args for call in get_version.call_args_list] == [
        ("/somewhere",),
        ("/somewhere/package",),
        ("/app",),
    ]


def test_version_callback_gets_the_parent(app: Flask, dockerflow: Dockerflow) -> None:
    """Without a version path the version callback is called once, with the parent of root_path."""
    app.root_path = "/somewhere/package"
    with mock.patch.object(dockerflow, "_version_callback", return_value={}) as callback:
        assert app.test_client().get("/__version__").json == {}
    callback.assert_called_once_with("/somewhere")


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


def test_application_called_dockerflow(registry: CheckRegistry, tmp_path: pathlib.Path) -> None:
    """An app named after the namespace works where it says its paths, which a namespace has not."""
    app = Flask("dockerflow", root_path=str(tmp_path), instance_path=str(tmp_path))
    Dockerflow(app, registry=registry)
    assert app.test_client().get("/__lbheartbeat__").status_code == 200


def test_asyncio_is_not_imported() -> None:
    """A service whose checks are sync never imports asyncio."""
    program = """
import sys
from flask import Flask
from dockerflow.checks import Warning
from dockerflow.flask import Dockerflow
app = Flask("app", root_path=".")
Dockerflow(app).check(lambda: Warning("m"), name="one")
assert app.test_client().get("/__heartbeat__").json["checks"] == {"one": "warning"}
print("asyncio" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=True
    )
    assert done.stdout == "False\n"


# ---------------------------------------------------------------------- the heartbeat


@pytest.mark.parametrize("handled", [500, HTTPException, Exception, HeartbeatFailure])
@pytest.mark.parametrize("trap", [False, True])
def test_heartbeat_and_the_app_s_error_handlers(
    app: Flask, dockerflow: Dockerflow, handled: Any, trap: bool
) -> None:
    """No error handler of the application hides what a failed heartbeat says."""
    app.config["TRAP_HTTP_EXCEPTIONS"] = trap
    app.register_error_handler(handled, lambda error: ("handled", 200))
    dockerflow.check(lambda: checks.Error("m"), name="bad")
    answer = app.test_client().get("/__heartbeat__")
    assert answer.status_code == 500
    assert answer.json is not None
    assert answer.json["status"] == "error"


def test_signals(app: Flask, dockerflow: Dockerflow) -> None:
    """Each heartbeat sends one signal with its level, and the app itself as the sender."""
    sent: list[tuple[str, Any, int]] = []

    @signals.heartbeat_passed.connect_via(app)
    def passed(sender: Flask, level: int, **extra: Any) -> None:
        sent.append(("passed", sender, level))

    @signals.heartbeat_failed.connect_via(app)
    def failed(sender: Flask, level: int, **extra: Any) -> None:
        sent.append(("failed", sender, level))

    client = app.test_client()
    client.get("/__heartbeat__")
    dockerflow.check(lambda: checks.Warning("m"), name="one")
    client.get("/__heartbeat__")
    dockerflow.check(lambda: checks.Critical("m"), name="two")
    client.get("/__heartbeat__")
    assert sent == [("passed", app, 0), ("passed", app, 30), ("failed", app, 50)]


def test_receiver_that_raises(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A receiver that raises is logged; the answer and the other receivers don't notice."""
    sent: list[int] = []

    def broken(sender: Flask, level: int) -> None:
        raise RuntimeError("statsd is down")

    async def asynchronous(sender: Flask, level: int) -> None:
        sent.append(level)

    def fine(sender: Flask, level: int) -> None:
        sent.append(level)

    receivers = (broken, asynchronous, fine)
    for receiver in receivers:
        signals.heartbeat_passed.connect(receiver, app)
    assert app.test_client().get("/__heartbeat__").status_code == 200
    assert sent == [0, 0]
    (line,) = log.of("dockerflow.flask")
    assert "statsd is down" in line["Fields"]["error"]


@pytest.mark.parametrize("timeout", [5, None])
def test_checks_have_an_app_context_of_their_own(
    app: Flask, dockerflow: Dockerflow, timeout: float | None
) -> None:
    """Each check has an app context of its own, torn down after it, and no request."""
    app.config["DOCKERFLOW_CHECK_TIMEOUT"] = timeout
    torn_down: list[Any] = []
    seen: list[Any] = []

    @app.teardown_appcontext
    def teardown(error: BaseException | None) -> None:
        torn_down.append(g.get("mine"))

    def look(mine: str) -> None:
        assert current_app._get_current_object() is app  # type: ignore[attr-defined]
        seen.append((g.get("mine"), has_request_context()))
        g.mine = mine

    @dockerflow.check
    def one() -> None:
        look("one")

    @dockerflow.check
    async def two() -> None:
        look("two")

    @app.before_request
    def before() -> None:
        g.mine = "request"

    assert app.test_client().get("/__heartbeat__").status_code == 200
    assert seen == [(None, False)] * 2
    assert sorted(torn_down) == ["one", "request", "two"]


# ---------------------------------------------------------------------- the request id in g


def test_g(app: Flask, dockerflow: Dockerflow) -> None:
    """The request id and the start are in g, and the application's own g.request_id stays."""
    with app.test_request_context("/", headers={"X-Request-ID": "abc"}):
        app.preprocess_request()
        assert (g._request_id, g.request_id) == ("abc", "abc")
        assert time.time() - g._start_timestamp < 60
    with app.test_request_context("/", headers={"X-Request-ID": "abc"}):
        g.request_id = "mine"
        app.preprocess_request()
        assert (g._request_id, g.request_id) == ("abc", "mine")


def test_g_of_a_shared_app_context(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """Requests made within one pushed app context have an id each."""
    with app.app_context():
        for rid in ("one", "two"):
            app.test_client().get("/", headers={"X-Request-ID": rid})
    assert [fields["rid"] for fields in log.summaries] == ["one", "two"]


def test_request_context_without_server(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """Where no server called, process_response writes the summary and sends the id back."""
    with app.test_request_context("/x?y=z", headers={"User-Agent": "agent/1", "X-Request-ID": "a"}):
        app.preprocess_request()
        assert request_id_context.get() == "a"
        response = app.process_response(app.response_class("", 201))
        assert response.headers["X-Request-ID"] == "a"
        assert log.summary["t"] >= 0
        fields = {name: log.summary[name] for name in ("path", "code", "agent", "rid")}
        assert fields == {"path": "/x", "code": 201, "agent": "agent/1", "rid": "a"}
    assert request_id_context.get() is None
    assert len(log.summaries) == 1


def test_request_context_within_a_request(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A request context that a view pushes leaves the view's request its id."""

    @app.get("/outer")
    def outer() -> str:
        with app.test_request_context("/elsewhere") as context:
            assert request_id_context.get() == "outer"
        assert "dockerflow.request" not in context.request.environ
        with app.test_request_context("/elsewhere", headers={"X-Request-ID": "inner"}):
            app.preprocess_request()
            assert request_id_context.get() == "inner"
        return request_id_context.get() or ""

    assert app.test_client().get("/outer", headers={"X-Request-ID": "outer"}).text == "outer"
    assert {fields["rid"] for fields in log.summaries} == {"outer"}


def test_requests_leave_no_cycles(app: Flask, dockerflow: Dockerflow) -> None:
    """What is known of a request is gone with it, without waiting for the garbage collector."""

    def count() -> int:
        return sum(type(each) is ObservedRequest for each in gc.get_objects())

    gc.collect()
    before = count()
    gc.disable()
    try:
        WSGIApp(app).request("/")
        assert count() == before
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("names", "timed", "rid"),
    [
        (("_start_timestamp", "_request_id"), False, None),
        (("_start_timestamp",), False, "abc"),
        (("_request_id",), True, None),
        ((), True, "abc"),
    ],
)
def test_removed_attributes(
    app: Flask, dockerflow: Dockerflow, log: Log, names: tuple[str, ...], timed: bool, rid: object
) -> None:
    """Where tests remove the start or the id from g, the summary has no t or no id."""
    with app.test_request_context("/", headers={"X-Request-ID": "abc"}):
        app.preprocess_request()
        for name in names:
            delattr(g, name)
        app.process_response(app.response_class(""))
    assert ("t" in log.summary) == timed
    assert log.summary["rid"] == rid


# ---------------------------------------------------------------------- the summary


def test_summary_extra_extended(app: Flask, registry: CheckRegistry, log: Log) -> None:
    """A subclass adds fields of its own."""

    class Extended(Dockerflow):
        def summary_extra(self) -> dict[str, Any]:
            return {**super().summary_extra(), "tenant": request.headers["X-Tenant"]}

    Extended(app, registry=registry)
    app.test_client().get("/", headers={"X-Tenant": "acme"})
    assert log.summary["tenant"] == "acme"


def test_summary_extra_that_raises(app: Flask, registry: CheckRegistry, log: Log) -> None:
    """A subclass whose fields can't be had changes no response, and the request is recorded."""

    class Broken(Dockerflow):
        def summary_extra(self) -> dict[str, Any]:
            raise LookupError("no tenant")

    Broken(app, registry=registry)
    answer = app.test_client().get("/")
    assert (answer.status_code, answer.text) == (200, "hello")
    assert (log.summary["path"], log.summary["code"]) == ("/", 200)
    assert "no tenant" in log.of("dockerflow.flask")[0]["Fields"]["error"]


@pytest.mark.parametrize("where", ["before", "after", "teardown", "teardown_appcontext"])
def test_hooks_that_raise(app: Flask, dockerflow: Dockerflow, log: Log, where: str) -> None:
    """A hook of the application that raises is a failure like any, with one summary."""
    error = RuntimeError(where)

    def hook(*args: Any) -> Any:
        raise error

    if where == "before":
        app.before_request(hook)
    elif where == "after":
        app.after_request(hook)
    elif where == "teardown":
        app.teardown_request(hook)
    else:
        app.teardown_appcontext(hook)
    answer = WSGIApp(app).request("/", headers={"X-Request-ID": "abc"})
    assert answer.error is (error if where.startswith("teardown") else None)
    fields = {name: log.summary[name] for name in ("path", "code", "errno", "msg", "rid")}
    assert fields == {"path": "/", "code": 500, "errno": 500, "msg": where, "rid": "abc"}
    assert request_id_context.get() is None


def test_before_request_that_answers(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A hook that answers in place of the view is recorded with the id."""
    app.before_request_funcs[None].insert(0, lambda: ("refused", 403))
    answer = app.test_client().get("/", headers={"X-Request-ID": "abc"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (403, "abc")
    assert (log.summary["code"], log.summary["path"]) == (403, "/")


@pytest.mark.parametrize("setting", ["TESTING", "PROPAGATE_EXCEPTIONS", "DEBUG"])
def test_propagated_exceptions(app: Flask, dockerflow: Dockerflow, log: Log, setting: str) -> None:
    """An exception that Flask hands on is the same object, and recorded."""
    app.config[setting] = True
    answer = WSGIApp(app).request("/boom")
    assert isinstance(answer.error, RuntimeError)
    assert (log.summary["code"], log.summary["msg"]) == (500, "boom")


def test_worker_shutdown(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """SystemExit out of a view passes through, and the request is recorded."""

    @app.get("/exit")
    def leave() -> str:
        raise SystemExit(1)

    with pytest.raises(SystemExit):
        WSGIApp(app).request("/exit")
    assert (log.summary["code"], log.summary["errno"]) == (500, 500)


def test_handled_unhandled_exception(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """The page of an error handler for 500 is served, and the exception recorded."""
    app.register_error_handler(500, lambda error: ("sorry", 500))
    answer = app.test_client().get("/boom")
    assert (answer.status_code, answer.text) == (500, "sorry")
    assert log.summary["msg"] == "boom"


def test_mounted_applications(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """An application mounted below another is recorded once."""
    inner = Flask("inner")
    Dockerflow(inner, registry=CheckRegistry())
    inner.add_url_rule("/x", view_func=lambda: "inner", endpoint="x")
    app.wsgi_app.wsgi_app = DispatcherMiddleware(  # type: ignore[attr-defined]
        app.wsgi_app.wsgi_app,  # type: ignore[attr-defined]
        {"/inner": inner},
    )
    answer = WSGIApp(app).request("/inner/x", headers={"X-Request-ID": "abc"})
    assert (answer.body, answer.header("X-Request-ID")) == (b"inner", "abc")
    assert log.summary["rid"] == "abc"
    assert log.summary["path"] == "/x"


def test_request_within_a_request(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A request made while another is served has an id and a summary of its own."""

    @app.get("/outer")
    def outer() -> str:
        app.test_client().get("/", headers={"X-Request-ID": "inner"})
        return request_id_context.get() or ""

    assert app.test_client().get("/outer", headers={"X-Request-ID": "outer"}).text == "outer"
    assert [fields["rid"] for fields in log.summaries] == ["inner", "outer"]


# ---------------------------------------------------------------------- bodies


def test_file_wrapper(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """The server's own file wrapper reaches it as it is, and its closing is the end."""

    class ServersWrapper(FileWrapper):
        """What a server recognises by its type, to send the file by itself."""

    @app.get("/file")
    def file() -> Response:
        content = wrap_file(request.environ, io.BytesIO(b"content"))
        return Response(content, direct_passthrough=True)

    environ = environ_of("/file", "GET", "", None, b"")
    environ["wsgi.file_wrapper"] = ServersWrapper
    body: Any = app(environ, lambda status, headers, exc_info=None: None)  # type: ignore[arg-type]
    assert type(body) is ServersWrapper
    assert b"".join(body) == b"content"
    assert log.summaries == []
    body.close()
    assert log.summary["code"] == 200
    assert body.file.closed


def test_file_wrapper_in_c(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A server's file wrapper that takes no attributes is recorded when the call returns."""

    class Sealed:
        __slots__ = ("file",)

        def __init__(self, file: Any, size: int = 0) -> None:
            self.file = file

        def __iter__(self) -> Iterator[bytes]:
            return iter([self.file.read()])

        def close(self) -> None:
            self.file.close()

    @app.get("/file")
    def file() -> Response:
        content = wrap_file(request.environ, io.BytesIO(b"content"))
        return Response(content, direct_passthrough=True)

    environ = environ_of("/file", "GET", "", None, b"")
    environ["wsgi.file_wrapper"] = Sealed
    body = app(environ, lambda status, headers, exc_info=None: None)  # type: ignore[arg-type]
    assert type(body) is Sealed
    assert log.summary["code"] == 200


def test_send_file(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A file that is sent arrives whole, also in part and not at all, and is recorded."""
    from flask import send_file

    @app.get("/file")
    def file() -> Response:
        return send_file(__file__, conditional=True)

    client = app.test_client()
    with client.get("/file") as whole:
        assert whole.data.startswith(b'"""What only Flask has')
    with client.get("/file", headers={"Range": "bytes=3-6"}) as part:
        assert part.data == b"What"
    with client.get("/file", headers={"If-None-Match": whole.headers["ETag"]}) as unchanged:
        assert unchanged.status_code == 304
    assert [fields["code"] for fields in log.summaries] == [200, 206, 304]


def test_close_that_raises(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """An exception from closing the body passes through, and is recorded."""

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"one", b"two"])

        def close(self) -> None:
            raise RuntimeError("not closed")

    app.add_url_rule("/body", view_func=lambda: Response(Body()))
    answer = WSGIApp(app).request("/body", read=1)
    assert str(answer.error) == "not closed"
    assert (log.summary["code"], log.summary["errno"]) == (200, 500)


def test_stream_with_context(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A body streamed with Flask's context has its request, its g and the id."""
    from flask import stream_with_context

    @app.get("/stream")
    def stream() -> Response:
        def chunks() -> Iterator[str]:
            yield g.request_id
            yield request.path
            yield str(request_id_context.get())

        return Response(stream_with_context(chunks()))

    answer = WSGIApp(app).request("/stream", headers={"X-Request-ID": "abc"})
    assert answer.body == b"abc/streamabc"
    assert log.summary["code"] == 200


def test_other_wsgi_middleware(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A response that WSGI middleware gives, or an exception that it raises, is recorded."""
    wsgi_app = app.wsgi_app.wsgi_app  # type: ignore[attr-defined]

    def middleware(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/raises":
            raise RuntimeError("middleware")
        if environ["PATH_INFO"] == "/denied":
            start_response("403 FORBIDDEN", [])
            return [b"denied"]
        return wsgi_app(environ, start_response)  # type: ignore[no-any-return]

    app.wsgi_app.wsgi_app = middleware  # type: ignore[attr-defined]
    server = WSGIApp(app)
    assert server.request("/denied").body == b"denied"
    assert str(server.request("/raises").error) == "middleware"
    assert server.request("/").body == b"hello"
    seen = [(fields["path"], fields["code"], fields["errno"]) for fields in log.summaries]
    assert seen == [("/denied", 403, 0), ("/raises", 500, 500), ("/", 200, 0)]


@pytest.mark.parametrize("path", ["/", "/missing", "/boom"])
def test_unread_responses(app: Flask, dockerflow: Dockerflow, log: Log, path: str) -> None:
    """An unstreamed response is recorded when the call returns, pages of exceptions included."""
    start = mock.Mock()
    app(environ_of(path, "GET", "", None, b""), start)
    assert log.summary["path"] == path


# ---------------------------------------------------------------------- the user


class Base(DeclarativeBase):
    """The tables of the users."""


class Account(UserMixin, Base):  # type: ignore[misc]
    """A user in a database."""

    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def queries(app: Flask, dockerflow: Dockerflow) -> Iterator[list[str]]:
    """The statements that reach the database of an application with Flask-Login's users."""
    app.secret_key = "secret"
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db = SQLAlchemy(app, model_class=Base)
    manager = LoginManager(app)
    statements: list[str] = []

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(user_id: str) -> Account | None:
        return db.session.get(Account, int(user_id))

    @app.get("/login")
    def login() -> str:
        account = Account()
        db.session.add(account)
        db.session.commit()
        login_user(account)
        return "welcome"

    @app.get("/whoami")
    def whoami() -> str:
        return str(current_user.get_id())

    @app.get("/commit")
    def commit() -> str:
        assert current_user.is_authenticated
        db.session.commit()
        return "committed"

    with app.app_context():
        db.create_all()
        event.listen(
            db.engine,
            "before_cursor_execute",
            lambda conn, cursor, statement, *args: statements.append(statement),
        )
        engine = db.engine
    yield statements
    engine.dispose()


def test_loaded_user(app: Flask, queries: list[str], log: Log) -> None:
    """The summary has the id of the user whom the application has loaded."""
    client = app.test_client()
    client.get("/login")
    assert client.get("/whoami").text == "1"
    assert [fields["uid"] for fields in log.summaries] == ["1", "1"]


def test_user_not_loaded(app: Flask, queries: list[str], log: Log) -> None:
    """A user whom the application has not loaded is not loaded for the summary."""
    client = app.test_client()
    client.get("/login")
    queries.clear()
    client.get("/")
    assert log.summaries[-1]["uid"] == ""
    assert queries == []


def test_user_expired_by_a_commit(app: Flask, queries: list[str], log: Log) -> None:
    """A user whose attributes a commit has expired is not read again for the summary."""
    client = app.test_client()
    client.get("/login")
    queries.clear()
    client.get("/commit")
    assert log.summaries[-1]["uid"] == "1"
    assert len(queries) == 1  # the application's own


def test_anonymous_user(app: Flask, queries: list[str], log: Log) -> None:
    """A user who is not logged in has no id."""
    app.test_client().get("/whoami")
    assert log.summary["uid"] == ""


def test_user_loader_that_raises(app: Flask, dockerflow: Dockerflow, log: Log) -> None:
    """A user loader that raises leaves the page and the original error as they are."""
    app.secret_key = "secret"
    manager = LoginManager(app)

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(user_id: str) -> Any:
        raise RuntimeError("no user")

    @app.get("/login")
    def login() -> str:
        session["_user_id"] = "1"
        return "welcome"

    app.add_url_rule("/user", "user", lambda: str(current_user))
    client = app.test_client()
    client.get("/login")
    assert client.get("/").text == "hello"
    assert client.get("/user").status_code == 500
    assert log.summaries[-1]["msg"] == "no user"


def test_user_id_that_raises(app: Flask, registry: CheckRegistry, log: Log) -> None:
    """A user whose id can't be had changes no response, and the rest is recorded."""

    class Broken(Dockerflow):
        def user_id(self) -> Any:
            raise LookupError("no id")

    Broken(app, registry=registry)
    assert app.test_client().get("/").text == "hello"
    assert (log.summary["uid"], log.summary["code"]) == ("", 200)


def test_without_flask_login(app: Flask, queries: list[str], log: Log) -> None:
    """Without Flask-Login nobody has an id."""
    with mock.patch("dockerflow.flask.app.has_flask_login", False):
        app.test_client().get("/login")
    assert log.summary["uid"] == ""


def test_logging_is_untouched(app: Flask, dockerflow: Dockerflow) -> None:
    """The extension configures no logger of the application."""
    summary = logging.getLogger("request.summary")
    assert (summary.level, summary.handlers, summary.propagate) == (logging.NOTSET, [], True)


def test_what_is_imported_on_use() -> None:
    """The extension comes without what only a heartbeat, checks or a formatter need."""
    program = """
import sys
import flask
import dockerflow.flask as package
early = "checks.results checks.redis checks.sqlalchemy logging.formatter flask.checks flask.signals"
print([name for name in early.split() if f"dockerflow.{name}" in sys.modules])
assert set(package.__all__) <= set(dir(package))
from dockerflow.flask import *
assert package.checks is checks and checks.__name__ == "dockerflow.flask.checks"
assert package.signals.heartbeat_failed is signals.heartbeat_failed
assert [name for name in checks.__all__ if not hasattr(checks, name)] == []
assert set(checks.__all__) <= set(dir(checks))
assert not hasattr(package, "check") and not hasattr(checks, "check_redis")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
