"""Whether the Redis behind Django's caches answers: by django-redis or by Django's own backend."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.cache import DEFAULT_CACHE_ALIAS, caches
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from dockerflow import health

_REMEDY = 'pip install "dockerflow-django[redis]", or "dockerflow-django[django-redis]"'


def check_redis_connected(app_configs: object = None, **kwargs: Any) -> list[CheckMessage]:
    """Say whether each Redis that ``CACHES`` names answers a ``PING``.

    The ping goes over a connection of its own, with the settings of the cache's connections.

    :param app_configs: what Django gives a system check; not looked at.
    :param kwargs: the same.
    :return: for each cache with a fault one error: ``dockerflow.health.E004`` (no connection, no
        answer or no access), ``E005`` (there is no Redis client), ``E006`` (misconfigured),
        ``E007`` (a wrong answer), ``E010`` (any other error of redis-py's).
    """
    aliases = [alias for alias in settings.CACHES if _is_redis(alias)] or [DEFAULT_CACHE_ALIAS]
    return [message for alias in aliases for message in _answers(alias)]


def _answers(alias: str) -> Iterator[CheckMessage]:
    from dockerflow.checks import redis  # for those who have one

    obj = None if alias == DEFAULT_CACHE_ALIAS else alias
    try:
        client = _client(alias)
    except (ImproperlyConfigured, ValueError) as error:  # redis-py's word for a wrong URL
        if isinstance(error.__cause__, ImportError):
            yield _missing(error.__cause__, obj)
        else:
            text = f'Redis misconfigured: "{error}"'
            yield Error(text, obj=obj, id=health.ERROR_MISCONFIGURED_REDIS)
    except (ImportError, NotImplementedError) as error:
        yield _missing(error, obj)
    else:
        for message in redis.check_redis_connected(client):
            yield Error(message.msg, obj=obj, id=message.id)


def _missing(error: Exception, obj: str | None) -> CheckMessage:
    text = f"Redis client not available: {error}"
    if isinstance(error, ImportError):
        text = f"{text}: {_REMEDY}"
    return Error(text, obj=obj, id=health.ERROR_MISSING_REDIS_CLIENT)


def _is_redis(alias: str) -> bool:
    # By the name of the class, since a backend that can't be imported is to be reported as well.
    backend: object = settings.CACHES[alias].get("BACKEND")
    if isinstance(backend, str) and "redis" in backend.lower():
        return True
    try:
        cache: Any = caches[alias]
    except ImproperlyConfigured:
        return False
    return any("redis" in kind.__module__.lower() for kind in type(cache).__mro__)


def _client(alias: str) -> Any:
    """Return the client of redis-py that a cache writes with; nothing is connected for it."""
    cache: Any = caches[alias]
    own: Any = getattr(cache, "_cache", None)  # of Django's backend, which has no public way to it
    if hasattr(own, "get_client"):
        return own.get_client(write=True)
    import django_redis  # type: ignore[import-untyped]  # it ships no types

    return django_redis.get_redis_connection(alias)
