"""A consumer of the Flask adapter; only the type checkers read it."""

from __future__ import annotations

import logging
from typing import Any, assert_type

from flask import Flask

from dockerflow.checks import Check, CheckRegistry
from dockerflow.flask import Dockerflow, HeartbeatFailure, checks
from dockerflow.flask.signals import heartbeat_failed, heartbeat_passed

dockerflow = Dockerflow(silenced_checks=["dockerflow.health.W001"], registry=CheckRegistry())


@dockerflow.check
def bare() -> list[checks.Error]:
    return [checks.Error("text", id="acme.E001")]


@dockerflow.check(name="named", timeout=2)
async def named() -> None: ...


@dockerflow.version_callback
def version(root: str) -> dict[str, str]:
    return {"root": root}


@heartbeat_passed.connect
@heartbeat_failed.connect
def heard(sender: Flask, level: int, **extra: Any) -> None: ...


class Own(Dockerflow):
    """Overrides the methods that applications override."""

    def summary_extra(self) -> dict[str, Any]:
        return {**super().summary_extra(), "region": "eu"}

    def user_id(self) -> Any:
        return "somebody"


def create_app() -> Flask:
    app = Flask(__name__)
    assert_type(dockerflow.init_app(app), None)
    assert_type(dockerflow.checks, dict[str, Check])
    assert_type(dockerflow.summary_logger, logging.Logger)
    assert_type(Own(app, version_path="/app").summary_extra(), dict[str, Any])
    dockerflow.init_check(checks.check_redis_connected, object())
    Dockerflow(app="app")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return app


def decorated() -> None:
    # A decorated function keeps its own type.
    assert_type(bare(), list[checks.Error])
    assert_type(version("/app"), dict[str, str])
    failure: Exception = HeartbeatFailure()
    assert failure.args is not None
