"""The responses of the endpoints, independent of any framework."""

from __future__ import annotations

import asyncio
import json
import logging
import pathlib
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from dockerflow import checks
from dockerflow.checks import CheckRegistry
from dockerflow.endpoints import (
    HEARTBEAT,
    VERSION,
    Endpoints,
    EndpointSettings,
    Reply,
    read_switch,
)
from dockerflow.endpoints.replies import server_timing
from dockerflow.endpoints.settings import read_groups

HEADERS = (("Cache-Control", "no-store"), ("Vary", "Accept"))


class Extension(Endpoints):
    """An extension of a framework in which an application is just its dict of settings."""

    logger = logging.getLogger("dockerflow.tests")

    def __init__(self, *places: Any, **options: Any) -> None:
        super().__init__(registry=CheckRegistry(), **options)
        self.places = places
        self.levels: list[int] = []

    def get_setting(self, app: Any, name: str, default: Any = None) -> Any:
        return app.get(name, default)

    def version_places(self, app: Any) -> tuple[Any, tuple[Any, ...]]:
        return self.version_path, self.places

    def notify(self, app: Any, level: int, **extra: str) -> None:
        self.levels.append(level)

    async def notify_async(self, app: Any, level: int, **extra: str) -> None:
        self.levels.append(level)


Answer = Callable[..., Reply | None]


def answer_sync(extension: Extension, path: str, method: str = "GET", **app: Any) -> Reply | None:
    return extension.answer_probe(app, path, method)


def answer_async(extension: Extension, path: str, method: str = "GET", **app: Any) -> Reply | None:
    return asyncio.run(extension.answer_probe_async(app, path, method))


@pytest.fixture(params=[answer_sync, answer_async], ids=["sync", "async"])
def answer(request: pytest.FixtureRequest) -> Answer:
    """Request a path, in sync and in async code."""
    function: Answer = request.param
    return function


def write(folder: pathlib.Path) -> pathlib.Path:
    folder.mkdir()
    (folder / "version.json").write_text(json.dumps({"version": folder.name}))
    return folder


def test_heartbeat(answer: Answer) -> None:
    """The heartbeat fails from ERROR on, with the configured status, and notifies the adapter."""
    extension = Extension(silenced_checks=["t.E1"])
    extension.check(lambda: [checks.Warning("m", id="t.W1"), checks.Error("n", id="t.E1")], "one")
    body = {
        "status": "warning",
        "checks": {"one": "warning"},
        "details": {"one": {"status": "warning", "level": 30, "messages": {"t.W1": "m"}}},
    }
    timing = ("Server-Timing", mock.ANY)
    expected = Reply(200, json.dumps(body).encode(), "application/json", (*HEADERS, timing))
    assert answer(extension, HEARTBEAT) == expected
    extension.silenced_checks.clear()
    failed = answer(
        extension,
        HEARTBEAT,
        DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE="503",
        DOCKERFLOW_HEARTBEAT_SHOW_DETAILS="no",
    )
    assert failed == Reply(503, b'{"status": "error"}', "application/json", HEADERS)
    assert extension.levels == [checks.WARNING, checks.ERROR]


def test_one_silenced_id() -> None:
    """A text is one id to silence."""
    extension = Extension(silenced_checks="t.E1")
    extension.init_check(lambda id: checks.Error("n", id=id), "t.E1")
    assert extension.heartbeat({}).status == 200
    assert len(extension.checks) == 1


def test_version(answer: Answer, tmp_path: pathlib.Path) -> None:
    """The first default place that has a file is read; a configured place is the only one."""
    one, two = write(tmp_path / "one"), write(tmp_path / "two")
    found = answer(Extension(tmp_path, one, two), VERSION)
    assert found == Reply(200, b'{"version": "one"}', "application/json")
    found = answer(Extension(one, version_path=two), VERSION)
    assert found == Reply(200, b'{"version": "two"}', "application/json")
    assert answer(Extension(one, version_path=tmp_path), VERSION) == Reply(
        404, b"version.json not found"
    )


def test_container_root() -> None:
    """If no place is configured, /app is the last; tests may patch get_version."""
    with mock.patch("dockerflow.version.get_version", return_value=None) as get_version:
        assert answer_sync(Extension("a", pathlib.Path("b")), VERSION) == Reply(
            404, b"version.json not found"
        )
    assert [call.args for call in get_version.call_args_list] == [("a",), ("b",), ("/app",)]


def test_async_version_callback() -> None:
    """A callback may be async in async code."""
    extension = Extension()
    extension.version_callback(mock.AsyncMock(return_value=None))
    assert answer_async(extension, VERSION) == Reply(404, b"version.json not found")


