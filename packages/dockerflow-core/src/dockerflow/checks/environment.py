"""The type of checks, and how an adapter runs each of them."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Collection, Coroutine
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

Check = Callable[..., Any]
"""A check: any callable, sync or async, that returns messages."""


@dataclass(frozen=True)
class CheckEnvironment:
    """How an adapter runs each check.

    :param app: the application that the checks run for; two applications never share a run.
    :param call: calls a check with the arguments of its framework.
    :param scope: returns the context manager that each check runs in, in its own thread or task.
    :param context: returns the :class:`contextvars.Context` that a check runs in; by default a copy
        of the caller's.
    :param inline: returns whether a check must run in the thread of its sync caller, without time
        limit and sharing, because its resources belong to that thread. For an async caller, it
        only applies to sync checks.
    :param run_async: runs the coroutine of an async check to its end, for a sync caller.
    :param keep: returns the seconds for which a result of a check without any message is reused;
        None for the value that the check was registered with, or else the heartbeat's.
    :param unlogged_ids: ids of messages that are not logged; by default the silenced ones.
    """

    app: object = None
    call: Callable[[Check], object] = lambda check: check()
    scope: Callable[[], AbstractContextManager[object]] = nullcontext
    context: Callable[[], contextvars.Context] = contextvars.copy_context
    inline: Callable[[Check], bool] = lambda check: False
    run_async: Callable[[Coroutine[Any, Any, None]], object] = asyncio.run
    keep: Callable[[Check], float | None] = lambda check: None
    unlogged_ids: Collection[str] | None = None
