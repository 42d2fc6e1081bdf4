"""The system checks that ``manage.py check`` and most other commands run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.utils.module_loading import import_string

from dockerflow.django.conf import problems
from dockerflow.django.middleware import DockerflowMiddleware

from .database import check_database_connected, check_migrations_applied

# Middleware of Django that may redirect, refuse or answer a request, or query a database or cache.
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
    """Register the system checks with Django. Called when the application is loaded."""
    checks.register(settings_make_sense)
    checks.register(middleware_is_first)
    checks.register(checks.Tags.database)(databases_answer)


def settings_make_sense(**kwargs: Any) -> list[checks.CheckMessage]:
    """Return an error for each invalid ``DOCKERFLOW_`` setting."""
    return [checks.Error(problem, id="dockerflow.E001") for problem in problems()]


def middleware_is_first(**kwargs: Any) -> list[checks.CheckMessage]:
    """Return a warning for each middleware that may answer a probe before this package's does."""
    stack = list(settings.MIDDLEWARE)
    ours = next(filter(_is_ours, stack), None)
    before = [] if ours is None else stack[: stack.index(ours)]
    text = "comes before DockerflowMiddleware in MIDDLEWARE and may answer or refuse probes"
    hint = "Put DockerflowMiddleware first."
    return [
        checks.Warning(f"{name} {text}.", hint=hint, id="dockerflow.W001")
        for name in before
        if name in ANSWERING
    ]


def _is_ours(path: str) -> bool:
    try:
        found = import_string(path)
    except ImportError:  # Django reports it
        return False
    return isinstance(found, type) and issubclass(found, DockerflowMiddleware)


def databases_answer(
    *, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Return the messages of the database checks, for the databases that a command names.

    An example is ``manage.py check --database default``. Commands that name no database work while
    one is down.
    """
    given = databases or ()
    return [*check_database_connected(databases=given), *check_migrations_applied(databases=given)]
