"""The mozlog JSON formatter: one record in, one line of strict JSON out.

The format is Mozilla's, version 2.0: https://wiki.mozilla.org/Firefox/Services/Logging
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
import warnings
from collections.abc import Container, Mapping
from json.encoder import encode_basestring_ascii
from typing import Any, ClassVar, Literal, TypeVar

from .strict import encode, plain
from .summary import RECORD_ATTRIBUTES, REQUEST_SUMMARY, TASK_SUMMARY
from .traceback import safer_format_traceback
from .values import safe_repr

Severity = TypeVar("Severity", int, str)

# Names in Fields that have a fixed meaning for readers of logs, so that no message may set them.
_RESERVED = frozenset(
    {
        *("msg", "error", "traceback", "stack"),
        *("rid", "uid", "code", "errno", "t", "agent", "lang", "method", "path", "querystring"),
    }
)

_JSON_BLANKS = " \t\n\r"  # RFC 8259, section 2

# For format(): if the stack is full, it can call little or nothing.
_LAST_LINE = (
    '{"Timestamp": %d, "Type": "dockerflow.logging", "Logger": "Dockerflow", "Hostname": "", '
    '"EnvVersion": "2.0", "Severity": 3, "Pid": %d, '
    '"Fields": {"msg": %s, "convert_record_error": "No stack or memory was left"}}'
)
_LAST_LINE_WITHOUT_MESSAGE = _LAST_LINE % (0, 0, '"A record could not be formatted"')


class MozlogFormatter(logging.Formatter):
    """Formats records as mozlog JSON.

    :param fmt: accepted, as by any formatter; it has no effect: the format is always mozlog's.
    :param datefmt: the same.
    :param style: the same.
    :param logger_name: the ``Logger`` of lines whose record has no ``logger_name``.
    """

    LOGGING_FORMAT_VERSION: str = "2.0"

    #: Severities of syslog (RFC 5424, table 2) by logging level. A level between two of them counts
    #: as the lower one.
    SYSLOG_LEVEL_MAP: ClassVar[dict[int, int]] = {
        logging.CRITICAL: 2,
        logging.ERROR: 3,
        logging.WARNING: 4,
        logging.INFO: 6,
        logging.DEBUG: 7,
    }

    #: The severity of a level below all those in the map.
    DEFAULT_SYSLOG_LEVEL: int = 7

    #: Attributes of a record that are not ``extra``.
    EXCLUDED_LOGRECORD_ATTRS: ClassVar[set[str]] = set(RECORD_ATTRIBUTES)

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        logger_name: str = "Dockerflow",
    ) -> None:
        super().__init__(fmt, datefmt, style)
        self.logger_name = logger_name
        self.hostname = socket.gethostname()

    def is_value_jsonlike(self, value: object) -> bool:
        """Return whether a message is worth parsing as JSON; override it to merge more or fewer.

        :param value: the text of a message.
        :returns: True for text in braces.
        """
        if not isinstance(value, str):
            return False
        text = value.strip(_JSON_BLANKS)
        return text.startswith("{") and text.endswith("}")

    def convert_record(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return the content of a record's line.

        :param record: any record; it is not changed.
        :returns: ``Timestamp`` (nanoseconds since 1970), ``Type``, ``Logger``, ``Hostname``,
            ``EnvVersion``, ``Severity``, ``Pid`` and ``Fields``, a dict of the values as they were
            logged. The encoder gives them their JSON form.
        """
        return self.envelope(record, self._fields(record))

    def envelope(self, record: logging.LogRecord, fields: dict[str, Any]) -> dict[str, Any]:
        """Add a record's own data to its fields; override it for a format other than mozlog.

        :param record: any record; it is not changed.
        :param fields: ``extra``, ``msg`` and the fields of an exception; this dict may be changed.
        :returns: the whole line, with values of any type. The encoder limits the size of each of
            them, and of each of ``Fields``.
        """
        severity = at_level(record.levelno, self.SYSLOG_LEVEL_MAP, self.DEFAULT_SYSLOG_LEVEL)
        return {
            "Timestamp": int(record.created * 1e9),
            "Type": record.name,
            "Logger": vars(record).get("logger_name", self.logger_name),
            "Hostname": self.hostname,
            "EnvVersion": self.LOGGING_FORMAT_VERSION,
            "Severity": severity,
            "Pid": record.process or os.getpid(),  # None if logging.logProcesses is off
            "Fields": fields,
        }

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        """Return the text of an exception, for ``traceback``; override it for another form.

        :param ei: type, value and traceback, as ``sys.exc_info()`` gives them.
        """
        return safer_format_traceback(*ei)

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line of strict JSON (RFC 8259) in ASCII, without a newline.

        :param record: any record.
        :returns: the line; there is always one, and no :class:`Exception` is raised.
        """
        try:
            return self._to_text(self.convert_record(record))
        except Exception as error:
            fault = error
        for attempt in (self._without_conversion, self._of_attributes, self._without_overrides):
            try:
                return attempt(record, fault)
            except Exception:  # noqa: S112 - the next one needs less of the record
                continue
        try:
            text = encode_basestring_ascii(ascii(record.msg))
            return _LAST_LINE % (time.time_ns(), os.getpid(), text)
        except Exception:
            return _LAST_LINE_WITHOUT_MESSAGE

    def _to_text(self, line: dict[str, Any]) -> str:
        """Return the text of a line, which :meth:`convert_record` has made as a dict."""
        return encode(line)

    def _without_conversion(self, record: logging.LogRecord, fault: Exception) -> str:
        """Make the line without ``convert_record``, which a subclass may override."""
        return self._to_text(self.envelope(record, self._fields(record) | _note(fault)))

    def _of_attributes(self, record: logging.LogRecord, fault: Exception) -> str:
        """Make a line of all attributes, for a record that lacks one or has an unusual one."""
        known = {"name": vars(record).get("name", ""), "levelno": logging.ERROR}
        return self._to_text(
            self.envelope(logging.makeLogRecord(known), vars(record) | _note(fault))
        )

    def _without_overrides(self, record: logging.LogRecord, fault: Exception) -> str:
        """Make the line without any method of a subclass."""
        return MozlogFormatter()._of_attributes(record, fault)

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return ``extra``, the message, and the fields of an exception."""
        excluded = self.EXCLUDED_LOGRECORD_ATTRS
        fields = {name: value for name, value in vars(record).items() if name not in excluded}
        self._add_message(record, fields)
        if record.exc_info or record.exc_text or record.stack_info:
            self._add_exception(record, fields)
        return fields

    def _add_message(self, record: logging.LogRecord, fields: dict[str, Any]) -> None:
        """Add ``msg`` to the fields, or the content of a message that is an object."""
        given: Any = record.msg
        if issubclass(type(given), dict) and not record.args and _may_merge(record, given, fields):
            fields.update(given)
            return
        try:
            text = record.getMessage()
        except Exception:  # arguments that don't fit, or that raise
            start = given if isinstance(given, str) else safe_repr(given)
            text = f"{start} (with arguments {safe_repr(record.args)})"
        is_braced = text.lstrip(_JSON_BLANKS).startswith("{")
        if is_braced and _may_merge(record, parsed := self._json_object(text), fields):
            fields.update(parsed)
        elif text:
            fields["msg"] = text

    def _add_exception(self, record: logging.LogRecord, fields: dict[str, Any]) -> None:
        """Add the exception and the stack of a record to the fields."""
        found: dict[str, str] = {}
        exc_info: Any = record.exc_info
        if isinstance(exc_info, BaseException):
            exc_info = type(exc_info), exc_info, exc_info.__traceback__
        # Outside of an exception, exc_info=True gives (None, None, None).
        if exc_info and any(exc_info):
            kind, error, _ = exc_info
            found["error"] = safe_repr(kind if error is None else error)
            try:
                found["traceback"] = self.formatException(exc_info)
            except Exception as fault:  # an override that fails
                fields.update(_note(fault))
                found["traceback"] = safer_format_traceback(*exc_info)
        elif record.exc_text:  # all that a QueueHandler leaves of it
            found["traceback"] = record.exc_text
        if record.stack_info:
            found["stack"] = record.stack_info
        for name, text in found.items():
            fields[free_name(name, fields)] = text

    def _json_object(self, text: str) -> dict[str, Any]:
        """Return the object in a message, or an empty one if it can't be written without loss."""
        try:
            parsed: dict[str, Any] = _DECODER.decode(text) if self.is_value_jsonlike(text) else {}
            return parsed if plain(parsed) == parsed else {}
        except Exception:  # not JSON, or too deep for the parser, or an override that fails
            return {}


