"""The table of moving.md: what it says of the single package, and what it says of these."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from tests.docs.shown import files_of
from tests.packaging.distributions import DISTRIBUTIONS, ROOT
from tests.packaging.environments import Environment

PAGE = (ROOT / "docs" / "moving.md").read_text()
FACTS = pathlib.Path(__file__).parent / "facts"

# The release that people move from, and what it imports without requiring it.
SINGLE = (
    *("dockerflow==2026.3.4", "django~=5.2.0", "fastapi", "flask", "sanic"),
    *("blinker", "asgiref", "redis", "sqlalchemy", "flask-sqlalchemy"),
)

# By fact: words of the first cell of its row, the single package's behaviour, and ours.
ROWS: dict[str, tuple[str, Any, Any]] = {
    # endpoints
    "post_to_django": ("Django answers POST", 200, 405),
    "head_in_sanic": ("Sanic: HEAD is 405", 405, 200),
    "head_of_version_in_fastapi": ("HEAD of `/__version__` is 405", True, False),
    "cache_control": ("answers may be cached", None, "no-store"),
    "id_in_response": ("no request id in responses", False, True),
    "type_of_lbheartbeat": (
        "`text/html`",
        "text/html; charset=utf-8",
        "text/plain; charset=utf-8",
    ),
    "type_of_lbheartbeat_in_sanic": (
        "`application/octet-stream`",
        "application/octet-stream",
        "text/plain; charset=utf-8",
    ),
    "blanks": ("JSON without blanks", False, True),
    "order_of_heartbeat": (
        "in the order of the alphabet",
        ["checks", "details", "status"],
        ["status", "checks", "details"],
    ),
    "no_version_in_fastapi": ("200 and `null`", [200, "null"], [404, "version.json not found"]),
    "broken_version": ("broken `version.json`", [500, "text/html"], [500, "text/plain"]),
    "list_as_version": ("a list is served", 200, 500),
    "version_beside_the_application": ("above the application's folder alone", 404, 200),
    "without_base_dir": ("Django without `BASE_DIR`", 500, 404),
    "error_endpoint": ("`/__error__` raises", "Exception", "ErrorEndpointCalled"),
    "failed_status_200": ("may be anything", "taken", "raises ValueError"),
    "details_by_debug": ("only `DEBUG` decides", True, True),
    "details_can_be_hidden": ("they are always shown", False, True),
    # running checks
    "raising_check": ("a check that raises", "raises ZeroDivisionError", {"a": "error"}),
    "heartbeat_with_raising_check": ("an error page", "text/html", "application/json"),
    "other_thread_in_check": ("in the thread of the request", False, True),
    "other_thread_without_timeout": ("in the thread of the request", False, False),
    "request_in_check": ("Flask checks see", True, False),
    "async_check_in_flask": ("an async check breaks", 500, 200),
    "generator": ("what a generator yields is lost", {"a": "ok"}, {"a": "error"}),
    "single_message": ("one message or `None`", "raises TypeError", {"a": "error"}),
    "no_message": ("one message or `None`", "raises TypeError", {"a": "ok"}),
    "partial_without_name": ("a `functools.partial`", "raises AttributeError", ["list"]),
    "two_of_one_id": ("of two messages with one id", {"i": "y"}, {"i": "x; y"}),
    "without_id": ("a message without an id", [None], ["a"]),
    "level_between": ("a level between two, such as 35", "unknown", "warning"),
    "no_messages": ("something else than messages", "raises AttributeError", {"a": "error"}),
    "password": ("passwords in URLs", "redis://me:secret@host", "redis://***@host"),
    "name_is_taken": ("a name that is taken", [], [30]),
    "two_apps_share_checks": ("two apps in one process", 500, 500),
    "deprecated_methods": ("warn that they are deprecated", ["DeprecationWarning"], []),
    # built-in checks
    "imports_sqlalchemy": ("Flask imports SQLAlchemy", "True\n", "False\n"),
    "system_checks": ("all of Django's system checks", True, False),
    "system_checks_switched_on": ("all of Django's system checks", True, True),
    "registered_check_in_django": ("`dockerflow.checks.register` are not run", 200, 500),
    "manage_py_check": ("`manage.py check`, `migrate` and the like", True, False),
    "check_that_is_missing": ("can't be imported", "raises ModuleNotFoundError", 500),
    # signals
    "sender": ("the sender is the extension", "Dockerflow", "Flask"),
    "connect_via": ("`connect_via(app)` is never called", 0, 1),
    "raising_receiver": ("a receiver that raises", 500, 200),
    "raising_receiver_in_django": ("a receiver that raises", 500, 200),
    # request ids
    "odd_id": ("any text is taken as an id", True, False),
    "header_name_in_fastapi": ("FastAPI ignores", False, True),
    "fields_of_endpoints": (
        "no `t` and `uid` for the endpoints",
        [True, False, False],
        [True, True, True],
    ),
    "id_after_request": ("the thread keeps its id", True, False),
    "filter_outside_of_a_request": ("the filter sets `rid` to null", True, False),
    "filter_and_own_id": ("overwrites the caller's", None, "mine"),
    # request.summary
    "code_of_flask": ("no `code`", [[None]], [[200]]),
    "summary_of_fastapi": (
        "FastAPI: no `errno` and `uid`",
        [["INFO", None, None, None]],
        [["ERROR", 503, "", ""]],
    ),
    "returned_500": ('`return "x", 500`', [["INFO", 0]], [["ERROR", 500]]),
    "abort_503": ("`abort(503)`", [["INFO", 0]], [["ERROR", 503]]),
    "missing_page": ("Django's `Http404`", [["ERROR", 500]], [["INFO", 0]]),
    "missing_in_sanic": ("Sanic's 404", [["ERROR", 500, True]], [["INFO", 0, False]]),
    "summary_of_error_endpoint": ("Django: none for `/__error__`", 0, 1),
    "summary_of_failing_middleware": (
        "where another middleware has raised",
        [["INFO", 0]],
        [["ERROR", 500]],
    ),
    "stream_that_fails": ("never fails", [["INFO", 0]], [["ERROR", 500]]),
    "three_middlewares": ("three times with three middlewares", 3, 1),
    "user_who_was_not_loaded": ("`uid` asks for the user", [[1]], [[""]]),
    "user_who_was_loaded": ("`uid` asks for the user", [[1]], [[1]]),
    "query_of_flask": ("`querystring` is as it was sent", [["a=%20"]], [["a= "]]),
    # formatter
    "natural_uuid": (
        "their `repr`",
        "UUID('00000000-0000-0000-0000-000000000001')",
        "00000000-0000-0000-0000-000000000001",
    ),
    "nan": ("not strict JSON", "not JSON: NaN", "NaN"),
    "json_message": ("begins with `{`", {}, {"a": 1}),
    "braces": ("begins with `{`", {}, {"msg": "{template} in {folder}"}),
    "empty_message": ("an empty message", {}, {"msg": ""}),
    "severity_between": ("severity 7", [7, 7], [4, 2]),
    "cause": ("an exception's cause is lost", False, True),
    "own_error": ("overwrite those in `extra`", "ValueError('effect')", "mine"),
    "stack": ("`stack_info=True` is dropped", None, "the stack"),
    "circular": ("circular or deep values", "raises ValueError", ["v", "msg"]),
    "earlier_name": (
        "`JsonLogFormatter` raises",
        ["DeprecationWarning"],
        ["PendingDeprecationWarning"],
    ),
    "debug_lines": ("say at DEBUG", [10], []),
    "silenced_is_logged": ("silenced ones are logged", 1, 0),
    # names
    "names_of_fastapi": ("`dockerflow.fastapi.heartbeat`", True, False),
    "unknown_argument": ("ignores what it doesn't know", "taken", "raises TypeError"),
    "second_app": ("one extension, one Flask app", "raises AssertionError", "taken"),
}


def first_cells() -> list[str]:
    return [line.split(" | ")[0] for line in PAGE.splitlines() if line.startswith("| ")]


def test_the_table_has_a_row_for_each_fact() -> None:
    """Each behaviour that is compared is a row of the table."""
    cells = first_cells()
    assert [fact for fact, row in ROWS.items() if not any(row[0] in cell for cell in cells)] == []


def facts(python: str, folder: pathlib.Path) -> dict[str, Any]:
    done = subprocess.run(
        [python, "-I", "-B", str(FACTS)],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_it_says_of_these_packages(tmp_path: pathlib.Path) -> None:
    """These packages behave as the second column says."""
    assert facts(sys.executable, tmp_path) == {fact: row[2] for fact, row in ROWS.items()}


@pytest.mark.timeout(180)
def test_what_it_says_of_the_single_package(tmp_path: pathlib.Path) -> None:
    """The single package behaves as the first column says."""
    old = Environment(tmp_path / "single", tmp_path)
    old.install(*SINGLE)
    assert facts(str(old.python), old.work) == {fact: row[1] for fact, row in ROWS.items()}


def test_every_framework_has_an_install_line() -> None:
    """Every distribution that took something over is in the table of what to install."""
    for distribution in DISTRIBUTIONS:
        if distribution.name != "dockerflow-core":  # comes with the others
            assert f"| `{distribution.name}` |" in PAGE


def test_settings_of_the_page() -> None:
    """The settings that restore what was are the same in the block for Django."""
    names = [
        line.split(" = ")[0]
        for line in files_of("moving.md")["settings.py"].splitlines()
        if line.startswith("DOCKERFLOW_")
    ]
    assert names
    for name in names:
        assert f"`{name} = " in PAGE
