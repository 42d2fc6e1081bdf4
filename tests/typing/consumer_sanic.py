"""A consumer of the Sanic adapter; only the type checkers read it."""

from __future__ import annotations

import logging
from typing import Any, assert_type

from sanic import Request, Sanic

from dockerflow.checks import Check, CheckRegistry
from dockerflow.sanic import Dockerflow, checks

dockerflow = Dockerflow(silenced_checks=["dockerflow.health.W001"], registry=CheckRegistry())


@dockerflow.check
async def bare() -> list[checks.Error]:
    return [checks.Error("text", id="acme.E001")]


@dockerflow.check(name="named", timeout=2)
def named() -> None: ...


@dockerflow.version_callback
async def version(root: str) -> dict[str, str]:
    return {"root": root}


class Own(Dockerflow):
    """Overrides the methods that applications override."""

    def summary_extra(self, request: Request[Any, Any]) -> dict[str, Any]:
        return {**super().summary_extra(request), "region": "eu"}


def create_app() -> Sanic[Any, Any]:
    app: Sanic[Any, Any] = Sanic("service")
    assert_type(dockerflow.init_app(app), None)
    assert_type(dockerflow.checks, dict[str, Check])
    assert_type(dockerflow.summary_logger, logging.Logger)
    Own(app, version_path="/app", db=object(), migrate="alembic.ini")
    dockerflow.init_check(checks.check_redis_connected, object())
    Dockerflow(app="app")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return app


async def decorated() -> None:
    # A decorated function keeps its own type.
    assert_type(await bare(), list[checks.Error])
    assert_type(await version("/app"), dict[str, str])
