"""The kinds of faults that the lines of a log can have."""

from __future__ import annotations

from dataclasses import dataclass

from . import log_clauses as clauses
from .clauses import Clause
from .log_secrets import Secret


@dataclass(frozen=True, eq=False)
class Fault:
    """A kind of fault.

    :param clause: what it breaks.
    :param what: what the lines have that have it, as a noun.
    :param remedy: what to do, as a command.
    :param unit: what is counted.
    """

    clause: Clause
    what: str
    remedy: str
    unit: str = "line"


@dataclass(frozen=True)
class Kind:
    """The type that a value is to have.

    :param types: Python's types for it.
    :param name: its name for people.
    """

    types: tuple[type, ...]
    name: str


_STRING = Kind((str,), "a string")
_INTEGER = Kind((int,), "an integer")

ENVELOPE = {
    "Timestamp": _INTEGER,
    "Type": _STRING,
    "Logger": _STRING,
    "Hostname": _STRING,
    "EnvVersion": _STRING,
    "Severity": _INTEGER,
    "Pid": _INTEGER,
    "Fields": Kind((dict,), "an object"),
}
"""What a line consists of. Mozlog calls ``Severity`` and ``Pid`` optional."""

SUMMARY = {
    "agent": _STRING,
    "errno": _INTEGER,
    "lang": _STRING,
    "method": _STRING,
    "path": _STRING,
}
"""What the fields of a ``request.summary`` have: what mozlog recommends for each service."""

SUMMARY_OPTIONAL = {
    "code": _INTEGER,  # not of mozlog, and there is none if the client left before the response
    "t": Kind((int,), "an integer, in milliseconds"),
    "rid": Kind((str, type(None)), "a string or null"),
    "uid": Kind((str, int, float, type(None)), "a string or a number"),
    "msg": _STRING,
    "querystring": _STRING,
}
"""What they may have."""

BINARY = Fault(clauses.TEXT, "a NUL byte", "log text in UTF-8")

NOT_UTF_8 = Fault(clauses.JSON_LINES, "bytes that are no UTF-8", "encode the log in UTF-8")
BYTE_ORDER_MARK = Fault(
    clauses.JSON_LINES, "a byte order mark", "write the file without one, in UTF-8"
)
EMPTY = Fault(clauses.JSON_LINES, "nothing on it", "write line ends only behind JSON")
NO_JSON = Fault(
    clauses.JSON_LINES,
    "text that is no JSON",
    "send everything through one JSON formatter, the server's lines and warnings too",
)
BROKEN_JSON = Fault(
    clauses.JSON_LINES,
    "text that begins like JSON but is none",
    "write each line with one call, so that none is cut off or mixed with another",
)
NO_OBJECT = Fault(clauses.JSON_LINES, "JSON that is no object", "make it a mozlog line")
TEXT_BEFORE = Fault(
    clauses.JSON_LINES,
    "other text before the JSON",
    "let the formatter add none, and leave out that of tools: "
    "docker compose logs --no-log-prefix, kubectl logs without --timestamps or --prefix",
)
TEXT_BEHIND = Fault(
    clauses.JSON_LINES,
    "more behind the JSON object",
    "end each line with one line end, in the same call",
)

NOT_A_NUMBER = Fault(clauses.STRICT_JSON, "NaN or Infinity", "write null or a string")
TWICE = Fault(clauses.STRICT_JSON, "a name twice in an object", "rename or drop one of them")
SURROGATE = Fault(clauses.STRICT_JSON, "a lone surrogate", "replace what is no valid Unicode")
CONTROL_CHARACTER = Fault(
    clauses.STRICT_JSON, "a raw control character in a string", "escape it as \\u and four digits"
)
TOO_DEEP = Fault(
    clauses.STRICT_JSON, "JSON that is nested too deep to be read", "limit the depth of values"
)
TOO_MANY_DIGITS = Fault(
    clauses.STRICT_JSON, "a number of thousands of digits", "write it as a string"
)

