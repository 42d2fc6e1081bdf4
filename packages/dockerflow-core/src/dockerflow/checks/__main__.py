"""Run the checks of an application in this process: ``python -m dockerflow.checks shop:app``."""

from __future__ import annotations

import argparse
import asyncio
import functools
import importlib
import inspect
import operator
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

from .findings import ChecksResults
from .registry import CheckRegistry, default_registry
from .report import UsageError, report


@runtime_checkable
class Extension(Protocol):
    """The extension of an adapter, whose class can't be imported here: it imports this package."""

    registry: CheckRegistry
    silenced_checks: list[str]

    def run_once(self, app: Any, group: str | None = None) -> ChecksResults:
        """Run the checks as the heartbeat of an application does."""
        ...


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m dockerflow.checks",
        description="Run checks in this process, and show what they say. The application is "
        "imported, and not started.",
        epilog="exit status: 0, or 1 where a check is at ERROR or above, or 2 for wrong arguments",
    )
    parser.add_argument(
        "target",
        metavar="MODULE[:ATTRIBUTE]",
        help="an application with a Dockerflow extension, a function that makes one, an extension, "
        "or a CheckRegistry; without ATTRIBUTE the default registry, once MODULE is imported",
    )
    parser.add_argument("--group", metavar="NAME", help="only the checks of this group")
    parser.add_argument("--json", action="store_true", help="print JSON, as the heartbeat answers")
    options = parser.parse_args()
    try:
        run = find(options.target)
        results = run(options.group)
    except UsageError as error:
        parser.error(str(error))
    text, status = report(results, as_json=options.json)
    print(text)
    sys.exit(status)


def find(target: str) -> Callable[[str | None], ChecksResults]:
    """Import what an argument names, and return what runs its checks.

    :raises UsageError: if it is not there, or has no checks.
    """
    name, _, attribute = target.partition(":")
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"{name!r} is no module, such as shop.app")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):  # something that it imports is missing
            raise
        raise UsageError(f"there is no module {name!r} here") from None
    except SystemExit:  # or a gate would pass without any check
        raise UsageError(
            f"importing {name!r} ended the process; its last lines may start it"
        ) from None
    found = get(module, attribute.removesuffix("()")) if attribute else default_registry
    if isinstance(found, CheckRegistry):
        return functools.partial(run_registry, found, ())
    if isinstance(found, Extension):
        app = application_of(found, module)
        if app is None:
            return functools.partial(run_registry, found.registry, found.silenced_checks)
        return functools.partial(found.run_once, app)
    extension = extension_of(found)
    if extension is None:
        raise UsageError(
            f"{target} is of type {type(found).__name__} and has no Dockerflow extension; name the "
            f"application itself, or {name} alone for the checks of the default registry"
        )
    return functools.partial(extension.run_once, found)


def get(module: ModuleType, attribute: str) -> Any:
    """Return what a module holds, or what a function that it holds returns.

    :raises UsageError: if there is no such attribute.
    """
    try:
        value: Any = operator.attrgetter(attribute)(module)
    except AttributeError as error:
        raise UsageError(str(error)) from None
    return value() if is_factory(value) else value


def is_factory(value: object) -> bool:
    """Return whether this makes something, and is no application, which can be called too."""
    return inspect.isroutine(value) or isinstance(value, functools.partial)


def run_registry(
    registry: CheckRegistry, silenced_ids: Iterable[str], group: str | None
) -> ChecksResults:
    """Run the checks of a registry, async ones on one event loop.

    :raises UsageError: for a group.
    """
    if group is not None:
        raise UsageError("--group needs an application, such as shop:app; a registry has no groups")
    return asyncio.run(registry.run_checks_async(None, silenced_ids))


def application_of(extension: Extension, module: ModuleType) -> Any:
    """Return the application in a module that has an extension, or None."""
    values = vars(module).values()
    return next((each for each in values if extension_of(each) is extension), None)


def extension_of(app: Any) -> Extension | None:
    """Return the extension of an application, from where the adapters keep it."""
    places: list[Callable[[], Any]] = [
        lambda: app.extensions["dockerflow"],
        lambda: app.state.dockerflow,
        lambda: app.ctx.dockerflow,
    ]
    for place in places:
        with suppress(Exception):  # whatever else is in a module, such as Flask's proxies
            found = place()
            if isinstance(found, Extension):
                return found
    return None


if __name__ == "__main__":
    main()
