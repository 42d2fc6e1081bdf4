"""Records that misbehave, by the thousand: quicker than hypothesis."""

from __future__ import annotations

import datetime
import decimal
import pathlib
import random
import uuid
from collections import ChainMap, OrderedDict, UserDict, defaultdict, deque
from types import MappingProxyType, SimpleNamespace
from typing import Any

from .hostile import (
    ERRORS,
    Broken,
    Colour,
    Frozen,
    HalfMapping,
    Level,
    Name,
    Number,
    Pair,
    Point,
    Real,
    Request,
    circular_dict,
    circular_list,
    circular_point,
    deep,
    surrogate_keys,
)

SURROGATES = ["\ud800", "\udfff", "\udc80x", "a\ud83d", "\ud83d\ude00", "\udc80", "\\udc80"]
TEXTS = [
    *("", " ", "{", "}", "{}", "[1]", '{"a": 1}', '{"a": 1, "a": 2}', '{"msg": 1}', '{"x": NaN}'),
    *("%", "%s", "%d", "%(x)s", "%%", "{0}", "\n", "\r\n", "\x00", "\x1b[31m", "\x7f", "\x85"),
    *("\u2028", "\u2029", "\ufeff", "é", "日本", "😀", "Ω" * 50, '"', "\\", "\\ud800", "</script>"),
    *('{"a": 1e999}', '{"a": "\\ud800"}', ' {"a": {"b": [1, {}]}}\n', '{"' + "a" * 70 + '": 1}'),
    *("[" * 2000, '{"a":' * 400, "GET /?q=1 HTTP/1.1", "x" * 1000, *SURROGATES),
]


ODD_VALUES: list[Any] = [
    *(Request, Broken, int, len, Point, Colour, Ellipsis, 1j, b"\xff\x00", bytearray(b"x")),
    *(Number(5), Real(2.5), *Colour, Level.ONE, Name.A, Pair(1, {"b": 2}), Request("GET", "/p")),
    *(datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC), datetime.date(2026, 1, 2)),
    *(datetime.time(3, 4), datetime.timedelta(days=-1, microseconds=1), uuid.UUID(int=2**100)),
    *(pathlib.PurePosixPath("/a/b\udc80"), pathlib.PureWindowsPath("c:\\x"), memoryview(b"abc")),
    *({1, "1", None, (2, 3), 2.5}, {uuid.UUID(int=5), uuid.UUID(int=4)}, {float("nan"), 1}),
    *(frozenset({frozenset({1}), frozenset({2})}), range(3), deque([1]), {"a": 1}.items()),
    *(defaultdict(list, a=[1]), ChainMap({"a": 1}, {"b": 2}), MappingProxyType({"a": 1, 1: 2})),
    *(UserDict({"a": [1]}), SimpleNamespace(a=1)),
]


class Hostile:
    """Makes values and records from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def value(self, depth: int = 0) -> Any:
        roll = self.random.random()
        if depth < 4 and roll < 0.28:
            return self.container(depth + 1)
        if roll < 0.6:
            return self.scalar()
        return self.odd()

    def text(self) -> str:
        if self.random.random() < 0.3:
            size = self.random.randrange(12)
            return "".join(chr(self.random.randrange(0x11000)) for _ in range(size))
        return self.random.choice(TEXTS)

    def scalar(self) -> Any:
        texts = self.text(), self.text(), self.text()
        whole = None, True, False, 0, -1, 2**53 + 1, -(10**30), 10**4400
        real = 0.0, -0.0, 1e308, 5e-324, float("nan"), float("inf"), float("-inf")
        return self.random.choice([*whole, *real, *texts])

    def key(self) -> Any:
        texts = (
            "k",
            "a",
            "\udc80",
            "\\udc80",
            "msg",
            "error",
            "%s",
            "1",
            "true",
            "null",
            self.text(),
        )
        numbers = 1, 1.0, 1.5, True, float("nan"), 10**4400
        others = None, (1, 2), b"k", Frozen(), Name.A, Level.ONE, Colour.RED, uuid.UUID(int=1)
        return self.random.choice([*texts, *numbers, *others, frozenset({1})])

    def container(self, depth: int) -> Any:
        size = self.random.randrange(5)
        kind = self.random.randrange(12)
        if kind < 4:
            pairs: dict[Any, Any] = {}
            for _ in range(size):
                pairs[self.key()] = self.value(depth)
            return OrderedDict(pairs) if kind == 1 else pairs
        values = [self.value(depth) for _ in range(size)]
        if kind < 10:
            return values if kind < 8 else tuple(values)
        if kind == 10:
            return Point(values, self.value(depth))
        return {str(number): one for number, one in enumerate(values)}

    def odd(self) -> Any:
        deep_levels = 9, 18, 19, 20, 21, 22, 3000
        make: Any = self.random.choice(
            [
                *(object, circular_dict, circular_list, circular_point, surrogate_keys, Frozen),
                lambda: Broken(self.random.choice(ERRORS)),
                lambda: HalfMapping(self.random.choice(["iter", "value", "deep", "len", ""])),
                lambda: Point(self.text()),
                lambda: decimal.Decimal(self.random.choice(["1.10", "NaN", "-Infinity", "1E+400"])),
                lambda: (number for number in range(3)),
                lambda: ValueError(self.text()),
                lambda: Request(None, Broken(OSError)),
                *(
                    lambda: deep(self.random.choice(deep_levels), "dict"),
                    lambda: deep(self.random.choice(deep_levels), "list"),
                    lambda: deep(self.random.choice(deep_levels[:-1]), "tuple"),
                ),
                *((lambda value=value: value) for value in ODD_VALUES),
            ]
        )
        return make()

    def exc_info(self) -> Any:
        try:
            self._raise()
        except BaseException as error:
            kind, trace = type(error), error.__traceback__
            whole = (kind, error, trace), (kind, error, None), (kind, None, None), error
            return self.random.choice([*whole, (None, None, None), ("a", "b", "c"), True])

    def _raise(self) -> None:
        kind = self.random.randrange(6)
        error: BaseException = self.random.choice(ERRORS)(self.text(), Broken(OSError))
        if kind == 0:
            raise error
        if kind == 1:
            raise ValueError(self.text()) from error
        if kind == 2:
            error.add_note(self.text())
            error.__cause__ = error
            raise error
        if kind == 3:
            raise BaseExceptionGroup(self.text() or "g", [error, ValueError("\n  File forged")])
        if kind == 4:
            try:
                raise error
            except BaseException:
                raise OSError(self.text())  # noqa: B904 - a context and no cause is what is wanted
        raise SyntaxError(self.text(), ("f\n.py", 1, 2, "x\ny"))

    def attributes(self) -> dict[Any, Any]:
        """Return what to put on a record."""
        made: dict[Any, Any] = {}
        usual = "a", "b", "rid", "error", "traceback", "stack", "exc_error", "größe", "logger_name"
        own = "created", "levelno", "name", "exc_text", "stack_info", "args", "msg"
        for _ in range(self.random.randrange(5)):
            made[self.random.choice(usual)] = self.value()
        if self.random.random() < 0.1:
            made[self.key()] = self.value()
        if self.random.random() < 0.15:
            made[self.random.choice(own)] = self.value()
        return made
