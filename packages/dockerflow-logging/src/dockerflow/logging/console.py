"""Log lines for people at a terminal.

The text of a line is made from the dictionary that mozlog writes as JSON: :class:`ConsoleFormatter`
does so for records, and ``python -m dockerflow.logging`` for lines that were written as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from .formatter import MozlogFormatter
from .strict import encode
from .summary import REQUEST_SUMMARY, TASK_SUMMARY

# By the severities of syslog, 0 to 7.
_LEVELS = "CRITICAL", "CRITICAL", "CRITICAL", "ERROR", "WARNING", "INFO", "INFO", "DEBUG"
_CLOCK = "%H:%M:%S.%f"
_INDENT = "    "

# Parameters of "Select Graphic Rendition": ECMA-48, section 8.3.117.
_BOLD, _DIM, _RED, _GREEN, _YELLOW, _BLUE, _CYAN = "1", "2", "31", "32", "33", "94", "36"
_LEVEL_COLORS = {
    "CRITICAL": f"{_BOLD};{_RED}",
    "ERROR": _RED,
    "WARNING": _YELLOW,
    "INFO": _GREEN,
    "DEBUG": _DIM,
}
# By the state of a task, or the first digit of a status; others are yellow.
_OUTCOME_COLORS = {
    **dict.fromkeys(("SUCCESS", "1", "2"), _GREEN),
    **dict.fromkeys(("FAILURE", "5"), _RED),
    "3": _CYAN,
}

# The fields that each summary begins with; the last is the outcome.
_SUMMARIES = {REQUEST_SUMMARY: ("method", "path", "code"), TASK_SUMMARY: ("task", "state")}
# Other fields of summaries: some are left out if they have these values, some always.
_USUAL = {"errno": 0, "uid": "", "querystring": "", "retries": 0, "queue": "celery"}
_UNWANTED = ("agent", "lang", "task_id")

# Texts that need no quotes: as values, and in a summary, where nothing is written as name=value.
_BARE = re.compile(r"[^\s'\"=]+")
_BARE_IN_SUMMARY = re.compile(r"[^\s'\"]+")
_COLOR = re.compile(r"\x1b\[[\d;]*m")
_BLOCK_NAME = re.compile(r"(exc_)*(traceback|stack)")
_ERROR_NAME = re.compile(r"(exc_)*error")


class ConsoleFormatter(MozlogFormatter):
    """Formats records as text for people.

    A line has the time, the level, the logger, the message, ``name=value`` for each field, and the
    first eight characters of the request's id. A summary is shown as ``GET /orders/17 200 3 ms``,
    without fields that rarely matter during development, such as the user agent. Other lines of a
    message, tracebacks and stacks follow, indented. Control characters are shown as escapes.

    :param fmt: accepted, as by any formatter; it has no effect.
    :param datefmt: the format of the time, as for ``strftime``; ``%f`` is milliseconds.
    :param style: accepted; it has no effect.
    :param logger_name: accepted; the name of the service is not shown.
    :param color: whether to use colours; by default, if standard output is a terminal. The
        environment variables ``NO_COLOR`` and ``FORCE_COLOR`` override the default; ``NO_COLOR``
        takes precedence.
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        logger_name: str = "Dockerflow",
        color: bool | None = None,
    ) -> None:
        super().__init__(fmt, datefmt, style, logger_name)
        self.color = wants_color() if color is None else color

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        """Return a traceback as Python prints it.

        :param ei: type, value and traceback, as ``sys.exc_info()`` gives them.
        """
        return logging.Formatter.formatException(self, ei)

    def _to_text(self, line: dict[str, Any]) -> str:
        # Through JSON, so that this shows the same as `python -m dockerflow.logging`.
        return render(json.loads(encode(line)), self.datefmt or _CLOCK, color=self.color)


def is_terminal() -> bool:
    """Return whether standard output is a terminal."""
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):  # it is missing, has no isatty(), or is closed
        return False


