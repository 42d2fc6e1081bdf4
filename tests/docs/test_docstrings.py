"""The docstring of everything public names what goes in and what is raised."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pathlib
import re
import textwrap
from typing import Any

import pytest

from tests.docs.reference import CALLABLES, EXAMPLES
from tests.docs.running import Page


def docstring_of(value: Any) -> str:
    """Return a docstring, with that of whose parameters it says that they are its own."""
    text = inspect.cleandoc(value.__doc__ or "")
    for name in re.findall(r"parameters are those\s+of\s+:\w+:`~?([\w.]+)`", text):
        module, _, rest = name.rpartition(".")
        try:
            owner: Any = importlib.import_module(module)
        except ModuleNotFoundError:
            module, _, cls = module.rpartition(".")
            owner = getattr(importlib.import_module(module), cls)
        text += docstring_of(getattr(owner, rest))
    return text


def raised_in(function: Any) -> list[str]:
    """List the exceptions that a function raises itself, and does not catch."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    caught: set[ast.Raise] = set()
    for block in ast.walk(tree):
        if isinstance(block, ast.Try):
            handled = {ast.unparse(each.type or block) for each in block.handlers}
            inside = [node for each in block.body for node in ast.walk(each)]
            caught |= {
                node
                for node in inside
                if isinstance(node, ast.Raise) and handled & {_name(node), "Exception"}
            }
    raised = [node for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    return [_name(node) for node in raised if node not in caught and _name(node)[:1].isupper()]


def _name(node: ast.Raise) -> str:
    raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return ast.unparse(raised).rpartition(".")[2] if raised else ""


@pytest.mark.parametrize("name", CALLABLES)
def test_the_docstring_names_what_goes_in_and_what_is_raised(name: str) -> None:
    """Every parameter and every exception of a public function or class is in its docstring."""
    value = CALLABLES[name]
    said = docstring_of(value)
    assert said, "it has no docstring"
    takes = vars(value).get("__init__") if inspect.isclass(value) else value
    parameters = [] if takes is None else list(inspect.signature(takes).parameters)
    unnamed = [
        parameter
        for parameter in parameters
        if parameter not in {"self", "cls"}
        if not re.search(rf":param {parameter}:|(``|\*){parameter}(``|\*|=)", said)
    ]
    assert unnamed == [], "parameters that the docstring does not name"
    if takes is not None and not dataclasses.is_dataclass(value):
        raised = [error for error in raised_in(takes) if not re.search(rf"\b{error}:", said)]
        assert raised == [], "exceptions that the docstring does not name"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_a_docstring_runs(name: str, tmp_path: pathlib.Path) -> None:
    """What a docstring shows, and so the reference, can be executed."""
    assert Page(name, f"```python\n{EXAMPLES[name]}```", tmp_path, {}).run() == []
