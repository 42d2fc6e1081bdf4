"""The line of an ordinary record, written without a dict in between.

Everything here is a short cut: it gives the line that the general way would give, or raises.
"""

from __future__ import annotations

import os

from .conversion import JSON_BLANKS, SpentName, envelope_of, own_fields, severity_of
from .encoder import TEXTS, Unusual, has_lone_surrogates, quote, raw_encode
from .natural import class_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Container
    from typing import Any

    from .formatter import MozlogFormatter

    _Key = tuple[object, ...]
    _Layouts = dict[tuple[str, ...], "Layout"]

# Enough for the call sites of one service; past it a cache starts again from empty.
_MAX_CACHED = 256
_MAX_EXTRAS = 100
# What a name must not hold to stand between double quotes in a triple-quoted f-string.
_UNSAFE = frozenset("\"'\\{}")


class Layout:
    """What is known of all records that have the same attributes in the same order."""

    __slots__ = ("collides", "extras", "head", "named", "names", "write")

    def __init__(
        self, names: list[str], attributes: dict[str, Any], excluded: Container[str]
    ) -> None:
        if not all(type(name) is str for name in names):
            raise Unusual
        extras = [name for name in names if name not in excluded]
        if "msg" in extras or len(extras) > _MAX_EXTRAS:
            raise Unusual
        self.names = names
        self.extras = extras
        self.named = "logger_name" in names
        self.collides = not {"error", "traceback", "stack"}.isdisjoint(extras)
        self.write = writer({name: class_of(attributes[name]) for name in extras})
        #: The head of the latest line, behind what it depends on.
        self.head: tuple[_Key, str] = ((), "")


def writer(fields: dict[str, type]) -> Callable[[dict[str, Any], int, str, str], str]:
    """Return a function that writes a line, given its attributes, timestamp, head and message.

    Its code is made for these fields, which takes a third off the time of the whole line. Their
    names are the only thing from outside that gets into it, so they must be plain.

    :param fields: the names, and the types that their values will most likely have.
    :returns: the function; it raises a TypeError where a value that should be a str is not.
    """
    places: list[str] = []
    for name, cls in fields.items():
        if not (name.isascii() and name.isprintable() and _UNSAFE.isdisjoint(name)):
            raise Unusual
        place = _PLACES.get(cls, _ANY)
        places.append(f'"{name}": {place.replace("NAME", name)}, ')
    line = '{{"Timestamp": {time}, {head}, "Fields": {{' + "".join(places)
    line += '"msg": {quote(text)}}}}}'
    made: Any = eval(  # noqa: S307
        f"lambda attributes, time, head, text: f'''{line}'''", {"quote": quote, "TEXTS": TEXTS}
    )
    return made  # type: ignore[no-any-return]


_ANY = '{TEXTS[type(value := attributes["NAME"])](value)}'
_PLACES = {
    str: '{quote(attributes["NAME"])}',
    int: '{value if type(value := attributes["NAME"]) is int else TEXTS[type(value)](value)}',
}


class FastLines:
    """The fast way of one formatter, and what it remembers."""

    __slots__ = ("_heads", "_state")

    def __init__(self) -> None:
        self._heads: dict[_Key, str] = {}
        # Layouts belong to the set of names they were made with: a changed set starts anew.
        self._state: tuple[frozenset[str], _Layouts, dict[int, Layout]] = (frozenset(), {}, {})

    def line(  # noqa: C901 - calls between its steps would cost a tenth
        self, formatter: MozlogFormatter, record: logging.LogRecord
    ) -> str:
        """Return the line of an ordinary record.

        :returns: the same line as the general way gives.
        :raises Exception: any, where the record or the formatter is not of the ordinary kind.
        """
        excluded, _, latest = self._state
        if excluded != formatter.EXCLUDED_LOGRECORD_ATTRS:  # pyright: ignore[reportUnnecessaryComparison]
            latest = {}
            self._state = frozenset(formatter.EXCLUDED_LOGRECORD_ATTRS), {}, latest
        attributes = record.__dict__
        # To compare a list takes half the time of hashing a tuple and looking it up.
        names = [*attributes]
        layout = latest.get(len(names))
        if layout is None or layout.names != names:
            layout = self._layout(names, attributes)

        text = record.getMessage()
        created = record.created
        name = record.name
        if (
            type(text) is not str
            or ("{" in text and text.lstrip(JSON_BLANKS).startswith("{"))
            or type(created) is not float
            or type(name) is not str
        ):
            raise Unusual
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
        # All that the head depends on is in the key, so that a change of any of it is noticed.
        key = (
            name,
            logger,
            formatter.hostname,
            formatter.LOGGING_FORMAT_VERSION,
            severity,
            pid,
        )
        known, head = layout.head
        if known != key:
            head = self._head(formatter, record, key)
            layout.head = key, head
        time = int(created * 1e9)
        try:
            line = layout.write(attributes, time, head, text)
        except TypeError:  # types have changed; from now on any will do
            layout.write = writer(dict.fromkeys(layout.extras, object))
            line = layout.write(attributes, time, head, text)

        if (
            "\\" in line
            and "\\ud" in line
            and has_lone_surrogates(line, (*map(attributes.get, layout.extras), text))
        ):
            raise Unusual
        if (
            record.exc_info is not None
            or record.exc_text is not None
            or record.stack_info is not None
        ):
            own = own_fields(record)
            if layout.collides:
                raise Unusual
            line = line[:-2]
            for own_name, said in own.items():
                if not said.isascii():
                    said.encode()  # raises where a surrogate is
                line += f', "{own_name}": {quote(said)}'
            line += "}}"
        return line

    def _layout(self, names: list[str], attributes: dict[str, Any]) -> Layout:
        excluded, layouts, latest = self._state
        layout = layouts.get(tuple(names))
        if layout is None:
            if len(layouts) >= _MAX_CACHED:
                raise Unusual  # names without end: a layout takes longer than a line
            layout = Layout(names, attributes, excluded)
            layouts[tuple(names)] = layout
        latest[len(names)] = layout
        return layout

    def _head(self, formatter: MozlogFormatter, record: logging.LogRecord, key: _Key) -> str:
        head = self._heads.get(key)
        if head is None:
            envelope = envelope_of(formatter, record, {})
            del envelope["Timestamp"]
            head = raw_encode(envelope)[1:-1]
            if len(self._heads) >= _MAX_CACHED:
                self._heads.clear()
            self._heads[key] = head
        return head
