"""The registry of checks, and the functions that run them."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Iterable
from types import EllipsisType
from typing import Any, TypeVar, overload

from .environment import Check, CheckEnvironment
from .findings import ChecksResults, build_results, logger, mask_urls
from .kept import KeptOutcomes
from .runner import Job, run_jobs, run_jobs_async
from .services import require_type, wrong_type

F = TypeVar("F", bound=Check)
T = TypeVar("T")

Limit = float | EllipsisType | None
"""The seconds that a check may take: None for no limit, ``...`` for the heartbeat's limit."""

DEFAULT_TIMEOUT = 5.0
"""Seconds that a check may take by default."""


class CheckRegistry:
    """A set of checks by name.

    The functions of :mod:`dockerflow.checks` use one default registry. If several applications
    share a process, give each its own registry.

    :ivar checks: the live dictionary of the checks, by name.
    """

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}
        self._options: dict[str, tuple[Check, Limit, float | None]] = {}
        self._kept = KeptOutcomes()

    @overload
    def register(
        self, func: F, name: str | None = None, *, timeout: Limit = ..., keep: float | None = None
    ) -> F: ...

    @overload
    def register(
        self,
        func: None = None,
        name: str | None = None,
        *,
        timeout: Limit = ...,
        keep: float | None = None,
    ) -> Callable[[F], F]: ...

    def register(
        self,
        func: Any = None,
        name: str | None = None,
        *,
        timeout: Limit = ...,
        keep: float | None = None,
    ) -> Any:
        """Register a check. As a decorator, it works with and without parentheses.

        :param func: any callable, sync or async, that returns a list (or other iterable) of
            messages, one message, or ``None``.
        :param name: its name in the heartbeat, by default that of the function. A check with
            the same name is replaced, and a warning is logged.
        :param timeout: the seconds it may take, ``None`` for no limit; by default the limit of
            the heartbeat that runs it.
        :param keep: the seconds for which a result without any message is reused instead of running
            the check; by default the value that the heartbeat uses, which is 0 if not configured.
        :returns: ``func`` itself, unchanged.
        :raises ValueError: if ``timeout`` is neither a positive number nor ``None``, or ``keep`` is
            negative or not a number.
        :raises TypeError: if ``func`` can't be called.
        """
        if func is None:
            return functools.partial(self.register, name=name, timeout=timeout, keep=keep)
        if not callable(func):
            raise wrong_type("a check", func, "a function, and pass its name as name=")
        name = name or _name_of(func)
        if not isinstance(timeout, EllipsisType):
            timeout = check_setting(
                read_timeout, timeout, f"register(..., timeout=) of the check {name!r}"
            )
        if keep is not None:
            keep = check_setting(read_keep, keep, f"register(..., keep=) of the check {name!r}")
        taken = self.checks.get(name)
        if taken is not None and _parts(taken) != _parts(func):
            logger.warning(
                "The check %r replaces another with the same name, which will no longer run; "
                "to keep both, give one of them another name: register(..., name=...)",
                name,
            )
        self.checks[name] = func
        self._options[name] = (func, timeout, keep)
        return func

    def register_partial(
        self,
        func: Check,
        *args: Any,
        name: str | None = None,
        timeout: Limit = ...,
        keep: float | None = None,
    ) -> functools.partial[Any]:
        """Register a check that is called with arguments.

        The other parameters are those of :meth:`register`.

        :param args: the arguments that the check is called with.
        """
        return self.register(functools.partial(func, *args), name, timeout=timeout, keep=keep)

    def get_checks(self) -> dict[str, Check]:
        """Return the live dictionary of the checks, by name."""
        return self.checks

    def clear_checks(self) -> None:
        """Forget all checks, and all kept results."""
        self.checks.clear()
        self._options.clear()
        self.forget_results()

    def forget_results(self) -> None:
        """Forget all kept results, also of checks that are still running."""
        self._kept = KeptOutcomes()  # running checks add to the old one

    def run_checks(
        self,
        checks: Iterable[tuple[str, Check]] | None = None,
        silenced_check_ids: Iterable[str] | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        environment: CheckEnvironment | None = None,
        keep: float = 0.0,
    ) -> ChecksResults:
        """Run checks from sync code: at the same time, each for at most ``timeout`` seconds.

        There is always a result: if a check raises, returns something other than messages, or
        exceeds its limit, a message says so.

        :param checks: pairs of name and check, by default all checks of this registry.
        :param silenced_check_ids: ids of messages that are neither counted nor logged.
        :param timeout: the limit in seconds for checks without their own. ``None`` runs the checks
            one after another in this thread, without any limit.
        :param environment: how an adapter runs each check; by default, as in a plain script.
        :param keep: the seconds for which a result without any message is reused, for checks
            without their own. Without a ``timeout`` nothing is kept or reused.
        :raises ValueError: if ``timeout`` is neither a positive number nor ``None``, or ``keep`` is
            negative or not a number.
        """
        silenced = as_ids(silenced_check_ids)
        jobs = self._jobs(checks, silenced, timeout, environment, keep)
        return build_results(run_jobs(jobs, inline=timeout is None), silenced)

    async def run_checks_async(
        self,
        checks: Iterable[tuple[str, Check]] | None = None,
        silenced_check_ids: Iterable[str] | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        environment: CheckEnvironment | None = None,
        keep: float = 0.0,
    ) -> ChecksResults:
        """Run checks like :meth:`run_checks`, with async ones on the running event loop.

        The parameters are those of :meth:`run_checks`.

        :raises RuntimeError: if no asyncio event loop is running. Under trio, call
            :meth:`run_checks` in a thread instead.
        """
        silenced = as_ids(silenced_check_ids)
        jobs = self._jobs(checks, silenced, timeout, environment, keep)
        return build_results(await run_jobs_async(jobs, inline=timeout is None), silenced)

    def _jobs(
        self,
        checks: Iterable[tuple[str, Check]] | None,
        silenced_ids: frozenset[str],
        timeout: float | None,
        environment: CheckEnvironment | None,
        common_keep: float,
    ) -> list[Job]:
        common_limit = check_setting(read_timeout, timeout, "timeout=")
        common_keep = check_setting(read_keep, common_keep, "keep=")
        environment = environment or CheckEnvironment()
        unlogged = silenced_ids if environment.unlogged_ids is None else environment.unlogged_ids
        jobs: list[Job] = []
        for name, check in self.checks.items() if checks is None else checks:
            owner, limit, own_keep = self._options.get(name, (None, ..., None))
            if owner is not check:
                limit, own_keep = ..., None
            if isinstance(limit, EllipsisType):
                limit = common_limit
            keep = environment.keep(check)
            if keep is None:
                keep = common_keep if own_keep is None else own_keep
            jobs.append(Job(name, check, limit, unlogged, environment, self, self._kept, keep))
        return jobs


