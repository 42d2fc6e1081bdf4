"""Log records that are written with every request: copies of the first one, brought up to date."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from types import FunctionType

from . import marks
from .reprs import class_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet
    from typing import Any

    from .direct import DirectLines

# By logger, level and its name; one or two are used. Past it the cache starts again from empty.
_MAX_PROTOTYPES = 64
_prototypes: dict[tuple[str, int, str], dict[str, Any]] = {}

#: Whether this process may become another one without a word: uWSGI forks without Python's hooks,
#: unless it is told to call them. To ask for the number each time takes half a microsecond.
#: https://uwsgi-docs.readthedocs.io/en/latest/Options.html#py-call-osafterfork
FORKS_UNSEEN = "uwsgi" in sys.modules
if hasattr(os, "register_at_fork"):  # a child has a number and a name of its own
    os.register_at_fork(after_in_child=_prototypes.clear)

# Names that Logger.makeRecord refuses, whatever the record has.
_REFUSED = frozenset({"message", "asctime"})
#: Names that a record has whatever is logged: as fields, they would make a logger refuse them.
TAKEN = _REFUSED | logging.LogRecord("", 0, "", 0, "", (), None).__dict__.keys()


def is_untouched(*functions: object) -> bool:
    """Tell whether these are logging's own: what was patched before this import is not."""
    return all(
        type(one) is FunctionType and one.__globals__ is logging.__dict__ for one in functions
    )


_RECORD, _INIT = logging.LogRecord, logging.LogRecord.__init__
_LOGGER = logging.Logger
_MAKE_RECORD, _LOG, _LOG_PUBLICLY = _LOGGER.makeRecord, _LOGGER._log, _LOGGER.log
_LOGS_AS_MADE = is_untouched(_MAKE_RECORD, _LOG, _LOG_PUBLICLY)


def is_plain(logger: Any) -> bool:
    """Tell whether *logger* makes records as the standard library does.

    :param logger: a logger, or what is one in part, as :class:`logging.LoggerAdapter` is.
    """
    cls = class_of(logger)
    if cls is not _LOGGER and not issubclass(cls, _LOGGER):
        return False
    own = logger.__dict__
    return (
        _LOGS_AS_MADE
        and cls.makeRecord is _MAKE_RECORD
        and cls._log is _LOG
        and cls.log is _LOG_PUBLICLY
        and not ("makeRecord" in own or "_log" in own or "log" in own)
    )


def find_direct_lines(
    logger: logging.Logger, level: int, forget: Callable[[object], object]
) -> DirectLines | None:
    """Return what writes lines without a record, if nobody would see the record.

    :param logger: whose lines.
    :param level: of which level.
    :param forget: called when the lines can't be written any more.
    """
    latest_change = marks.latest_change
    if (
        type(logger) is not _LOGGER
        or logger.filters
        or len(logger.__dict__) != _LOGGER_SIZE  # a method that is put on it makes it larger
        or logging.getLogRecordFactory() is not _RECORD
    ):
        return None
    handler: Any = only_handler(logger, level)
    make = getattr(handler, "direct_lines", None)  # it is a MozlogHandler's
    lines: DirectLines | None = None if make is None else make(logger, level, forget)
    # What is changed from here on, the lines see.
    return lines if marks.latest_change is latest_change else None


def only_handler(logger: logging.Logger, level: int) -> logging.Handler | None:
    """Return the handler that alone would get records of this logger and level, if one would."""
    found: logging.Handler | None = None
    current: logging.Logger | None = logger
    while current is not None:  # as Logger.callHandlers goes
        for handler in current.handlers:
            if handler.level <= level:
                if found is not None:
                    return None
                found = handler
        if not current.propagate:
            break
        current = current.parent
    return found


def is_as_made() -> bool:
    """Tell whether all methods that have no part in a line without a record are logging's own."""
    # Written out, since Python 3.13 has nothing but this with every line.
    return (
        _IS_UNTOUCHED
        and _LOGGER.makeRecord is _MAKE_RECORD
        and _LOGGER.log is _LOG_PUBLICLY
        and _LOGGER._log is _LOG
        and _LOGGER.handle is _HANDLE
        and _LOGGER.callHandlers is _CALL_HANDLERS
        and _LOGGER.filter is _FILTER
        and _LOGGER.isEnabledFor is _IS_ENABLED_FOR
        and _RECORD.__init__ is _INIT
        and _RECORD.getMessage is _GET_MESSAGE
    )


