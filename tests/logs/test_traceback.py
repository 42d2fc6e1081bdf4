"""Tracebacks: complete, and not to be forged."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any

import pytest

from dockerflow.logging import MozlogFormatter, safer_format_traceback

from . import hostile


def shown(error: BaseException) -> str:
    try:
        raise error
    except BaseException:
        text = safer_format_traceback(*sys.exc_info())
    assert text.startswith("Uncaught exception:\n")
    assert text.endswith("\n")
    return text


def inner() -> None:
    raise KeyError("root")


def text_of(error: BaseException) -> str:
    return safer_format_traceback(type(error), error, error.__traceback__)


def test_frames() -> None:
    """Each frame has file, line, function, source and, at its end, the exception's repr."""
    error = error_of(inner)
    text = text_of(error)
    lines = text.splitlines()
    assert lines[0] == "Uncaught exception:"
    assert lines[1].startswith(f'  File "{__file__}", line ')
    assert lines[1].endswith(", in error_of")
    assert lines[2] == "    work()"
    assert "in inner" in text
    assert '    raise KeyError("root")' in lines
    assert lines[-2:] == ["<class 'KeyError'>", "KeyError('root')"]
    assert safer_format_traceback(type(error), error, None).splitlines()[1:] == lines[-2:]
    assert text_of(error) == text, "from the cache too"


def error_of(work: Any) -> Exception:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError


def test_same_code_in_two_files() -> None:
    """Two functions that are equal but for their file keep their own names."""
    texts = []
    for name in ("one.py", "two.py"):
        scope: dict[str, Any] = {}
        exec(compile("def f():\n    raise OSError", name, "exec"), scope)
        error = error_of(scope["f"])
        texts.append(text_of(error))
    assert 'File "one.py"' in texts[0]
    assert 'File "two.py"' in texts[1]


class Forger(Exception):
    def __repr__(self) -> str:
        return 'x\n  File "forged.py", line 1, in forged'

    __str__ = __repr__


@pytest.mark.parametrize("end", ["\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\x1b"])
def test_no_text_forges_a_line(end: str) -> None:
    """What an exception says is on one line, whichever way it says it."""
    forged = f'{end}  File "forged.py", line 1, in forged'
    errors: list[BaseException] = [
        ValueError(forged),
        Forger(),
        SyntaxError(forged, (forged, 1, 1, forged)),
        ExceptionGroup(forged, [ValueError(forged)]),
    ]
    errors[0].add_note(forged)
    cause = ValueError("cause")
    cause.__cause__ = errors[0]
    for error in [*errors, cause]:
        for line in shown(error).splitlines():
            assert not line.lstrip().startswith('File "forged.py"')
            assert not line.startswith("forged")


def test_causes_and_contexts() -> None:
    """Causes and contexts stand before what they led to, with the interpreter's own phrases."""

    def fail() -> None:
        try:
            try:
                inner()
            except KeyError as key:
                raise ValueError("second") from key
        except ValueError:
            raise OSError("third")  # noqa: B904 - a context and no cause is what is wanted

    error = error_of(fail)
    text = text_of(error)
    assert text.index("KeyError('root')") < text.index("direct cause") < text.index("'second'")
    assert text.index("'second'") < text.index("another exception occurred")
    assert text.index("another exception occurred") < text.index("OSError('third')")
    assert "in inner" in text


def test_suppressed_context() -> None:
    """Nothing is shown of a context that `from None` has hidden."""

    def fail() -> None:
        try:
            inner()
        except KeyError:
            raise ValueError("alone") from None

    error = error_of(fail)
    text = text_of(error)
    assert "alone" in text
    assert "KeyError" not in text


def test_groups() -> None:
    """The members of a group, and of a group within it, are all there, with their frames."""
    member = error_of(inner)
    other = ValueError("other")
    other.__cause__ = OSError("of the other")
    nested = ExceptionGroup("nested", [TypeError("t")])
    text = shown(ExceptionGroup("several", [member, other, nested]))
    parts = "'several'", "3 exceptions", "KeyError('root')", "in inner", "ValueError('other')"
    for part in (*parts, "OSError('of the other')", "'nested'", "TypeError('t')", "2 of 3"):
        assert part in text


def test_notes() -> None:
    """Notes are there, each as its repr."""
    error = ValueError("v")
    error.add_note("first\nline")
    error.add_note("second")
    assert "Note: 'first\\nline'\nNote: 'second'\n" in shown(error)


def test_circles() -> None:
    """A chain that bites its tail comes to its end."""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__ = second
    second.__context__ = first
    text = shown(first)
    assert "(not shown here)" in text
    group = ExceptionGroup("g", [first])
    first.__context__ = group
    first.__cause__ = None
    shown(group)


def test_long_chains() -> None:
    """Of a chain of thousands the latest are shown, and that there are more."""
    error = error_of(inner)
    for number in range(5000):
        later = ValueError(f"number {number}")
        later.__context__ = error
        error = later
    text = shown(error)
    assert "in shown" in text
    assert "number 4999'" in text
    assert "number 4960'" in text
    assert "(not shown here)" in text
    assert len(text) < 20_000


def test_large_groups() -> None:
    """Of a group of thousands, or of hundreds in each other, the first are shown."""
    deep: Any = ValueError("innermost")
    for number in range(300):
        deep = ExceptionGroup(f"level {number}", [deep])
    assert "level 299'" in shown(deep)
    assert "1 more ---" in shown(deep)
    text = shown(ExceptionGroup("g", [ValueError(number) for number in range(5000)]))
    assert "ValueError(20)" in text
    assert "more ---" in text
    assert len(text) < 20_000


def test_recursion_is_counted() -> None:
    """A line that repeats is counted instead of shown a thousand times."""

    def down() -> None:
        down()

    error = error_of(down)
    text = text_of(error)
    assert "[Previous line repeated " in text
    assert len(text.splitlines()) < 30
    assert "".join(traceback.format_tb(error.__traceback__)) in text


@pytest.mark.parametrize("kind", hostile.ERRORS)
def test_exceptions_that_misbehave(kind: type[BaseException]) -> None:
    """An exception that raises when it is asked for its text is still told."""

    class Bad(Exception):
        def __repr__(self) -> str:
            raise kind

    text = shown(Bad())
    assert "Bad" in text
    assert "in shown" in text


def test_no_exceptions_at_all() -> None:
    """What is no exception and no traceback gives a text as well."""
    for triple in [(None, None, None), ("a", "b", None), (ValueError, None, None)]:
        values: Any = triple
        text = safer_format_traceback(*values)
        assert text.startswith("Uncaught exception:\n")


def test_a_repr_of_several_lines_in_a_record() -> None:
    """What an exception says of itself stays on one line of a record's traceback, too."""

    class Forging(Exception):
        def __repr__(self) -> str:
            return 'x\n  File "forged.py", line 1, in <module>'

    error = Forging()
    made = logging.LogRecord("app", 40, "app.py", 7, "x", (), (Forging, error, None))
    said = MozlogFormatter().convert_record(made)["Fields"]
    assert said["error"] == repr(error)
    assert said["traceback"].splitlines()[-1] == repr(repr(error))
    assert said["traceback"] == safer_format_traceback(Forging, error, None)