def check_setting(read: Callable[[object], T], value: object, setting: str) -> T:
    """Return ``read(value)``; add the setting's name to its error."""
    try:
        return read(value)
    except ValueError as remedy:
        raise ValueError(f"{setting} is {mask_urls(repr(value))}; set it to {remedy}") from None


def read_timeout(value: Any) -> float | None:
    """Return a time limit as seconds, None for no limit.

    :param value: a positive number or its text; None, or the text ``none``, for no limit.
    :raises ValueError: with the remedy, for any other value, or for more than a thread can wait.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() == "none"):
        return None
    seconds = _seconds(value)
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise ValueError("a positive number of seconds, or to None for no limit")
    return seconds


def read_keep(value: Any) -> float:
    """Return for how many seconds a result is kept.

    :param value: a number or its text.
    :raises ValueError: with the remedy, for any other value, or a negative or infinite number.
    """
    seconds = _seconds(value)
    if not 0 <= seconds < math.inf:
        raise ValueError("a number of seconds, such as 30, or to 0 to keep nothing")
    return seconds


def _seconds(value: Any) -> float:
    """Return a number or its text as a number, NaN for anything else."""
    try:
        return math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def as_ids(ids: Any) -> frozenset[str]:
    """Return a set of message ids from an iterable, a comma-separated text, or None."""
    if isinstance(ids, str):
        ids = [id.strip() for id in ids.split(",")]
    require_type("silenced_checks=", ids, Iterable, "a list of ids, such as ['acme.health.E001']")
    return frozenset(ids or ())


def _name_of(func: Any) -> str:
    while isinstance(func, functools.partial):
        func = func.func
    return str(getattr(func, "__name__", None) or type(func).__name__)


def _parts(check: Any) -> object:
    """Return the parts that are equal if a check is registered twice, as by an app factory."""
    is_partial = isinstance(check, functools.partial)
    return (check.func, check.args, check.keywords) if is_partial else check


default_registry = CheckRegistry()
"""The registry of the functions below, and of extensions without their own."""

register = default_registry.register
register_partial = default_registry.register_partial
get_checks = default_registry.get_checks
clear_checks = default_registry.clear_checks
run_checks = default_registry.run_checks
run_checks_async = default_registry.run_checks_async
