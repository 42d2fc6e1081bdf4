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
    """The extension of an adapter. Its class can't be imported here: it imports this package."""

    registry: CheckRegistry
    silenced_checks: list[str]

    def run_once(self, app: Any, group: str | None = None) -> ChecksResults:
        """Run the checks as the heartbeat of an application does."""
        ...


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m dockerflow.checks",
        description="Run checks in this process, and show their results. The application is "
        "imported but not started.",
        epilog="exit status: 0, or 1 if a check is at ERROR or above, or 2 for wrong arguments",
    )
    parser.add_argument(
        "target",
        metavar="MODULE[:ATTRIBUTE]",
        help="an application with a Dockerflow extension, a function that makes one, an extension, "
        "or a CheckRegistry; without ATTRIBUTE, the default registry after MODULE is imported",
    )
    parser.add_argument("--group", metavar="NAME", help="only the checks of this group")
    parser.add_argument("--json", action="store_true", help="print the JSON of the heartbeat")
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
    """Import the object that an argument names, and return a function that runs its checks.

    :raises UsageError: if it does not exist, or has no checks.
    """
    name, _, attribute = target.partition(":")
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"{name!r} is not the name of a module, such as shop.app")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):  # a module that it imports is missing
            raise
        raise UsageError(f"there is no module named {name!r}") from None
    except SystemExit:  # else a deployment could pass without any check
        raise UsageError(
            f"importing {name!r} ended the process; it may start the application when imported"
        ) from None
    found = get(module, attribute.removesuffix("()")) if attribute else default_registry
    if isinstance(found, CheckRegistry):
        return functools.partial(run_registry, found, ())
    if isinstance(found, Extension):
        # An extension that wraps an application is itself an application.
        app = found if callable(found) else application_of(found, module)
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
    """Return an attribute of a module; if it is a function, call it and return its result.

    :raises UsageError: if there is no such attribute.
    """
    try:
        value: Any = operator.attrgetter(attribute)(module)
    except AttributeError as error:
        raise UsageError(str(error)) from None
    return value() if is_factory(value) else value


def is_factory(value: object) -> bool:
    """Return whether this is a function, and not an application, which may be callable too."""
    return inspect.isroutine(value) or isinstance(value, functools.partial)


def run_registry(
    registry: CheckRegistry, silenced_ids: Iterable[str], group: str | None
) -> ChecksResults:
    """Run the checks of a registry, async ones on one event loop.

    :raises UsageError: if a group is given.
    """
    if group is not None:
        raise UsageError("--group needs an application, such as shop:app; a registry has no groups")
    return asyncio.run(registry.run_checks_async(None, silenced_ids))


def application_of(extension: Extension, module: ModuleType) -> Any:
    """Return the application of a module that has this extension, or None."""
    values = vars(module).values()
    return next((each for each in values if extension_of(each) is extension), None)


def extension_of(app: Any) -> Extension | None:
    """Return the extension of an application, from the places where the adapters store it."""
    places: list[Callable[[], Any]] = [
        lambda: app.extensions["dockerflow"],
        lambda: app.state.dockerflow,
        lambda: app.ctx.dockerflow,
    ]
    for place in places:
        with suppress(Exception):  # a module may hold anything, such as Flask's proxies
            found = place()
            if isinstance(found, Extension):
                return found
    return None


if __name__ == "__main__":
    main()
