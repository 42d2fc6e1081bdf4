"""The mozlog JSON formatter: one record in, one line of strict JSON out.

The format is Mozilla's, version 2.0: https://wiki.mozilla.org/Firefox/Services/Logging
"""

from __future__ import annotations

import _thread
import logging
import os
import warnings

from .conversion import (
    DEFAULT_LOGGER_NAME,
    JSON_BLANKS,
    RECORD_ATTRIBUTES,
    SpentName,
    convert,
    in_words,
    severity_of,
)
from .encoder import Unusual, encode, raw_encode
from .fast import FastLines, WatchedNames, with_own_fields
from .marks import MARK, Noted, WatchedClasses
from .plain import clean_text
from .reprs import is_interrupt, safe_repr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, Literal


def with_fresh_stack(work: Callable[..., Any], *arguments: Any) -> Any:
    """Call *work* in a thread of its own and wait for it: there the whole stack is free.

    It takes arguments since a lambda about them would slow down whoever makes it, needed or not.

    :raises Exception: whatever *work* raises, and what starting a thread may raise.
    """
    done = _thread.allocate_lock()
    done.acquire()
    outcome: list[tuple[bool, Any]] = []

    def run() -> None:
        try:
            outcome.append((True, work(*arguments)))
        except BaseException as error:
            outcome.append((False, error))
        finally:
            done.release()

    _thread.start_new_thread(run, ())
    done.acquire()
    succeeded, value = outcome[0]
    if succeeded:
        return value
    raise value


class MozlogFormatter(logging.Formatter, Noted):
    """Formats records as mozlog JSON.

    :param fmt: taken and kept, as for any formatter; the format of a line is always mozlog's.
    :param datefmt: the same.
    :param style: the same.
    :param logger_name: the ``Logger`` of every line.
    """

    LOGGING_FORMAT_VERSION: str = "2.0"

    #: Severities of syslog (RFC 5424, table 2) by the levels of logging. A level between two of
    #: them counts as the lower one.
    SYSLOG_LEVEL_MAP: ClassVar[dict[int, int]] = {
        logging.CRITICAL: 2,
        logging.ERROR: 3,
        logging.WARNING: 4,
        logging.INFO: 6,
        logging.DEBUG: 7,
    }

    #: The severity of a level below all of the map.
    DEFAULT_SYSLOG_LEVEL: int = 7

    #: Attributes of a record that are no ``extra``.
    EXCLUDED_LOGRECORD_ATTRS: ClassVar[set[str]] = WatchedNames({*RECORD_ATTRIBUTES, "logger_name"})

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        logger_name: str = DEFAULT_LOGGER_NAME,
    ) -> None:
        super().__init__(fmt, datefmt, style)
        self.logger_name = logger_name
        self.hostname = _hostname()
        self._fast = FastLines()
        if type(self) is MozlogFormatter:
            self._plain_class = MozlogFormatter

    def is_value_jsonlike(self, value: object) -> bool:
        """Tell whether a message is worth parsing as JSON; override it to say more or less.

        :param value: the text of a message.
        :returns: True for text in braces.
        """
        if not isinstance(value, str):
            return False
        text = value.strip(JSON_BLANKS)
        return text.startswith("{") and text.endswith("}")

    def convert_record(self, record: logging.LogRecord) -> dict[str, Any]:
        """Turn *record* into what its line says.

        :param record: any record; it is only read.
        :returns: a dict of plain JSON types: ``Timestamp`` (nanoseconds since 1970), ``Type``,
            ``Logger``, ``Hostname``, ``EnvVersion``, ``Severity``, ``Pid`` and ``Fields``.
        """
        return convert(self, record)

    def format(self, record: logging.LogRecord) -> str:  # noqa: C901, PLR0915 - its steps are in one place: calls cost
        """Return *record* as one line of strict JSON (RFC 8259) in ASCII, without line end.

        :param record: any record.
        :returns: the line; there is always one, and no :class:`Exception` is ever raised.
        """
        try:
            if (
                MARK
                and type(self) is self._plain_class
                and (_classes.below.__flags__ == _FLAGS or _classes.are_as_found())
            ):
                # Saves four look-ups in the class, which are slow where there are marks.
                version, severities, excluded = _VERSION, _SEVERITIES, _EXCLUDED
                is_usual = True
            else:
                version, severities = self.LOGGING_FORMAT_VERSION, self.SYSLOG_LEVEL_MAP
                excluded = self.EXCLUDED_LOGRECORD_ATTRS
                # A lambda on the instance has no __func__, which is as good as another function.
                is_usual = self.convert_record.__func__ is _CONVERT_RECORD  # type: ignore[attr-defined] # see above
            if is_usual:
                # All in one place, since each call between its steps costs a twentieth.
                fast = self._fast
                _, _, latest, watched, changes = fast.state
                if excluded is not watched or watched.changes != changes:  # pyright: ignore[reportOptionalMemberAccess] - it is not None if it is the same
                    latest = fast.latest(excluded)
                attributes = record.__dict__
                # To compare a list takes half the time of hashing a tuple and looking it up.
                names = [*attributes]
                layout = latest.get(len(names))
                if layout is None or layout.names != names:
                    layout = fast.layout(names, attributes)
                text = record.getMessage()
                created = attributes["created"]
                if (
                    type(text) is not str
                    or ("{" in text and text.lstrip(JSON_BLANKS).startswith("{"))
                    or type(created) is not float
                ):
                    raise Unusual
                logger = attributes["logger_name"] if layout.is_named else None
                if logger is None or type(logger) is SpentName:
                    logger = self.logger_name
                level = record.levelno
                severity = severities.get(level)
                if severity is None:
                    severity = severity_of(self, level)
                pid = attributes["process"]
                if type(pid) is not int:
                    if pid is not None:
                        raise Unusual
                    pid = os.getpid()
                # All that the head depends on is compared, so that a change is noticed.
                name = attributes["name"]
                head = layout.head
                if (
                    head.name is not name
                    or head.logger is not logger
                    or head.severity is not severity
                    or head.pid != pid
                    or head.hostname is not self.hostname
                    or head.version is not version
                ):
                    head = fast.head(name, logger, self.hostname, version, severity, pid)
                    layout.head = head
                write = layout.write
                try:
                    # Of a float it is int(), in a third of the time.
                    line = write(attributes, (created * 1e9).__trunc__(), head.text, text)
                except TypeError:  # types have changed
                    line = layout.line(attributes, created, head.text, text)
                if "\\" in line:
                    layout.check(line, attributes, text)
                if (
                    attributes["exc_info"] is None
                    and attributes["exc_text"] is None
                    and attributes["stack_info"] is None
                ):
                    return line
                return with_own_fields(line, record)
        except Exception:  # noqa: S110 - nothing is called here: the stack may be full
            pass
        except BaseException as error:
            if is_interrupt(error):
                raise
        try:
            return _careful_line(self, record)
        except Exception:  # noqa: S110 - likewise
            pass
        try:
            words: str = with_fresh_stack(_careful_line, self, record, True)
            return words
        except Exception:
            return _LAST_WORDS


