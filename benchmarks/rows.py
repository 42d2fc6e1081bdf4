"""The rows of the table: what is compared with what, and what it has to reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Environment = Literal["ours", "reference"]

#: A worker: an environment, and the name of a subject.
Side = tuple[Environment, str]


@dataclass(frozen=True)
class Row:
    """Two pieces of work, or what each adds to a bare one.

    :ivar name: What `only` asks for, by its beginning.
    :ivar title: What the table says.
    :ivar group: The table it stands in.
    :ivar theirs: What is compared with: a worker, or two of which the first is the bare work.
    :ivar ours: Likewise, of these packages.
    :ivar aim: What is to be reached, in the words of the table.
    :ivar factor: The least factor that reaches it.
    :ivar limit: The most seconds of ours that reach it.
    :ivar peer: Who is compared with, where it is not the existing package.
    """

    name: str
    title: str
    group: str
    theirs: tuple[Side, ...]
    ours: tuple[Side, ...]
    aim: str = ""
    factor: float | None = None
    limit: float | None = None
    peer: str = ""

    @property
    def sides(self) -> tuple[Side, ...]:
        """All workers, in the order of a cycle's times."""
        return (*self.theirs, *self.ours)

    @property
    def added(self) -> bool:
        """Whether it is about what is added to a bare work."""
        return len(self.ours) == 2


FRAMEWORKS = {
    "flask": "Flask",
    "django_wsgi": "Django WSGI",
    "django_asgi": "Django ASGI",
    "sanic": "Sanic",
    "fastapi": "FastAPI",
}

LOGGING, REQUESTS, ENDPOINTS, IMPORTS = "Logging", "Added to a request", "Endpoints", "Imports"
PEERS, LIMITS = "Beside other packages", "Beside an encoder alone"
GROUPS = (LOGGING, REQUESTS, ENDPOINTS, IMPORTS, PEERS, LIMITS)


def _both(name: str, title: str, group: str, factor: float | None = None, aim: str = "") -> Row:
    return Row(
        name=name,
        title=title,
        group=group,
        theirs=(("reference", name),),
        ours=(("ours", name),),
        aim=aim or ("" if factor is None else f"{factor:g}"),
        factor=factor,
    )


def _request(framework: str, factor: float) -> Row:
    sides = (f"{framework}.bare", f"{framework}.request")
    return Row(
        name=sides[1],
        title=FRAMEWORKS[framework],
        group=REQUESTS,
        theirs=(("reference", sides[0]), ("reference", sides[1])),
        ours=(("ours", sides[0]), ("ours", sides[1])),
        aim=f"{factor:g}",
        factor=factor,
    )


def _sixteen(framework: str, kind: str) -> Row:
    name = f"{framework}.sixteen_{kind}"
    return Row(
        name=name,
        title=f"`/__heartbeat__` with 16 {kind} checks of 50 ms, {FRAMEWORKS[framework]}",
        group=ENDPOINTS,
        theirs=(("reference", name),),
        ours=(("ours", name),),
        aim="60 ms",
        limit=0.060,
    )


def _endpoints(framework: str) -> list[Row]:
    label = FRAMEWORKS[framework]
    factor, aim = (4.2, "4.2") if framework == "fastapi" else (1.4, "1.4 to 2")
    rows = [
        _both(f"{framework}.lbheartbeat", f"`/__lbheartbeat__`, {label}", ENDPOINTS, factor, aim),
        _both(f"{framework}.version", f"`/__version__`, {label}", ENDPOINTS, factor, aim),
    ]
    heartbeat = f"`/__heartbeat__` without checks, {label}"
    rows.append(_both(f"{framework}.heartbeat0", heartbeat, ENDPOINTS, 1, "no slower"))
    if framework.startswith("django"):
        heartbeat = f"`/__heartbeat__` with the default two checks, {label}"
        rows.append(_both(f"{framework}.heartbeat2", heartbeat, ENDPOINTS, 1, "no slower"))
    return [*rows, _sixteen(framework, "sync"), _sixteen(framework, "async")]


