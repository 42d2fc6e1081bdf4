"""What ``MozlogFormatter.format`` takes its short cut with, for ordinary records.

A line is written without a dict in between, from what is remembered of records like this one. All
of it gives the line that the general way would give, or raises.
"""

from __future__ import annotations

from functools import wraps

from .conversion import head_of, own_fields
from .encoder import TEXTS, Unusual, has_lone_surrogates, raw_encode
from .plain import LONG, quote, quote_long
from .reprs import class_of
from .traceback import text_json, traceback_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Container
    from typing import Any, Self

    _Key = tuple[object, object, object, object, object, int]
    _Writer = Callable[[dict[str, Any], int, str, str], str]
    _State = tuple[
        frozenset[str],
        dict[tuple[str, ...], "Layout"],
        dict[int, "Layout"],
        "WatchedNames | None",
        int,
    ]

# Enough for the call sites of one service. Past it the cache of heads starts again from empty, and
# names that are not known yet go the careful way.
_MAX_CACHED = 256
_MAX_EXTRAS = 100
# What a name must not hold to stand between double quotes in a triple-quoted f-string.
_UNSAFE = frozenset("\"'\\{}")


class WatchedNames(set[str]):
    """A set that counts its changes: that spares each record a comparison of its contents."""

    __slots__ = ("changes",)
    changes: int

    def __new__(cls, *_: object) -> Self:
        """Return one without names: those come with ``__init__``, which counts as a change."""
        self = super().__new__(cls)
        self.changes = 0
        return self


