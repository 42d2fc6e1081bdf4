"""The check that the Redis behind Django's caches answers: django-redis or Django's backend."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.conf import settings
from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from dockerflow import health
from dockerflow.checks import redis
from dockerflow.checks.services import public_text


def check_redis_connected(app_configs: object = None, **kwargs: Any) -> list[CheckMessage]:
    """Return an error for each Redis in ``CACHES`` that can't be used.

    :param app_configs: passed by Django to system checks; ignored, like ``kwargs``.
    :returns: one error for each failing cache: ``dockerflow.health.E004`` (no connection, no
        answer or no access), ``E005`` (no Redis client), ``E006`` (misconfigured), ``E007`` (a
        wrong answer) or ``E010`` (any other error of redis-py).
    """
    aliases = [alias for alias in settings.CACHES if _is_redis(alias)] or [DEFAULT_CACHE_ALIAS]
    return [
        Error(text if alias == DEFAULT_CACHE_ALIAS else f'{text} (cache "{alias}")', id=id)
        for alias in aliases
        for text, id in _faults(alias)
    ]


def _faults(alias: str) -> Iterator[tuple[str, str | None]]:
    secrets = list(_passwords(settings.CACHES[alias].get("LOCATION")))
    try:
        from redis.exceptions import RedisError  # an extra

        try:
            with _client(alias) as client:
                for message in redis.check_redis_connected(client):
                    yield public_text(message.msg, secrets), message.id
        except RedisError as error:  # some clients connect when they are created
            text = f"Could not connect to redis: {public_text(error, secrets)}"
            yield text, health.ERROR_CANNOT_CONNECT_REDIS
    except (ImportError, NotImplementedError, ImproperlyConfigured, ValueError) as error:
        cause = error.__cause__  # set if a backend can't be imported
        fault = cause if isinstance(cause, ImportError) else error
        if isinstance(fault, ImportError | NotImplementedError):
            remedy = 'pip install "dockerflow-django[redis]", or "dockerflow-django[django-redis]"'
            known = public_text(fault, secrets)
            text = f"{known}: {remedy}" if isinstance(fault, ImportError) else known
            yield f"Redis client not available: {text}", health.ERROR_MISSING_REDIS_CLIENT
        else:  # redis-py raises ValueError for an invalid URL
            text = f'Redis misconfigured: "{public_text(fault, secrets)}"'
            yield text, health.ERROR_MISCONFIGURED_REDIS


def _passwords(location: object) -> Iterator[str]:
    """Yield the passwords in a cache's URLs, and the parts that unescaped characters split off."""
    several = isinstance(location, list | tuple)
    listed = cast("Iterable[object]", location) if several else [location]
    for url in re.split(r"[,;](?=\w+://)", ",".join(map(str, listed))):
        password = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
        yield from (password, *re.split("[:/?#@,;]", password))


def _is_redis(alias: str) -> bool:
    try:
        kinds = type(caches[alias]).__mro__
    except (ImportError, ImproperlyConfigured):  # the check reports a failed import
        return "redis" in str(settings.CACHES[alias].get("BACKEND")).lower()
    return any("redis" in kind.__module__.lower() for kind in kinds)


@contextmanager
def _client(alias: str) -> Generator[Any]:
    """Yield the redis-py client that a cache writes with, without connecting it."""
    # Django's RedisCache gives no public access to its client: it keeps it in _cache. A client
    # keeps its connection open until it is garbage-collected, so the check uses a separate client.
    own: Any = getattr(caches.create_connection(alias), "_cache", None)
    if hasattr(own, "get_client"):
        client = own.get_client(write=True)
        try:
            yield client
        finally:
            client.connection_pool.disconnect()
    else:
        import django_redis  # type: ignore[import-untyped]  # an extra, without types

        yield django_redis.get_redis_connection(alias)
