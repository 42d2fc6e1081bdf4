"""The natural forms of values."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import numbers
import pathlib
import uuid
from collections import OrderedDict, UserDict
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import pytest

from .lines import fields, record

UTC = datetime.UTC


class Status(enum.Enum):
    UP = "up"
    AT = datetime.date(2026, 1, 2)
    MANY = (1, 2)


class Level(enum.IntEnum):
    ONE = 1


class Name(enum.StrEnum):
    A = "a"


class Pair(NamedTuple):
    a: int
    b: int


@dataclasses.dataclass
class User:
    name: str
    tags: set[str]
    password: str = dataclasses.field(default="hunter2", repr=False)
    kind: dataclasses.InitVar[int] = 0


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (datetime.datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "2026-01-02T03:04:05.000006+00:00"),
        (datetime.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05"),  # noqa: DTZ001 - naive
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.time(3, 4, 5), "03:04:05"),
        (datetime.timedelta(minutes=1, milliseconds=500), 60.5),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal("1.10"), "1.10"),
        (decimal.Decimal("NaN"), "NaN"),
        (ipaddress.ip_address("::1"), "::1"),
        (ipaddress.ip_interface("10.0.0.1/8"), "10.0.0.1/8"),
        (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
        (fractions.Fraction(1, 2), 0.5),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (Status.UP, "up"),
        (Status.AT, "2026-01-02"),
        (Status.MANY, [1, 2]),
        (Level.ONE, 1),
        (Name.A, "a"),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({"b", 1, None}, ["b", 1, None]),
        ({uuid.UUID(int=2), uuid.UUID(int=1)}, [str(uuid.UUID(int=1)), str(uuid.UUID(int=2))]),
        (set[int](), []),
        ((1, (2,)), [1, [2]]),
        (Pair(1, 2), [1, 2]),
        ({"a": 1}.keys(), ["a"]),
        (MappingProxyType({"a": {1}}), {"a": [1]}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (User("ann", {"y", "x"}), {"name": "ann", "tags": ["x", "y"]}),
        (ValueError("v\n"), "ValueError('v\\n')"),
        (b"ab\xff", "b'ab\\xff'"),
        (bytearray(b"ab"), "bytearray(b'ab')"),
        (memoryview(b"ab"), "b'ab'"),
        (1j, "1j"),
        (int, "<class 'int'>"),
        (User, repr(User)),
    ],
)
def test_forms(value: object, form: object) -> None:
    """Each value has its form, alone and inside others."""
    found = fields(record("x", v=value, w=[value, {"k": value, 1: (value,)}]))
    assert found == {"v": form, "w": [form, {"k": form, "1": [form]}], "msg": "x"}


# ---------------------------------------------------------------------- of other libraries


class Whole:
    """Like a whole number of numpy: registered with the ABC, not an int."""

    def __int__(self) -> int:
        return 7


class Inexact:
    """Like another number of numpy: not a float."""

    def __float__(self) -> float:
        return 7.5


class Double(float):
    """Like a number of numpy that is a float."""

    def __repr__(self) -> str:
        return "np.float64(2.5)"


numbers.Integral.register(Whole)
numbers.Real.register(Inexact)


class Promise:
    pass


class LazyText(Promise):
    """Like Django's lazy texts, which have that base class."""

    def __str__(self) -> str:
        return "text"


class URL(NamedTuple):
    """Like SQLAlchemy's URL: a tuple with the password, and a repr that hides it."""

    user: str
    password: str

    def __repr__(self) -> str:
        return "postgresql://user:***@host"


@dataclasses.dataclass
class Account:
    token: str

    def __repr__(self) -> str:
        return "<Account>"


@dataclasses.dataclass(repr=False)
class Inherited(Account):
    pass


@pytest.mark.parametrize(
    ("value", "form"),
    [
        *((Whole(), 7), (Inexact(), 7.5), (Double(2.5), 2.5), (LazyText(), "text")),
        (URL("user", "hunter2"), "postgresql://user:***@host"),
        *((Account("secret"), "<Account>"), (Inherited("secret"), "<Account>")),
    ],
)
def test_forms_of_other_libraries(value: object, form: object) -> None:
    """Numbers and lazy texts become plain values; a tuple or dataclass with a repr uses that."""
    assert fields(record("x", v=value, w=[(value,)])) == {"v": form, "w": [[form]], "msg": "x"}


class LazyUser:
    """Like Django's `request.user`, which reads the database when an attribute is read."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError("the user was loaded")

    def __repr__(self) -> str:
        return "<LazyUser>"


def test_lazy_objects() -> None:
    """A lazy object is not evaluated."""
    assert fields(record("x", v=LazyUser()))["v"] == "<LazyUser>"


# ---------------------------------------------------------------------- web requests


class DjangoRequest:
    def __init__(self) -> None:
        self.method = "GET"
        self.path = "/page"
        self.META = {"QUERY_STRING": "token=secret"}

    def __repr__(self) -> str:
        return "<WSGIRequest: GET '/page?token=secret'>"


class HTTPConnection(UserDict[str, Any]):
    """Like Starlette's, which is the mapping of its scope."""

    @property
    def scope(self) -> dict[str, Any]:
        return self.data


class OutgoingRequest:
    """Like httpx's."""

    method = "PUT"
    url = SimpleNamespace(path="/path")


@dataclasses.dataclass
class LoginRequest:
    method: str
    path: str


class PullRequest:
    def __repr__(self) -> str:
        return "<PullRequest>"


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (DjangoRequest(), "GET /page"),
        (HTTPConnection(method="POST", path="/s", query_string=b"a"), "POST /s"),
        (HTTPConnection(path="/w", query_string=b"a"), "WEBSOCKET /w"),
        (OutgoingRequest(), "PUT /path"),
        (LoginRequest("POST", "/in"), {"method": "POST", "path": "/in"}),
        (PullRequest(), "<PullRequest>"),
    ],
)
def test_web_requests(value: object, form: object) -> None:
    """A web request is its method and path; other objects named request keep their own form."""
    found = fields(record("x", request=value, more=[{"r": value}]))
    assert found == {"request": form, "more": [{"r": form}], "msg": "x"}


class LocalProxy:
    """Like werkzeug's: everything but the type comes from the object behind it."""

    def __init__(self, target: object) -> None:
        self.target = target

    def __getattribute__(self, name: str) -> Any:
        target = object.__getattribute__(self, "target")
        if target is None:
            if name == "__class__":
                return LocalProxy
            raise RuntimeError("Working outside of request context. token=none")
        return getattr(target, name)

    def __getitem__(self, key: object) -> Any:
        return object.__getattribute__(self, "target")[key]

    def __repr__(self) -> str:
        return "<LocalProxy unbound>"


@pytest.mark.parametrize(
    ("target", "form"),
    [(DjangoRequest(), "GET /page"), ({"a": 1}, {"a": 1}), (None, "<LocalProxy unbound>")],
)
def test_proxied_objects(target: object, form: object) -> None:
    """flask.request or session is the object behind it; without a request it is unbound."""
    assert fields(record("x", r=LocalProxy(target)))["r"] == form
