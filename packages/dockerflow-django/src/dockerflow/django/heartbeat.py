"""The checks that the heartbeat runs, and the database connections that they use."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asgiref.sync import AsyncToSync, ThreadSensitiveContext, async_to_sync, sync_to_async
from django.apps import apps
from django.conf import settings
from django.core.checks import Tags
from django.core.checks.registry import registry as django_registry
from django.db import connections

from dockerflow.checks import Check, CheckEnvironment, default_registry
from dockerflow.endpoints import NamedCheck, read_switch

from .conf import configured_checks, dotted_path, get_setting, unlogged_ids

# ---------------------------------------------------------------------- which checks


def checks_to_run() -> list[NamedCheck]:
    """Return the checks with their names; if two have the same name, use their dotted paths.

    The checks come from ``DOCKERFLOW_CHECKS``, from the project's own registrations with Django's
    check framework, and from the default registry of :mod:`dockerflow.checks`.
    """
    registered = default_registry.get_checks()
    found: list[tuple[str, str, Check]] = []
    for path, check in (*configured_checks(), *_registered_with_django()):
        if check not in (*registered.values(), *(each for _, _, each in found)):
            found.append((path, path.rpartition(".")[2], check))
    names = Counter([*registered, *(name for _, name, _ in found)])
    return [
        *(
            NamedCheck(path if names[name] > 1 else name, check, path)
            for path, name, check in found
        ),
        *(NamedCheck(name, check, dotted_path(check)) for name, check in registered.items()),
    ]


def _registered_with_django() -> list[tuple[str, Check]]:
    runs_all = read_switch(get_setting("DOCKERFLOW_SYSTEM_CHECKS", False))
    # with deployment checks, like `manage.py check --deploy`
    checks = django_registry.get_checks(include_deployment_checks=not settings.DEBUG)
    named = ((dotted_path(check), check) for check in checks)
    pairs = [(path, check) for path, check in named if runs_all or _is_own(path, check)]
    pairs.sort(key=lambda pair: pair[0])
    return [(path, check) for path, check in pairs if not path.startswith("dockerflow.")]


def _is_own(path: str, check: Check) -> bool:
    """Return whether a check belongs to the project's own code, not to an installed package."""
    package = path.partition(".")[0]
    if package == "django":
        return False
    project = (get_setting("SETTINGS_MODULE"), get_setting("ROOT_URLCONF"))
    if package in {str(module).partition(".")[0] for module in project}:
        return True  # the project itself may be installed
    inner: Any = check.func if isinstance(check, functools.partial) else check
    file = getattr(sys.modules.get(inner.__module__), "__file__", None)
    return file is None or not {"site-packages", "dist-packages"} & set(Path(file).parts)


# ---------------------------------------------------------------------- database connections


def call_check(check: Check) -> Any:
    """Call a check with the arguments of a Django system check that it accepts."""
    given: dict[str, object] = {"app_configs": None, "databases": list(connections)}
    try:
        parameters = inspect.signature(check).parameters
    except (TypeError, ValueError):  # of a builtin
        return check()
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    return check(**{name: given[name] for name in given if takes_all or name in parameters})


def check_environment(inline: Callable[[Check], bool] = lambda check: False) -> CheckEnvironment:
    """Return the environment in which each check runs, for a caller in this thread."""
    return CheckEnvironment(
        app=apps,  # one per process
        call=call_check,
        scope=_own_connections,
        inline=inline,
        run_async=functools.partial(_run_async, threading.get_ident()),
        keep=_keep,
        unlogged_ids=unlogged_ids(),
    )


def _keep(check: Check) -> float | None:
    seconds = getattr(check, "keep", None)
    return seconds if isinstance(seconds, float) else None


@contextmanager
def _own_connections() -> Generator[None]:
    """Close the connections that a check opens in this thread; keep those already open."""
    before = _open_connections()
    try:
        yield
    finally:
        for connection in _open_connections():
            if connection not in before and not connection.in_atomic_block:
                connection.close()


def _open_connections() -> list[Any]:
    return [each for each in connections.all(initialized_only=True) if each.connection is not None]


def _run_async(caller: int, coroutine: Coroutine[Any, Any, None]) -> None:
    """Run the coroutine of an async check, in the thread of its sync caller or in another one."""

    async def run() -> None:
        await coroutine

    async def run_apart() -> None:
        # The ORM's async methods run in a thread for sync code. This check needs a separate one:
        # the thread that asgiref has stored beneath an async middleware waits for this check.
        AsyncToSync.executors.current = None
        async with ThreadSensitiveContext():
            try:
                await coroutine
            finally:
                await sync_to_async(connections.close_all)()

    if threading.get_ident() == caller:
        async_to_sync(run)()  # so that the ORM's async methods run in this thread
    else:
        asyncio.run(run_apart())


def belongs_to_caller(check: Check) -> bool:
    """Return whether a check must use the connections of this thread.

    In an atomic block, as in a ``TestCase``, a check may need data that other connections can't
    see. A database in memory exists for this thread only.
    """
    if any(each.in_atomic_block for each in connections.all(initialized_only=True)):
        return True
    tags = getattr(check, "tags", ())
    return (
        isinstance(tags, tuple) and Tags.database in tags and any(map(_is_in_memory, connections))
    )


def _is_in_memory(alias: str) -> bool:
    try:
        connection: Any = connections[alias]
        return connection.vendor == "sqlite" and bool(connection.is_in_memory_db())
    except Exception:  # for example a missing driver: the check reports it
        return False


async def adapt_checks(
    pairs: list[tuple[str, Check]], timeout: float | None
) -> list[tuple[str, Check]]:
    """Return the checks in the form that an async caller runs.

    The caller's connections belong to the thread that runs its sync code. A check that must use
    them becomes an async one that runs in that thread. Without a timeout, all checks use them.
    """

    def adapt() -> list[tuple[str, Check]]:
        return [
            (name, _InSyncThread(check) if timeout is None or belongs_to_caller(check) else check)
            for name, check in pairs
        ]

    return await sync_to_async(adapt)() if pairs else []


class _InSyncThread:
    """A check that runs in the thread of the caller's sync code."""

    keep = 0.0  # its result is valid for this caller only

    def __init__(self, check: Check) -> None:
        self._check = check

    async def __call__(self) -> Any:
        result = await sync_to_async(self._call)()
        return await result if inspect.isawaitable(result) else result

    def _call(self) -> Any:
        with _own_connections():
            result = call_check(self._check)
            return list(result) if hasattr(result, "__next__") else result
