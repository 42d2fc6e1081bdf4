"""What each distribution imports, read off its source.

import-linter checks the directions between our packages, and ruff (PLC0415, TID253) that libraries
of extras, and nothing else, are imported inside of functions.
"""

from __future__ import annotations

import ast
import pathlib
import sys
from collections.abc import Iterator

import pytest

from tests.packaging.distributions import (
    CORE,
    DISTRIBUTIONS,
    LIBRARIES_OF_EXTRAS,
    LOGGING,
    Distribution,
)

pytestmark = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)

STANDARD = frozenset(sys.stdlib_module_names) | {"_typeshed"}  # the latter for type checkers alone


def own(*distributions: Distribution) -> frozenset[str]:
    return frozenset(f"dockerflow.{leaf}" for each in distributions for leaf in each.leaves)


def package_of(name: str) -> str:
    """The top-level package of a module; ours go by their leaf: ``dockerflow.flask``."""
    return ".".join(name.split(".")[: 2 if name.startswith("dockerflow.") else 1])


def imported(distribution: Distribution) -> Iterator[tuple[pathlib.Path, str]]:
    """Find what the modules of a distribution import, wherever they do it."""
    for path in distribution.source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Import(names=names):
                    yield from ((path, each.name) for each in names)
                case ast.ImportFrom(module=str(module), level=0, names=names):
                    yield from ((path, f"{module}.{each.name}") for each in names)
                case _:
                    pass


def test_it_imports_what_it_requires_and_no_more(distribution: Distribution) -> None:
    """Core and logging import the standard library, an adapter its framework; extras on use."""
    allowed = STANDARD | own(distribution) | distribution.imports | LIBRARIES_OF_EXTRAS
    if distribution.framework is not None:
        allowed |= own(CORE, LOGGING)
    wrong = [
        f"{path.name}: {name}"
        for path, name in imported(distribution)
        if package_of(name) not in allowed
    ]
    assert wrong == []


def test_no_private_name_of_another_package_is_imported(distribution: Distribution) -> None:
    """Neither a module nor a name with a leading underscore is imported from another package."""
    private = [
        f"{path.name}: {name}"
        for path, name in imported(distribution)
        if name.startswith("dockerflow.")
        and package_of(name) not in own(distribution)
        and any(part.startswith("_") for part in name.split("."))
    ]
    assert private == []
