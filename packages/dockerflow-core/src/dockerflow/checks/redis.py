"""Whether Redis answers, for the clients of redis-py, sync and asyncio.

A check pings over a connection of its own, made as the client's pool makes its connections, and
closed afterwards. So it sees the service rather than the pool: an idle connection that a restart
has cut is no failure, a pool that the application has used up is not waited for, and the client's
retries (ten by default in redis-py 8, with pauses) don't use up the heartbeat's time. The client
itself is left as it is. Where that can't be done (clusters, Sentinel, other libraries) or where
``ping`` is not redis-py's own (a subclass, a test's mock), the client's ``ping`` is called.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

from dockerflow.health import (
    ERROR_CANNOT_CONNECT_REDIS,
    ERROR_REDIS_EXCEPTION,
    ERROR_REDIS_PING_FAILED,
)

from ._services import PATIENCE, needed, one_line
from .messages import CheckMessage, Error

__all__ = [
    "check_redis_connected",
    "check_redis_connected_async",
    "is_async_client",
    "redis_check",
]

# Redis before 6 repeats the arguments of a command that it doesn't know, HELLO's password included.
_ECHO = re.compile(r",? with args beginning with:.*", re.DOTALL)

# What ties connections to their pool: on a server's notice of maintenance they would change it.
_TIES_TO_THE_POOL = (
    "maint_notifications_config",
    "maint_notifications_pool_handler",
    "oss_cluster_maint_notifications_handler",
)


def redis_check(client: Any) -> Callable[[], Any]:
    """Return the check that fits a client: a sync or an async callable without arguments.

    :param client: what :func:`check_redis_connected` or :func:`check_redis_connected_async` takes.
    :raises ModuleNotFoundError: redis-py is not installed.
    """
    needed("redis", "redis", "redis")
    if is_async_client(client):
        return functools.partial(check_redis_connected_async, client)
    return functools.partial(check_redis_connected, client)


def is_async_client(client: Any) -> bool:
    """Say whether the client's commands are awaited, without running one.

    :param client: a client, or a proxy of one such as Flask-Redis's.
    """
    if any(cls.__module__.startswith("redis.asyncio") for cls in type(client).__mro__):
        return True
    methods = (getattr(client, name, None) for name in ("execute_command", "ping"))
    return any(inspect.iscoroutinefunction(method) for method in methods)


def check_redis_connected(client: Any) -> list[CheckMessage]:
    """Say whether Redis answers a ``PING``.

    A connection that can't be made, or an answer that doesn't come, is given up after four seconds,
    or after the client's own time-outs where these are shorter.

    :param client: a :class:`redis.Redis` or anything that has its ``ping()``: a cluster client, one
        from a Sentinel, a Flask-Redis extension.
    :return: nothing, or one error: ``dockerflow.health.E004`` (no connection, no answer or no
        access), ``E007`` (a wrong answer), ``E010`` (any other error of redis-py's).
    :raises ModuleNotFoundError: redis-py is not installed.
    :raises TypeError: the client is an asyncio client, of which nothing has been asked.
    """
    needed("redis", "redis", "redis")
    from redis.exceptions import RedisClusterException, RedisError

    if is_async_client(client):
        raise TypeError(
            f"{type(client).__name__} is an asyncio client: use check_redis_connected_async"
        )
    try:
        connection = _own_connection(client)
        if connection is None:
            answer = client.ping()
        else:
            try:
                connection.connect()
                connection.send_command("PING")
                answer = connection.read_response()
            finally:
                connection.disconnect()
    except (RedisError, RedisClusterException) as error:
        return [_failure(error, client)]
    return _judge(answer)


async def check_redis_connected_async(client: Any) -> list[CheckMessage]:
    """Say whether Redis answers a ``PING``, as :func:`check_redis_connected` does.

    :param client: a :class:`redis.asyncio.Redis` or anything that has its ``ping()``.
    :return: as for :func:`check_redis_connected`.
    :raises ModuleNotFoundError: redis-py is not installed.
    :raises TypeError: the client is a sync client, which would block the event loop.
    """
    needed("redis", "redis", "redis")
    from redis.exceptions import RedisClusterException, RedisError

    if not is_async_client(client):
        raise TypeError(f"{type(client).__name__} is a sync client: use check_redis_connected")
    try:
        connection = _own_connection(client)
        if connection is None:
            pong = client.ping()
            answer = await pong if inspect.isawaitable(pong) else pong
        else:
            try:
                await connection.connect()
                await connection.send_command("PING")
                answer = await connection.read_response()
            finally:
                # no farewell is waited for, so that a cancelled check ends at once
                await connection.disconnect(nowait=True)
    except (RedisError, RedisClusterException) as error:
        return [_failure(error, client)]
    return _judge(answer)


def _pool_of(client: Any) -> Any:
    from redis import ConnectionPool
    from redis.asyncio import ConnectionPool as AsyncConnectionPool

    pool = getattr(client, "connection_pool", None)
    return pool if isinstance(pool, ConnectionPool | AsyncConnectionPool) else None


def _own_connection(client: Any) -> Any:
    """Return a connection as the client's pool would make it, or None where it has to be asked."""
    from redis.asyncio import ConnectionPool as AsyncConnectionPool
    from redis.asyncio.retry import Retry as AsyncRetry
    from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelConnectionPool
    from redis.backoff import NoBackoff
    from redis.retry import Retry
    from redis.sentinel import SentinelConnectionPool

    pool = _pool_of(client)
    if (
        pool is None
        or isinstance(pool, SentinelConnectionPool | AsyncSentinelConnectionPool)
        or not all(_is_library_method(client, name) for name in ("ping", "execute_command"))
    ):
        return None
    options = dict(pool.connection_kwargs)
    for name in _TIES_TO_THE_POOL:
        options.pop(name, None)
    for name in ("socket_timeout", "socket_connect_timeout"):
        options[name] = min(options.get(name) or PATIENCE, PATIENCE)
    if "path" in options:  # a Unix socket: not every release knows a time-out for connecting to it
        del options["socket_connect_timeout"]
    retry = AsyncRetry if isinstance(pool, AsyncConnectionPool) else Retry
    options.update(retry=retry(NoBackoff(), 0), retry_on_error=[])
    return pool.connection_class(**options)


def _is_library_method(client: Any, name: str) -> bool:
    function = getattr(getattr(client, name, None), "__func__", None)
    return str(getattr(function, "__module__", "")).startswith("redis.")


def _judge(answer: object) -> list[CheckMessage]:
    if answer in (b"PONG", "PONG") if isinstance(answer, bytes | str) else answer:
        return []
    return [Error("Redis ping failed", id=ERROR_REDIS_PING_FAILED)]


def _failure(error: Exception, client: Any) -> CheckMessage:
    from redis import exceptions

    pool = _pool_of(client)
    password = None if pool is None else pool.connection_kwargs.get("password")
    text = one_line(_ECHO.sub("", str(error)), password) or type(error).__name__
    unreachable = (
        exceptions.ConnectionError,
        exceptions.TimeoutError,
        exceptions.RedisClusterException,
    )
    if isinstance(error, unreachable):
        return Error(f"Could not connect to redis: {text}", id=ERROR_CANNOT_CONNECT_REDIS)
    return Error(f'Redis error: "{text}"', id=ERROR_REDIS_EXCEPTION)
