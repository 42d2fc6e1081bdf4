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
from collections import ChainMap, OrderedDict
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from . import hostile
from .lines import fields, record

UTC = datetime.UTC


class Status(enum.Enum):
    UP = "up"
    AT = datetime.date(2026, 1, 2)
    MANY = (1, 2)


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
        (hostile.Level.ONE, 1),
        (hostile.Name.A, "a"),
        ({3, 1, 2}, [1, 2, 3]),
        ({30, 4, 1.5}, [1.5, 4, 30]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({"b", 1, None}, ["b", 1, None]),
        ({uuid.UUID(int=2), uuid.UUID(int=1)}, [str(uuid.UUID(int=1)), str(uuid.UUID(int=2))]),
        (set[int](), []),
        ((1, (2,)), [1, [2]]),
        (hostile.Pair(1, 2), [1, 2]),
        ({"a": 1}.keys(), ["a"]),
        (MappingProxyType({"a": {1}}), {"a": [1]}),
        (ChainMap({"a": 1}, {"a": 2, "b": 3}), {"a": 1, "b": 3}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (User("ann", {"y", "x"}), {"name": "ann", "tags": ["x", "y"]}),
        (ValueError("v\n"), "ValueError('v\\n')"),
        (b"ab\xff", "b'ab\\xff'"),
        (bytearray(b"ab"), "bytearray(b'ab')"),
        (memoryview(b"ab"), "b'ab'"),
        (1j, "1j"),
        (range(3), "range(0, 3)"),
        (int, "<class 'int'>"),
        (User, repr(User)),
    ],
)
def test_forms(value: object, form: object) -> None:
    """Each value has its form, on its own and inside of others, and in any way of writing it."""
    assert fields(record("x", v=value))["v"] == form
    found = fields(record("x", v=[value, {"k": value, 1: (value,)}]))["v"]
    assert found == [form, {"k": form, "1": [form]}]


class Number:
    """As a number of numpy's: registered with the ABC, no int or float."""

    def __int__(self) -> int:
        return 7

    def __float__(self) -> float:
        return 7.5

    def __repr__(self) -> str:
        return "np.Number(7)"


class Whole(Number):
    pass


class Inexact(Number):
    pass


numbers.Integral.register(Whole)
numbers.Real.register(Inexact)


def test_registered_numbers() -> None:
    """Numbers of other libraries, which register them as such, are numbers."""
    assert fields(record("x", v=[Whole(), Inexact(), Number()]))["v"] == [7, 7.5, "np.Number(7)"]


class Promise:
    pass


class LazyText(Promise):
    """As Django's lazy texts, which have that base class."""

    def __str__(self) -> str:
        return "text"


class LazyUser:
    """As Django's `request.user`, which reads the database when its class is asked for."""

    @property
    def __class__(self) -> Any:
        raise AssertionError("the user was loaded")

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise AssertionError

    def __repr__(self) -> str:
        return "<LazyUser>"


def test_lazy_objects() -> None:
    """A lazy text is its text; other lazy objects are not evaluated."""
    assert fields(record("x", v=[LazyText(), LazyUser()]))["v"] == ["text", "<LazyUser>"]


@dataclasses.dataclass
class Account:
    token: str

    def __repr__(self) -> str:
        return "<Account>"


@dataclasses.dataclass(repr=False)
class Hidden(Account):
    pass


def test_dataclasses_with_a_repr() -> None:
    """A dataclass with a __repr__ of its own is shown by that one, which may hide something."""
    assert fields(record("x", v=[Account("s"), Hidden("s")]))["v"] == ["<Account>", "<Account>"]


# --- web requests -------------------------------------------------------------------------------


class DjangoRequest:
    def __init__(self) -> None:
        self.method = "GET"
        self.path = "/page"
        self.META = {"QUERY_STRING": "token=secret"}

    def __repr__(self) -> str:
        return "<WSGIRequest: GET '/page?token=secret'>"


class LocalProxy:
    """As werkzeug's: everything but the type comes from the object behind."""

    def __init__(self, target: Any) -> None:
        object.__setattr__(self, "target", target)

    def __getattribute__(self, name: str) -> Any:
        target = object.__getattribute__(self, "target")
        if target is None:
            if name == "__class__":
                return LocalProxy
            raise RuntimeError("Working outside of request context. token=none")
        return getattr(target, name)

    def __repr__(self) -> str:
        target = object.__getattribute__(self, "target")
        return "<LocalProxy unbound>" if target is None else repr(target)

    def __iter__(self) -> Any:
        return iter(object.__getattribute__(self, "target"))

    def __getitem__(self, key: object) -> Any:
        return object.__getattribute__(self, "target")[key]


class HTTPConnection(hostile.HalfMapping):
    def __init__(self, scope: dict[str, Any]) -> None:
        super().__init__("")
        self.scope = scope


class StarletteRequest(HTTPConnection):
    @property
    def method(self) -> str:
        return str(self.scope["method"])


class StarletteWebSocket(HTTPConnection):
    pass


class Address:
    def __init__(self, path: str) -> None:
        self.path = path


class OutgoingRequest:
    """As httpx's."""

    def __init__(self, text: str, path: str) -> None:
        self.method = "PUT"
        self.url = Address(path)


@pytest.mark.parametrize(
    ("request_object", "line"),
    [
        (DjangoRequest(), "GET /page"),
        (StarletteRequest({"method": "POST", "path": "/s", "query_string": b"a"}), "POST /s"),
        (OutgoingRequest("https://host/path", "/path"), "PUT /path"),
        (StarletteWebSocket({"path": "/w", "query_string": b"a"}), "WEBSOCKET /w"),
    ],
)
def test_web_requests(request_object: Any, line: str) -> None:
    """A web request is its method and its path, wherever in extra it stands."""
    found = fields(record("x", request=request_object, more=[{"r": request_object}]))
    assert found == {"request": line, "more": [{"r": line}], "msg": "x"}


def test_proxied_requests() -> None:
    """flask.request is the request behind it; outside of a request it is said to be unbound."""
    assert fields(record("x", r=LocalProxy(DjangoRequest())))["r"] == "GET /page"
    assert fields(record("x", r=LocalProxy({"a": 1})))["r"] == {"a": 1}
    assert fields(record("x", r=LocalProxy(None)))["r"] == "<LocalProxy unbound>"


class URL(NamedTuple):
    """As SQLAlchemy's: a tuple, password and all, with a repr that hides it."""

    user: str
    password: str

    def __repr__(self) -> str:
        return "postgresql://user:***@host"


def test_database_urls() -> None:
    """The URL of a database is logged as its repr, which hides the password."""
    url = URL("user", "hunter2")
    assert fields(record("x", v=url, w=[{"k": (url,)}])) == {
        "v": "postgresql://user:***@host",
        "w": [{"k": ["postgresql://user:***@host"]}],
        "msg": "x",
    }


@dataclasses.dataclass
class LoginRequest:
    method: str
    path: str


class PullRequest:
    def __repr__(self) -> str:
        return "<PullRequest>"


def test_objects_that_are_no_web_requests() -> None:
    """A class that is only called a request keeps its own form."""
    found = fields(record("x", v=[LoginRequest("POST", "/in"), PullRequest()]))["v"]
    assert found == [{"method": "POST", "path": "/in"}, "<PullRequest>"]
