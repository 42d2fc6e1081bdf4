"""The one definition of ``request.summary``: a record for each request, however it ends."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from logging import ERROR, INFO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from typing import Any

    from .direct import DirectLines, UsualFields
    from .records import TAKEN, find_direct_lines, is_plain, make_record, renamed
    from .reprs import safe_text

#: The name of the logger, and so the ``Type`` of the line.
SUMMARY_LOGGER = "request.summary"

#: The status that stands for a client that went away (nginx's own: no RFC has one).
CLIENT_CLOSED_REQUEST = 499


def summary_fields(
    method: str,
    path: str,
    agent: str = "",
    lang: str = "",
    uid: object = "",
    rid: str | None = None,
    querystring: str | None = None,
) -> dict[str, Any]:
    """Return the fields that are known when a request arrives.

    :param method: the request's method, as the application sees it.
    :param path: its path, likewise, without the query.
    :param agent: its ``User-Agent``.
    :param lang: its ``Accept-Language``.
    :param uid: who is asking, as the application says it; ``""`` for nobody known.
    :param rid: its id.
    :param querystring: its query, decoded; None where it is not to be recorded.
    """
    fields: dict[str, Any] = {
        "errno": 0,
        "agent": agent,
        "lang": lang,
        "method": method,
        "path": path,
        "uid": uid,
        "rid": rid,
    }
    if querystring is not None:
        fields["querystring"] = querystring
    return fields


class RequestSummary:
    """The summary of one request; its clock starts when it is made.

    :param logger: where the record goes; the logger ``request.summary`` by default.
    """

    __slots__ = ("_logger", "_mark", "_stopped", "error", "fields", "usual", "written")

    def __init__(self, logger: logging.Logger | None = None) -> None:
        if not _is_ready:
            _get_ready()
        self._logger = logger
        #: What will be written; :meth:`write` adds ``errno``, ``code`` and ``t``.
        self.fields: dict[str, Any] = {}
        #: The same where it is what most requests have: what :func:`summary_fields` is called with,
        #: in place of ``fields``.
        self.usual: UsualFields | None = None
        #: Whether the end of the request has been seen already.
        self.written = False
        #: An unhandled exception that was noticed on the way.
        self.error: BaseException | None = None
        self._mark = time.monotonic_ns()
        self._stopped: int | None = None

    def stop(self) -> None:
        """Stop the clock: the last byte has been handed over, and the request goes on."""
        self._stopped = time.monotonic_ns()

    def elapsed(self) -> int:
        """Return the whole milliseconds since this was made, or until its clock was stopped."""
        until = time.monotonic_ns() if self._stopped is None else self._stopped
        return (until - self._mark) // 1_000_000

    def write(
        self,
        code: int | None,
        error: BaseException | None = None,
        failed: bool = False,
        gone: bool = False,
        timed: bool = True,
        exclude_paths: Container[str] = (),
    ) -> None:
        """Write the record; only the first call does.

        Nothing is raised, whatever the fields hold and whatever the handlers, filters and factories
        of the application do: observing a request never changes it.

        :param code: the status that was handed over; None where there is none.
        :param error: the exception that no one handled, by default the one noticed on the way.
        :param failed: the response failed in mid-stream.
        :param gone: the client went away first: ``code`` is 499 and ``errno`` 0.
        :param timed: whether ``t`` is told.
        :param exclude_paths: paths that are not recorded, unless ``errno`` is not 0.
        """
        if self.written:
            return
        self.written = True
        try:
            if error is None:
                error = self.error
            status: object = code
            errno = 0
            if gone:
                status = CLIENT_CLOSED_REQUEST
            elif error is not None or failed or type(code) is not int or code >= 500:
                status, errno = _outcome(code, failed or error is not None)
            usual = self.usual
            fields = self.fields.copy() if usual is None else summary_fields(*usual)
            if (
                exclude_paths != ()
                and not errno
                and _is_excluded(fields.get("path"), exclude_paths)
            ):
                return
            fields["errno"] = errno
            fields.pop("t", None)
            if status is None:
                fields.pop("code", None)
            else:
                fields["code"] = status
            if timed:
                fields["t"] = self.elapsed()
            logger = self._logger
            if logger is None:
                logger = _summary_logger()
            level = ERROR if errno else INFO
            if logger.isEnabledFor(level):
                text = "" if error is None or gone else safe_text(error)
                lines = _lines_without_record(logger, level)
                if lines is None or not lines.write(logger, text, fields):
                    _log(logger, level, text, fields)
        except Exception:
            _report()

    def write_usual(self, code: int | None) -> None:
        """Write the record as ``write(code)`` does, in less than half the time for most requests.

        Those are requests that have ``usual`` fields and did not fail.

        :param code: the status that was handed over.
        """
        if self.written:
            return
        try:
            logger = self._logger
            if logger is None:
                logger = _summary_logger()
            lines, usual = _known_lines((id(logger), INFO)), self.usual
            if (
                lines is not None
                and usual is not None
                and self.error is None
                and type(code) is int
                and code < 500
            ):
                self.written = True
                until = time.monotonic_ns() if self._stopped is None else self._stopped
                elapsed = (until - self._mark) // 1_000_000  # saves the call of elapsed()
                if lines.write_usual(logger, usual, code, elapsed):
                    return
                self.written = False
        except Exception:
            _report()
            return
        self.write(code)


_is_ready = False


def _get_ready() -> None:
    """Import what writes records with the first request, which saves adapters a tenth of theirs.

    Not later: nothing can be imported when an interpreter ends.
    """
    global TAKEN, find_direct_lines, is_plain, make_record, renamed, safe_text, _is_ready
    from .records import TAKEN, find_direct_lines, is_plain, make_record, renamed
    from .reprs import safe_text

    _is_ready = True


# By the logger's id() and level; one or two are used. Past it the cache starts again from empty.
_MAX_DIRECT_LINES = 64
_direct_lines: dict[tuple[int, int], DirectLines] = {}
# What has been found, if anything; whether it holds, is to be asked.
_known_lines = _direct_lines.get
if hasattr(os, "register_at_fork"):  # a child has a number of its own
    os.register_at_fork(after_in_child=_direct_lines.clear)


def _lines_without_record(logger: logging.Logger, level: int) -> DirectLines | None:
    """Return what writes lines of this logger and level without making a record, if anything may.

    :returns: None where somebody would see the record: another handler than one of this package, a
        filter, a patched method, a record factory.
    """
    key = id(logger), level
    try:
        lines = _known_lines(key)
        if lines is None or lines.holding(logger) is None:

            def forget(_: object) -> None:
                _direct_lines.pop(key, None)

            forget(None)
            lines = find_direct_lines(logger, level, forget)
            if lines is not None:
                if len(_direct_lines) >= _MAX_DIRECT_LINES:
                    _direct_lines.clear()
                _direct_lines[key] = lines
    except Exception:  # what has been put in place can't be looked at: a record copes with it
        return None
    return lines


def _summary_logger() -> logging.Logger:
    # What getLogger returns where there is the logger already, without taking its lock.
    logger = logging.Logger.manager.loggerDict.get(SUMMARY_LOGGER)
    return logger if isinstance(logger, logging.Logger) else logging.getLogger(SUMMARY_LOGGER)


def _outcome(code: Any, failed: bool) -> tuple[object, int]:
    """Return what stands for ``code``, an ``HTTPStatus`` or a number in text say, and ``errno``."""
    status = code
    with contextlib.suppress(Exception):
        status = None if code is None else int(code)
    if failed:
        return status, 500
    return status, status if type(status) is int and status >= 500 else 0


def _is_excluded(path: Any, exclude_paths: Container[str]) -> bool:
    try:
        return path in exclude_paths
    except Exception:  # a path that can't be hashed, paths that can't be searched
        return False


def _log(logger: logging.Logger, level: int, text: str, fields: dict[str, Any]) -> None:
    if is_plain(logger):
        # What Logger._log does, without its walk up the stack for a caller that would be this line.
        logger.handle(make_record(logger, level, text, fields))
    else:
        logger.log(level, text, extra=renamed(fields, TAKEN))


def _report() -> None:
    """Say on stderr what went wrong, as ``logging.Handler.handleError`` does."""
    if logging.raiseExceptions and sys.stderr:
        try:
            import traceback

            sys.stderr.write("--- Logging error in request.summary ---\n")
            traceback.print_exc(file=sys.stderr)
        except Exception:  # noqa: S110 - there is no one left to tell
            pass


# --- settings and queries, for the adapters -----------------------------------------------------

#: The settings that matter to each request. Most applications have none, and one look tells it.
REQUEST_SETTINGS = frozenset(
    {
        "DOCKERFLOW_REQUEST_ID_HEADER_NAME",
        "DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER",
        "DOCKERFLOW_SUMMARY_LOG_QUERYSTRING",
        "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS",
    }
)


def excluded_paths(value: object, logger: logging.Logger) -> frozenset[str]:
    """Return what :func:`as_paths` does; a value that makes no sense is logged, and is no path.

    :param value: the setting, as there.
    :param logger: the adapter's logger.
    """
    try:
        return as_paths(value)
    except ValueError as error:
        try:
            logger.error("%s; until then no path is left out", error)
        except Exception:  # a handler of the application's
            _report()
        return frozenset()


def known_identity(user: object) -> str | None:
    """Return the primary key of a user whom SQLAlchemy would have to read from the database.

    After a commit any attribute of such an object is read anew; its key is still known.
    https://docs.sqlalchemy.org/en/20/orm/internals.html#sqlalchemy.orm.InstanceState.identity

    :param user: any object that stands for a user.
    :returns: its parts, joined by commas; None for any object whose attributes may be read.
    """
    state = getattr(user, "_sa_instance_state", None)
    if state is None or not state.expired_attributes:
        return None
    return ",".join(map(str, state.identity or ()))


def decode_query(raw: str | bytes) -> str:
    """Return a query string with its percent-escapes decoded, for people to read.

    :param raw: the part of the URL behind the ``?``; as bytes, or as a str of what was sent.
    :returns: text; what is no UTF-8 is replaced by U+FFFD. A ``+`` stays one.
    """
    if isinstance(raw, str):
        if "%" not in raw:
            return raw
        from urllib.parse import unquote

        return unquote(raw, errors="replace")
    if b"%" in raw:
        from urllib.parse import unquote_to_bytes

        raw = unquote_to_bytes(raw)
    return raw.decode("utf-8", "replace")


def as_paths(value: Any) -> frozenset[str]:
    """Return the paths that the setting ``DOCKERFLOW_SUMMARY_EXCLUDE_PATHS`` names.

    :param value: the setting: one path, or a list, tuple or set of paths; None is none.
    :raises ValueError: for anything else.
    """
    if value is None:
        return frozenset()
    if isinstance(value, str):
        return frozenset((value,))
    if type(value) in (list, tuple, set, frozenset):
        paths: list[Any] = list(value)
        if all(isinstance(path, str) for path in paths):
            return frozenset(paths)
    raise ValueError(
        f"DOCKERFLOW_SUMMARY_EXCLUDE_PATHS is {value!r}; it must be a list of paths, "
        'such as ["/__heartbeat__", "/__lbheartbeat__"]'
    )
