"""Tracebacks that an exception's own text can't forge."""

from __future__ import annotations

import itertools
import textwrap
import traceback
from types import CodeType, TracebackType
from typing import Any

from .values import safe_repr, unreadable

_CAUSE = "The above exception was the direct cause of the following exception:"
_CONTEXT = "During handling of the above exception, another exception occurred:"

MAX_EXCEPTIONS = 50
"""The most exceptions that a record shows, with causes and members of groups."""

_SHOWN_REPEATS = 3  # like the interpreter, which then counts the rest


def safer_format_traceback(
    exc_typ: type[BaseException] | None,
    exc_val: BaseException | None,
    exc_tb: TracebackType | None,
) -> str:
    """Format an exception, given as by ``sys.exc_info()``, with causes, groups and notes.

    The texts of exceptions and notes appear only as their ``repr`` and on one line, so that no
    message can look like a frame or like a separate log line.

    :param exc_typ: the exception's type.
    :param exc_val: the exception.
    :param exc_tb: its traceback.
    :returns: several lines, each with a newline; the first is ``Uncaught exception:``.
    """
    writer = _Writer()
    if isinstance(exc_val, BaseException):
        writer.write(exc_val, exc_tb, "")
    else:
        writer.write_frames(exc_tb, "")
        writer.lines += [f"{one_line(exc_typ)}\n", f"{one_line(exc_val)}\n"]
    return "".join(["Uncaught exception:\n", *writer.lines])


def python_traceback(
    exc_typ: type[BaseException] | None,
    exc_val: BaseException | None,
    exc_tb: TracebackType | None,
) -> str:
    """Format an exception as ``traceback.format_exc()`` does, for programs that read that form.

    The text of an exception is on one line here too: if it has line breaks, its ``repr`` is shown.
    The members of a group look as in :func:`safer_format_traceback`.

    :param exc_typ: the exception's type.
    :param exc_val: the exception.
    :param exc_tb: its traceback.
    :returns: several lines, each with a newline.
    """
    if not isinstance(exc_val, BaseException):
        return safer_format_traceback(exc_typ, exc_val, exc_tb)
    writer = _PythonWriter()
    writer.write(exc_val, exc_tb, "")
    return "".join(writer.lines)


def one_line(value: object) -> str:
    """Return ``repr(value)`` on one line; if it has line breaks, return the repr of that text."""
    text = safe_repr(value)
    return text if text.isprintable() else repr(text)


class _Writer:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.seen: set[int] = set()

    def write(self, error: BaseException, trace: TracebackType | None, indent: str) -> None:
        """Write an exception after the one that led to it."""
        if id(error) in self.seen or len(self.seen) >= MAX_EXCEPTIONS:
            self.lines.append(f"{indent}{one_line(error)} (not shown here)\n")
            return
        self.seen.add(id(error))
        before, phrase = error.__cause__, _CAUSE
        if before is None and not error.__suppress_context__:
            before, phrase = error.__context__, _CONTEXT
        if before is not None:
            self.write(before, before.__traceback__, indent)
            self.lines.append(f"\n{indent}{phrase}\n\n")
        self.write_frames(trace, indent)
        text, members = _text_and_members(error)
        self.write_text(error, text, indent)
        notes: Any = getattr(error, "__notes__", ())
        self.lines += [f"{indent}Note: {one_line(note)}\n" for note in notes]
        for number, member in enumerate(members, 1):
            if len(self.seen) >= MAX_EXCEPTIONS:
                self.lines.append(f"{indent}--- {len(members) - number + 1} more ---\n")
                break
            self.lines.append(f"{indent}--- {number} of {len(members)} in the group ---\n")
            self.write(member, member.__traceback__, f"{indent}  ")

    def write_text(self, error: BaseException, text: str, indent: str) -> None:
        """Write the type and the text of an exception."""
        self.lines += [f"{indent}{one_line(type(error))}\n", f"{indent}{text}\n"]

    def write_frames(self, trace: TracebackType | None, indent: str) -> None:
        """Write frames as the interpreter does; those of a recursion are counted."""
        texts: list[str] = []
        while trace is not None:
            texts.append(_frame_text(trace))
            trace = trace.tb_next
        for text, same in itertools.groupby(texts):
            count = len(list(same))
            shown = text * min(count, _SHOWN_REPEATS)
            if more := max(0, count - _SHOWN_REPEATS):
                shown += f"  [Previous line repeated {more} more time{'s' * (more > 1)}]\n"
            self.lines.append(textwrap.indent(shown, indent))


class _PythonWriter(_Writer):
    def write_frames(self, trace: TracebackType | None, indent: str) -> None:
        """Write Python's headline for frames, and the frames."""
        if trace is not None:
            self.lines.append(f"{indent}Traceback (most recent call last):\n")
        super().write_frames(trace, indent)

    def write_text(self, error: BaseException, text: str, indent: str) -> None:
        """Write type and text of an exception on one line."""
        kind = type(error)
        name = kind.__qualname__
        if kind.__module__ not in ("builtins", "__main__"):
            name = f"{kind.__module__}.{name}"
        try:
            text = str(error)
        except Exception as raised:
            text = unreadable(error, raised)
        text = text if text.isprintable() else repr(text)
        self.lines.append(f"{indent}{name}: {text}\n" if text else f"{indent}{name}\n")


def _text_and_members(error: BaseException) -> tuple[str, tuple[BaseException, ...]]:
    group: Any = error
    if not isinstance(error, BaseExceptionGroup):
        return one_line(error), ()
    # Its repr repeats all members, which are written separately.
    kind, members = type(group).__qualname__, group.exceptions
    return f"{kind}({one_line(group.message)}, {len(members)} exceptions)", members


_MAX_FRAME_TEXTS = 2000
_frame_texts: dict[tuple[CodeType, str, int], str] = {}


def _frame_text(trace: TracebackType) -> str:
    """Return a frame as the interpreter shows it, from a cache: reading the source is slow."""
    code = trace.tb_frame.f_code
    key = code, code.co_filename, trace.tb_lasti  # code objects of different files may be equal
    text = _frame_texts.get(key)
    if text is None:
        if len(_frame_texts) >= _MAX_FRAME_TEXTS:
            _frame_texts.clear()
        text = _frame_texts[key] = "".join(traceback.format_tb(trace, limit=1))
    return text