_HANDLE, _CALL_HANDLERS = _LOGGER.handle, _LOGGER.callHandlers
_FILTER, _IS_ENABLED_FOR = _LOGGER.filter, _LOGGER.isEnabledFor
_GET_MESSAGE = _RECORD.getMessage
_IS_UNTOUCHED = is_untouched(
    *(_MAKE_RECORD, _LOG_PUBLICLY, _LOG, _HANDLE, _CALL_HANDLERS, _FILTER, _IS_ENABLED_FOR),
    *(_INIT, _GET_MESSAGE),
)
_LOGGER_SIZE = len(_LOGGER("").__dict__) + 1  # getLogger adds its manager


def make_record(
    logger: logging.Logger, level: int, text: str, fields: dict[str, Any]
) -> logging.LogRecord:
    """Make the record that ``logger.log(level, text, extra=fields)`` would make.

    It says nothing of the caller. What all records of the logger and level have in common is
    copied from the first one: that takes less than half the time of ``LogRecord()``.

    :param logger: one that :func:`is_plain`.
    :param fields: what it has of a name that the record has already is renamed.
    """
    if not (
        _IS_UNTOUCHED
        and logging.getLogRecordFactory() is _RECORD
        and _RECORD.__init__ is _INIT
        and logging.logThreads
        and logging.logProcesses
        and logging.logMultiprocessing
        and not FORKS_UNSEEN
    ):
        return _with_fields(_first_record(logger, level, text), fields)

    key = (logger.name, level, logging.getLevelName(level))
    prototype = _prototypes.get(key)
    if prototype is None:
        if len(_prototypes) >= _MAX_PROTOTYPES:
            _prototypes.clear()
        prototype = _prototypes[key] = _first_record(logger, level, "").__dict__
    attributes = prototype.copy()
    # What is left to do of LogRecord.__init__.
    created = time.time()
    attributes["msg"] = text
    attributes["created"] = created
    attributes["msecs"] = created % 1 * 1000 // 1
    attributes["relativeCreated"] += (created - prototype["created"]) * 1000
    attributes["thread"] = threading.get_ident()
    attributes["threadName"] = threading.current_thread().name
    if "multiprocessing" in sys.modules:
        attributes["processName"] = _process_name()
    if "taskName" in attributes:  # from Python 3.12 on
        attributes["taskName"] = _task_name()
    record = _new_record(_RECORD)
    record.__dict__ = attributes
    size = len(attributes)
    attributes.update(fields)
    if len(attributes) != size + len(fields) or "message" in fields or "asctime" in fields:
        return _with_fields(_first_record(logger, level, text), fields)
    return record


_new_record = _RECORD.__new__


def _first_record(logger: logging.Logger, level: int, text: str) -> logging.LogRecord:
    return logger.makeRecord(
        logger.name, level, "(unknown file)", 0, text, (), None, "(unknown function)"
    )


def _with_fields(record: logging.LogRecord, fields: dict[str, Any]) -> logging.LogRecord:
    attributes = record.__dict__
    attributes.update(renamed(fields, _REFUSED | attributes.keys()))
    return record


def _process_name() -> str:
    try:
        name: str = sys.modules["multiprocessing"].current_process().name
        return name
    except Exception:  # it is being imported
        return "MainProcess"


def _task_name() -> str | None:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not getattr(logging, "logAsyncioTasks", True):
        return None
    try:
        name: str = asyncio.current_task().get_name()
        return name
    except Exception:  # there is no task
        return None


def renamed(fields: dict[str, Any], taken: AbstractSet[str]) -> dict[str, Any]:
    """Return *fields* with ``extra_`` before each name that is among *taken*."""
    given: dict[str, Any] = {}
    for name, value in fields.items():
        free = name
        while free in taken or free in given or (free != name and free in fields):
            free = f"extra_{free}"
        given[free] = value
    return given
