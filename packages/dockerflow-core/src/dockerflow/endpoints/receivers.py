"""Endpoints that call functions of the application after each heartbeat."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from dockerflow.checks import ERROR, CheckRegistry

from .extension import Endpoints, Path
from .replies import Reply

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

Receiver = Callable[..., Any]
"""A function, sync or async, that is called with ``level=`` after a heartbeat."""

_RAISED = "The heartbeat receiver %r raised an exception"


class HeartbeatReceivers(Endpoints):
    """Endpoints with :meth:`heartbeat_passed` and :meth:`heartbeat_failed`.

    :param registry: the checks that the heartbeat runs, by default those of the whole process.
    :param silenced_checks: ids of check messages that are neither counted nor logged.
    :param version_path: the directory of ``version.json``; by default the adapter finds it.
    """

    def __init__(
        self,
        registry: CheckRegistry | None = None,
        silenced_checks: Iterable[str] | None = None,
        version_path: Path | None = None,
    ) -> None:
        super().__init__(registry, silenced_checks, version_path)
        self._passed: list[Receiver] = []
        self._failed: list[Receiver] = []

    def heartbeat_passed(self, func: F) -> F:
        """Call a function when a heartbeat passes; a decorator.

        The function gets ``level=``, the worst level found, and for the heartbeat of a group also
        its name as ``group=``. If it raises, the exception is logged and the response stays the
        same. In an async framework it runs on the event loop if it is async, otherwise in a thread.

        :param func: the function.
        :returns: ``func`` itself, unchanged.
        """
        self._passed.append(func)
        return func

    def heartbeat_failed(self, func: F) -> F:
        """Call a function when a heartbeat fails; a decorator.

        The function is called like those of :meth:`heartbeat_passed`.

        :param func: the function.
        :returns: ``func`` itself, unchanged.
        """
        self._failed.append(func)
        return func

    def _receivers(self, level: int) -> list[Receiver]:
        return self._failed if level >= ERROR else self._passed

    def notify(self, app: Any, level: int, **extra: str) -> None:
        """Call the receivers, async ones on an event loop of their own."""
        for receiver in self._receivers(level):
            try:
                result = receiver(level=level, **extra)
                if inspect.iscoroutine(result):
                    asyncio.run(result)
            except Exception:
                self.logger.exception(_RAISED, receiver)


class AsyncEndpoints(HeartbeatReceivers):
    """Endpoints of an ASGI application, served by asyncio or by trio."""

    runs_on_loop = True

    async def run_in_thread(self, func: Callable[[], T]) -> T:
        """Call a function that may block, and return its result. Subclasses may override this."""
        return await asyncio.to_thread(func)

    async def _read_version_async(self, app: Any) -> Any:
        if is_async(self.get_version_callback(app)):
            return self._read_version(app)
        # In a list, because trio refuses a coroutine, which a lambda may return.
        (content,) = await self.run_in_thread(lambda: [self._read_version(app)])
        return content

    async def heartbeat_async(
        self, app: Any, group: str | None = None, accept: str = "", *, slash: bool = False
    ) -> Reply:
        """Answer ``/__heartbeat__``; under trio the checks run as in a sync framework."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # the registry runs async checks as asyncio tasks
            answer = functools.partial(self.heartbeat, app, group, accept, slash=slash)
            return await self.run_in_thread(answer)
        return await super().heartbeat_async(app, group, accept, slash=slash)

    async def notify_async(self, app: Any, level: int, **extra: str) -> None:
        """Call the receivers: async ones on the event loop, others in a thread."""
        for receiver in self._receivers(level):
            call = functools.partial(receiver, level=level, **extra)
            try:
                result = call() if is_async(receiver) else await self.run_in_thread(call)
                if inspect.isawaitable(result):
                    await result
            except Exception:
                self.logger.exception(_RAISED, receiver)


def is_async(func: object) -> bool:
    """Return whether a callable is defined with ``async def``."""
    return inspect.iscoroutinefunction(func) or (
        callable(func) and inspect.iscoroutinefunction(func.__call__)
    )
