"""The client of sanic-redis, which is created when the server starts."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from sanic import Sanic
from sanic_redis import SanicRedis

from dockerflow.checks import CheckRegistry
from dockerflow.sanic import Dockerflow
from tests.adapters.apps.sanic import SanicServer, names
from tests.services.faults import FaultProxy
from tests.services.servers import RedisServer, Server
from tests.services.service import redis_url


def new_app() -> Sanic[Any, Any]:
    app: Sanic[Any, Any] = Sanic(next(names), configure_logging=False)
    app.config["MOTD"] = False
    return app


def messages(server: SanicServer) -> Any:
    body = json.loads(server.request("/__heartbeat__").body)
    assert list(body["checks"]) == ["check_redis_connected"]
    return body["details"].get("check_redis_connected", {"messages": {}})["messages"]


@pytest.mark.parametrize("name", ["REDIS", "SESSIONS"])
def test_sanic_redis(
    redis_server: RedisServer, proxy: Callable[[Server], FaultProxy], name: str
) -> None:
    """The client is checked, whatever its setting is called, and its failures are reported."""
    app = new_app()
    between = proxy(redis_server)
    app.config[name] = redis_url(between.port)
    extension: Any = SanicRedis(config_name=name)
    Dockerflow(app, redis=extension, registry=CheckRegistry())
    extension.init_app(app)
    with contextlib.closing(SanicServer(app)) as server:
        assert messages(server) == {}
        between.mode = "refuse"
        assert list(messages(server)) == ["dockerflow.health.E004"]
        between.mode = "pass"
        assert messages(server) == {}


def test_sanic_redis_that_was_never_started() -> None:
    """A sanic-redis without an application is reported as such."""
    app = new_app()
    Dockerflow(app, redis=SanicRedis(), registry=CheckRegistry())
    with contextlib.closing(SanicServer(app)) as server:
        ((id, text),) = messages(server).items()
    assert id == "dockerflow.health.E004"
    assert "SanicRedis has no client in app.ctx.redis" in text
