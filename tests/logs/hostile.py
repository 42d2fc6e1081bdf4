"""Values that misbehave."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Broken:
    """Raises whatever it is told to, from whatever it is asked."""

    def __init__(self, error: type[Exception] = OSError) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error("repr")

    def __str__(self) -> str:
        raise self.error("str")

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        raise self.error("eq")

    def __iter__(self) -> Iterator[object]:
        raise self.error("iter")

    def __getattr__(self, name: str) -> Any:
        raise self.error(name)


class Number(int):
    def __repr__(self) -> str:
        return "NaN"

    __str__ = __repr__


class Real(float):
    def __repr__(self) -> str:
        return "Infinity"


class HalfMapping(Mapping[Any, Any]):
    """Fails after its first key or for a value, or its values never end."""

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


ERRORS = [ZeroDivisionError, MemoryError, RecursionError, Exception]


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