def _is_as_made() -> bool:
    return (
        MozlogFormatter.convert_record is _CONVERT_RECORD
        and MozlogFormatter.LOGGING_FORMAT_VERSION is _VERSION
        and MozlogFormatter.SYSLOG_LEVEL_MAP is _SEVERITIES
        and MozlogFormatter.EXCLUDED_LOGRECORD_ATTRS is _EXCLUDED
    )


_classes = WatchedClasses(_is_as_made, MozlogFormatter)
_FLAGS = _classes.flags
_CONVERT_RECORD = MozlogFormatter.convert_record
_VERSION = MozlogFormatter.LOGGING_FORMAT_VERSION
_SEVERITIES = MozlogFormatter.SYSLOG_LEVEL_MAP
_EXCLUDED = MozlogFormatter.EXCLUDED_LOGRECORD_ATTRS


class JsonLogFormatter(MozlogFormatter):
    """The earlier name of :class:`MozlogFormatter`; to build one is a pending deprecation.

    The parameters are those of :class:`dockerflow.logging.MozlogFormatter`.
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        logger_name: str = DEFAULT_LOGGER_NAME,
    ) -> None:
        warnings.warn(
            "JsonLogFormatter is an earlier name; use dockerflow.logging.MozlogFormatter instead",
            PendingDeprecationWarning,
            stacklevel=2,
        )
        super().__init__(fmt, datefmt, style, logger_name)


def _hostname() -> str:
    try:
        return os.uname().nodename
    except AttributeError:  # Windows
        import socket

        return socket.gethostname()


def _careful_line(
    formatter: MozlogFormatter, record: logging.LogRecord, fresh: bool = False
) -> str:
    """Return the line of any record.

    :param fresh: there is stack enough, so a RecursionError is somebody's fault.
    """
    fault: Exception
    try:
        converted: Any = formatter.convert_record(record)
        if issubclass(type(converted), dict):
            return encode(converted)
        fault = TypeError(f"convert_record returned {safe_repr(converted)}, not a dict")
    except Exception as error:
        if isinstance(error, RecursionError) and not fresh:
            raise
        fault = error
    try:
        converted = convert(formatter, record)
    except Exception as error:
        if isinstance(error, RecursionError) and not fresh:
            raise
        converted = in_words(record)
    converted["Fields"]["convert_record_error"] = clean_text(safe_repr(fault))
    return raw_encode(converted)


# Said where not one more call is possible.
_LAST_WORDS = raw_encode(
    in_words(
        logging.makeLogRecord(
            {"msg": "A record could not be formatted: neither stack nor memory is left."}
        )
    )
)
