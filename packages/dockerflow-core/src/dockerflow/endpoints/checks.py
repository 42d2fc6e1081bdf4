"""The checks of an application, for any framework: all of them, or those of a group."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple, TypeVar, overload

from dockerflow.checks import Check, CheckEnvironment, CheckRegistry, ChecksResults, Error
from dockerflow.checks.alembic import migrations_check
from dockerflow.checks.redis import redis_check
from dockerflow.checks.registry import Limit, as_ids, default_registry
from dockerflow.checks.report import UsageError
from dockerflow.checks.services import require_type
from dockerflow.checks.sqlalchemy import database_check
from dockerflow.health import ERROR_CHECK_UNKNOWN

from .settings import EndpointSettings

F = TypeVar("F", bound=Callable[..., Any])

MIGRATIONS_KEEP = 60.0
"""Seconds until migrations that were all applied are checked again, because that is slow."""


class UnknownGroup(UsageError):
    """The heartbeat has no such group; the text lists the existing ones."""


class NamedCheck(NamedTuple):
    """A check of the heartbeat.

    :param name: the name that the heartbeat shows.
    :param path: another name that groups may use for it.
    """

    name: str
    check: Check
    path: str | None = None


class ApplicationChecks:
    """The checks of the heartbeat, as an adapter and its commands run them.

    A subclass for a framework overrides the methods in the first section below. Their ``app`` is
    the application that got the request, because one extension may serve several.

    :param registry: the checks that the heartbeat runs, by default those of the whole process.
    :param silenced_checks: ids of check messages that are neither counted nor logged.
    :raises TypeError: if an argument has the wrong type.
    """

    logger: logging.Logger
    """The adapter's logger."""

    runs_on_loop: ClassVar[bool] = False
    """Whether the framework serves on an event loop, on which its async checks must run."""

    def __init__(
        self, registry: CheckRegistry | None = None, silenced_checks: Iterable[str] | None = None
    ) -> None:
        require_type("registry=", registry, CheckRegistry, "a dockerflow.checks.CheckRegistry()")
        self.registry = default_registry if registry is None else registry
        self.silenced_checks = list(as_ids(silenced_checks))

    # ------------------------------------------------------------------ for adapters to override

    def get_setting(self, app: Any, name: str, default: Any = None) -> Any:
        """Return a ``DOCKERFLOW_`` setting of the application."""
        raise NotImplementedError

    def check_environment(self, app: Any) -> CheckEnvironment:
        """Return how each check is run."""
        return CheckEnvironment(app=app)

    def list_checks(self, app: Any) -> list[NamedCheck]:
        """Return the checks that the heartbeat runs."""
        return [NamedCheck(name, check) for name, check in self.checks.items()]

    # ------------------------------------------------------------------ settings

    def validate_settings(self, app: Any) -> None:
        """Refuse invalid settings of the endpoints.

        :raises ValueError: for an invalid value; it names the setting, the value and the remedy.
        """
        EndpointSettings.read(functools.partial(self.get_setting, app))

    def settings(self, app: Any) -> EndpointSettings:
        """Return the current settings; an invalid one is logged, and its default is used."""
        report = functools.partial(self.logger.error, "%s; until then the default is used")
        return EndpointSettings.read(functools.partial(self.get_setting, app), report)

    # ------------------------------------------------------------------ registering

    @overload
    def check(
        self, func: F, name: str | None = None, *, timeout: Limit = ..., keep: float | None = None
    ) -> F: ...

    @overload
    def check(
        self,
        func: None = None,
        name: str | None = None,
        *,
        timeout: Limit = ...,
        keep: float | None = None,
    ) -> Callable[[F], F]: ...

    def check(
        self,
        func: Any = None,
        name: str | None = None,
        *,
        timeout: Limit = ...,
        keep: float | None = None,
    ) -> Any:
        """Register a check for the heartbeat; also a decorator, with or without arguments.

        The parameters are those of :meth:`dockerflow.checks.CheckRegistry.register`.
        """
        return self.registry.register(func, name, timeout=timeout, keep=keep)

    def init_check(self, check: Check, obj: Any) -> functools.partial[Any]:
        """Register ``check``, to be called with the object ``obj``, such as a client."""
        return self.registry.register_partial(check, obj)

    @property
    def checks(self) -> dict[str, Check]:
        """The live dictionary of the checks that the heartbeat runs, by name."""
        return self.registry.get_checks()

    def add_service_checks(
        self, db: Any = None, redis: Any = None, migrate: Any = None, migrated_db: Any = None
    ) -> None:
        """Register the built-in checks of the given backing services.

        :param db: as for :func:`dockerflow.checks.sqlalchemy.database_check`.
        :param redis: as for :func:`dockerflow.checks.redis.redis_check`.
        :param migrate: as for :func:`dockerflow.checks.alembic.migrations_check`.
        :param migrated_db: the migrated database, if ``migrate`` does not name it.
        :raises ImportError: if the library of a check is missing, with the extra to install.
        :raises TypeError: if an argument has the wrong type.
        """
        if db is not None:
            self.check(database_check(db), name="check_database_connected")
        if redis is not None:
            self.check(redis_check(redis), name="check_redis_connected")
        if migrate is not None:
            check, name = migrations_check(migrate, migrated_db), "check_migrations_applied"
            self.check(check, name=name, keep=MIGRATIONS_KEEP)

    # ------------------------------------------------------------------ running

    def select(
        self, app: Any, settings: EndpointSettings, group: str | None = None
    ) -> list[tuple[str, Check]]:
        """Return the checks of the heartbeat, or of one of its groups, with their names in it.

        If a group names a check that does not exist, another check reports that in its place.

        :raises UnknownGroup: if there is no such group.
        """
        if group is not None and group not in settings.groups:
            names = ", ".join(settings.groups) or "none, see DOCKERFLOW_HEARTBEAT_GROUPS"
            raise UnknownGroup(f"There is no such group of checks. Groups: {names}")
        found = self.list_checks(app)
        if group is None:
            return [(each.name, each.check) for each in found]
        known = {each.path: each for each in found} | {each.name: each for each in found}
        chosen: dict[str, Check] = {}
        for name in settings.groups[group]:
            each = known.get(name) or NamedCheck(name, _unknown(name, found))
            chosen[each.name] = each.check
        return list(chosen.items())

    def run_checks(
        self, app: Any, settings: EndpointSettings, group: str | None = None
    ) -> ChecksResults:
        """Run the checks of a heartbeat, or of one of its groups.

        :raises UnknownGroup: if there is no such group.
        """
        return self.registry.run_checks(
            self.select(app, settings, group),
            self.silenced_checks,
            settings.check_timeout,
            self.check_environment(app),
            settings.check_keep,
        )

    async def run_checks_async(
        self, app: Any, settings: EndpointSettings, group: str | None = None
    ) -> ChecksResults:
        """Run the checks of a heartbeat like :meth:`run_checks`, on the event loop."""
        return await self.registry.run_checks_async(
            self.select(app, settings, group),
            self.silenced_checks,
            settings.check_timeout,
            self.check_environment(app),
            settings.check_keep,
        )

    def run_once(self, app: Any, group: str | None = None) -> ChecksResults:
        """Run the checks as a heartbeat does, for a command; the application is not notified.

        :param group: the group whose checks to run, by default all.
        :raises UnknownGroup: if there is no such group.
        """
        settings = self.settings(app)
        if self.runs_on_loop:
            return asyncio.run(self.run_checks_async(app, settings, group))
        return self.run_checks(app, settings, group)


def _unknown(name: str, found: Iterable[NamedCheck]) -> Check:
    """Return a check that reports that a group names a check that does not exist."""
    names = ", ".join(each.name for each in found) or "none"
    text = f"DOCKERFLOW_HEARTBEAT_GROUPS names the unknown check {name}; the checks are: {names}"
    return lambda: Error(text, id=ERROR_CHECK_UNKNOWN)
