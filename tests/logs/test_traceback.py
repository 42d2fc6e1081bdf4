"""Tracebacks: complete, and impossible to forge."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from dockerflow.logging import safer_format_traceback
from dockerflow.logging.traceback import python_traceback

from .lines import Broken

Write = Callable[..., str]
in_both_forms = pytest.mark.parametrize("write", [safer_format_traceback, python_traceback])


def shown(error: BaseException, write: Write = safer_format_traceback) -> str:
    """Return the traceback of an exception, as a logger would find it."""
    try:
        raise error
    except BaseException:
        return write(*sys.exc_info())


def untraced(error: BaseException) -> list[str]:
    """Return the text below the first line for an exception that was not raised."""
    first, *rest = safer_format_traceback(type(error), error, None).splitlines()
    assert first == "Uncaught exception:"
    return rest


class Silent(Exception):
    """An exception without a text."""


def inner() -> None:
    raise KeyError("root")


def error_of(work: Callable[[], object]) -> Exception:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError


def test_frames() -> None:
    """Each frame has file, line, function and source, and the exception's repr is at the end."""
    error = error_of(inner)
    frames = "".join(traceback.format_tb(error.__traceback__))
    assert "in inner\n" in frames
    expected = f"Uncaught exception:\n{frames}<class 'KeyError'>\nKeyError('root')\n"
    for _ in ("read from the source", "from the cache"):
        assert safer_format_traceback(KeyError, error, error.__traceback__) == expected


def first() -> None:
    try:
        inner()
    except KeyError as error:
        raise OSError(2, "gone") from error


def silent() -> None:
    raise Silent


@pytest.mark.parametrize("work", [inner, first, silent, lambda: 1 // 0])
def test_python_form(work: Callable[[], object]) -> None:
    """The other form is Python's own, for programs such as Error Reporting."""
    error = error_of(work)
    text = python_traceback(type(error), error, error.__traceback__)
    assert text == "".join(traceback.format_exception(error))


def test_same_code_in_two_files() -> None:
    """Two functions that differ only in their file keep their own names."""
    for name in ("one.py", "two.py"):
        scope: dict[str, Any] = {}
        exec(compile("def f():\n    raise OSError", name, "exec"), scope)
        assert f'File "{name}"' in shown(error_of(scope["f"]))


def test_recursion_is_counted() -> None:
    """Repeated lines are counted, as the interpreter does."""

    def down() -> None:
        down()

    error = error_of(down)
    text = safer_format_traceback(RecursionError, error, error.__traceback__)
    assert "[Previous line repeated " in text
    assert "".join(traceback.format_tb(error.__traceback__)) in text


class Forger(Exception):
    def __repr__(self) -> str:
        return 'x\n  File "forged.py", line 1, in forged'

    __str__ = __repr__


@in_both_forms
@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\x1b"])
def test_no_text_forges_a_line(end: str, write: Write) -> None:
    """The text of an exception is on one line, whichever way it is given."""
    forged = f'{end}  File "forged.py", line 1, in forged'
    noted = ValueError(forged)
    noted.add_note(forged)
    group = ExceptionGroup(forged, [noted, Forger()])
    group.__cause__ = SyntaxError(forged, (forged, 1, 1, forged))
    for error in (group, Forger()):
        for line in shown(error, write).splitlines():
            assert not line.lstrip().startswith('File "forged.py"')
            assert not line.startswith("forged")
    assert untraced(Forger())[-1] == repr(repr(Forger()))


def test_causes_and_contexts() -> None:
    """Causes and contexts come before their consequences, with the interpreter's own phrases."""
    root, second, third = KeyError("root"), ValueError("second"), OSError("third")
    second.__cause__, third.__context__ = root, second
    assert untraced(third) == [
        *("<class 'KeyError'>", "KeyError('root')", ""),
        *("The above exception was the direct cause of the following exception:", ""),
        *("<class 'ValueError'>", "ValueError('second')", ""),
        *("During handling of the above exception, another exception occurred:", ""),
        *("<class 'OSError'>", "OSError('third')"),
    ]
    third.__cause__ = error_of(inner)
    assert "in inner" in shown(third), "a cause has its frames"
    third.__cause__ = None  # as with `from None`
    assert untraced(third) == ["<class 'OSError'>", "OSError('third')"]


def test_groups_and_notes() -> None:
    """All members of a group, and of a group within it, are shown; notes are shown as repr."""
    noted = ValueError("noted")
    noted.add_note("first\nline")
    noted.add_note("second")
    nested = ExceptionGroup("nested", [TypeError("t")])
    assert untraced(ExceptionGroup("several", [noted, nested])) == [
        *("<class 'ExceptionGroup'>", "ExceptionGroup('several', 2 exceptions)"),
        "--- 1 of 2 in the group ---",
        *("  <class 'ValueError'>", "  ValueError('noted')"),
        *("  Note: 'first\\nline'", "  Note: 'second'"),
        "--- 2 of 2 in the group ---",
        *("  <class 'ExceptionGroup'>", "  ExceptionGroup('nested', 1 exceptions)"),
        "  --- 1 of 1 in the group ---",
        *("    <class 'TypeError'>", "    TypeError('t')"),
    ]
    assert "in inner" in shown(ExceptionGroup("g", [error_of(inner)])), "a member has its frames"


@in_both_forms
def test_circles(write: Write) -> None:
    """A circular chain of exceptions has an end."""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__context__ = second, first
    assert "ValueError('first') (not shown here)\n" in shown(first, write)
    group = ExceptionGroup("g", [first])
    first.__context__, first.__cause__ = group, None
    first.__suppress_context__ = False
    assert "(not shown here)" in shown(group, write)


@in_both_forms
def test_thousands_of_exceptions(write: Write) -> None:
    """A long chain shows the latest, a large or deep group the first exceptions, with a notice."""
    chained: Exception = KeyError("root")
    for number in range(5000):
        later = ValueError(f"number {number}")
        later.__context__ = chained
        chained = later
    nested: Any = ValueError("innermost")
    for number in range(300):
        nested = ExceptionGroup(f"level {number}", [nested])
    large = ExceptionGroup("g", [ValueError(f"number {number}") for number in range(5000)])
    for error, parts in [
        (chained, ["in shown", "number 4999", "number 4960", "(not shown here)"]),
        (nested, ["level 299", "1 more ---"]),
        (large, ["number 20", "more ---"]),
    ]:
        text = shown(error, write)
        assert [part for part in parts if part not in text] == []
        assert len(text) < 20_000


@in_both_forms
def test_exceptions_that_misbehave(write: Write) -> None:
    """An exception whose text raises is still shown."""
    text = "<ValueError object, which raised OSError>"
    assert text in shown(ValueError(Broken()), write).splitlines()[-1]


@in_both_forms
@pytest.mark.parametrize("triple", [(None, None, None), ("a", "b", None), (ValueError, None, None)])
def test_no_exceptions_at_all(triple: Any, write: Write) -> None:
    """A value that is no exception, or no traceback, gives a text as well."""
    kind, value, _ = triple
    assert write(*triple) == f"Uncaught exception:\n{kind!r}\n{value!r}\n"
