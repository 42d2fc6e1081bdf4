"""The line of an ordinary record, written without a dict in between.

Everything here is a short cut: it gives the line that the general way would give, or raises.
"""

from __future__ import annotations

import os
from operator import itemgetter

from .conversion import JSON_BLANKS, SpentName, envelope_of, own_fields, severity_of
from .encoder import TEXTS, Unusual, has_lone_surrogates, quote, raw_encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Container
    from typing import Any

    from .formatter import MozlogFormatter

# Enough for the call sites of one service; past it a cache starts again from empty.
_MAX_CACHED = 256
_JSON_OPENINGS = frozenset("{" + JSON_BLANKS)


class Layout:
    """What is known of all records that have the same attributes in the same order."""

    __slots__ = ("collides", "named", "template", "values")

    def __init__(self, names: tuple[str, ...], excluded: Container[str]) -> None:
        extras = [name for name in names if name not in excluded]
        if not all(type(name) is str and name.isascii() for name in names) or "msg" in extras:
            raise ValueError("unusual names")
        self.values: Callable[[dict[str, Any]], tuple[Any, ...]] = (
            itemgetter(*extras) if len(extras) > 1 else _few_getter(extras)
        )
        #: The JSON of Fields up to the message, with a place for each value.
        self.template = (
            "{" + "".join(f"{quote(name)}: ".replace("%", "%%") + "%s, " for name in extras)
        ) + '"msg": '
        self.named = "logger_name" in names
        self.collides = not {"error", "traceback", "stack"}.isdisjoint(extras)


def _few_getter(extras: list[str]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    if not extras:
        return lambda attributes: ()
    (name,) = extras
    return lambda attributes: (attributes[name],)


class FastLines:
    """The fast way of one formatter, and what it remembers."""

    __slots__ = ("_heads", "_state")

    def __init__(self) -> None:
        self._heads: dict[tuple[object, ...], str] = {}
        # Layouts belong to the set of names they were made with: a changed set starts anew.
        self._state: tuple[frozenset[str], dict[tuple[str, ...], Layout]] = (frozenset(), {})

    def line(  # noqa: C901 - calls between its steps would cost a tenth
        self, formatter: MozlogFormatter, record: logging.LogRecord
    ) -> str:
        """Return the line of an ordinary record.

        :returns: the same line as the general way gives.
        :raises Exception: any, where the record or the formatter is not of the ordinary kind.
        """
        excluded, layouts = self._state
        if excluded != formatter.EXCLUDED_LOGRECORD_ATTRS:  # pyright: ignore[reportUnnecessaryComparison]
            excluded, layouts = frozenset(formatter.EXCLUDED_LOGRECORD_ATTRS), {}
            self._state = excluded, layouts
        attributes = record.__dict__
        names = tuple(attributes)
        layout = layouts.get(names)
        if layout is None:
            layout = Layout(names, excluded)
            if len(layouts) >= _MAX_CACHED:
                layouts.clear()
            layouts[names] = layout

        text = record.getMessage()
        created = record.created
        name = record.name
        if (
            type(text) is not str
            or (text[:1] in _JSON_OPENINGS and text.lstrip(JSON_BLANKS).startswith("{"))
            or type(created) is not float
            or type(name) is not str
        ):
            raise Unusual
        values = layout.values(attributes)
        fields = layout.template % tuple(
            [quote(value) if type(value) is str else TEXTS[type(value)](value) for value in values]
        ) + quote(text)
        own: dict[str, str] = {}
        if (
            record.exc_info is not None
            or record.exc_text is not None
            or record.stack_info is not None
        ):
            own = own_fields(record)
            if layout.collides:
                raise Unusual
            for own_name, said in own.items():
                fields += f', "{own_name}": {quote(said)}'

        severity = formatter.SYSLOG_LEVEL_MAP.get(record.levelno)
        if severity is None:
            severity = severity_of(formatter, record)
        logger = formatter.logger_name
        if layout.named and type(attributes["logger_name"]) is not SpentName:
            logger = str.__str__(attributes["logger_name"])
        pid = record.process
        if type(pid) is not int:
            if pid is not None:
                raise Unusual
            pid = os.getpid()
        # All that the text depends on is in the key, so that a change of any of it is noticed.
        key = (
            name,
            logger,
            formatter.hostname,
            formatter.LOGGING_FORMAT_VERSION,
            severity,
            pid,
        )
        head = self._heads.get(key)
        if head is None:
            envelope = envelope_of(formatter, record, {})
            del envelope["Timestamp"]
            head = raw_encode(envelope)[1:-1]
            if len(self._heads) >= _MAX_CACHED:
                self._heads.clear()
            self._heads[key] = head
        line = f'{{"Timestamp": {int(created * 1e9)}, {head}, "Fields": {fields}}}}}'
        if (
            "\\" in line
            and "\\ud" in line
            and has_lone_surrogates(line, (*values, text, *own.values()))
        ):
            raise Unusual
        return line