WRONG = [
    ("DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE", 404),
    ("DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE", "6000"),
    ("DOCKERFLOW_CHECK_TIMEOUT", 0),
    ("DOCKERFLOW_CHECK_TIMEOUT", "soon"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_settings(caplog: pytest.LogCaptureFixture, name: str, value: object) -> None:
    """An invalid setting is refused at start-up with the remedy; later, the default is used."""
    extension = Extension()
    with pytest.raises(ValueError, match=f"{name} is {value!r}; set it to "):
        extension.validate_settings({name: value})
    assert extension.settings({name: value}) == EndpointSettings()
    assert f"{name} is {value!r}; set it to " in caplog.text


def test_settings_of_an_environment() -> None:
    """Settings may be strings, as in environment variables."""
    settings = Extension().settings(
        {
            "DOCKERFLOW_CHECK_TIMEOUT": "None",
            "DOCKERFLOW_ERROR_ENDPOINT": "0",
            "DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE": "503",
        }
    )
    assert settings == EndpointSettings(
        failed_status=503, show_details=True, check_timeout=None, error_endpoint=False
    )
    assert (settings.check_keep, dict(settings.groups)) == (0, {})
    assert [read_switch(value) for value in ("", "no", "OFF", 0, None)] == [False] * 5
    assert [read_switch(value) for value in ("1", "yes", "on", 1)] == [True] * 4


def test_migrations_are_kept_for_a_minute(clock: mock.Mock) -> None:
    """The check of migrations, which reads all scripts, keeps a clean result for a minute."""
    extension = Extension()
    with mock.patch("dockerflow.endpoints.checks.migrations_check", return_value=list):
        extension.add_service_checks(migrate="x.ini")
    run = extension.registry.run_checks
    assert [run().kept, run().kept] == [set(), {"check_migrations_applied"}]
    clock.return_value += 60
    assert run().kept == set()


def test_service_checks() -> None:
    """Each configured backing service gets its check; any other object is refused."""
    redis = mock.Mock(spec=["ping"])
    engine = mock.MagicMock(spec=["connect"])
    extension = Extension()
    extension.add_service_checks(redis=redis, db=engine, migrate="x.ini", migrated_db=engine)
    assert extension.registry.run_checks().statuses == {
        "check_database_connected": "ok",
        "check_redis_connected": "ok",
        "check_migrations_applied": "error",
    }
    with pytest.raises(TypeError, match=r"redis= is of type str \(redis://...\); set it to a"):
        extension.add_service_checks(redis="redis://:hunter2@host")


# ---------------------------------------------------------------------- groups


@pytest.mark.parametrize(
    ("value", "groups"),
    [
        (None, {}),
        ("", {}),
        ('{"ready": ["a", "b"]}', {"ready": ("a", "b")}),
        ({"a-Z_0.9~": ("a",), "...": []}, {"a-Z_0.9~": ("a",), "...": ()}),
    ],
    ids=repr,
)
def test_read_groups(value: object, groups: dict[str, tuple[str, ...]]) -> None:
    """Groups are a dictionary of lists, or a JSON text of one, as in an environment variable."""
    assert read_groups(value) == groups


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        ("ready", "a dictionary such as "),
        ("[]", "a dictionary such as "),
        (5, "a dictionary such as "),
        ({"a/b": []}, "groups whose names consist of "),
        ({"": []}, "groups whose names consist of "),
        ({".": []}, "groups whose names consist of "),
        ({"..": []}, "groups whose names consist of "),
        ({"ready\n": []}, "groups whose names consist of "),
        ({"é": []}, "groups whose names consist of "),
        ({1: []}, "groups whose names consist of "),
        ({"ready": "check"}, "groups that are lists of names of checks"),
        ({"ready": [1]}, "groups that are lists of names of checks"),
        ({"ready": None}, "groups that are lists of names of checks"),
    ],
    ids=repr,
)
def test_wrong_groups(value: object, remedy: str) -> None:
    """Invalid groups are refused at start-up, with the remedy."""
    with pytest.raises(ValueError, match=f"DOCKERFLOW_HEARTBEAT_GROUPS is .*; set it to {remedy}"):
        Extension().validate_settings({"DOCKERFLOW_HEARTBEAT_GROUPS": value})


@pytest.mark.parametrize("value", [-1, "soon", float("inf"), float("nan"), True, None], ids=repr)
def test_wrong_keep(value: object) -> None:
    """DOCKERFLOW_CHECK_KEEP is a number of seconds."""
    with pytest.raises(ValueError, match=r"DOCKERFLOW_CHECK_KEEP is .*; set it to a number of"):
        Extension().validate_settings({"DOCKERFLOW_CHECK_KEEP": value})


@pytest.mark.parametrize("path", ["/__heartbeat__/", "/__heartbeat__/a/b", "/__heartbeat__x"])
def test_no_group(answer: Answer, path: str) -> None:
    """Other paths that begin like a group's belong to the application."""
    groups = {"a": ["one"]}
    assert answer(Extension(), path, DOCKERFLOW_HEARTBEAT_GROUPS=groups) is None
    assert not Extension().is_probe({"DOCKERFLOW_HEARTBEAT_GROUPS": groups}, path)


def test_application_without_groups() -> None:
    """Without groups, their paths belong to the application."""
    groups = {"DOCKERFLOW_HEARTBEAT_GROUPS": {"a": ["one"]}}
    assert Extension().is_probe(groups, "/__heartbeat__/a")
    assert not Extension().is_probe({}, "/__heartbeat__/a")


def test_name_twice(answer: Answer) -> None:
    """A check that a group names twice is run once."""
    extension, calls = Extension(), mock.Mock(return_value=None)
    extension.check(calls, "one")
    answer(extension, "/__heartbeat__/a", DOCKERFLOW_HEARTBEAT_GROUPS={"a": ["one", "one"]})
    calls.assert_called_once_with()


# ---------------------------------------------------------------------- Server-Timing


def test_server_timing() -> None:
    """Each check has a metric of milliseconds, whose name is a token (RFC 9110, 5.6.2)."""
    durations = {"a b;é": 0.0123, "": 1, "check_redis": 0}
    results = checks.ChecksResults(durations=durations, kept={"check_redis"})
    assert server_timing(results) == 'a_b__;dur=12.3, _;dur=1000.0, check_redis;dur=0.0;desc="kept"'


def test_server_timing_of_many() -> None:
    """The header stays shorter than the limit of proxies, and ends with a complete metric."""
    value = server_timing(checks.ChecksResults(durations=dict.fromkeys(map(str, range(10_000)), 1)))
    assert 1900 < len(value) <= 2000
    assert all(metric.endswith(";dur=1000.0") for metric in value.split(", "))
    assert server_timing(checks.ChecksResults(durations={"x" * 10_000: 1})) == ""
