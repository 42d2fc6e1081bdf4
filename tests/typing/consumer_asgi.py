"""A consumer of the adapter for any ASGI application; only type checkers read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

from starlette.applications import Starlette

from dockerflow import checks
from dockerflow.asgi import Dockerflow
from dockerflow.checks import Check, CheckRegistry

dockerflow = Dockerflow(
    Starlette(),
    version_path=Path("/app"),
    registry=CheckRegistry(),
    silenced_checks=["x"],
    settings={"DOCKERFLOW_CHECK_TIMEOUT": 2},
    user_id=lambda scope: scope["user"],
    route=lambda scope: scope["route"],
)
inner_and_outer = Dockerflow(dockerflow)
Starlette().mount("/inner", dockerflow)


@dockerflow.check
def bare() -> list[checks.Error]:
    return [checks.Error("text", id="acme.E001")]


@dockerflow.check(name="named", timeout=2)
async def named() -> None: ...


@dockerflow.version_callback
async def version(root: str) -> dict[str, str]:
    return {"root": root}


@dockerflow.heartbeat_passed
@dockerflow.heartbeat_failed
async def heard(level: int) -> None: ...


async def typed(scope: dict[str, Any], receive: Any, send: Any) -> None: ...


def use() -> None:
    assert_type(dockerflow.checks, dict[str, Check])
    assert_type(bare(), list[checks.Error])
    Dockerflow("hello")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Dockerflow(typed, settings=["x"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
