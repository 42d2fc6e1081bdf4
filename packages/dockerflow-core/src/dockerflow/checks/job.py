"""One check to run."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection

    from .surroundings import Check, Surroundings


class Job:
    """One check to run.

    :param limit: the seconds it may take, ``None`` for no limit.
    :param loop: the caller's event loop; ``None`` stands for the one that sync callers share.
    :ivar is_async: whether calling the check gives a coroutine or an asynchronous generator.
    :ivar key: what makes it the same check as another job's.
    """

    __slots__ = (
        "around",
        "check",
        "is_async",
        "key",
        "limit",
        "loop",
        "name",
        "registry",
        "silenced_ids",
    )

    def __init__(
        self,
        *,
        name: str,
        check: Check,
        limit: float | None,
        silenced_ids: Collection[str],
        around: Surroundings,
        registry: object,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.name = name
        self.check = check
        self.limit = limit
        self.silenced_ids = silenced_ids
        self.around = around
        self.registry = registry  # kept, since an object that is gone leaves its id to another
        self.loop = loop
        self.is_async = is_async(check)
        where = id(loop) if self.is_async else None
        self.key = (id(registry), id(around.app), _identity(check), where)

    def call(self) -> object:
        """Call the check, as its framework calls it."""
        return self.around.call(self.check)


def _identity(check: Any) -> tuple[int, ...]:
    """Identify a check by objects, not by name or equality, which it may lack or bend."""
    if inspect.ismethod(check):  # each look-up makes a new bound method of the same two parts
        return (id(check.__self__), id(check.__func__))
    return (id(check),)


def is_async(check: Check) -> bool:
    """Say whether calling ``check`` gives a coroutine or an asynchronous generator."""
    while isinstance(check, functools.partial):
        check = check.func
    for candidate in (check, getattr(check, "__call__", None)):  # noqa: B004 - its kind is asked
        if inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate):
            return True
    return False
