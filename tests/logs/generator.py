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
    BrokenDict,
    BrokenList,
    Colour,
    Frozen,
    HalfMapping,
    Key,
    Level,
    Liar,
    Name,
    NoClass,
    Number,
    OfBadMeta,
    Pair,
    Point,
    Real,
    Request,
    Text,
    TwiceDict,
    WrongDict,
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
        return self.random.choice(
            [
                *(
                    None,
                    True,
                    False,
                    0,
                    -1,
                    2**53 + 1,
                    -(10**30),
                    10**4400,
                    0.0,
                    -0.0,
                    1e308,
                    5e-324,
                ),
                *(float("nan"), float("inf"), float("-inf"), self.text(), self.text(), self.text()),
            ]
        )

    def key(self) -> Any:
        return self.random.choice(
            [
                *(
                    1,
                    "1",
                    1.0,
                    1.5,
                    True,
                    "true",
                    None,
                    "null",
                    (1, 2),
                    float("nan"),
                    b"k",
                    Frozen(),
                ),
                *(Key("k"), Key("k"), "k", Name.A, "a", Level.ONE, Colour.RED, uuid.UUID(int=1)),
                *("\udc80", "\\udc80", "msg", "error", 10**4400, frozenset({1}), "%s", self.text()),
            ]
        )

    def container(self, depth: int) -> Any:
        size = self.random.randrange(5)
        kind = self.random.randrange(12)
        if kind < 4:
            pairs: dict[Any, Any] = {}
            for _ in range(size):
                pairs[self.key()] = self.value(depth)
            if kind == 0:
                return BrokenDict(pairs)
            return OrderedDict(pairs) if kind == 1 else pairs
        values = [self.value(depth) for _ in range(size)]
        if kind < 8:
            return values
        if kind == 8:
            return tuple(values)
        if kind == 9:
            return BrokenList(values)
        if kind == 10:
            return Point(values, self.value(depth))
        return {str(number): one for number, one in enumerate(values)}

    def odd(self) -> Any:
        make: Any = self.random.choice(
            [
                lambda: Broken(self.random.choice(ERRORS)),
                *(Liar, NoClass, OfBadMeta, object, circular_dict, circular_list, circular_point),
                *(surrogate_keys, lambda: Text(self.text()), lambda: Number(5), lambda: Real(2.5)),
                lambda: TwiceDict({"a": 1}),
                lambda: WrongDict({"a": 1}),
                lambda: HalfMapping(
                    self.random.choice(["iter", "value", "deep", "len", "endless", ""])
                ),
                lambda: self.random.choice([*Colour, Level.ONE, Name.A]),
                lambda: Point(self.text()),
                Frozen,
                lambda: datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.UTC),
                lambda: datetime.date(2026, 1, 2),
                lambda: datetime.time(3, 4),
                lambda: datetime.timedelta(days=-1, microseconds=1),
                lambda: uuid.UUID(int=self.random.getrandbits(128)),
                lambda: decimal.Decimal(self.random.choice(["1.10", "NaN", "-Infinity", "1E+400"])),
                lambda: pathlib.PurePosixPath("/a/b\udc80"),
                lambda: pathlib.PureWindowsPath("c:\\x"),
                lambda: {1, "1", None, (2, 3), 2.5},
                lambda: {uuid.UUID(int=5), uuid.UUID(int=4)},
                lambda: frozenset({frozenset({1}), frozenset({2})}),
                lambda: {float("nan"), float("inf"), 1},
                lambda: b"\xff\x00",
                lambda: bytearray(b"x"),
                lambda: memoryview(b"abc"),
                lambda: (number for number in range(3)),
                lambda: range(3),
                lambda: deque([1]),
                lambda: defaultdict(list, a=[1]),
                lambda: ChainMap({"a": 1}, {"b": 2}),
                lambda: MappingProxyType({"a": 1, 1: 2}),
                lambda: UserDict({"a": [1]}),
                lambda: {"a": 1}.items(),
                lambda: SimpleNamespace(a=1),
                lambda: Pair(1, {"b": 2}),
                lambda: ValueError(self.text()),
                lambda: Request("GET", "/path"),
                lambda: Request(None, Broken(OSError)),
                *(Request, Broken, int, len, Point, Colour, Ellipsis.__class__),
                lambda: 1j,
                lambda: deep(self.random.choice([97, 98, 99, 100, 101, 300]), "dict"),
                lambda: deep(self.random.choice([97, 98, 99, 100, 101, 300]), "list"),
                lambda: deep(self.random.choice([50, 99, 100, 101]), "tuple"),
            ]
        )
        try:
            return make()
        except TypeError:
            return make

    def exc_info(self) -> Any:
        try:
            self._raise()
        except BaseException as error:
            return self.random.choice(
                [
                    (type(error), error, error.__traceback__),
                    (type(error), error, None),
                    (None, None, None),
                    (type(error), None, None),
                    error,
                    True,
                    ("a", "b", "c"),
                    self.scalar(),
                ]
            )

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
        for _ in range(self.random.randrange(5)):
            name = self.random.choice(
                [
                    "a",
                    "b",
                    "rid",
                    "error",
                    "traceback",
                    "stack",
                    "exc_error",
                    "größe",
                    "logger_name",
                ]
            )
            made[name] = self.value()
        if self.random.random() < 0.1:
            made[self.key()] = self.value()
        if self.random.random() < 0.15:
            made[
                self.random.choice(
                    [
                        "created",
                        "levelno",
                        "name",
                        "process",
                        "exc_text",
                        "stack_info",
                        "args",
                        "msg",
                    ]
                )
            ] = self.value()
        return made
