"""Whether the Redis behind Django's caches answers: by django-redis or by Django's own backend."""

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
    """Return what is wrong with each Redis that ``CACHES`` names.

    :param app_configs: what Django gives a system check; not looked at, like ``kwargs``.
    :returns: for each cache with a fault one error: ``dockerflow.health.E004`` (no connection, no
        answer or no access), ``E005`` (there is no Redis client), ``E006`` (misconfigured),
        ``E007`` (a wrong answer), ``E010`` (any other error of redis-py's).
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
        except RedisError as error:  # a client may look for its servers when it is made
            text = f"Could not connect to redis: {public_text(error, secrets)}"
            yield text, health.ERROR_CANNOT_CONNECT_REDIS
    except (ImportError, NotImplementedError, ImproperlyConfigured, ValueError) as error:
        cause = error.__cause__  # of a backend that can't be imported
        fault = cause if isinstance(cause, ImportError) else error
        if isinstance(fault, ImportError | NotImplementedError):
            remedy = 'pip install "dockerflow-django[redis]", or "dockerflow-django[django-redis]"'
            known = public_text(fault, secrets)
            text = f"{known}: {remedy}" if isinstance(fault, ImportError) else known
            yield f"Redis client not available: {text}", health.ERROR_MISSING_REDIS_CLIENT
        else:  # ValueError is redis-py's for a wrong URL
            text = f'Redis misconfigured: "{public_text(fault, secrets)}"'
            yield text, health.ERROR_MISCONFIGURED_REDIS


def _passwords(location: object) -> Iterator[str]:
    """Yield the passwords of a cache's URLs, and the parts that unescaped characters make."""
    several = isinstance(location, list | tuple)
    listed = cast("Iterable[object]", location) if several else [location]
    for url in re.split(r"[,;](?=\w+://)", ",".join(map(str, listed))):
        password = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
        yield from (password, *re.split("[:/?#@,;]", password))


def _is_redis(alias: str) -> bool:
    try:
        kinds = type(caches[alias]).__mro__
    except (ImportError, ImproperlyConfigured):  # what can't be imported is to be reported as well
        return "redis" in str(settings.CACHES[alias].get("BACKEND")).lower()
    return any("redis" in kind.__module__.lower() for kind in kinds)


@contextmanager
def _client(alias: str) -> Generator[Any]:
    """Lend the client of redis-py that a cache writes with; nothing is connected for it."""
    # Django's own backend has no public way to its client: RedisCache keeps it here. It would keep
    # its connection as well, until it is collected as garbage, so the check has one of its own.
    own: Any = getattr(caches.create_connection(alias), "_cache", None)
    if hasattr(own, "get_client"):
        client = own.get_client(write=True)
        try:
            yield client
        finally:
            client.connection_pool.disconnect()
    else:
        import django_redis  # type: ignore[import-untyped]  # an extra, which ships no types

        yield django_redis.get_redis_connection(alias)
