"""Where checks are registered, and the functions that run them."""

from __future__ import annotations

import functools
import threading
from types import EllipsisType, MethodType

# To register checks is quick: what runs them (and asyncio, inspect and dataclasses with it, 25 ms)
# is imported by the first heartbeat.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    import logging
    from collections.abc import Callable, Collection, Iterable, Iterator
    from typing import Any, TypeVar, overload

    from .job import Job
    from .results import ChecksResults
    from .surroundings import Check, Surroundings

    F = TypeVar("F", bound=Check)

    logger: logging.Logger
else:

    def __getattr__(name: str) -> object:
        if name == "ChecksResults":  # it has always been found here, too
            from .results import ChecksResults

            return ChecksResults
        if name == "logger":  # three quarters of the package's import
            import logging

            return logging.getLogger(__name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


DEFAULT_TIMEOUT = 5.0
"""Seconds that a check may take, where nothing else is said."""


class CheckRegistry:
    """A set of checks by name.

    The functions of :mod:`dockerflow.checks` work on one default registry. An application that
    shares its process with another gets a registry of its own.

    :ivar checks: the live dictionary of the checks, by name.
    """

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}
        self._timeouts: dict[str, tuple[Check, float | None]] = {}

    if TYPE_CHECKING:

        @overload
        def register(
            self, func: F, name: str | None = None, *, timeout: float | EllipsisType | None = ...
        ) -> F: ...

        @overload
        def register(
            self,
            func: None = None,
            name: str | None = None,
            *,
            timeout: float | EllipsisType | None = ...,
        ) -> Callable[[F], F]: ...

    def register(
        self,
        func: Any = None,
        name: str | None = None,
        *,
        timeout: float | EllipsisType | None = ...,
    ) -> Any:
        """Register a check; a decorator, bare, with parentheses, or with a name.

        :param func: any callable, sync or async, that returns a list (or other iterable) of
            messages, one message, or ``None``.
        :param name: the name it has in the heartbeat, by default its own. A check that has the
            name already is replaced, with a warning on the log.
        :param timeout: the seconds it may take, ``None`` for no limit; by default the limit of
            the heartbeat that runs it.
        :returns: ``func`` itself, unchanged.
        :raises ValueError: if ``timeout`` is neither a positive number nor ``None``.
        """
        if func is None:
            return functools.partial(self.register, name=name, timeout=timeout)
        name = name or _name_of(func)
        limit = None
        if not isinstance(timeout, EllipsisType):
            limit = check_limit(timeout, f"register(..., timeout=) of the check {name!r}")
        taken = self.checks.get(name)
        if taken is not None and not _same(taken, func):
            from .registry import logger  # this module's: made on use, or what a test has put there

            logger.warning(
                "The check %r replaces another of that name, which will not run any more; "
                "to keep both, give one of them a name of its own: register(..., name=...)",
                name,
            )
        self.checks[name] = func
        self._timeouts.pop(name, None)
        if not isinstance(timeout, EllipsisType):
            self._timeouts[name] = (func, limit)
        return func

    def register_partial(
        self,
        func: Check,
        *args: Any,
        name: str | None = None,
        timeout: float | EllipsisType | None = ...,
    ) -> functools.partial[Any]:
        """Register a check that is called with arguments; otherwise like :meth:`register`.

        :param func: the check, sync or async.
        :param args: what it is called with.
        :param name: the name it has in the heartbeat, by default its own.
        :param timeout: the seconds it may take, ``None`` for no limit; by default the limit of
            the heartbeat that runs it.
        :returns: the :func:`functools.partial` that is registered.
        :raises ValueError: if ``timeout`` is neither a positive number nor ``None``.
        """
        check = functools.partial(func, *args)
        return self.register(check, name=name or _name_of(func), timeout=timeout)

    def get_checks(self) -> dict[str, Check]:
        """Return the live dictionary of the checks, by name."""
        return self.checks

    def clear_checks(self) -> None:
        """Forget all checks."""
        self.checks.clear()
        self._timeouts.clear()

    def run_checks(
        self,
        checks: Iterable[tuple[str, Check]] | None = None,
        silenced_check_ids: Iterable[str] | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        surroundings: Surroundings | None = None,
    ) -> ChecksResults:
        """Run checks from sync code: at the same time, each for at most ``timeout`` seconds.

        Whatever a check does, there is a result: one that raises, returns something else than
        messages or does not end in time is given a message that says so.

        :param checks: pairs of name and check, by default all checks of this registry.
        :param silenced_check_ids: ids of messages that are neither counted nor logged.
        :param timeout: the limit in seconds for checks that have none of their own. ``None`` runs
            the checks one after another in this thread, without any limit.
        :param surroundings: what an adapter lays around each check.
        :raises ValueError: if ``timeout`` is neither a positive number nor ``None``.
        """
        silenced = _as_ids(silenced_check_ids)
        # A copy: a check may register another one.
        pairs = list(self.checks.items() if checks is None else checks)
        if not pairs:
            return _nothing_said(timeout)
        from .runner import run_jobs

        jobs = self._jobs(pairs, silenced, timeout, surroundings, None)
        return run_jobs(jobs, silenced, inline=timeout is None)

    async def run_checks_async(
        self,
        checks: Iterable[tuple[str, Check]] | None = None,
        silenced_check_ids: Iterable[str] | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        surroundings: Surroundings | None = None,
    ) -> ChecksResults:
        """Run checks from async code.

        Async checks run on the running event loop, sync checks in threads of their own. The
        parameters are those of :meth:`dockerflow.checks.CheckRegistry.run_checks`.
        """
        silenced = _as_ids(silenced_check_ids)
        pairs = list(self.checks.items() if checks is None else checks)
        if not pairs:
            return _nothing_said(timeout)
        from asyncio import get_running_loop

        from .runner import run_jobs_async

        jobs = self._jobs(pairs, silenced, timeout, surroundings, get_running_loop())
        return await run_jobs_async(jobs, silenced, inline=timeout is None)

    def _jobs(
        self,
        pairs: Iterable[tuple[str, Check]],
        silenced_ids: Collection[str],
        timeout: float | None,
        surroundings: Surroundings | None,
        loop: asyncio.AbstractEventLoop | None,
    ) -> Iterator[Job]:
        from .job import Job
        from .surroundings import Surroundings

        limit = check_limit(timeout, "timeout=")
        around = surroundings or Surroundings()
        for name, check in pairs:
            owner, own_limit = self._timeouts.get(name, (None, None))
            yield Job(
                name=name,
                check=check,
                limit=own_limit if owner is check else limit,
                silenced_ids=silenced_ids,
                around=around,
                registry=self,
                loop=loop,
            )


