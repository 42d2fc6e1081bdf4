"""A consumer of the FastAPI adapter; only the type checkers read it."""

from __future__ import annotations

from typing import Any, assert_type

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request

from dockerflow.checks import Check, CheckRegistry
from dockerflow.fastapi import Dockerflow, checks, router
from dockerflow.fastapi.middleware import MozlogRequestSummaryLogger, RequestIdMiddleware

dockerflow = Dockerflow(silenced_checks=["x"], registry=CheckRegistry(), on_heartbeat_failed=print)


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


class Own(Dockerflow):
    def summary_extra(self, request: Request) -> dict[str, Any]:
        return {**super().summary_extra(request), "region": "eu"}

    def user_id(self, request: Request) -> Any:
        return "somebody"


def create() -> FastAPI:
    app = FastAPI()
    app.include_router(router)
    app.add_middleware(RequestIdMiddleware)
    app.add_middleware(MozlogRequestSummaryLogger)
    assert_type(dockerflow.init_app(app), None)
    assert_type(dockerflow.checks, dict[str, Check])
    Own(Starlette())
    dockerflow.init_check(checks.check_redis_connected, object())
    Dockerflow(app="app")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(bare(), list[checks.Error])
    return app
