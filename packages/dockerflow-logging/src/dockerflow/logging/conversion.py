"""What the line of a record says: the general way, for any record whatever."""

from __future__ import annotations

import logging
import os
import time

from .plain import clean_text, jsonable, key_text
from .reprs import class_of, is_interrupt, safe_repr, safe_text
from .traceback import traceback_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .formatter import MozlogFormatter

DEFAULT_LOGGER_NAME = "Dockerflow"

#: Names in Fields that mean something to those who read logs: text that a user has a hand in must
#: not set them.
_RESERVED = frozenset({"msg", "error", "traceback", "stack", "rid", "uid", "code", "errno"})

# What every LogRecord has, whatever the version of Python (taskName came with 3.12).
RECORD_ATTRIBUTES = frozenset(
    logging.LogRecord("", 0, "", 0, "", (), None).__dict__.keys()
    | {"message", "asctime", "taskName"}
)

JSON_BLANKS = " \t\n\r"  # RFC 8259, section 2


class SpentName(str):
    """A ``logger_name`` that a handler has put on a record, and that is of no use any more."""

    __slots__ = ("plain",)

    def __init__(self, name: object) -> None:
        self.plain = name

    def __reduce__(self) -> tuple[type[SpentName], tuple[str]]:
        return SpentName, (str.__str__(self),)


class LiveName(str):
    """A ``logger_name`` that a handler has put on the record it is writing."""

    __slots__ = ()


def convert(formatter: MozlogFormatter, record: logging.LogRecord) -> dict[str, Any]:
    """Return what the line of *record* says, in plain JSON types."""
    attributes = vars(record).copy()
    excluded = formatter.EXCLUDED_LOGRECORD_ATTRS
    fields: dict[str, Any] = {}
    odd: list[tuple[object, object]] = []
    name: object
    for name, value in attributes.items():
        if type(name) is not str:
            odd.append((name, value))
        elif name not in excluded:
            fields[name] = value
    for name, value in odd:
        fields[key_text(name, fields)] = value

    text = _message(record)
    own: dict[str, str] = {}
    for key, said in own_fields(record).items():
        free = key
        while free in fields:
            free = f"exc_{free}"
        own[free] = said
    merged = _json_object(formatter, text)
    if merged is None or not merged.keys().isdisjoint({*fields, *own, *_RESERVED}):
        merged = {"msg": text}
    fields.update(merged)
    fields.update(own)
    # A level below the line's own, as all of Fields is.
    envelope = envelope_of(formatter, record, fields)
    envelope["Fields"] = jsonable(fields)
    return envelope


def in_words(record: logging.LogRecord) -> dict[str, Any]:
    """Return what *record* holds, each thing as its ``repr``: for when all else has failed."""
    said = {clean_text(safe_text(name)): value for name, value in vars(record).items()}
    return {
        "Timestamp": time.time_ns(),
        "Type": _label(said.get("name")),
        "Logger": DEFAULT_LOGGER_NAME,
        "Hostname": "",
        "EnvVersion": "2.0",
        "Severity": 3,
        "Pid": os.getpid(),
        "Fields": {name: _label(value) for name, value in said.items()},
    }


def envelope_of(
    formatter: MozlogFormatter, record: logging.LogRecord, fields: dict[str, Any]
) -> dict[str, Any]:
    """Return all of a line but its Fields; what has no place there goes to *fields*."""
    attributes = vars(record)
    logger = attributes.get("logger_name")
    if logger is None or type(logger) is SpentName:
        logger = getattr(formatter, "logger_name", DEFAULT_LOGGER_NAME)
    created = attributes.get("created")
    process = attributes.get("process")
    timestamp = _nanoseconds(created)
    if timestamp is None:
        timestamp = time.time_ns()
        fields[key_text("created", fields)] = created
    pid = os.getpid() if process is None else jsonable(process)
    if type(pid) is not int:
        pid = os.getpid()
        fields[key_text("process", fields)] = process
    name = attributes.get("name")
    hostname = getattr(formatter, "hostname", "")
    version = formatter.LOGGING_FORMAT_VERSION
    severity = severity_of(formatter, getattr(record, "levelno", None))
    return {"Timestamp": timestamp, **head_of(name, logger, hostname, version, severity, pid)}


def head_of(
    name: object, logger: object, hostname: object, version: object, severity: object, pid: int
) -> dict[str, Any]:
    """Return what stands between ``Timestamp`` and ``Fields``."""
    return {
        "Type": _label(name),
        "Logger": _label(logger),
        "Hostname": _label(hostname),
        "EnvVersion": jsonable(version),
        "Severity": jsonable(severity),
        "Pid": pid,
    }


