"""Check that Redis answers a ``PING``, with the application's own client.

This works with the clients of redis-py and valkey-py (sync, asyncio and cluster), and with any
object that has their ``ping()``, such as Flask-Redis's extension.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from dockerflow import health

from .messages import CheckMessage, Error
from .services import import_extra, is_instance_with, public_text, wrong_type

__all__ = ["check_redis_connected", "check_redis_connected_async", "redis_check"]

_UNREACHABLE = {
    "ConnectionError",
    "TimeoutError",
    "RedisClusterException",
    "ValkeyClusterException",
}


def redis_check(client: Any) -> Callable[[], Any]:
    """Return the right check for a client: a sync or async callable without arguments.

    :param client: an argument of :func:`check_redis_connected` or
        :func:`check_redis_connected_async`.
    :raises ModuleNotFoundError: if the client's library is not installed.
    :raises TypeError: if it is not a client.
    """
    _exceptions_of(client)
    if not _is_proxy(client) and not is_instance_with(client, "ping"):
        raise wrong_type("redis=", client, "a client, such as redis.Redis.from_url(...)")
    if is_async_client(client):
        return functools.partial(check_redis_connected_async, client)
    return functools.partial(check_redis_connected, client)


def is_async_client(client: Any) -> bool:
    """Return whether a client's or a proxy's commands must be awaited, without running one."""
    modules = ("redis.asyncio", "valkey.asyncio")
    if any(cls.__module__.startswith(modules) for cls in type(client).__mro__):
        return True
    methods = (getattr(client, name, None) for name in ("execute_command", "ping"))
    return any(inspect.iscoroutinefunction(method) for method in methods)


def check_redis_connected(client: Any) -> list[CheckMessage]:
    """Check that Redis answers a ``PING``, and that the state of a cluster is ``ok``.

    :param client: a :class:`redis.Redis` or any object that has its ``ping()``.
    :returns: an error if the check fails: ``dockerflow.health.E004`` (no connection, no answer or
        no access), ``E007`` (a wrong answer), ``E010`` (any other error of Redis or its client).
    :raises ModuleNotFoundError: if the client's library is not installed.
    :raises TypeError: if the client is an asyncio client.
    """
    exceptions = _exceptions_of(client)
    if is_async_client(client):
        kind = type(client).__name__
        raise TypeError(f"{kind} is an asyncio client: use check_redis_connected_async")
    try:
        answer = client.ping()
        info = client.cluster_info() if _is_cluster_client(client) else None
    except Exception as error:
        return [_failure(error, client, exceptions)]
    return _judge(answer, info)


async def check_redis_connected_async(client: Any) -> list[CheckMessage]:
    """Check that Redis answers a ``PING``, like :func:`check_redis_connected`.

    :param client: a :class:`redis.asyncio.Redis` or any object that has its ``ping()``.
    :raises TypeError: if the client is a sync client, which would block the event loop.
    """
    exceptions = _exceptions_of(client)
    if not is_async_client(client):
        raise TypeError(f"{type(client).__name__} is a sync client: use check_redis_connected")
    try:
        try:
            answer = await client.ping()
        except Exception as error:
            if not _may_be_stale(error, client, exceptions):
                raise
            answer = await client.ping()  # the client has dropped that connection
        info = await client.cluster_info() if _is_cluster_client(client) else None
    except Exception as error:
        return [_failure(error, client, exceptions)]
    return _judge(answer, info)


def _may_be_stale(error: Exception, client: Any, exceptions: Any) -> bool:
    """Return whether a ``PING`` may have failed only because its pooled connection is stale."""
    if isinstance(error, RuntimeError):  # in sync frameworks each run has its own event loop
        return True
    # After a restart of Redis, asyncio clients, unlike sync ones, notice a broken connection only
    # when they use it. Clients of from_url() don't retry; those with a retry have already done so.
    pool = getattr(client, "connection_pool", None)
    options: Any = getattr(pool, "connection_kwargs", None) or {}
    return isinstance(error, exceptions.ConnectionError) and options.get("retry") is None


def _is_proxy(client: object) -> bool:
    # Flask-Redis's extension, for example, has a client's methods only after its init_app().
    return hasattr(type(client), "__getattr__")


def _is_cluster_client(client: object) -> bool:
    return hasattr(type(client), "cluster_info")


def _judge(answer: object, cluster_info: Any) -> list[CheckMessage]:
    if not (answer in (b"PONG", "PONG") if isinstance(answer, bytes | str) else answer):
        return [Error("Redis ping failed", id=health.ERROR_REDIS_PING_FAILED)]
    # https://redis.io/docs/latest/commands/cluster-info/: the nodes answer, but refuse commands.
    state = "ok" if cluster_info is None else cluster_info.get("cluster_state")
    if state != "ok":
        return [Error(f'Redis error: "cluster_state:{state}"', id=health.ERROR_REDIS_EXCEPTION)]
    return []


def _exceptions_of(client: Any) -> Any:
    """Return the module of the exceptions that a client raises; valkey-py uses the same names."""
    packages = [cls.__module__.partition(".")[0] for cls in type(client).__mro__]
    library = "valkey" if "valkey" in packages else "redis"
    return import_extra(f"{library}.exceptions", "redis", "redis")


def _failure(error: Exception, client: Any, exceptions: Any) -> CheckMessage:
    """Return the message for an exception of the client's library, and raise any other."""
    names = {cls.__name__ for cls in type(error).__mro__ if cls.__module__ == exceptions.__name__}
    if not names:
        raise error
    text = public_text(error, _passwords(client)) or type(error).__name__
    if names & _UNREACHABLE:
        return Error(f"Could not connect to redis: {text}", id=health.ERROR_CANNOT_CONNECT_REDIS)
    return Error(f'Redis error: "{text}"', id=health.ERROR_REDIS_EXCEPTION)


def _passwords(client: Any) -> Iterator[object]:
    # The options are in the pool of a client, in an asyncio client of a cluster itself, and in the
    # nodes manager of a sync one.
    pool, nodes = (getattr(client, name, None) for name in ("connection_pool", "nodes_manager"))
    for owner in (pool, client, nodes):
        options: Any = getattr(owner, "connection_kwargs", None) or {}
        yield options.get("password")
