"""The imports of each distribution, found in its source.

import-linter checks the directions between our packages, and ruff (PLC0415, TID253) that libraries
of extras, and nothing else, are imported inside of functions.
"""

from __future__ import annotations

import ast
import pathlib
import sys
from collections.abc import Iterator

import pytest

from tests.packaging.distributions import DISTRIBUTIONS, LIBRARIES_OF_EXTRAS, Distribution

STANDARD = sys.stdlib_module_names | {"_typeshed"}  # the latter for type checkers only


def own(*distributions: Distribution) -> set[str]:
    return {f"dockerflow.{leaf}" for each in distributions for leaf in each.leaves}


def package_of(name: str) -> str:
    """The top-level package of a module; for ours, with the next level: ``dockerflow.flask``."""
    return ".".join(name.split(".")[: 2 if name.startswith("dockerflow.") else 1])


def imported(path: pathlib.Path) -> Iterator[str]:
    """Return all imports of a module, at any level."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                yield from (f"{module}.{each.name}" for each in names)
            case _:
                pass


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_it_imports_what_it_requires_and_no_more(distribution: Distribution) -> None:
    """A package imports the standard library and what it requires; libraries of extras when used.

    No package imports a private name of another one.
    """
    others = own(*(each for each in DISTRIBUTIONS if each.name in distribution.stands_on))
    allowed = STANDARD | own(distribution) | distribution.imports | LIBRARIES_OF_EXTRAS | others
    for path in distribution.source.rglob("*.py"):
        names = set(imported(path))
        assert {name for name in names if package_of(name) not in allowed} == set(), path
        from_others = {name for name in names if package_of(name) in others}
        assert {name for name in from_others if "._" in name} == set(), path
