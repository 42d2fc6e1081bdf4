"""The Redis check, for the clients that Sanic applications use."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from sanic import Request, Sanic
from sanic.exceptions import SanicException

from dockerflow.checks import CheckMessage, Error
from dockerflow.checks import redis as redis_checks
from dockerflow.health import ERROR_CANNOT_CONNECT_REDIS


def redis_check(redis: Any) -> Callable[[], Any]:
    """Return the check for a client: a sync or async callable without arguments.

    :param redis: a :class:`sanic_redis.SanicRedis`, or a client that
        :func:`dockerflow.checks.redis.redis_check` takes.
    :raises ImportError: if redis-py is not installed.
    """
    if any(cls.__module__.partition(".")[0] == "sanic_redis" for cls in type(redis).__mro__):
        return functools.partial(_check_sanic_redis, redis)
    return redis_checks.redis_check(redis)


def check_redis_connected(redis: Any) -> Any:
    """Check that Redis answers a ``PING``.

    :param redis: a client that :func:`redis_check` takes.
    :returns: the messages of the check; for an asyncio client, an awaitable of them.
    :raises ImportError: if redis-py is not installed.
    """
    return redis_check(redis)()


async def _check_sanic_redis(extension: Any) -> list[CheckMessage]:
    # All releases keep the client in the application's `ctx`; until 0.6 it is in `conn` as well.
    name = getattr(extension, "ctx_name", None) or extension.config_name.lower()
    client = getattr(_current_app().ctx, name, None) or getattr(extension, "conn", None)
    if client is None:
        text = (
            f"Could not connect to redis: SanicRedis has no client in app.ctx.{name}; it puts one "
            "there when the server starts, under the name given to its constructor"
        )
        return [Error(text, id=ERROR_CANNOT_CONNECT_REDIS)]
    return await redis_checks.check_redis_connected_async(client)


def _current_app() -> Any:
    sanic: Any = Sanic
    try:
        return Request.get_current().app
    except SanicException:  # outside a request: in a test or a task
        return sanic.get_app()
