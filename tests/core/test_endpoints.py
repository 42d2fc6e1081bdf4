"""What the endpoints answer, whatever the framework."""

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

NO_STORE = ("Cache-Control", "no-store")


class Extension(Endpoints):
    """An extension of a framework whose applications are their dicts of settings."""

    logger = logging.getLogger("dockerflow.tests")

    def __init__(self, *places: Any, **options: Any) -> None:
        super().__init__(registry=CheckRegistry(), **options)
        self.places = places
        self.levels: list[int] = []

    def get_setting(self, app: Any, name: str, default: Any = None) -> Any:
        return app.get(name, default)

    def version_places(self, app: Any) -> tuple[Any, tuple[Any, ...]]:
        return self.version_path, self.places

    def notify(self, app: Any, level: int) -> None:
        self.levels.append(level)

    async def notify_async(self, app: Any, level: int) -> None:
        self.levels.append(level)


Answer = Callable[..., Reply | None]


def answer_sync(extension: Extension, path: str, method: str = "GET", **app: Any) -> Reply | None:
    return extension.answer_probe(app, path, method)


def answer_async(extension: Extension, path: str, method: str = "GET", **app: Any) -> Reply | None:
    return asyncio.run(extension.answer_probe_async(app, path, method))


@pytest.fixture(params=[answer_sync, answer_async], ids=["sync", "async"])
def answer(request: pytest.FixtureRequest) -> Answer:
    """Ask for a path, in sync and in async code."""
    function: Answer = request.param
    return function


def write(folder: pathlib.Path) -> pathlib.Path:
    folder.mkdir()
    (folder / "version.json").write_text(json.dumps({"version": folder.name}))
    return folder


def test_heartbeat(answer: Answer) -> None:
    """The heartbeat fails from ERROR on, with the configured status, and the adapter is told."""
    extension = Extension(silenced_checks=["t.E1"])
    extension.check(lambda: [checks.Warning("m", id="t.W1"), checks.Error("n", id="t.E1")], "one")
    body = {
        "status": "warning",
        "checks": {"one": "warning"},
        "details": {"one": {"status": "warning", "level": 30, "messages": {"t.W1": "m"}}},
    }
    expected = Reply(200, json.dumps(body).encode(), "application/json", (NO_STORE,))
    assert answer(extension, HEARTBEAT) == expected
    extension.silenced_checks.clear()
    failed = answer(
        extension,
        HEARTBEAT,
        DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE="503",
        DOCKERFLOW_HEARTBEAT_SHOW_DETAILS="no",
    )
    assert failed == Reply(503, b'{"status": "error"}', "application/json")
    assert extension.levels == [checks.WARNING, checks.ERROR]


def test_one_silenced_id() -> None:
    """A text is one id to silence."""
    extension = Extension(silenced_checks="t.E1")
    extension.init_check(lambda id: checks.Error("n", id=id), "t.E1")
    assert extension.heartbeat({}).status == 200
    assert len(extension.checks) == 1


def test_version(answer: Answer, tmp_path: pathlib.Path) -> None:
    """The first of the default places that has a file is read, and a configured one alone."""
    one, two = write(tmp_path / "one"), write(tmp_path / "two")
    found = answer(Extension(tmp_path, one, two), VERSION)
    assert found == Reply(200, b'{"version": "one"}', "application/json")
    found = answer(Extension(one, version_path=two), VERSION)
    assert found == Reply(200, b'{"version": "two"}', "application/json")
    assert answer(Extension(one, version_path=tmp_path), VERSION) == Reply(
        404, b"version.json not found"
    )


def test_container_root() -> None:
    """Where nothing is configured, /app is the last place; tests may patch get_version."""
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
    """A setting is refused at start-up with the remedy; met later, the default is used."""
    extension = Extension()
    with pytest.raises(ValueError, match=f"{name} is {value!r}; set it to "):
        extension.validate_settings({name: value})
    assert extension.settings({name: value}) == EndpointSettings()
    assert f"{name} is {value!r}; set it to " in caplog.text


def test_settings_of_an_environment() -> None:
    """Settings may be the texts that environment variables hold."""
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
    assert [read_switch(value) for value in ("", "no", "OFF", 0, None)] == [False] * 5
    assert [read_switch(value) for value in ("1", "yes", "on", 1)] == [True] * 4


def test_service_checks() -> None:
    """Each backing service that is given gets its check; what is none is refused."""
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
