"""Flask."""

# mypy: ignore-errors
# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportMissingImports=false, reportOperatorIssue=false

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import warnings

import flask
from recording import fact, recorded

from dockerflow import checks
from dockerflow.flask import Dockerflow, signals
from dockerflow.logging import request_id_context

main = threading.main_thread()
seen = []


def make(folder="service", version=None, **config):
    checks.clear_checks()
    root = os.path.join(tempfile.mkdtemp(), folder)
    os.mkdir(root)
    if version is not None:
        with open(os.path.join(root, version[0], "version.json"), "w") as file:
            file.write(version[1])
    app = flask.Flask("facts", root_path=root)
    app.config.update(config)
    return app, Dockerflow(app)


def ask(app, path, method="GET", **headers):
    return app.test_client().open(path, method=method, headers=headers)


app, _ = make()
app.add_url_rule("/500", view_func=lambda: ("x", 500), endpoint="500")
app.add_url_rule("/abort", view_func=lambda: flask.abort(503), endpoint="abort")
app.add_url_rule("/", view_func=lambda: "x", endpoint="index")


def broken_stream():
    yield b"x"
    raise ValueError


app.add_url_rule("/stream", view_func=lambda: flask.Response(broken_stream()), endpoint="s")


@fact
def cache_control():
    return ask(app, "/__heartbeat__").headers.get("Cache-Control")


@fact
def id_in_response():
    return "X-Request-ID" in ask(app, "/").headers


@fact
def type_of_lbheartbeat():
    return ask(app, "/__lbheartbeat__").content_type


@fact
def order_of_heartbeat():
    return list(json.loads(ask(app, "/__heartbeat__").data))


@fact
def blanks():
    return b": " in ask(app, "/__heartbeat__").data


@fact
def broken_version():
    answer = ask(make(version=("..", "broken"))[0], "/__version__")
    return [answer.status_code, answer.mimetype]


@fact
def list_as_version():
    return ask(make(version=("..", "[1]"))[0], "/__version__").status_code


@fact
def version_beside_the_application():
    return ask(make(version=(".", '{"a": 1}'))[0], "/__version__").status_code


@fact
def error_endpoint():
    try:
        ask(make(TESTING=True)[0], "/__error__")
    except Exception as error:
        return type(error).__name__


@fact
def failed_status_200():
    make(DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE=200)
    return "taken"


@fact
def details_can_be_hidden():
    hiding, _ = make(DOCKERFLOW_HEARTBEAT_SHOW_DETAILS=False)
    return "checks" not in ask(hiding, "/__heartbeat__").json


def heartbeat_of(check, **config):
    checking, extension = make(**config)
    extension.check(check, name="a")
    return ask(checking, "/__heartbeat__")


@fact
def heartbeat_with_raising_check():
    return heartbeat_of(lambda: 1 / 0).mimetype


@fact
def async_check_in_flask():
    async def check():
        return []

    return heartbeat_of(check).status_code


@fact
def request_in_check():
    heartbeat_of(lambda: seen.append(flask.has_request_context()) or [])
    return seen.pop()


@fact
def other_thread_in_check():
    heartbeat_of(lambda: seen.append(threading.current_thread() is not main) or [])
    return seen.pop()


@fact
def other_thread_without_timeout():
    def check():
        seen.append(threading.current_thread() is not main)
        return []

    heartbeat_of(check, DOCKERFLOW_CHECK_TIMEOUT=None)
    return seen.pop()


@fact
def connect_via():
    passing, _ = make()

    def receiver(sender, **_):
        seen.append(type(sender).__name__)

    with signals.heartbeat_passed.connected_to(receiver, passing):
        ask(passing, "/__heartbeat__")
    return len([seen.pop() for _ in seen[:]])


@fact
def sender():
    passing, _ = make()

    def receiver(sender, **_):
        seen.append(type(sender).__name__)

    with signals.heartbeat_passed.connected_to(receiver):
        ask(passing, "/__heartbeat__")
    return seen.pop()


@fact
def raising_receiver():
    passing, _ = make()

    def receiver(sender, **_):
        raise ValueError

    with signals.heartbeat_passed.connected_to(receiver):
        return ask(passing, "/__heartbeat__").status_code


@fact
def odd_id():
    ask(app, "/", **{"X-Request-ID": "two words"})
    ((rid,),) = recorded("request.summary", "rid")
    return rid == "two words"


@fact
def id_after_request():
    ask(app, "/")
    return request_id_context.get() is not None


@fact
def code_of_flask():
    ask(app, "/")
    return recorded("request.summary", "code")


@fact
def returned_500():
    ask(app, "/500")
    return recorded("request.summary", "levelname", "errno")


@fact
def abort_503():
    ask(app, "/abort")
    return recorded("request.summary", "levelname", "errno")


@fact
def stream_that_fails():
    with contextlib.suppress(ValueError):
        _ = ask(app, "/stream").data
    return recorded("request.summary", "levelname", "errno")


@fact
def query_of_flask():
    app.config["DOCKERFLOW_SUMMARY_LOG_QUERYSTRING"] = True
    ask(app, "/?a=%20")
    return recorded("request.summary", "querystring")


@fact
def unknown_argument():
    Dockerflow(anything=1)
    return "taken"


@fact
def second_app():
    _, extension = make()
    extension.init_app(flask.Flask("second"))
    return "taken"


@fact
def two_apps_share_checks():
    _, extension = make()
    extension.check(lambda: [checks.Error("x", id="i")], name="a")
    second = flask.Flask("second")
    Dockerflow(second)
    return ask(second, "/__heartbeat__").status_code


@fact
def deprecated_methods():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, extension = make()
        extension.check(list, name="b")
    return [warning.category.__name__ for warning in caught]


@fact
def imports_sqlalchemy():
    code = "import sys, dockerflow.flask; print('sqlalchemy' in sys.modules)"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    ).stdout
