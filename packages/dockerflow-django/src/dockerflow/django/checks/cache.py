"""Whether the Redis behind Django's caches answers: by django-redis or by Django's own backend."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

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
    # Of a URL whose password has an unescaped character, redis-py's error quotes a part.
    user_part = str(settings.CACHES[alias].get("LOCATION")).rpartition("@")[0].partition("//")[2]
    secrets = re.split("[:/?#@]", user_part)
    try:
        from redis.exceptions import RedisError  # an extra

        try:
            for message in redis.check_redis_connected(_client(alias)):
                yield message.msg, message.id
        except RedisError as error:  # a client may look for its servers when it is made
            text = f"Could not connect to redis: {public_text(error, secrets)}"
            yield text, health.ERROR_CANNOT_CONNECT_REDIS
    except (ImportError, NotImplementedError, ImproperlyConfigured, ValueError) as error:
        cause = error.__cause__  # of a backend that can't be imported
        fault = cause if isinstance(cause, ImportError) else error
        if isinstance(fault, ImportError):
            remedy = 'pip install "dockerflow-django[redis]", or "dockerflow-django[django-redis]"'
            text = f"Redis client not available: {fault}: {remedy}"
            yield text, health.ERROR_MISSING_REDIS_CLIENT
        elif isinstance(fault, NotImplementedError):
            yield f"Redis client not available: {fault}", health.ERROR_MISSING_REDIS_CLIENT
        else:  # ValueError is redis-py's for a wrong URL
            text = f'Redis misconfigured: "{public_text(fault, secrets)}"'
            yield text, health.ERROR_MISCONFIGURED_REDIS


def _is_redis(alias: str) -> bool:
    try:
        kinds = type(caches[alias]).__mro__
    except (ImportError, ImproperlyConfigured):  # what can't be imported is to be reported as well
        return "redis" in str(settings.CACHES[alias].get("BACKEND")).lower()
    return any("redis" in kind.__module__.lower() for kind in kinds)


def _client(alias: str) -> Any:
    """Return the client of redis-py that a cache writes with; nothing is connected for it."""
    # Django's own backend has no public way to its client: RedisCache keeps it here.
    own: Any = getattr(caches[alias], "_cache", None)
    if hasattr(own, "get_client"):
        return own.get_client(write=True)
    import django_redis  # type: ignore[import-untyped]  # an extra, which ships no types

    return django_redis.get_redis_connection(alias)