TRACEBACK = Fault(
    clauses.ONE_LINE_TRACEBACKS,
    "a part of a traceback",
    "log it as one string in the Fields of its error",
)
AFTER_ERROR = Fault(
    clauses.ONE_LINE_TRACEBACKS,
    "no JSON after an error, likely its traceback",
    "log it as one string in the Fields of the error",
)
TOO_LONG = Fault(
    clauses.LINE_LENGTH, "more than a megabyte, which was not read as JSON", "log less of it"
)

GOOGLE_CLOUD = Fault(
    clauses.ENVELOPE,
    "Google Cloud's format, which this does not check",
    "write mozlog for it, which DOCKERFLOW_LOG_FORMAT=mozlog has dockerflow.logging do",
)
OTHER_FORMAT = Fault(
    clauses.ENVELOPE, "JSON of another format than mozlog", "configure a mozlog formatter"
)
MISSING = {
    name: Fault(clauses.ENVELOPE, f"no {name}", f"add it as {kind.name}")
    for name, kind in ENVELOPE.items()
    if name not in ("Severity", "Pid")
}

OTHER_TYPE = {
    name: Fault(clauses.ENVELOPE_VALUES, f"a {name} of another type", f"make it {kind.name}")
    for name, kind in ENVELOPE.items()
}
OTHER_VERSION = Fault(clauses.ENVELOPE_VALUES, "another EnvVersion", 'make it "2.0"')
OTHER_SEVERITY = Fault(
    clauses.ENVELOPE_VALUES,
    "a Severity that syslog does not have",
    "use 2 for critical, 3 error, 4 warning, 6 info and 7 debug",
)
NEGATIVE_PID = Fault(clauses.ENVELOPE_VALUES, "a negative Pid", "use the id of the process")

OTHER_UNIT = {
    unit: Fault(clauses.NANOSECONDS, f"a Timestamp in {unit}", "make it nanoseconds")
    for unit in ("seconds", "milliseconds", "microseconds")
}
TOO_EARLY = Fault(
    clauses.NANOSECONDS,
    "a Timestamp before the year 2000",
    "use the time of the event, in nanoseconds since 1970",
)
IN_FUTURE = Fault(
    clauses.NANOSECONDS,
    "a Timestamp more than a day in the future",
    "make it nanoseconds in UTC, and set the clock",
)
BACK = Fault(
    clauses.ORDER,
    "a time more than a minute before the line above",
    "write lines at once, with the time in UTC",
)
NESTED = Fault(
    clauses.FLAT_FIELDS, "an object within an object of Fields", "log its values side by side"
)

SUMMARY_MISSING = {
    name: Fault(clauses.SUMMARY_FIELDS, f"a request.summary without {name}", f"add {kind.name}")
    for name, kind in SUMMARY.items()
}
SUMMARY_TYPE = {
    name: Fault(
        clauses.SUMMARY_VALUES,
        f"a request.summary whose {name} is of another type",
        f"make it {kind.name}",
    )
    for name, kind in (SUMMARY | SUMMARY_OPTIONAL).items()
}
NO_STATUS = Fault(
    clauses.SUMMARY_VALUES,
    "a request.summary whose code is no HTTP status",
    "make it the status of the response, 100 to 599",
)
NEGATIVE_T = Fault(
    clauses.SUMMARY_VALUES,
    "a request.summary with a negative t",
    "measure it by a clock that never goes back",
)
SECOND_SUMMARY = Fault(
    clauses.ONE_SUMMARY,
    "a further request.summary of the same rid",
    "install middleware and handler once, unless a client sends one id with several requests",
)
NO_SUMMARY = Fault(
    clauses.ONE_SUMMARY,
    "no request.summary in the log",
    "write one however a request ends, but for websockets and paths that are left out on purpose",
    unit="rid",
)
SECRETS = {
    kind: Fault(clauses.NO_SECRETS, kind, "change it, and log it no more") for kind in Secret
}
