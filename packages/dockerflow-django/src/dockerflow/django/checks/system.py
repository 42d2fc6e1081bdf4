"""What ``manage.py`` is told when it checks the project, as most of its commands do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from dockerflow.django.conf import problems
from dockerflow.django.middleware import DockerflowMiddleware

from .database import check_database_connected, check_migrations_applied

# Django's own that may redirect, refuse or answer a request, or ask a database or cache for it.
ANSWERING = (
    "django.contrib.auth.middleware.RemoteUserMiddleware",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
    "django.contrib.redirects.middleware.RedirectFallbackMiddleware",
    "django.contrib.sites.middleware.CurrentSiteMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.security.SecurityMiddleware",
)


def register() -> None:
    """Register the system checks with Django; done when the application is loaded."""
    checks.register(settings_make_sense)
    checks.register(middleware_is_first)
    checks.register(checks.Tags.database)(databases_answer)


def settings_make_sense(**kwargs: Any) -> list[checks.CheckMessage]:
    """Return an error for each ``DOCKERFLOW_`` setting that makes no sense."""
    return [checks.Error(problem, id="dockerflow.E001") for problem in problems()]


def middleware_is_first(**kwargs: Any) -> list[checks.CheckMessage]:
    """Return a warning for each middleware that may answer a probe before ours does."""
    stack = list(settings.MIDDLEWARE)
    ours = next(filter(_is_ours, stack), None)
    before = [] if ours is None else stack[: stack.index(ours)]
    text = "stands before DockerflowMiddleware in MIDDLEWARE, and may answer or refuse probes"
    hint = "Put DockerflowMiddleware first."
    return [
        checks.Warning(f"{name} {text}.", hint=hint, id="dockerflow.W001")
        for name in before
        if name in ANSWERING
    ]


def _is_ours(path: str) -> bool:
    try:
        found = import_string(path)
    except ImportError:  # for Django to report
        return False
    return isinstance(found, type) and issubclass(found, DockerflowMiddleware)


def databases_answer(
    *, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Return what the checks of databases find, for those that a command was given.

    That is so in ``manage.py check --database default``; others work while a database is down.
    """
    given = databases or ()
    return [*check_database_connected(databases=given), *check_migrations_applied(databases=given)]
