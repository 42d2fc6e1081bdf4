"""What a check is, and the caller's world around it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    import contextvars
    from contextlib import AbstractContextManager
    from typing import Any

    Check = Callable[..., Any]
    """A check: any callable, sync or async, that returns what it has to say."""
else:
    Check = Callable[..., object]


def _call(check: Check) -> object:
    return check()


def _copy_context() -> contextvars.Context:
    # A fifth of the package's import, where logging has been imported.
    from contextvars import copy_context

    return copy_context()


def _never(check: Check) -> bool:
    return False


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

    __slots__ = ("app", "call", "context", "inline", "scope")

    def __init__(
        self,
        app: object = None,
        call: Callable[[Check], object] = _call,
        scope: Callable[[], AbstractContextManager[object]] = nullcontext,
        context: Callable[[], contextvars.Context] = _copy_context,
        inline: Callable[[Check], bool] = _never,
    ) -> None:
        self.app = app
        self.call = call
        self.scope = scope
        self.context = context
        self.inline = inline
