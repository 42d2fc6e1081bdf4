"""What is public in the packages, and so in the reference."""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
import types
from collections.abc import Iterator
from typing import Any

from tests.packaging.distributions import DISTRIBUTIONS, ROOT

DOCS = ROOT / "docs"


def documented_modules() -> Iterator[types.ModuleType]:
    """Import the modules that say what is public in them, and those that have a page."""
    pages = "\n".join(path.read_text() for path in DOCS.glob("reference/*.md"))
    shown = re.findall(r"automodule:: (\S+)", pages)
    for distribution in DISTRIBUTIONS:
        for name in distribution.modules:
            module = importlib.import_module(name)
            if "._" not in name and (hasattr(module, "__all__") or name in shown):
                yield module


def public_names(module: types.ModuleType) -> list[str]:
    """List what is public in a module: what it says, or else the functions and classes in it."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
    ]


def public_callables() -> dict[str, Any]:
    """List the functions and classes of the reference, and the methods of the classes."""
    found: dict[str, Any] = {}
    for module in documented_modules():
        for name in public_names(module):
            value = getattr(module, name)
            if not (inspect.isroutine(value) or inspect.isclass(value)):
                continue
            if not str(value.__module__).startswith("dockerflow."):
                continue
            path = f"{module.__name__}.{name}"
            found[path] = value
            if inspect.isclass(value):
                found |= {f"{path}.{each}": method for each, method in methods_of(value)}
    return found


def methods_of(cls: type) -> Iterator[tuple[str, Any]]:
    """List the public methods and properties that a class defines itself."""
    for name, value in vars(cls).items():
        if not name.startswith("_"):
            if isinstance(value, property):
                yield name, value.fget
            elif isinstance(value, staticmethod | classmethod):
                yield name, value.__func__
            elif inspect.isfunction(value):
                yield name, value


CALLABLES = public_callables()
PUBLIC: dict[str, Any] = {module.__name__: module for module in documented_modules()} | CALLABLES
EXAMPLES = {
    name: textwrap.dedent(example)
    for name, value in PUBLIC.items()
    for example in re.findall(
        r"::\n\n((?:    .*\n|\n)+)", inspect.cleandoc(value.__doc__ or "") + "\n"
    )
}