def _label(value: object) -> str:
    return clean_text(safe_text(value))


def _nanoseconds(created: Any) -> int | None:
    """Return a time in seconds as whole nanoseconds, or None for what is no time."""
    try:
        if type(created) is str:
            created = float(created)
        if type(created) is float or type(created) is int:
            nanoseconds = int(created * 1e9)
            int.__repr__(nanoseconds)
            return nanoseconds
    except (ValueError, OverflowError):
        pass
    return None


def severity_of(formatter: MozlogFormatter, level: Any) -> int:
    """Return the syslog severity of the highest known level that *level* has reached."""
    severities = formatter.SYSLOG_LEVEL_MAP
    try:
        if isinstance(level, str):
            known = logging.getLevelNamesMapping().get(level.upper())
            level = float(level) if known is None else known
        reached = [known for known in severities if known <= level]
        return severities[max(reached)] if reached else formatter.DEFAULT_SYSLOG_LEVEL
    except Exception:
        return formatter.DEFAULT_SYSLOG_LEVEL


def _message(record: logging.LogRecord) -> str:
    try:
        return str.__str__(record.getMessage())
    except BaseException as error:
        if is_interrupt(error):
            raise
    message = safe_text(getattr(record, "msg", None))
    return f"{message} (with arguments {safe_repr(getattr(record, 'args', None))})"


def own_fields(
    record: logging.LogRecord,
    say: Callable[[str], str] = str,
    traceback: Callable[[object, Any, Any, str], str] = traceback_text,
) -> dict[str, str]:
    """Return what a record tells of an exception and of the stack, under our names for it.

    :param say: makes of each text what is returned.
    :param traceback: makes it of an exception's type, the exception, its traceback and its repr.
    """
    attributes: dict[str, Any] = vars(record)
    told: dict[str, str] = {}
    exc_info: Any = attributes.get("exc_info")
    cls = class_of(exc_info)
    if cls is tuple and len(exc_info) == 3:
        kind, error, trace = exc_info
        # Three times None is what exc_info=True finds outside of an exception.
        if not (kind is None and error is None and trace is None):
            said = safe_repr(kind if error is None else error)
            told["error"] = say(said)
            told["traceback"] = traceback(kind, error, trace, said)
    elif issubclass(cls, BaseException):
        said = safe_repr(exc_info)
        told["error"] = say(said)
        told["traceback"] = traceback(cls, exc_info, exc_info.__traceback__, said)
    elif not _is_empty(exc_info):
        told["error"] = say(safe_repr(exc_info))
    if "traceback" not in told and not _is_empty(attributes.get("exc_text")):
        told["traceback"] = say(safe_text(attributes["exc_text"]))
    if not _is_empty(attributes.get("stack_info")):
        told["stack"] = say(safe_text(attributes["stack_info"]))
    return told


def _is_empty(value: object) -> bool:
    if value is None:
        return True
    # By identity: `in` would ask the value's metaclass whether it equals these.
    cls = class_of(value)
    return any(cls is known for known in (bool, int, str, tuple)) and not value


def _json_object(formatter: MozlogFormatter, text: str) -> dict[str, Any] | None:
    """Return the object that a message is, if it can be written again without any loss."""
    if not text.lstrip(JSON_BLANKS).startswith("{"):
        return None
    try:
        if not formatter.is_value_jsonlike(text):
            return None
    except Exception:  # an override that fails
        return None
    try:
        decode = _json_decoder()
    except RecursionError:  # the formatter will try again, where the whole stack is free
        raise
    except Exception:  # the interpreter is shutting down, and imports no more
        return None
    try:
        parsed = decode(text)
        clean: dict[str, Any] = jsonable(parsed)
        return clean if clean and clean == parsed else None
    except Exception:  # no JSON, or too deep or too long for the parser
        return None


def _no_repeated_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    parsed = dict(pairs)
    if len(parsed) < len(pairs):
        raise ValueError("a name stands twice")
    return parsed


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_decode: Callable[[str], dict[str, Any]] | None = None


def _json_decoder() -> Callable[[str], dict[str, Any]]:
    """Return what parses a message that begins with a brace: it is an object, if anything.

    :raises Exception: any, where :mod:`json` can't be imported here and now.
    """
    global _decode
    if _decode is None:
        # Saves a tenth of the import of the formatter where no message is JSON.
        from json import JSONDecoder

        _decode = JSONDecoder(
            object_pairs_hook=_no_repeated_names, parse_constant=_refuse_constant
        ).decode
    return _decode
