"""The adapter for any ASGI application only: settings, fields, nesting and mounts."""

from __future__ import annotations

import asyncio
import gc
import io
import pathlib
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any
from unittest import mock

import pytest
import trio

from dockerflow import checks
from dockerflow.asgi import Dockerflow
from dockerflow.checks import CheckRegistry
from dockerflow.logging import request_id_context
from dockerflow.logging.asgi import ASGIApplication, Receive, Scope, Send
from tests.adapters.apps.asgi import bare
from tests.adapters.conftest import Log, Serve

ABC = {"X-Request-ID": "abc"}
STATUS = "DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE"
HEADER = "DOCKERFLOW_REQUEST_ID_HEADER_NAME"
GROUPS = "DOCKERFLOW_HEARTBEAT_GROUPS"

HTTP: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "headers": [(b"x-request-id", b"abc")],
    "query_string": b"",
}
SOCKET: dict[str, Any] = {"type": "websocket", "path": "/__heartbeat__", "headers": HTTP["headers"]}


def run_asyncio(func: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
    """Run an async function as :func:`trio.run` does."""
    asyncio.run(func(*arguments))


Run = Callable[..., None]
each_loop = pytest.mark.parametrize("run", [run_asyncio, trio.run], ids=["asyncio", "trio"])


def wrap(application: ASGIApplication = bare, **options: Any) -> Dockerflow:
    """Wrap an application, with checks of its own."""
    options.setdefault("registry", CheckRegistry())
    return Dockerflow(application, **options)


def fail() -> checks.Error:
    return checks.Error("m", id="t.1")


async def mine(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"mine"})


async def with_user(scope: Scope, receive: Receive, send: Send) -> None:
    scope["user"], scope["route"] = "ada", "/echo/{text}"
    await bare(scope, receive, send)


def mount(inner: ASGIApplication, outer: ASGIApplication) -> ASGIApplication:
    """Mount an application below ``/inner`` of another, as the specification describes."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/inner/"):
            await inner({**scope, "root_path": "/inner"}, receive, send)
        else:
            await outer(scope, receive, send)

    return application


def ask(run: Run, dockerflow: Dockerflow, path: str, **scope: Any) -> tuple[int, bytes]:
    """Send a request on an event loop of its own; return status and body."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    run(dockerflow, {**HTTP, "path": path, **scope}, receive, send)
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent)


# ---------------------------------------------------------------------- settings


def test_settings(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings come from the mapping, else from the environment, when it is wrapped."""
    monkeypatch.setenv(STATUS, "503")
    monkeypatch.setenv(HEADER, "not a name, and not used")
    dockerflow = wrap(settings={HEADER: "X-Trace"})
    dockerflow.check(fail)
    monkeypatch.setenv(STATUS, "599")
    answer = serve(dockerflow).request("/__heartbeat__", headers={"X-Trace": "abc"})
    assert (answer.status, answer.header("X-Trace")) == (503, "abc")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({STATUS: 200}, f"{STATUS} is 200; set it to a status from 500 to 599"),
        ({HEADER: "X Y"}, f"{HEADER} is 'X Y'; set it to the name of a header"),
        ({"DOCKERFLOW_TIMEOUT": 2}, "settings= has 'DOCKERFLOW_TIMEOUT'; the settings are DOCK"),
    ],
)
def test_wrong_settings(settings: Any, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown or invalid setting, also in the environment, is refused with the remedy."""
    with pytest.raises(ValueError, match=problem):
        wrap(settings=settings)
    monkeypatch.setenv(STATUS, "soon")
    with pytest.raises(ValueError, match=f"{STATUS} is 'soon'; set it to a status"):
        wrap()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"settings": ["x"]}, "settings= is of type list; set it to a mapping"),
        ({"user_id": "ada"}, "user_id= is of type str; set it to a function"),
        ({"route": {}}, "route= is of type dict; set it to a function"),
        ({"user_id": mock.AsyncMock()}, "user_id= is async; set it to a function that is not"),
        ({"application": "service:app"}, "application is of type str; set it to the application"),
    ],
)
def test_wrong_arguments(arguments: Any, problem: str) -> None:
    """Arguments of the wrong type are refused, with the remedy."""
    with pytest.raises(TypeError, match=problem):
        wrap(**arguments)


# ---------------------------------------------------------------------- the summary


