"""The natural forms of values."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import pathlib
import subprocess
import sys
import uuid
from collections import ChainMap, OrderedDict
from types import MappingProxyType
from typing import Any

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
    born: datetime.date
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
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (Status.UP, "up"),
        (Status.AT, "2026-01-02"),
        (Status.MANY, [1, 2]),
        (hostile.Level.ONE, 1),
        (hostile.Name.A, "a"),
        ({3, 1, 2}, [1, 2, 3]),
        ({30, 4, 1.5}, [1.5, 4, 30]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({"b", 1, None}, [None, 1, "b"]),
        ({uuid.UUID(int=2), uuid.UUID(int=1)}, [str(uuid.UUID(int=1)), str(uuid.UUID(int=2))]),
        (set[int](), []),
        ((1, (2,)), [1, [2]]),
        (hostile.Pair(1, 2), [1, 2]),
        ({"a": 1}.keys(), ["a"]),
        (MappingProxyType({"a": {1}}), {"a": [1]}),
        (ChainMap({"a": 1}, {"a": 2, "b": 3}), {"a": 1, "b": 3}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (
            User("ann", datetime.date(2000, 1, 1), {"y", "x"}),
            {"name": "ann", "born": "2000-01-01", "tags": ["x", "y"]},
        ),
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


def test_forms_need_no_imports() -> None:
    """Importing the package imports nothing that only some values need."""
    heavy = (
        "uuid socket datetime decimal dataclasses inspect typing pathlib urllib asyncio platform "
        "random subprocess importlib.metadata"
    )
    code = (
        "import sys, json, logging\n"
        "before = set(sys.modules)\n"
        "import dockerflow.logging as l, logging\n"
        "l.MozlogFormatter().format(logging.makeLogRecord({'msg': 'x', 'v': {1: object()}}))\n"
        "l.new_request_id(); l.RequestSummary().write(200)\n"
        f"print(sorted((set(sys.modules) - before) & set({heavy.split()!r})))\n"
    )
    # -S: a site-packages may import what it likes at start-up
    path = repr([entry for entry in sys.path if entry])
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {path}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


# --- web requests -------------------------------------------------------------------------------


class DjangoRequest:
    def __init__(self) -> None:
        self.method = "GET"
        self.path = "/page"
        self.META = {"QUERY_STRING": "token=secret"}

    def __repr__(self) -> str:
        return "<WSGIRequest: GET '/page?token=secret'>"


class Proxied:
    """As werkzeug's LocalProxy: everything but the type comes from the object behind."""

    def __init__(self, target: Any) -> None:
        self.target = target

    def _get_current_object(self) -> Any:
        if self.target is None:
            raise RuntimeError("Working outside of request context. token=none")
        return self.target

    def __getattr__(self, name: str) -> Any:
        return getattr(self._get_current_object(), name)

    def __repr__(self) -> str:
        return "<LocalProxy unbound>" if self.target is None else repr(self.target)


class Connection(dict[str, Any]):
    pass


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


@pytest.mark.parametrize(
    ("request_object", "line"),
    [
        (DjangoRequest(), "GET /page"),
        (
            StarletteRequest(
                {"type": "http", "method": "POST", "path": "/s", "query_string": b"token=secret"}
            ),
            "POST /s",
        ),
        (
            StarletteWebSocket(
                {"type": "websocket", "path": "/w", "query_string": b"token=secret"}
            ),
            "WEBSOCKET /w",
        ),
    ],
)
def test_web_requests(request_object: Any, line: str) -> None:
    """A web request is its method and its path, wherever in extra it stands."""
    found = fields(record("x", request=request_object, more=[{"r": request_object}]))
    assert found == {"request": line, "more": [{"r": line}], "msg": "x"}


def test_proxied_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """flask.request is the request behind it; outside of a request it is said to be unbound."""
    from types import ModuleType

    module = ModuleType("werkzeug.local")
    module.LocalProxy = Proxied  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "werkzeug.local", module)
    from dockerflow.logging import natural

    natural._forms.clear()
    assert fields(record("x", r=Proxied(DjangoRequest())))["r"] == "GET /page"
    assert fields(record("x", r=Proxied({"a": 1})))["r"] == {"a": 1}
    assert fields(record("x", r=Proxied(None)))["r"] == "<LocalProxy unbound>"
    natural._forms.clear()


class URL(hostile.Pair):
    """As SQLAlchemy's: a tuple, password and all, with a repr that hides it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "postgresql://user:***@host"


def test_database_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL of a database is logged as its repr, which hides the password."""
    from types import ModuleType

    module = ModuleType("sqlalchemy.engine.url")
    module.URL = URL  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sqlalchemy.engine.url", module)
    url = URL("user", "hunter2")
    found = fields(record("x", v=url, w=[{"k": (url,)}]))
    assert found == {
        "v": "postgresql://user:***@host",
        "w": [{"k": ["postgresql://user:***@host"]}],
        "msg": "x",
    }


@dataclasses.dataclass
class LoginRequest:
    method: str
    path: str
    user: str


class OutgoingRequest:
    def __repr__(self) -> str:
        return "<OutgoingRequest>"


def test_objects_that_are_no_web_requests() -> None:
    """A class that is only called a request keeps its own form."""
    assert fields(record("x", v=LoginRequest("POST", "/in", "ann")))["v"] == {
        "method": "POST",
        "path": "/in",
        "user": "ann",
    }
    assert fields(record("x", v=OutgoingRequest()))["v"] == "<OutgoingRequest>"
