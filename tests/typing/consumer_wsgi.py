"""A consumer of the adapter for any WSGI application; only type checkers read it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, assert_type

from dockerflow import checks
from dockerflow.checks import Check, CheckRegistry
from dockerflow.wsgi import Dockerflow

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"hello"]


def who(environ: WSGIEnvironment) -> str | None:
    return environ.get("REMOTE_USER")


dockerflow = Dockerflow(
    hello,
    version_path=Path("/app"),
    registry=CheckRegistry(),
    silenced_checks=["x"],
    settings={"DOCKERFLOW_CHECK_TIMEOUT": 2},
    user_id=who,
    route=lambda environ: environ["route"],
)
application: WSGIApplication = Dockerflow(dockerflow)


@dockerflow.check
def bare() -> list[checks.Error]:
    return [checks.Error("text", id="acme.E001")]


@dockerflow.check(name="named", timeout=2)
async def named() -> None: ...


@dockerflow.version_callback
def version(root: str) -> dict[str, str]:
    return {"root": root}


@dockerflow.heartbeat_passed
@dockerflow.heartbeat_failed
def heard(level: int) -> None: ...


def use() -> None:
    assert_type(dockerflow.checks, dict[str, Check])
    assert_type(bare(), list[checks.Error])
    Dockerflow("hello")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Dockerflow(hello, settings=["x"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