def test_user_and_route(serve: Serve, log: Log) -> None:
    """The functions get the scope as the application has left it, and fill the fields."""
    dockerflow = wrap(
        with_user, user_id=lambda scope: scope["user"], route=lambda scope: scope["route"]
    )
    server = serve(dockerflow)
    for path in ("/echo", "/stream", "/boom"):
        server.request(path)
    server.request("/__lbheartbeat__")  # doesn't call the functions
    fields = [(each["uid"], each.get("route"), each["path"]) for each in log.summaries]
    assert fields == [
        *(("ada", "/echo/{text}", path) for path in ("/echo", "/stream", "/boom")),
        ("", None, "/__lbheartbeat__"),
    ]


def test_functions_that_raise(serve: Serve, log: Log) -> None:
    """If a function raises, this is logged; the response and the other field are not affected."""
    dockerflow = wrap(user_id=mock.Mock(side_effect=KeyError("ada")), route=lambda scope: None)
    answer = serve(dockerflow).request("/", headers=ABC)
    assert (answer.status, answer.body, answer.error) == (200, b"hello", None)
    assert (log.summary["uid"], log.summary["route"], log.summary["code"]) == ("", "", 200)
    (line,) = log.of("dockerflow.asgi")
    assert (line["Fields"]["error"], line["Fields"]["rid"]) == ("KeyError('ada')", "abc")


def test_a_request_is_freed_when_it_ends() -> None:
    """What a request holds, such as an uploaded file, does not wait for the garbage collector."""
    dockerflow, upload = wrap(mine, user_id=lambda scope: None), io.BytesIO()
    alive = weakref.ref(upload)
    gc.disable()
    try:
        ask(run_asyncio, dockerflow, "/", upload=upload)
        del upload
        assert alive() is None
    finally:
        gc.enable()


# ---------------------------------------------------------------------- nesting and mounts


def test_wrapped_twice(serve: Serve, log: Log) -> None:
    """Two wrappers make one id and one summary; the outer one answers probes."""
    inner = wrap(with_user, user_id=lambda scope: scope["user"], route=lambda scope: "inner")
    inner.check(fail)
    outer = wrap(inner, settings={HEADER: "X-Trace"}, route=lambda scope: "outer")
    server = serve(outer)
    answer = server.request("/id", headers={"X-Trace": "abc", "X-Request-ID": "other"})
    assert (answer.body, answer.header("X-Trace")) == (b"abc", "abc")
    assert answer.header("X-Request-ID") is None
    summary = log.summary
    assert (summary["rid"], summary["uid"], summary["route"]) == ("abc", "ada", "inner")
    assert server.request("/__heartbeat__").status == 200


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_mounted(serve: Serve, log: Log, is_wrapped: bool) -> None:
    """Below a prefix it answers its own probes; each request has one summary."""
    inner = wrap()
    inner.check(fail)
    mounted = mount(inner, bare)
    server = serve(wrap(mounted) if is_wrapped else mounted)
    assert server.request("/inner/__heartbeat__").status == 500
    assert server.request("/inner/__error__").error is not None
    assert server.request("/__heartbeat__").status == (200 if is_wrapped else 404)
    paths = ["/inner/__heartbeat__", "/inner/__error__", "/__heartbeat__"]
    assert [each["path"] for each in log.summaries] == (paths if is_wrapped else paths[:2])


@pytest.mark.parametrize("path", ["/__heartbeat__", "/api/__heartbeat__"])
def test_prefix_of_a_proxy(path: str, log: Log) -> None:
    """Probes are answered whether or not the path contains the root path of the server."""
    assert ask(run_asyncio, wrap(), path, root_path="/api")[0] == 200
    assert log.summary["path"] == "/api/__heartbeat__"


@pytest.mark.parametrize("scope", [{"type": "lifespan"}, SOCKET, {"type": "of.an.extension"}])
def test_what_is_no_request_passes_through(scope: dict[str, Any], log: Log) -> None:
    """The application gets the server's scope, and nothing is recorded; a websocket has an id."""
    application = mock.AsyncMock(side_effect=lambda *each: ids.append(request_id_context.get()))
    ids: list[str | None] = []
    receive, send = mock.AsyncMock(), mock.AsyncMock()
    scope = scope.copy()
    asyncio.run(wrap(application)(scope, receive, send))
    ((seen, *channels), _) = application.await_args or ((None,), {})
    assert seen is scope
    if scope["type"] != "websocket":
        assert channels == [receive, send]
    assert ids == (["abc"] if scope["type"] == "websocket" else [None])
    assert log.summaries == []


# ---------------------------------------------------------------------- endpoints


