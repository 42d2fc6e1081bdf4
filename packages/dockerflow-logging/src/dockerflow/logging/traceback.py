"""Tracebacks that an exception's own text can't forge."""

from __future__ import annotations

import traceback

from .plain import clean_text, quote
from .reprs import class_of, is_interrupt, safe_repr, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, TracebackType
    from typing import Any

    # Indent, an exception or a line of text, and the traceback of the former.
    _Step = tuple[str, Any, TracebackType | None]

_CAUSE = "The above exception was the direct cause of the following exception:"
_CONTEXT = "During handling of the above exception, another exception occurred:"

#: Exceptions of one record that are shown with their frames; the rest of an endless chain is
#: listed, each by its type and repr.
_MAX_WITH_FRAMES = 100
_MAX_INDENT = 20
_SHOWN_REPEATS = 3  # as many as the interpreter shows of one line before it counts the rest

_MAX_FRAME_TEXTS = 2048
# The lines of a frame, and the same in JSON without the quotes. By id, since comparing code objects
# costs more than it saves; the code is kept, so that its id stays its own.
_frame_texts: dict[tuple[int, int], tuple[CodeType, str, str]] = {}

_get_cause: Callable[[object], BaseException | None] = BaseException.__dict__["__cause__"].__get__
_get_context: Callable[[object], BaseException | None] = BaseException.__dict__[
    "__context__"
].__get__
_get_suppress: Callable[[object], bool] = BaseException.__dict__["__suppress_context__"].__get__
_get_traceback: Callable[[object], TracebackType | None] = BaseException.__dict__[
    "__traceback__"
].__get__
_get_members: Callable[[object], tuple[BaseException, ...]] = BaseExceptionGroup.__dict__[
    "exceptions"
].__get__
_get_message: Callable[[object], object] = BaseExceptionGroup.__dict__["message"].__get__
_get_dict: Callable[[object], dict[str, Any]] = BaseException.__dict__["__dict__"].__get__


def one_line(value: object) -> str:
    """Return ``repr(value)`` as one line; a repr that holds line breaks is itself shown by repr."""
    return one_line_of(safe_repr(value))


def one_line_of(text: str) -> str:
    """Return *text*, a ``repr``, or its own ``repr`` where it is not one line."""
    return text if text.isprintable() else repr(text)


def safer_format_traceback(
    exc_typ: type[BaseException] | None,
    exc_val: BaseException | None,
    exc_tb: TracebackType | None,
) -> str:
    """Format an exception as ``sys.exc_info()`` gives it, causes, groups and notes included.

    What an exception says of itself, notes too, appears only as its ``repr`` and on one line, so
    that no message can pass for a frame or for a log line of its own.

    :param exc_typ: the exception's type.
    :param exc_val: the exception.
    :param exc_tb: its traceback.
    :returns: several lines that begin with ``Uncaught exception:``, each ended by a newline.
    """
    return traceback_text(exc_typ, exc_val, exc_tb, None)


def traceback_text(kind: object, error: Any, trace: TracebackType | None, said: str | None) -> str:
    """Return what :func:`safer_format_traceback` does.

    :param said: the ``repr`` of *error*, if it is known already.
    """
    lines = ["Uncaught exception:\n"]
    try:
        if _is_a(error, BaseException):
            if _is_alone(error):
                _add_frames(lines, trace, "")
                _add_words(lines, error, "", safe_repr(error) if said is None else said)
            else:
                _Writer(lines).write(error, trace)
        else:
            _add_frames(lines, trace, "")
            lines.append(f"{one_line(kind)}\n{one_line(error)}\n")
    except BaseException as fault:
        if is_interrupt(fault):
            raise
        lines.append(f"{one_line(error)}\n(its traceback can't be shown: {one_line(fault)})\n")
    return "".join(lines)


def traceback_json(kind: object, error: Any, trace: TracebackType | None, said: str) -> str:
    """Return as JSON what :func:`traceback_text` returns; frames are kept as JSON.

    :raises Exception: any, where only the careful way can tell what to write.
    """
    if not (_is_a(error, BaseException) and _is_alone(error)):
        return text_json(traceback_text(kind, error, trace, said))
    parts = ['"Uncaught exception:\\n']
    last = ""
    frame = trace
    while frame is not None:
        code = frame.tb_frame.f_code
        known = _frame_texts.get((id(code), frame.tb_lasti))
        _, text, part = known or _frame_text(frame, code)
        if text == last:  # more of them would have to be counted
            return text_json(traceback_text(kind, error, trace, said))
        last = text
        parts.append(part)
        frame = frame.tb_next
    words: list[str] = []
    _add_words(words, error, "", said)
    parts.append(text_json("".join(words))[1:])
    return "".join(parts)


def text_json(text: str) -> str:
    """Return the JSON of a text.

    :raises UnicodeEncodeError: if there is a surrogate in it.
    """
    if not text.isascii():
        text.encode()
    return quote(text)


def _is_alone(error: BaseException) -> bool:
    """Tell whether *error* has no cause, context or members to be shown."""
    return (
        _get_cause(error) is None
        and (_get_context(error) is None or _get_suppress(error))
        and not _is_group(error)
    )