def check_limit(value: object, setting: str) -> float | None:
    """Return a time limit as seconds, ``None`` for no limit.

    :param value: ``None``, or a positive number or the text of one.
    :param setting: what the error calls the setting.
    :raises ValueError: if it is something else, or more than a thread can wait for.
    """
    if value is None:
        return None
    try:
        seconds = 0.0 if isinstance(value, bool) else float(value)  # type: ignore[arg-type]  # or it raises
    except (TypeError, ValueError, OverflowError):
        seconds = 0.0
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise ValueError(
            f"{setting} is {value!r}; "
            "set it to a positive number of seconds, or to None for no limit"
        )
    return seconds


def _nothing_said(timeout: float | None) -> ChecksResults:
    """Return the results where there are no checks, at a fifth of the time of a run.

    :param timeout: which must be right all the same.
    """
    check_limit(timeout, "timeout=")
    return _results_type()({}, {})


@functools.cache
def _results_type() -> type[ChecksResults]:
    from .results import ChecksResults  # once: the statement takes longer than to make results

    return ChecksResults


def _as_ids(ids: Iterable[str] | None) -> frozenset[str]:
    if ids is None:
        return frozenset()
    return frozenset([ids] if isinstance(ids, str) else ids)


def _name_of(func: Any) -> str:
    while isinstance(func, functools.partial):
        func = func.func
    return str(getattr(func, "__name__", None) or type(func).__name__)


def _same(one: Any, other: Any) -> bool:
    """Say whether two callables are the same check, such as one of an application made twice."""
    if isinstance(one, functools.partial):
        return (
            isinstance(other, functools.partial)
            and _same(one.func, other.func)
            and len(one.args) == len(other.args)
            and all(a is b for a, b in zip(one.args, other.args, strict=True))
            and one.keywords == other.keywords
        )
    if isinstance(one, MethodType) and isinstance(other, MethodType):
        return one.__self__ is other.__self__ and one.__func__ is other.__func__
    return one is other


default_registry = CheckRegistry()
"""The registry that the functions below, and extensions without one of their own, work on."""

register = default_registry.register
register_partial = default_registry.register_partial
get_checks = default_registry.get_checks
clear_checks = default_registry.clear_checks


def run_checks(
    checks: Iterable[tuple[str, Check]],
    silenced_check_ids: Iterable[str] | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
) -> ChecksResults:
    """Run pairs of name and check from sync code, as the default registry does.

    The parameters are those of :meth:`dockerflow.checks.CheckRegistry.run_checks`.
    """
    return default_registry.run_checks(checks, silenced_check_ids, timeout)


async def run_checks_async(
    checks: Iterable[tuple[str, Check]],
    silenced_check_ids: Iterable[str] | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
) -> ChecksResults:
    """Run pairs of name and check from async code, as the default registry does.

    The parameters are those of :meth:`dockerflow.checks.CheckRegistry.run_checks`.
    """
    return await default_registry.run_checks_async(checks, silenced_check_ids, timeout)
