"""What each distribution imports, read off its source (import-linter checks the directions)."""

from __future__ import annotations

import ast
import pathlib
import sys
from collections.abc import Iterator

import pytest

from tests.packaging.distributions import CORE, DISTRIBUTIONS, LOGGING, Distribution

pytestmark = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)

# Our own packages go by their leaf: `dockerflow.flask` for whatever lies in it.
STANDARD = frozenset(sys.stdlib_module_names) | {"_typeshed"}  # the latter for type checkers alone


def own(*distributions: Distribution) -> frozenset[str]:
    return frozenset(f"dockerflow.{leaf}" for each in distributions for leaf in each.leaves)


def root_of(name: str) -> str:
    return ".".join(name.split(".")[: 2 if name.startswith("dockerflow.") else 1])


def imported(node: ast.AST, *, lazily: bool = False) -> Iterator[tuple[str, bool]]:
    """Find the absolute imports below a node, and whether each waits for a call."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import(names=names):
                yield from ((root_of(name.name), lazily) for name in names)
            case ast.ImportFrom(module="dockerflow", names=names, level=0):
                yield from ((root_of(f"dockerflow.{name.name}"), lazily) for name in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield root_of(module), lazily
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                yield from imported(child, lazily=True)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from imported(child, lazily=True)
            case _:
                yield from imported(child, lazily=lazily)


def sources(distribution: Distribution) -> dict[pathlib.Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in distribution.source.rglob("*.py")}


def allowed(distribution: Distribution) -> frozenset[str]:
    others = own(CORE, LOGGING) if distribution.framework else frozenset[str]()
    return STANDARD | own(distribution) | others | distribution.imports


def test_it_imports_what_it_requires_and_no_more(distribution: Distribution) -> None:
    """Core and logging import the standard library, an adapter its framework besides."""
    wrong = [
        f"{path.name}: {name}"
        for path, tree in sources(distribution).items()
        for name, lazily in imported(tree)
        if not lazily and name not in allowed(distribution)
    ]
    assert wrong == []


def test_libraries_of_extras_are_imported_on_use(distribution: Distribution) -> None:
    """What is imported in a function, or for type checkers, is required or in an extra."""
    found = {name for tree in sources(distribution).values() for name, _ in imported(tree)}
    assert found - allowed(distribution) <= distribution.lazily


def imported_at_once(node: ast.AST) -> Iterator[str]:
    """Find the absolute imports below a node that are neither in a function nor for types alone."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                yield from (f"{module}.{name.name}" for name in names)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                pass
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=otherwise):
                yield from imported_at_once(ast.Module(otherwise, []))
            case _:
                yield from imported_at_once(child)


# What runs checks, and the checks of backing services: the first heartbeat, or who has such a
# service, imports them.
ON_USE = tuple(
    f"dockerflow.checks.{name}."
    for name in ("alembic", "redis", "sqlalchemy", "results", "runner", "ChecksResults")
)


def test_adapters_start_without_what_runs_checks(distribution: Distribution) -> None:
    """Importing an adapter imports nothing that only a heartbeat, or a backing service, needs."""
    if distribution.framework is None:
        return
    early = [
        f"{path.name}: {name}"
        for path, tree in sources(distribution).items()
        for name in imported_at_once(tree)
        if f"{name}.".startswith(ON_USE)
    ]
    assert early == []


def test_no_private_name_of_another_package_is_imported(distribution: Distribution) -> None:
    """Neither a module nor a name with a leading underscore is imported from another package."""
    private: list[str] = []
    for path, tree in sources(distribution).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [f"{node.module}.{name.name}" for name in node.names]
            elif isinstance(node, ast.Import):
                names = [name.name for name in node.names]
            else:
                continue
            private += [
                f"{path.name}: {name}"
                for name in names
                if name.startswith("dockerflow.")
                and root_of(name) not in own(distribution)
                and any(part.startswith("_") for part in name.split("."))
            ]
    assert private == []
