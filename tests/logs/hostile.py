"""Values that misbehave."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Broken:
    """Raises whatever it is told to, from whatever it is asked."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error("repr")

    def __str__(self) -> str:
        raise self.error("str")

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        raise self.error("eq")

    def __bool__(self) -> bool:
        raise self.error("bool")

    def __len__(self) -> int:
        raise self.error("len")

    def __format__(self, spec: str) -> str:
        raise self.error("format")

    def __iter__(self) -> Iterator[object]:
        raise self.error("iter")

    def __getattr__(self, name: str) -> Any:
        raise self.error(name)


def _no_class(self: object) -> Any:
    raise ZeroDivisionError("class")


class Liar:
    """Says that it is a str, and returns no text from its repr."""

    locals()["__class__"] = property(lambda self: str)

    def __repr__(self) -> Any:
        return 5


class NoClass:
    locals()["__class__"] = property(_no_class)


class BadMeta(type):
    def __hash__(cls) -> int:
        raise ZeroDivisionError("hash of a class")

    def __eq__(cls, other: object) -> bool:
        raise ZeroDivisionError("eq of a class")

    def __subclasscheck__(cls, other: type) -> bool:
        raise ZeroDivisionError("subclass")

    def __instancecheck__(cls, other: object) -> bool:
        raise ZeroDivisionError("instance")

    def __getattribute__(cls, name: str) -> Any:
        if name in {"__name__", "__qualname__", "__mro__", "__module__", "__dataclass_fields__"}:
            raise ZeroDivisionError(name)
        return super().__getattribute__(name)


class OfBadMeta(metaclass=BadMeta):
    pass


class Text(str):
    """A str that is not what it says."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\ud800"

    def __repr__(self) -> str:
        raise ZeroDivisionError("repr")

    def isascii(self) -> bool:
        return True

    def encode(self, *args: Any, **kwargs: Any) -> bytes:
        raise ZeroDivisionError("encode")


class Key(str):
    """A str that equals nothing, so that a dict holds it many times."""

    __slots__ = ()

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class Number(int):
    def __repr__(self) -> str:
        return "NaN"

    __str__ = __repr__


class Real(float):
    def __repr__(self) -> str:
        return "Infinity"

    def __sub__(self, other: object) -> Any:
        return 0


class BrokenDict(dict[Any, Any]):
    def items(self) -> Any:
        raise ZeroDivisionError("items")

    def __iter__(self) -> Any:
        raise ZeroDivisionError("iter")

    def __len__(self) -> int:
        raise ZeroDivisionError("len")


class TwiceDict(dict[Any, Any]):
    def items(self) -> Any:
        return [("twice", 1), ("twice", 2), ("three", 1)]


class WrongDict(dict[Any, Any]):
    def items(self) -> Any:
        return [1, 2, 3]


class BrokenList(list[Any]):
    def __iter__(self) -> Any:
        raise ZeroDivisionError("iter")

    def __len__(self) -> int:
        raise ZeroDivisionError("len")


class HalfMapping(Mapping[Any, Any]):
    """Fails after its first key, or for a value, or goes on for ever."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __getitem__(self, key: object) -> object:
        if self.how == "value":
            raise OSError("no value")
        return HalfMapping(self.how) if self.how == "deep" else key

    def __iter__(self) -> Iterator[object]:
        yield "first"
        if self.how == "iter":
            raise OSError("no second")
        if self.how == "endless":
            number = 0
            while True:
                number += 1
                yield number

    def __len__(self) -> int:
        if self.how == "len":
            raise OSError("no length")
        return 1


class Colour(enum.Enum):
    RED = "red"
    ODD = float("nan")
    SELF = object()


class Level(enum.IntEnum):
    ONE = 1


class Name(enum.StrEnum):
    A = "a"


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = 2
    secret: str = dataclasses.field(default="s3cret", repr=False)


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: int = 1


class Request:
    def __init__(self, method: object, path: object) -> None:
        self.method = method
        self.path = path

    def __repr__(self) -> str:
        return f"<Request {self.path}?password=hunter2>"


class Pair(NamedTuple):
    a: Any
    b: Any


ERRORS = [ZeroDivisionError, MemoryError, RecursionError, KeyboardInterrupt, SystemExit, Exception]


def circular_dict() -> object:
    made: dict[str, Any] = {}
    made["self"] = [made, {"again": made}]
    return made


def circular_list() -> object:
    made: list[Any] = []
    made.append((made, made))
    return made


def circular_point() -> object:
    made = Point(1)
    made.x = made
    return made


def deep(levels: int, kind: str) -> object:
    made: Any = "bottom"
    for _ in range(levels):
        made = {"d": made} if kind == "dict" else [made] if kind == "list" else (made, {"t": 1})
    return made


def bomb() -> object:
    made: Any = ["boom"]
    for _ in range(60):
        made = [made] * 10
    return made


def surrogate_keys() -> object:
    return {"\udc80": 1, "\\udc80": 2, "😀": 3, "\ud83d\ude00": 4}