class JsonLogFormatter(MozlogFormatter):
    """The earlier name of :class:`MozlogFormatter`; using it emits a PendingDeprecationWarning.

    The parameters are those of :class:`dockerflow.logging.MozlogFormatter`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            "JsonLogFormatter is an earlier name; use dockerflow.logging.MozlogFormatter instead",
            PendingDeprecationWarning,
            stacklevel=2,
        )
        super().__init__(*args, **kwargs)


def at_level(level: object, severities: Mapping[int, Severity], default: Severity) -> Severity:
    """Return the severity of the highest known level that a level reaches.

    :param severities: the severities by logging level.
    :param default: the severity of a level below all of them, or of an invalid one.
    """
    if isinstance(level, int) and level in severities:
        return severities[level]
    if not isinstance(level, int | float):  # logging.makeLogRecord() sets no level
        return default
    reached = [known for known in severities if known <= level]
    return severities[max(reached)] if reached else default


def free_name(name: str, taken: Container[str], prefix: str = "exc_") -> str:
    """Return a name for a field that does not overwrite one of the caller's.

    :param taken: the names that exist.
    :param prefix: a text that is put before the name until the name is free.
    """
    while name in taken:
        name = f"{prefix}{name}"
    return name


def _may_merge(record: logging.LogRecord, message: dict[Any, Any], fields: dict[str, Any]) -> bool:
    """Return whether the content of a message may be added to the fields.

    That of a summary may not: it is the text of an exception, which a client may have influenced.
    """
    return (
        bool(message)
        and record.name not in (REQUEST_SUMMARY, TASK_SUMMARY)
        and all(isinstance(name, str) for name in message)
        and message.keys().isdisjoint(fields)
        and message.keys().isdisjoint(_RESERVED)
    )


def _note(fault: Exception) -> dict[str, str]:
    return {"convert_record_error": safe_repr(fault)}


def _no_repeated_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    parsed = dict(pairs)
    if len(parsed) < len(pairs):
        raise ValueError("a name is repeated")
    return parsed


_DECODER = json.JSONDecoder(object_pairs_hook=_no_repeated_names)
