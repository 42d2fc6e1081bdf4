"""Tracebacks: complete, and not to be forged."""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType
from typing import Any

import pytest

from dockerflow.logging import MozlogFormatter, safer_format_traceback

from . import hostile


def shown(error: BaseException) -> str:
    text = ""
    try:
        raise error
    except BaseException:
        text = safer_format_traceback(*sys.exc_info())
    assert text.startswith("Uncaught exception:\n")
    assert text.endswith("\n")
    return text


def inner() -> None:
    raise KeyError("root")


def test_frames() -> None:
    """Each frame has file, line, function, source and, at its end, the exception's repr."""
    error = error_of(inner)
    text = safer_format_traceback(type(error), error, error.__traceback__)
    lines = text.splitlines()
    assert lines[0] == "Uncaught exception:"
    assert lines[1].startswith(f'  File "{__file__}", line ')
    assert lines[1].endswith(", in error_of")
    assert lines[2] == "    work()"
    assert "in inner" in text
    assert '    raise KeyError("root")' in lines
    assert lines[-2:] == ["<class 'KeyError'>", "KeyError('root')"]
    assert safer_format_traceback(type(error), error, None).splitlines()[1:] == lines[-2:]


def error_of(work: Any) -> Exception:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError


def test_same_text_from_the_cache() -> None:
    """A frame that is known by now looks as it did the first time."""
    error = error_of(inner)
    first = safer_format_traceback(type(error), error, error.__traceback__)
    assert safer_format_traceback(type(error), error, error.__traceback__) == first


def test_same_code_in_two_files() -> None:
    """Two functions that are equal but for their file keep their own names."""
    texts = []
    for name in ("one.py", "two.py"):
        scope: dict[str, Any] = {}
        exec(compile("def f():\n    raise OSError", name, "exec"), scope)
        error = error_of(scope["f"])
        texts.append(safer_format_traceback(type(error), error, error.__traceback__))
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
        type(f"Kind{end}forged", (Exception,), {})(),
    ]
    errors[0].add_note(forged)
    cause = ValueError("cause")
    cause.__cause__ = errors[0]
    for error in [*errors, cause]:
        for line in shown(error).splitlines():
            assert not line.lstrip().startswith('File "forged.py"')
            assert not line.startswith("forged")


def test_frames_with_forged_names() -> None:
    """Files and functions with line breaks in their names forge no line either."""
    scope: dict[str, Any] = {}
    name = 'a.py\n  File "forged.py", line 1, in forged\nb'
    exec(compile("def f():\n    raise OSError", name, "exec"), scope)
    error = error_of(scope["f"])
    text = safer_format_traceback(type(error), error, error.__traceback__)
    assert not any(line.startswith('  File "forged.py"') for line in text.splitlines())
    assert "forged.py" in text


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
    text = safer_format_traceback(type(error), error, error.__traceback__)
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
    text = safer_format_traceback(type(error), error, error.__traceback__)
    assert "alone" in text
    assert "KeyError" not in text


def test_groups() -> None:
    """The members of a group, and of a group within it, are all there, with their frames."""
    member = error_of(inner)
    other = ValueError("other")
    other.__cause__ = OSError("of the other")
    nested = ExceptionGroup("nested", [TypeError("t")])
    text = shown(ExceptionGroup("several", [member, other, nested]))
    for part in (
        "'several'",
        "3 exceptions",
        "KeyError('root')",
        "in inner",
        "ValueError('other')",
    ):
        assert part in text
    for part in ("OSError('of the other')", "'nested'", "TypeError('t')", "2 of 3"):
        assert part in text


def test_notes() -> None:
    """Notes are there, each as its repr."""
    error = ValueError("v")
    error.add_note("first\nline")
    error.add_note("second")
    assert "Note: 'first\\nline'\nNote: 'second'\n" in shown(error)
    error.__notes__ = 5  # type: ignore[assignment]
    assert "Note: 5\n" in shown(error)


def test_circles() -> None:
    """A chain that bites its tail comes to its end."""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__ = second
    second.__context__ = first
    text = shown(first)
    assert "shown elsewhere" in text
    group = ExceptionGroup("g", [first])
    first.__context__ = group
    first.__cause__ = None
    shown(group)


def test_long_chains() -> None:
    """Of a chain of thousands each exception is named, and the first and the last have frames."""
    error = error_of(inner)
    for number in range(5000):
        later = ValueError(f"number {number}")
        later.__context__ = error
        error = later
    text = shown(error)
    assert "in inner" in text
    assert "in shown" in text
    for number in range(5000):
        assert f"number {number}'" in text
    assert len(text) < 2_000_000


def test_deep_groups() -> None:
    """Groups within groups by the thousand are shown, without a stack as deep."""
    error: Any = ValueError("innermost")
    for number in range(3000):
        error = ExceptionGroup(f"level {number}", [error])
    text = shown(error)
    assert "innermost" in text
    assert "level 0'" in text
    assert len(text) < 5_000_000


def test_recursion_is_counted() -> None:
    """A line that repeats is counted instead of shown a thousand times."""

    def down() -> None:
        down()

    error = error_of(down)
    text = safer_format_traceback(type(error), error, error.__traceback__)
    assert "[Previous line repeated " in text
    assert len(text.splitlines()) < 30
    assert "".join(traceback.format_tb(error.__traceback__)) in text


@pytest.mark.parametrize("kind", hostile.ERRORS)
def test_exceptions_that_misbehave(kind: type[BaseException]) -> None:
    """An exception that raises when it is asked for its text is still told."""

    class Bad(Exception):
        def __repr__(self) -> str:
            raise kind

        def __getattribute__(self, name: str) -> Any:
            raise kind

    text = shown(Bad())
    assert "Bad" in text
    assert "in shown" in text


def test_no_exceptions_at_all() -> None:
    """What is no exception and no traceback gives a text as well."""
    for triple in [(None, None, None), ("a", "b", "c"), (ValueError, None, None), (1, 2, object())]:
        values: Any = triple
        text = safer_format_traceback(*values)
        assert text.startswith("Uncaught exception:\n")


def test_missing_source() -> None:
    """A frame whose source is gone still has its place."""
    scope: dict[str, Any] = {}
    exec(compile("def f():\n    raise OSError", "/nowhere/at/all.py", "exec"), scope)
    error = error_of(scope["f"])
    assert 'File "/nowhere/at/all.py", line 2, in f' in safer_format_traceback(
        type(error), error, error.__traceback__
    )


def test_cache_is_bounded() -> None:
    """Code that is made anew without end does not stay for ever."""
    from dockerflow.logging import traceback

    for _ in range(traceback._MAX_FRAME_TEXTS + 100):
        scope: dict[str, Any] = {}
        exec("def f():\n    raise OSError", scope)
        error = error_of(scope["f"])
        safer_format_traceback(type(error), error, error.__traceback__)
    assert len(traceback._frame_texts) <= traceback._MAX_FRAME_TEXTS


def test_takes_what_exc_info_gives() -> None:
    """The arguments are those of sys.exc_info()."""
    try:
        inner()
    except KeyError:
        kind, error, trace = sys.exc_info()
        assert isinstance(trace, TracebackType)
        assert "KeyError('root')" in safer_format_traceback(kind, error, trace)


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
