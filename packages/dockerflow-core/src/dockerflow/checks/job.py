"""One check to run, and the caller's world around it."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import functools
import inspect
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Any

Check = Callable[..., Any]
"""A check: any callable, sync or async, that returns what it has to say."""


def _call(check: Check) -> object:
    return check()


def _never(check: Check) -> bool:
    return False


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """The caller's world, as an adapter lays it around each check.

    :param app: the application the checks run for; runs are never shared between two.
    :param call: calls a check with the arguments that its framework gives.
    :param scope: returns the context manager that each check runs in, in its own thread or task.
    :param context: returns the :class:`contextvars.Context` that a check runs in, by default a copy
        of the caller's.
    :param inline: says whether a sync check must run in the caller's own thread, without clock and
        sharing, because its resources belong to that thread.
    """

    app: object = None
    call: Callable[[Check], object] = _call
    scope: Callable[[], AbstractContextManager[object]] = nullcontext
    context: Callable[[], contextvars.Context] = contextvars.copy_context
    inline: Callable[[Check], bool] = _never


@dataclasses.dataclass(frozen=True)
class Job:
    """One check to run.

    :param limit: the seconds it may take, ``None`` for no limit.
    :param loop: the caller's event loop; ``None`` stands for the one that sync callers share.
    """

    name: str
    check: Check
    limit: float | None
    silenced_ids: Collection[str]
    around: Surroundings
    registry: object
    loop: asyncio.AbstractEventLoop | None = None

    def call(self) -> object:
        """Call the check, as its framework calls it."""
        return self.around.call(self.check)

    def key(self) -> tuple[object, ...]:
        """Identify the check by objects, not by name or equality, which it may lack or bend."""
        check: Any = self.check
        if inspect.ismethod(check):  # each look-up makes a new bound method of the same two parts
            what: tuple[int, ...] = (id(check.__self__), id(check.__func__))
        else:
            what = (id(check),)
        where = id(self.loop) if is_async(check) else None
        return (id(self.registry), id(self.around.app), what, where)


def is_async(check: Check) -> bool:
    """Say whether calling ``check`` gives a coroutine or an asynchronous generator."""
    while isinstance(check, functools.partial):
        check = check.func
    for candidate in (check, getattr(check, "__call__", None)):  # noqa: B004 - its kind is asked
        if inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate):
            return True
    return False
