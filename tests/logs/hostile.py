"""Values that misbehave."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any


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


class BrokenMapping(Mapping[Any, Any]):
    """Fails after its first key, as one that reads from a connection does."""

    def __getitem__(self, key: object) -> object:
        return key

    def __iter__(self) -> Iterator[object]:
        yield "first"
        raise OSError("no second")

    def __len__(self) -> int:
        return 2


class Number(int):
    def __repr__(self) -> str:
        return "NaN"

    __str__ = __repr__


class Real(float):
    def __repr__(self) -> str:
        return "Infinity"


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = 2


class Request:
    def __init__(self, method: object, path: object) -> None:
        self.method = method
        self.path = path

    def __repr__(self) -> str:
        return f"<Request {self.path}?password=hunter2>"


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
    """Return a small value that is a huge text by its repetitions."""
    made: Any = ["boom"]
    for _ in range(60):
        made = [made] * 10
    return made