def _watched(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def changing(self: WatchedNames, *args: Any) -> Any:
        try:
            return method(self, *args)
        finally:
            self.changes += 1

    return changing


for _name in (
    *("__init__", "__iand__", "__ior__", "__isub__", "__ixor__", "add", "clear", "discard"),
    *("difference_update", "intersection_update", "pop", "remove", "symmetric_difference_update"),
    "update",
):
    setattr(WatchedNames, _name, _watched(getattr(set, _name)))


class Head:
    """What stands between ``Timestamp`` and ``Fields``, and all that it depends on."""

    __slots__ = ("hostname", "logger", "name", "pid", "severity", "text", "version")

    def __init__(
        self,
        name: object,
        logger: object,
        hostname: object,
        version: object,
        severity: object,
        pid: int,
        text: str,
    ) -> None:
        self.name = name
        self.logger = logger
        self.hostname = hostname
        self.version = version
        self.severity = severity
        self.pid = pid
        self.text = text


_NO_HEAD = Head(None, None, None, None, None, 0, "")


class Layout:
    """What is known of all records that have the same attributes in the same order."""

    __slots__ = ("extras", "for_any_type", "head", "is_named", "names", "write")

    def __init__(
        self, names: list[str], attributes: dict[str, Any], excluded: Container[str]
    ) -> None:
        if not all(type(name) is str for name in names):
            raise Unusual
        extras = [name for name in names if name not in excluded]
        if "msg" in extras or len(extras) > _MAX_EXTRAS:
            raise Unusual
        self.names = names
        self.is_named = "logger_name" in names
        self.extras = extras
        self.write = writer({name: class_of(attributes[name]) for name in extras})
        self.for_any_type = False
        #: The head of the latest line.
        self.head = _NO_HEAD

    def line(self, attributes: dict[str, Any], created: float, head: str, text: str) -> str:
        """Return a line.

        :param attributes: those of a record, or its ``extra`` alone.
        :param created: the seconds since 1970.
        :param head: the JSON between ``Timestamp`` and ``Fields``.
        :param text: the message, if it is no JSON object.
        :raises Exception: any, where a value is not of the ordinary kind.
        """
        time = int(created * 1e9)
        try:
            line = self.write(attributes, time, head, text)
        except TypeError:  # types have changed
            self.take_any_type()
            line = self.write(attributes, time, head, text)
        if "\\" in line:
            self.check(line, attributes, text)
        return line

    def take_any_type(self) -> None:
        """Change to code for values of any type; once, since to make it takes longer than a line.

        :raises Unusual: where that has been done: the fault is a value's own.
        """
        if self.for_any_type:
            raise Unusual
        self.for_any_type = True
        self.write = writer(dict.fromkeys(self.extras, object))

    def check(self, line: str, attributes: dict[str, Any], text: str) -> None:
        """Look for lone surrogates in a line that has a backslash.

        :raises Unusual: there is one, or there might be.
        """
        if "\\ud" in line and has_lone_surrogates(line, (*map(attributes.get, self.extras), text)):
            raise Unusual


def writer(fields: dict[str, type]) -> _Writer:
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
    line += '"msg": {quote(text) if len(text) < LONG else quote_long(text)}}}}}'
    code = f"lambda attributes, time, head, text: f'''{line}'''"
    made: _Writer = eval(code, _NAMES.copy())  # noqa: S307 - of plain names, see above
    return made


#: What the code that is made may use.
_NAMES = {"LONG": LONG, "TEXTS": TEXTS, "quote": quote, "quote_long": quote_long}


_ANY = '{TEXTS[type(value := attributes["NAME"])](value)}'
_PLACES = {
    str: '{quote(attributes["NAME"])}',
    int: '{value if type(value := attributes["NAME"]) is int else TEXTS[type(value)](value)}',
}


class FastLines:
    """What the fast way of one formatter remembers."""

    __slots__ = ("_heads", "state")

    def __init__(self) -> None:
        self._heads: dict[_Key, str] = {}
        #: The excluded names, the layouts that there are with them, the latest of so many names
        #: each; and the set that the names are from, with its changes, if it counts them.
        self.state: _State = (frozenset(), {}, {}, None, 0)

    def __reduce__(self) -> tuple[type[FastLines], tuple[()]]:
        return FastLines, ()  # a copy remembers nothing: code that was made can't be pickled

    def latest(self, excluded: set[str]) -> dict[int, Layout]:
        """Return the latest layouts; none, where these names are not those they were made with."""
        watched = excluded if type(excluded) is WatchedNames else None
        changes = 0 if watched is None else watched.changes
        names = frozenset(excluded)
        known, layouts, latest, _, _ = self.state
        if known != names:
            layouts, latest = {}, {}
        self.state = names, layouts, latest, watched, changes
        return latest

    def layout(self, names: list[str], attributes: dict[str, Any]) -> Layout:
        """Return the layout of a record that is none of the latest.

        :raises Exception: any, where a record of these names is not of the ordinary kind.
        """
        excluded, layouts, latest, _, _ = self.state
        layout = layouts.get(tuple(names))
        if layout is None:
            if len(layouts) >= _MAX_CACHED:
                raise Unusual  # names without end: a layout takes longer than a line
            layout = Layout(names, attributes, excluded)
            layouts[tuple(names)] = layout
        latest[len(names)] = layout
        return layout

    def head(
        self,
        name: object,
        logger: Any,
        hostname: object,
        version: object,
        severity: object,
        pid: int,
    ) -> Head:
        """Return what stands between ``Timestamp`` and ``Fields``.

        :raises Exception: any, where something is not of the ordinary kind.
        """
        if type(name) is not str:
            raise Unusual
        key = (name, str.__str__(logger), hostname, version, severity, pid)
        text = self._heads.get(key)
        if text is None:
            text = raw_encode(head_of(*key))[1:-1]
            if len(self._heads) >= _MAX_CACHED:
                self._heads.clear()
            self._heads[key] = text
        return Head(name, logger, hostname, version, severity, pid, text)


def with_own_fields(line: str, record: logging.LogRecord) -> str:
    """Return *line* with what its record tells of an exception and of the stack.

    :raises Exception: where only the careful way can tell what to write.
    """
    line = line[:-2]
    for name, said in own_fields(record, text_json, traceback_json).items():
        if name in record.__dict__:
            raise Unusual
        line += f', "{name}": {said}'
    return line + "}}"