class _Writer:
    """Writes exceptions into *lines*, without recursion: a chain has no limit to its length."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.seen: set[int] = set()
        self.written = 0
        self.raised: BaseException | None = None

    def write(self, error: Any, trace: TracebackType | None) -> None:
        self.seen.add(id(error))
        self.raised = error
        todo: list[_Step] = []
        todo.extend(reversed(self._chain(error, trace, "")))
        while todo:
            indent, item, trace = todo.pop()
            if type(item) is str:
                self.lines.append(f"{indent}{item}\n")
            else:
                self._one(item, trace, indent)
                if _is_group(item):
                    todo.extend(reversed(self._members(item, indent)))

    def _chain(self, error: BaseException, trace: TracebackType | None, indent: str) -> list[_Step]:
        """Return *error* and what led to it, the oldest first, with the phrases between them."""
        found: list[_Step] = []
        found.append((indent, error, trace))
        current: BaseException | None = error
        while current is not None:
            before = _get_cause(current)
            phrase = _CAUSE
            if before is None and not _get_suppress(current):
                before = _get_context(current)
                phrase = _CONTEXT
            if before is not None:
                found.append((indent, f"\n{indent}{phrase}\n", None))
                if id(before) in self.seen:
                    found.append((indent, f"{one_line(before)} (shown elsewhere here)", None))
                    break
                self.seen.add(id(before))
                found.append((indent, before, _get_traceback(before)))
            current = before
        found.reverse()
        return found

    def _members(self, group: BaseException, indent: str) -> list[_Step]:
        members = _get_members(group)
        inner = indent if len(indent) >= _MAX_INDENT else indent + "  "
        found: list[_Step] = []
        for number, member in enumerate(members, 1):
            found.append((indent, f"--- {number} of {len(members)} in the group ---", None))
            if id(member) in self.seen:
                found.append((inner, f"{one_line(member)} (shown elsewhere here)", None))
            else:
                self.seen.add(id(member))
                found.extend(self._chain(member, _get_traceback(member), inner))
        return found

    def _one(self, error: BaseException, trace: TracebackType | None, indent: str) -> None:
        self.written += 1
        if self.written <= _MAX_WITH_FRAMES or error is self.raised:
            _add_frames(self.lines, trace, indent)
        said = _group_text(error) if _is_group(error) else safe_repr(error)
        _add_words(self.lines, error, indent, said)


def _is_group(error: BaseException) -> bool:
    return _is_a(error, BaseExceptionGroup)


def _is_a(value: object, cls: type) -> bool:
    # isinstance would ask the value's own __class__ as well, which may do anything.
    return issubclass(class_of(value), cls)


def _add_words(lines: list[str], error: BaseException, indent: str, said: str) -> None:
    """Add what *error* is, what it says of itself in its repr, and its notes."""
    lines.append(f"{indent}{one_line(type(error))}\n{indent}{one_line_of(said)}\n")
    notes = _get_dict(error).get("__notes__")
    if notes is not None:
        shown: list[object] = notes if class_of(notes) is list else [notes]
        lines.extend(f"{indent}Note: {one_line(note)}\n" for note in shown)


def _group_text(group: BaseException) -> str:
    # Its repr would repeat all its members, each of which has a place of its own below.
    count = len(_get_members(group))
    return f"{type_name(type(group))}({one_line(_get_message(group))}, {count} exceptions)"


def _add_frames(lines: list[str], trace: TracebackType | None, indent: str) -> None:
    last = None
    repeats = 0
    while trace is not None:
        code = trace.tb_frame.f_code
        known = _frame_texts.get((id(code), trace.tb_lasti))
        text = (known or _frame_text(trace, code))[1]
        if text != last:
            if repeats >= _SHOWN_REPEATS:
                lines.append(_repeated(repeats - _SHOWN_REPEATS + 1, indent))
            last = text
            repeats = 0
        else:
            repeats += 1
        if repeats < _SHOWN_REPEATS:
            lines.append(_indented(text, indent) if indent else text)
        trace = trace.tb_next
    if repeats >= _SHOWN_REPEATS:
        lines.append(_repeated(repeats - _SHOWN_REPEATS + 1, indent))


def _indented(text: str, indent: str) -> str:
    return "".join(f"{indent}{line}\n" for line in text.splitlines())


def _repeated(count: int, indent: str) -> str:
    return f"{indent}  [Previous line repeated {count} more time{'s' if count > 1 else ''}]\n"


def _frame_text(trace: TracebackType, code: CodeType) -> tuple[CodeType, str, str]:
    """Return what is remembered of one frame: its lines as the interpreter shows them."""
    if code.co_filename.isprintable() and code.co_name.isprintable():
        try:
            text = "".join(traceback.format_tb(trace, 1))
        except BaseException as error:
            if is_interrupt(error):
                raise
            text = f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_name}\n'
    else:
        text = f"  File {code.co_filename!r}, line {trace.tb_lineno}, in {code.co_name!r}\n"
    if len(_frame_texts) >= _MAX_FRAME_TEXTS:
        _frame_texts.clear()
    known = code, text, quote(clean_text(text))[1:-1]
    _frame_texts[id(code), trace.tb_lasti] = known
    return known