def test_version_places(
    serve: Serve, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """version.json is read from version_path, else from the working directory, else from /app."""
    named, working = tmp_path / "named", tmp_path / "working"
    for folder in (named, working):
        folder.mkdir()
        (folder / "version.json").write_text(f'{{"version": "{folder.name}"}}')
    monkeypatch.chdir(working)
    server = serve(wrap())
    assert server.request("/__version__").body == b'{"version": "working"}'
    assert serve(wrap(version_path=named)).request("/__version__").body == b'{"version": "named"}'
    with mock.patch("dockerflow.version.get_version", return_value=None) as get_version:
        assert server.request("/__version__").status == 404
    assert [call.args for call in get_version.call_args_list] == [(".",), ("/app",)]


def test_error_leaves_the_callable(log: Log) -> None:
    """The exception of /__error__ goes to the server, like one of the application."""
    send = mock.AsyncMock()
    with pytest.raises(Exception, match="This is a test exception from the /__error__ endpoint"):
        asyncio.run(wrap()({**HTTP, "path": "/__error__"}, mock.AsyncMock(), send))
    send.assert_not_called()
    assert (log.summary["code"], log.summary["errno"]) == (500, 500)


@pytest.mark.parametrize("path", ["/__error__", "/__heartbeat__/", "/__heartbeat__/ready"])
def test_paths_of_the_application(path: str) -> None:
    """The path of a disabled endpoint, or of a group if none is set, is the application's."""
    dockerflow = wrap(mine, settings={"DOCKERFLOW_ERROR_ENDPOINT": "no"})
    assert ask(run_asyncio, dockerflow, path) == (200, b"mine")


@each_loop
def test_heartbeat_on_each_loop(run: Run, log: Log) -> None:
    """Under asyncio and trio, sync and async checks run with the id of the request."""
    ids: list[str | None] = []
    dockerflow = wrap(settings={GROUPS: {"ready": ["sync"]}})

    @dockerflow.check(name="sync")
    def _() -> None:
        ids.append(request_id_context.get())

    @dockerflow.check(name="async")
    async def _() -> checks.Warning:
        await asyncio.sleep(0)
        ids.append(request_id_context.get())
        return checks.Warning("m", id="t.1")

    assert ask(run, dockerflow, "/__heartbeat__/ready")[0] == 200
    status, body = ask(run, dockerflow, "/__heartbeat__")
    assert (status, b'{"sync": "ok", "async": "warning"}' in body) == (200, True)
    assert ids == ["abc"] * 3
    assert {each["rid"] for each in log.summaries} == {"abc"}


@each_loop
def test_version_on_each_loop(run: Run) -> None:
    """Under asyncio and trio, a version callback is awaited, or called in a thread, or both."""
    threads: list[threading.Thread] = []
    dockerflow = wrap(version_path="/folder")

    @dockerflow.version_callback
    def in_a_thread(root: str) -> dict[str, str]:
        threads.append(threading.current_thread())
        return {"root": root}

    assert ask(run, dockerflow, "/__version__") == (200, b'{"root": "/folder"}')
    assert threads != [threading.current_thread()]
    dockerflow.version_callback(mock.AsyncMock(return_value={"on": "the loop"}))
    assert ask(run, dockerflow, "/__version__") == (200, b'{"on": "the loop"}')
    made = mock.AsyncMock(return_value={"made": "by a lambda"})
    dockerflow.version_callback(lambda root: made(root))
    assert ask(run, dockerflow, "/__version__") == (200, b'{"made": "by a lambda"}')


@each_loop
def test_receivers_on_each_loop(run: Run, log: Log) -> None:
    """Receivers, sync and async, are called with level and group; their exceptions are logged."""
    dockerflow = wrap(settings={GROUPS: {"bad": ["fail"]}})
    passed = dockerflow.heartbeat_passed(mock.Mock(side_effect=RuntimeError("mine")))
    failed = dockerflow.heartbeat_failed(mock.AsyncMock())
    assert ask(run, dockerflow, "/__heartbeat__")[0] == 200
    dockerflow.check(fail)
    for path in ("/__heartbeat__", "/__heartbeat__/bad"):
        assert ask(run, dockerflow, path)[0] == 500
    passed.assert_called_once_with(level=0)
    assert failed.await_args_list == [
        mock.call(level=checks.ERROR),
        mock.call(level=checks.ERROR, group="bad"),
    ]
    (line,) = log.of("dockerflow.asgi")
    assert line["Fields"]["error"] == "RuntimeError('mine')"


@each_loop
def test_application_on_each_loop(run: Run, log: Log) -> None:
    """Under asyncio and trio, streams arrive whole, and exceptions are recorded and passed on."""
    assert ask(run, wrap(), "/stream") == (200, b"onetwothree")
    with pytest.raises(RuntimeError, match="boom"):
        ask(run, wrap(), "/boom")
    fields = [(each["code"], each["errno"], each.get("msg")) for each in log.summaries]
    assert fields == [(200, 0, None), (500, 500, "boom")]
