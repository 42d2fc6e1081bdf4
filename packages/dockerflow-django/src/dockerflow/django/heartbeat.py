"""Which checks the heartbeat runs, and in what world."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeGuard

from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.core.checks import Tags
from django.core.checks.registry import registry as django_registry
from django.db import connections

from dockerflow.checks import Check, Surroundings, default_registry
from dockerflow.endpoints import enabled

from .checks import system
from .conf import configured_checks, dotted_path, endpoint_settings, setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dockerflow.checks import ChecksResults  # a millisecond that the first heartbeat takes

PATIENCE = 4
"""Seconds that a check's own connection may take to be made: less than the heartbeat's clock, so
that a database that says nothing is reported by its own message."""

# The drivers of other databases know no such option, or by another name.
_CONNECT_TIMEOUT = {"postgresql": "connect_timeout", "mysql": "connect_timeout"}

_closing: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly


def run_checks() -> ChecksResults:
    """Run the checks for a sync caller."""
    return default_registry.run_checks(
        checks_to_run(),
        silenced_check_ids=settings.SILENCED_SYSTEM_CHECKS,
        timeout=endpoint_settings.check_timeout,
        surroundings=_surroundings(inline=_belongs_to_caller),
    )


async def run_checks_async() -> ChecksResults:
    """Run the checks for an async caller, on whose event loop async checks live."""
    timeout = endpoint_settings.check_timeout
    pairs = checks_to_run()

    def belong_to_caller() -> list[bool]:
        return [timeout is None or _belongs_to_caller(check) for _, check in pairs]

    if pairs:
        # A caller's connections are those of the thread in which its sync code runs.
        here = await sync_to_async(belong_to_caller)()
        pairs = [
            (name, _in_callers_thread(check) if is_here else check)
            for (name, check), is_here in zip(pairs, here, strict=True)
        ]
    return await default_registry.run_checks_async(
        pairs,
        silenced_check_ids=settings.SILENCED_SYSTEM_CHECKS,
        timeout=timeout,
        surroundings=_surroundings(),
    )


# ---------------------------------------------------------------------- which checks


def checks_to_run() -> list[tuple[str, Check]]:
    """Return the checks by name; those that share one are called by their dotted paths.

    They are those of ``DOCKERFLOW_CHECKS``, those of the default registry of
    :mod:`dockerflow.checks`, and those that were registered with Django's check framework by other
    code than Django's.
    """
    registered = default_registry.get_checks()
    known: list[Check] = list(registered.values())
    found: list[tuple[str, Check]] = []
    for path, check in (*configured_checks(), *_registered_with_django()):
        if not any(_same(check, other) for other in known):
            known.append(check)
            found.append((path, check))
    names = Counter([*registered, *(_name(path) for path, _ in found)])
    pairs = [(path if names[_name(path)] > 1 else _name(path), check) for path, check in found]
    return [*pairs, *registered.items()]


def _registered_with_django() -> list[tuple[str, Check]]:
    with_djangos = enabled(setting("DOCKERFLOW_SYSTEM_CHECKS", False))
    paths = [
        (dotted_path(check), check)
        # those for deployments too, as `manage.py check --deploy` runs them
        for check in django_registry.get_checks(include_deployment_checks=not settings.DEBUG)
    ]
    return sorted(
        (
            (path, check)
            for path, check in paths
            if not path.startswith(f"{system.__name__}.")
            and (with_djangos or not path.startswith("django."))
        ),
        key=lambda pair: pair[0],
    )


def _name(path: str) -> str:
    return path.rpartition(".")[2]


def _same(one: Check, other: Check) -> bool:
    # a method is another object each time that it is looked up
    return one is other or (inspect.ismethod(one) and inspect.ismethod(other) and one == other)


# ---------------------------------------------------------------------- in what world


def _call(check: Check) -> object:
    """Call a check with what Django's framework gives, as far as it takes it."""
    given: Mapping[str, object] = {"app_configs": None, "databases": list(connections)}
    try:
        parameters = inspect.signature(check).parameters.values()
    except (TypeError, ValueError):  # of a builtin
        return check()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return check(**given)
    taken = {
        parameter.name
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    return check(**{name: value for name, value in given.items() if name in taken})


def _surroundings(inline: Callable[[Check], bool] = lambda check: False) -> Surroundings:
    caller = threading.get_ident()
    # a process has one set of Django applications, so its registry stands for the application
    return Surroundings(
        app=apps, call=_call, scope=lambda: _connections_of_its_own(caller), inline=inline
    )


@contextmanager
def _connections_of_its_own(caller: int) -> Generator[None, None, None]:
    """Close the connections that a check opens, and leave alone those that were open."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    if loop is None and threading.get_ident() != caller:
        for alias in connections:
            with suppress(Exception):  # a fault that the check will meet as well
                _make_own(connections[alias])
    before = _open_aliases()
    try:
        yield
    finally:
        if loop is None:
            _close_others(before)
        elif threading.get_ident() != caller:
            # An async check of a sync caller. Its queries run in a thread that such checks share,
            # and which may be hanging: that is not waited for.
            task = loop.create_task(sync_to_async(_close_others)(before))
            _closing.add(task)
            task.add_done_callback(_closing.discard)


def _open_aliases() -> set[str]:
    return {
        each.alias for each in connections.all(initialized_only=True) if each.connection is not None
    }


def _close_others(aliases: Collection[str]) -> None:
    for connection in connections.all(initialized_only=True):
        if connection.alias not in aliases and not connection.in_atomic_block:
            with suppress(Exception):
                connection.close()


def _make_own(connection: Any) -> None:
    """Make a connection of this thread connect in time, and not through a pool."""
    options = dict(connection.settings_dict["OPTIONS"])
    if options.pop("pool", None):
        _ = connection.pool  # raises where the application could not connect by it either
    name = _CONNECT_TIMEOUT.get(connection.vendor)
    if name is not None:
        options.setdefault(name, PATIENCE)
    connection.settings_dict = {**connection.settings_dict, "OPTIONS": options}


def _belongs_to_caller(check: Check) -> bool:
    """Say whether a check must use the connections of this thread.

    Within an atomic block, as in a ``TestCase``, any check may ask for what no one else can see. A
    database in memory is there for this thread alone.
    """
    if any(each.in_atomic_block for each in connections.all(initialized_only=True)):
        return True
    tags = getattr(check, "tags", ())
    return isinstance(tags, tuple) and Tags.database in tags and any(map(_in_memory, connections))


def _in_memory(alias: str) -> bool:
    try:
        connection: Any = connections[alias]
        return connection.vendor == "sqlite" and bool(connection.is_in_memory_db())
    except Exception:  # no such driver, say: for the check to report
        return False


def _in_callers_thread(check: Check) -> Check:
    """Return an async check that runs ``check`` in the thread of the caller's sync code."""

    def call() -> object:
        before = _open_aliases()
        try:
            result = _call(check)
            return _exhausted(result) if _is_iterator(result) else result
        finally:
            _close_others(before)

    async def run() -> object:
        result = await sync_to_async(call)()
        return await result if inspect.isawaitable(result) else result

    return run


def _is_iterator(result: object) -> TypeGuard[Iterator[object]]:
    return isinstance(result, Iterator)


def _exhausted(messages: Iterator[Any]) -> Iterator[object]:
    """Go through a generator now, and give what it gave, and raise what it raised, later."""
    said: list[object] = []
    try:
        for message in messages:
            said.append(message)  # noqa: PERF402 - a list() would lose them where it raises
    except BaseException as error:
        return _said_before(said, error)
    return iter(said)


def _said_before(said: list[object], error: BaseException) -> Iterator[object]:
    yield from said
    raise error