_KINDS = {
    "summary": "a `request.summary` record",
    "message": "a message",
    "exception": "an exception",
}
_FORMATTERS = {
    "pythonjsonlogger": "python-json-logger",
    "pythonjsonlogger_orjson": "python-json-logger with orjson",
    "structlog_orjson": "structlog with orjson",
}
_LIMITS = {"json": "the C encoder of `json`", "orjson": "`orjson.dumps`"}
_REQUEST_IDS = (
    ("django_wsgi", "django_guid", "django-guid"),
    ("fastapi", "asgi_correlation_id", "asgi-correlation-id"),
)


def _formatted(kind: str, peer: str) -> Row:
    return Row(
        name=f"peers.{kind}_{peer}",
        title=f"format {_KINDS[kind]}: {_FORMATTERS[peer]}",
        group=PEERS,
        theirs=(("ours", f"peers.{kind}_{peer}"),),
        ours=(("ours", f"logging.{kind}"),),
        peer=_FORMATTERS[peer],
    )


def _identified(framework: str, peer: str, label: str) -> Row:
    return Row(
        name=f"peers.{peer}",
        title=f"added to a request, {FRAMEWORKS[framework]}: {label} (an id alone, no summary)",
        group=PEERS,
        theirs=(("ours", f"{framework}.bare"), ("ours", f"peers.{peer}")),
        ours=(("ours", f"{framework}.bare"), ("ours", f"{framework}.request")),
        peer=label,
    )


def _limit(encoder: str) -> Row:
    return Row(
        name=f"peers.limit_{encoder}",
        title=f"a `request.summary` record: {_LIMITS[encoder]} on the ready dictionary",
        group=LIMITS,
        theirs=(("ours", f"peers.limit_{encoder}"),),
        ours=(("ours", "logging.summary"),),
        peer=_LIMITS[encoder],
    )


ROWS: tuple[Row, ...] = (
    _both("logging.summary", "format a `request.summary` record", LOGGING, 3.2),
    _both("logging.message", "format a message with arguments", LOGGING, 3.2),
    _both("logging.exception", "format an exception, 5 frames", LOGGING, 13),
    _both("logging.odd", "format datetimes, UUIDs, sets, objects", LOGGING, 1.5),
    _both("logging.text", "format 10 kB of ASCII text", LOGGING, 1.2),
    _both("logging.pipe", "`logger.info` through `MozlogHandler` to a pipe", LOGGING, 1.6),
    _request("flask", 3),
    _request("django_wsgi", 3.4),
    _request("django_asgi", 9),
    _request("sanic", 2),
    _request("fastapi", 2.6),
    *(row for framework in FRAMEWORKS for row in _endpoints(framework)),
    _both("imports.logging", "`import dockerflow.logging`, bare interpreter", IMPORTS, 1.8),
    _both(
        "imports.logging_beyond",
        "`import dockerflow.logging`, beyond `json`, `logging`",
        IMPORTS,
        1.8,
    ),
    _both("imports.formatter", "`from dockerflow.logging import MozlogFormatter`", IMPORTS),
    _both("imports.checks", "`import dockerflow.checks`, bare interpreter", IMPORTS, 3.3),
    _both("imports.checks_beyond", "`import dockerflow.checks`, beyond `logging`", IMPORTS, 3.3),
    _both("imports.flask_beyond", "`import dockerflow.flask`, beyond `flask`", IMPORTS, 50),
    *(_formatted(kind, peer) for kind in _KINDS for peer in _FORMATTERS),
    *(_identified(*one) for one in _REQUEST_IDS),
    *(_limit(encoder) for encoder in _LIMITS),
)


def chosen(prefixes: list[str]) -> list[Row]:
    """Return the rows whose names begin with one of *prefixes*.

    :raises LookupError: None begins with one of them.
    """
    for prefix in prefixes:
        if not any(row.name.startswith(prefix) for row in ROWS):
            raise LookupError(
                f"no row begins with {prefix!r}: there are {', '.join(r.name for r in ROWS)}"
            )
    return [row for row in ROWS if row.name.startswith(tuple(prefixes))]
