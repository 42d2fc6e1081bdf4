"""The adapter for any WSGI application only: settings, fields, nesting and mounts."""

from __future__ import annotations

import gc
import io
import pathlib
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from dockerflow import checks
from dockerflow.checks import CheckRegistry
from dockerflow.wsgi import Dockerflow
from tests.adapters.apps.wsgi import bare
from tests.adapters.conftest import Log
from tests.adapters.harness import WSGIApp, environ_of

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ABC = {"X-Request-ID": "abc"}
PROBES = ("/__version__", "/__heartbeat__", "/__lbheartbeat__")
STATUS = "DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE"
HEADER = "DOCKERFLOW_REQUEST_ID_HEADER_NAME"
GROUPS = "DOCKERFLOW_HEARTBEAT_GROUPS"


def wrap(application: WSGIApplication = bare, **options: Any) -> Dockerflow:
    """Wrap an application, with checks of its own."""
    options.setdefault("registry", CheckRegistry())
    return Dockerflow(application, **options)


def fail() -> checks.Error:
    return checks.Error("m", id="t.1")


def mount(inner: WSGIApplication, outer: WSGIApplication) -> WSGIApplication:
    """Mount an application below ``/inner`` of another."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if not path.startswith("/inner/"):
            return outer(environ, start_response)
        moved = {"SCRIPT_NAME": "/inner", "PATH_INFO": path.removeprefix("/inner")}
        return inner({**environ, **moved}, start_response)

    return application


# ---------------------------------------------------------------------- settings


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings come from the mapping, else from the environment, when it is wrapped."""
    monkeypatch.setenv(STATUS, "503")
    monkeypatch.setenv(HEADER, "not a name, and not used")
    dockerflow = wrap(settings={HEADER: "X-Trace"})
    dockerflow.check(fail)
    monkeypatch.setenv(STATUS, "599")
    answer = WSGIApp(dockerflow).request("/__heartbeat__", headers={"X-Trace": "abc"})
    assert (answer.status, answer.header("X-Trace")) == (503, "abc")