def wants_color() -> bool:
    """Return whether to use colours on standard output.

    The rules are those of Python's own tracebacks:
    https://docs.python.org/3/using/cmdline.html#controlling-color
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and is_terminal()


def render(line: Mapping[str, Any], datefmt: str, *, color: bool) -> str:
    """Return a line of mozlog as text, without a newline at the end.

    :param line: the line, of plain JSON types.
    :param datefmt: the format of the time; ``%f`` is milliseconds.
    :param color: whether to use colours.
    :raises Exception: if it is not such a line.
    """

    def paint(text: str, parameters: str) -> str:
        return f"\x1b[{parameters}m{text}\x1b[0m" if color else text

    fields: dict[str, Any] = {**line["Fields"]}
    fields.pop("color_message", None)  # uvicorn's copy of the message
    request_id = fields.pop("rid", None)
    if not isinstance(request_id, str | None):
        fields["rid"] = request_id  # the caller's own
        request_id = None
    blocks = _take_blocks(fields)
    severity: int = line["Severity"]
    level, logger = _LEVELS[severity], line["Type"]
    summary = _take_summary(logger, fields, paint)
    text = _text(fields.pop("msg", ""))
    if str(logger).startswith(("werkzeug", "sanic.")):
        text = _COLOR.sub("", text)  # these servers colour their messages
    message, *further = _visible(text).split("\n")
    pairs = [f"{paint(_word(name), _CYAN)}={_word(value)}" for name, value in fields.items()]
    words = [
        paint(_time_text(line["Timestamp"], datefmt), _DIM),
        paint(f"{level:8}", _LEVEL_COLORS[level]),
        (summary or paint(_word(logger), _BLUE)) + (":" if message else ""),
        paint(message, _BOLD) if message else "",
        f" {' '.join(pairs)}" if pairs else "",  # after two spaces
        f" {paint(_word(request_id[:8]), _DIM)}" if request_id else "",
    ]
    rest = "\n".join([*further, *blocks])
    return f"{' '.join(filter(None, words))}\n{textwrap.indent(rest, _INDENT)}".rstrip("\n")


def _take_blocks(fields: dict[str, Any]) -> list[str]:
    """Take tracebacks and stacks out of the fields, and ``error`` if a traceback has it too."""
    blocks: list[str] = []
    for name, value in list(fields.items()):
        if _BLOCK_NAME.fullmatch(name) and isinstance(value, str) and "\n" in value:
            del fields[name]
            # Replace the first line of MozlogFormatter by that of Python.
            text = re.sub(r"^Uncaught exception:\n", "Traceback (most recent call last):\n", value)
            blocks.append(_visible(text).rstrip("\n"))
    # The exception's own field has the longest name; the others are the caller's.
    names = sorted(filter(_ERROR_NAME.fullmatch, fields), key=len)
    if names and (kind := re.match(r"(\w+)\(", str(fields[names[-1]]))):
        headline = re.compile(rf"^\W*([\w.]+\.)?{kind[1]}(\W|$)", re.MULTILINE)
        if any(map(headline.search, blocks)):
            del fields[names[-1]]
    return blocks


def _take_summary(logger: object, fields: dict[str, Any], paint: Callable[[str, str], str]) -> str:
    """Take the parts of a summary's text out of the fields.

    :returns: the text, which is empty if this is not a summary.
    """
    names = [name for name in _SUMMARIES.get(str(logger), ()) if name in fields]
    if not names:
        return ""
    has_failed = bool(fields.get("errno"))
    if fields.get("errno") == fields.get("code"):
        fields.pop("errno", None)
    for name, value in list(fields.items()):
        if name in _UNWANTED or (name in _USUAL and value == _USUAL[name]):
            del fields[name]
    path, query = fields.get("path"), fields.get("querystring")
    if isinstance(path, str) and isinstance(query, str):
        fields["path"] = f"{path}?{fields.pop('querystring')}"
    *words, outcome = [_word(fields.pop(name), _BARE_IN_SUMMARY) for name in names]
    color = _OUTCOME_COLORS.get(outcome) or _OUTCOME_COLORS.get(outcome[0], _YELLOW)
    words.append(paint(outcome, _RED if has_failed else color))
    if "t" in fields:
        words.append(f"{_word(fields.pop('t'))} ms")
    return " ".join(words)


def _time_text(nanoseconds: int, datefmt: str) -> str:
    milliseconds = f"{nanoseconds // 1_000_000 % 1000:03}"
    seconds = time.localtime(nanoseconds // 1_000_000_000)
    return time.strftime(datefmt.replace("%f", milliseconds), seconds)


def _word(value: object, bare: re.Pattern[str] = _BARE) -> str:
    """Return a value as one word, in quotes if it would look like several."""
    if not isinstance(value, str):
        return _text(value)
    return value if value.isprintable() and bare.fullmatch(value) else repr(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else _visible(json.dumps(value, ensure_ascii=False))


def _visible(text: str) -> str:
    """Return a text with escapes for unprintable characters other than line breaks."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
