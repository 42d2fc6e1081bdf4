"""What the extension of a framework offers of its registry."""

from __future__ import annotations

from .registry import CheckRegistry, default_registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    import functools
    from collections.abc import Callable
    from types import EllipsisType
    from typing import Any, TypeVar, overload

    from .surroundings import Check

    F = TypeVar("F", bound=Check)


class ChecksOfExtension:
    """The part of an extension by which an application adds checks to its heartbeat.

    :ivar registry: the checks that the heartbeat runs, by default those of the whole process.
    """

    registry: CheckRegistry = default_registry

    if TYPE_CHECKING:

        @overload
        def check(
            self, func: F, name: str | None = None, *, timeout: float | EllipsisType | None = ...
        ) -> F: ...

        @overload
        def check(
            self,
            func: None = None,
            name: str | None = None,
            *,
            timeout: float | EllipsisType | None = ...,
        ) -> Callable[[F], F]: ...

    def check(
        self,
        func: Any = None,
        name: str | None = None,
        *,
        timeout: float | EllipsisType | None = ...,
    ) -> Any:
        """Register a check for the heartbeat: a decorator, bare or with a name.

        The parameters are those of :meth:`dockerflow.checks.CheckRegistry.register`.
        """
        return self.registry.register(func, name, timeout=timeout)

    def init_check(self, check: Check, obj: Any) -> functools.partial[Any]:
        """Register a check that is called with the object it is to look at.

        :param check: the check, sync or async.
        :param obj: its only argument, such as a client.
        :returns: the :func:`functools.partial` that is registered.
        """
        return self.registry.register_partial(check, obj)

    @property
    def checks(self) -> dict[str, Check]:
        """The live dictionary of the checks that the heartbeat runs, by name."""
        return self.registry.get_checks()