def test_settings_of_the_environment_are_validated(monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid value in the environment is refused; other variables are ignored."""
    monkeypatch.setenv("DOCKERFLOW_LOG_FORMAT", "console")
    monkeypatch.setenv("DOCKERFLOW_OF_SOMEBODY_ELSE", "1")
    wrap()
    monkeypatch.setenv(STATUS, "200")
    with pytest.raises(ValueError, match=f"{STATUS} is '200'; set it to a status from 500 to 599"):
        wrap()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({STATUS: 200}, f"{STATUS} is 200; set it to a status from 500 to 599"),
        ({HEADER: "X Y"}, f"{HEADER} is 'X Y'; set it to the name of a header"),
        ({"DOCKERFLOW_SUMMARY_EXCLUDE_PATHS": 7}, "EXCLUDE_PATHS is 7; set it to a list of paths"),
        ({"DOCKERFLOW_TIMEOUT": 2}, "settings= has 'DOCKERFLOW_TIMEOUT'; the settings are DOCK"),
        ({5: 2, "CHECK_TIMEOUT": 2}, "settings= has 'CHECK_TIMEOUT', 5; the settings are .*_KEEP"),
    ],
)
def test_wrong_settings(settings: Any, problem: str) -> None:
    """An unknown or invalid setting is refused, with the remedy."""
    with pytest.raises(ValueError, match=problem):
        wrap(settings=settings)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"settings": ["x"]}, "settings= is of type list; set it to a mapping"),
        ({"user_id": "ada"}, "user_id= is of type str; set it to a function"),
        ({"route": {}}, "route= is of type dict; set it to a function"),
        ({"user_id": mock.AsyncMock()}, "user_id= is async; set it to a function that is not"),
        ({"application": "service:app"}, "application is of type str; set it to the application"),
        ({"application": None}, "application is of type NoneType; set it to the application"),
    ],
)
def test_wrong_arguments(arguments: Any, problem: str) -> None:
    """Arguments of the wrong type are refused, with the remedy."""
    with pytest.raises(TypeError, match=problem):
        wrap(**arguments)


# ---------------------------------------------------------------------- the summary


def with_user(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    environ["user"], environ["route"] = "ada", "/echo/{text}"
    return bare(environ, start_response)


def test_user_and_route(log: Log) -> None:
    """The functions get the environment as the application has left it, and fill the fields."""
    dockerflow = wrap(
        with_user, user_id=lambda environ: environ["user"], route=lambda environ: environ["route"]
    )
    for path in ("/echo", "/stream", "/boom"):
        WSGIApp(dockerflow).request(path)
    fields = [(each["uid"], each["route"], each["path"]) for each in log.summaries]
    assert fields == [("ada", "/echo/{text}", path) for path in ("/echo", "/stream", "/boom")]


def test_nobody_and_no_route(log: Log) -> None:
    """A function that returns None leaves its field empty; it is not called for probes."""
    server = WSGIApp(wrap(user_id=lambda environ: None, route=lambda environ: None))
    server.request("/")
    assert (log.summary["uid"], log.summary["route"]) == ("", "")
    server.request("/__lbheartbeat__")
    assert "route" not in log.summaries[1]


def test_functions_that_raise(log: Log) -> None:
    """If a function raises, this is logged; the response and the other field are not affected."""
    dockerflow = wrap(user_id=mock.Mock(side_effect=KeyError("ada")), route=lambda environ: "/")
    answer = WSGIApp(dockerflow).request("/", headers=ABC)
    assert (answer.status, answer.body, answer.error) == (200, b"hello", None)
    assert (log.summary["uid"], log.summary["route"], log.summary["code"]) == ("", "/", 200)
    (line,) = log.of("dockerflow.wsgi")
    assert (line["Fields"]["error"], line["Fields"]["rid"]) == ("KeyError('ada')", "abc")


def test_a_request_is_freed_when_it_ends() -> None:
    """What a request holds, such as an uploaded file, does not wait for the garbage collector."""
    dockerflow, upload = wrap(user_id=lambda environ: None), io.BytesIO()
    alive = weakref.ref(upload)
    gc.disable()
    try:
        dockerflow(environ_of("/") | {"upload": upload}, lambda *arguments: print)
        del upload
        assert alive() is None
    finally:
        gc.enable()


# ---------------------------------------------------------------------- nesting and mounts


def test_wrapped_twice(log: Log) -> None:
    """Two wrappers make one id and one summary; the outer one answers probes."""
    inner = wrap(with_user, user_id=lambda environ: environ["user"], route=lambda environ: "inner")
    inner.check(fail)
    outer = wrap(inner, settings={HEADER: "X-Trace"}, route=lambda environ: "outer")
    server = WSGIApp(outer)
    answer = server.request("/id", headers={"X-Trace": "abc", "X-Request-ID": "other"})
    assert (answer.body, answer.header("X-Trace")) == (b"abc", "abc")
    assert answer.header("X-Request-ID") is None
    summary = log.summary
    assert (summary["rid"], summary["uid"], summary["route"]) == ("abc", "ada", "inner")
    assert server.request("/__heartbeat__").status == 200


def test_the_same_extension_twice(log: Log) -> None:
    """An application that is wrapped twice by mistake behaves as if wrapped once."""
    registry = CheckRegistry()
    server = WSGIApp(wrap(wrap(registry=registry), registry=registry))
    assert server.request("/id", headers=ABC).body == b"abc"
    assert server.request("/__error__").error is not None
    assert len(log.summaries) == 2
    assert len(log.of("dockerflow.wsgi")) == 1


def test_mounted(log: Log) -> None:
    """Below a prefix it answers its own probes there, and summaries have the whole path."""
    inner = wrap()
    inner.check(fail)
    server = WSGIApp(mount(inner, bare))
    assert server.request("/inner/__heartbeat__").status == 500
    assert server.request("/inner/id", headers=ABC).body == b"abc"
    assert server.request("/__heartbeat__").status == 404
    assert [each["path"] for each in log.summaries] == ["/inner/__heartbeat__", "/inner/id"]


def test_mounted_in_a_wrapped_application(log: Log) -> None:
    """A wrapped application below another one answers its own probes, and is recorded once."""
    inner = wrap()
    inner.check(fail)
    server = WSGIApp(wrap(mount(inner, bare)))
    for path, status in (("/inner/__heartbeat__", 500), ("/__heartbeat__", 200), ("/inner/", 200)):
        assert server.request(path).status == status
    paths = [each["path"] for each in log.summaries]
    assert paths == ["/inner/__heartbeat__", "/__heartbeat__", "/inner/"]


def test_what_is_not_its_own_passes_through() -> None:
    """The application gets the server's environment, and the server the application's body."""
    body, environ = [b"hello"], environ_of("/__heartbeat__", "OPTIONS")
    application = mock.Mock(return_value=body)
    assert wrap(application)(environ, mock.Mock()) is body
    (seen, _), _ = application.call_args
    assert seen is environ


# ---------------------------------------------------------------------- endpoints


def test_version_places(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """version.json is read from version_path, else from the working directory, else from /app."""
    named, working = tmp_path / "named", tmp_path / "working"
    for folder in (named, working):
        folder.mkdir()
        (folder / "version.json").write_text(f'{{"version": "{folder.name}"}}')
    monkeypatch.chdir(working)
    assert WSGIApp(wrap()).request("/__version__").body == b'{"version": "working"}'
    for place in (named, "../named"):
        server = WSGIApp(wrap(version_path=place))
        assert server.request("/__version__").body == b'{"version": "named"}'
    with mock.patch("dockerflow.version.get_version", return_value=None) as get_version:
        assert WSGIApp(wrap()).request("/__version__").status == 404
    assert [call.args for call in get_version.call_args_list] == [(".",), ("/app",)]


def test_error_leaves_the_callable(log: Log) -> None:
    """The exception of /__error__ goes to the server, like one of the application."""
    start_response = mock.Mock()
    with pytest.raises(Exception, match="This is a test exception from the /__error__ endpoint"):
        wrap()(environ_of("/__error__"), start_response)
    start_response.assert_not_called()
    assert (log.summary["code"], log.summary["errno"]) == (500, 500)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_error_turned_off(method: str) -> None:
    """If the error endpoint is turned off, the path belongs to the application."""
    off = {"DOCKERFLOW_ERROR_ENDPOINT": "no"}
    dockerflow = wrap(mock.Mock(return_value=[b"mine"]), settings=off)
    assert WSGIApp(dockerflow).request("/__error__", method).body == b"mine"


@pytest.mark.parametrize("path", [*(f"{probe}/" for probe in PROBES), "/__heartbeat__/ready"])
def test_paths_of_the_application(path: str) -> None:
    """A path with a trailing slash, or of a group if none is set, belongs to the application."""
    dockerflow = wrap(mock.Mock(return_value=[b"mine"]))
    assert WSGIApp(dockerflow).request(path).body == b"mine"


def test_groups() -> None:
    """A group's heartbeat runs its checks; its setting may be a JSON text."""
    dockerflow = wrap(settings={GROUPS: '{"ready": ["good"]}'})
    dockerflow.check(lambda: None, name="good")
    dockerflow.check(fail)
    server = WSGIApp(dockerflow)
    assert server.request("/__heartbeat__/ready").status == 200
    assert server.request("/__heartbeat__").status == 500
    assert server.request("/__heartbeat__/other").status == 404


def test_receivers(log: Log) -> None:
    """Receivers, sync and async, are called with level and group; their exceptions are logged."""
    dockerflow = wrap(settings={GROUPS: {"bad": ["fail"]}})
    passed = dockerflow.heartbeat_passed(mock.Mock(side_effect=RuntimeError("mine")))
    failed = dockerflow.heartbeat_failed(mock.AsyncMock())
    server = WSGIApp(dockerflow)
    assert server.request("/__heartbeat__").status == 200
    dockerflow.check(fail)
    for path in ("/__heartbeat__", "/__heartbeat__/bad"):
        assert server.request(path).status == 500
    passed.assert_called_once_with(level=0)
    assert failed.await_args_list == [
        mock.call(level=checks.ERROR),
        mock.call(level=checks.ERROR, group="bad"),
    ]
    (line,) = log.of("dockerflow.wsgi")
    assert line["Fields"]["error"] == "RuntimeError('mine')"
