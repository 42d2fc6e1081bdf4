"""One request, from its arrival to its last byte: its id, its summary, and the settings of both.

For adapters of frameworks; no promise of stability.

An adapter reports events: the request arrives, the response starts, an exception is not handled,
the last byte is sent. This module decides what follows, for all frameworks: the request's id, its
status and ``errno``, whether it is recorded, and that there is only one record.
"""

from __future__ import annotations

import functools
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import Token
from dataclasses import dataclass, field, fields
from typing import Any, Self
from urllib.parse import unquote_to_bytes

from .request_id import DEFAULT_HEADER, new_request_id, request_id_context, sane_request_id
from .summary import REQUEST_SUMMARY, describe, harmless, milliseconds_since, write_summary

CLIENT_CLOSED_REQUEST = 499
"""The status for a client that disconnected, as in nginx; no RFC defines one."""

# ---------------------------------------------------------------------- settings

# Each of these functions raises a ValueError with the remedy for an invalid value.


def read_header_name(value: object) -> str:
    """Return the name of a header (a token of RFC 9110, 5.6.2); ``X-Request-ID`` if it is empty."""
    if value == "":
        return DEFAULT_HEADER
    if isinstance(value, str) and re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", value):
        return value
    raise ValueError(
        "the name of a header, made of letters, digits and !#$%&'*+-.^_`|~, such as 'X-Request-ID'"
    )


def read_switch(value: object) -> bool:
    """Return whether a switch is on.

    The texts ``0``, ``false``, ``no``, ``off``, ``f``, ``n``, ``none`` and the empty text mean no,
    in upper or lower case, because environment variables only hold texts.
    """
    if isinstance(value, str):
        return value.strip().lower() not in ("", "0", "false", "no", "off", "f", "n", "none")
    return bool(value)


def read_paths(value: object) -> frozenset[str]:
    """Return the paths of a list or a comma-separated text, without trailing slashes."""
    paths: Any = value
    if isinstance(value, str):
        paths = [path.strip() for path in value.split(",") if path.strip()]
    if issubclass(type(paths), list | tuple | set | frozenset) and all(
        isinstance(path, str) and path.startswith("/") for path in paths
    ):
        return frozenset(map(_without_slash, paths))
    raise ValueError(
        'a list of paths that begin with "/", such as ["/__lbheartbeat__"], '
        "or a text with commas between them"
    )


def _setting(name: str, default: Any, read: Callable[[object], Any]) -> Any:
    return field(default=default, metadata={"name": name, "read": read})


@dataclass(frozen=True)
class RequestSettings:
    """The settings that the observation of a request depends on.

    :param header_name: the header that carries the request id.
    :param sends_id: whether the response has the id.
    :param logs_query_string: whether summaries include the query string.
    :param excluded_paths: paths, without trailing slash, whose requests are recorded only if they
        fail.
    """

    header_name: str = _setting(
        "DOCKERFLOW_REQUEST_ID_HEADER_NAME", DEFAULT_HEADER, read_header_name
    )
    sends_id: bool = _setting("DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER", True, read_switch)
    logs_query_string: bool = _setting("DOCKERFLOW_SUMMARY_LOG_QUERYSTRING", False, read_switch)
    excluded_paths: frozenset[str] = _setting(
        "DOCKERFLOW_SUMMARY_EXCLUDE_PATHS", frozenset(), read_paths
    )

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the settings in an application's configuration."""
        return tuple(each.metadata["name"] for each in fields(cls))

    @classmethod
    def read(
        cls, get: Callable[[str], object], report: Callable[[str], object] | None = None
    ) -> Self:
        """Read the settings of an application.

        :param get: returns the value of a setting by its name, None if it is not set.
        :param report: is called with a sentence for each invalid value; the default is used
            instead.
        :raises ValueError: for an invalid value, if there is no ``report``; it names the setting,
            the value and the remedy.
        """
        values: dict[str, Any] = {}
        for each in fields(cls):
            name = each.metadata["name"]
            value = get(name)
            if value is None:
                continue
            try:
                values[each.name] = each.metadata["read"](value)
            except ValueError as remedy:
                shown = re.sub(r"://\S*@", "://***@", repr(value))  # never show a password
                problem = f"{name} is {shown}; set it to {remedy}"
                if report is None:
                    raise ValueError(problem) from None
                report(problem)
        return cls(**values)


class LiveSettings:
    """The request settings of an application whose configuration may change while it runs.

    :param get: returns the value of a setting by its name, None if it is not set.
    :param logger: the logger for invalid values; each is logged once until it changes.
    """

    def __init__(self, get: Callable[[str], object], logger: logging.Logger) -> None:
        self._get = get
        self._report = functools.partial(logger.error, "%s; until then the default is used")
        self._names = RequestSettings.names()
        self._values: list[object] = []
        self._settings = RequestSettings()

    def read(self) -> RequestSettings:
        """Return the current settings."""
        values = [self._get(name) for name in self._names]
        if values != self._values:
            self._settings = RequestSettings.read(self._get, self._report)
            self._values = values
        return self._settings


# ---------------------------------------------------------------------- the request

_CANCELLATIONS = ("CancelledError", "Cancelled", "GeneratorExit")  # asyncio's, trio's, Python's own


class RequestObservation:
    """One request, until its summary is written. Its clock starts when this object is made.

    As a context manager, it sets ``request_id_context`` to the request's id.

    :param settings: the settings of the application.
    :param method: the request's method.
    :param path: its whole path, decoded as the framework does it, without the query.
    :param get_header: returns the value of a request header by its name, in upper or lower case;
        None if it is absent.
    :param query_string: the part of the URL after the ``?``, as it was sent.
    :param mount: the prefix of the path under which the application is mounted.
    :param has_id: whether the request gets an id.
    :param logger: the logger of the summary, by default ``request.summary``; the attribute
        ``logger`` may be set later.
    :ivar request_id: the id of the request.
    :ivar fields: the fields of the summary, which an adapter may extend. ``errno``, ``code`` and
        ``t`` get their values at the end, ``t`` only if it has not been removed.
    :ivar code: the status of the response, None before there is one.
    :ivar body_in_memory: whether the adapter saw the whole body in memory before the response
        started; False by default.
    :ivar error: the last unhandled exception, if any.
    :ivar finished: whether the request has ended.
    :ivar client_left: whether the client disconnected before the response ended.
    :ivar is_recorded: whether to write a summary; True by default.
    :ivar at_end: functions that are called before the summary is written, to add fields to it, by a
        name.
    """

    def __init__(
        self,
        settings: RequestSettings,
        *,
        method: str,
        path: str,
        get_header: Callable[[str], str | None],
        query_string: str | bytes = "",
        mount: str = "",
        has_id: bool = True,
        logger: logging.Logger | None = None,
    ) -> None:
        self._started = time.monotonic_ns()
        self.settings = settings
        self.request_id: str | None = None
        if has_id:
            self.identify(get_header(settings.header_name))
        self.code: int | None = None
        self.body_in_memory = False
        self._has_length = False
        self.error: BaseException | None = None
        self.finished = False
        self.is_recorded = True
        self.at_end: dict[str, Callable[[], None]] = {}
        self.is_websocket = (get_header("Upgrade") or "").lower() == "websocket"
        self.logger = logger
        self._is_head = method == "HEAD"
        self._mount = mount
        self.client_left = False
        self._tokens: list[Token[str | None]] = []
        self.fields: dict[str, Any] = {
            "errno": 0,
            "agent": get_header("User-Agent") or "",
            "lang": get_header("Accept-Language") or "",
            "method": method,
            "path": path,
            "uid": "",
            "rid": self.request_id,
            "code": None,
            "t": 0,
        }
        if settings.logs_query_string:
            # Decoded for people. A ``+`` is kept.
            self.fields["querystring"] = unquote_to_bytes(query_string).decode("utf-8", "replace")

    def identify(self, received_id: str | None) -> None:
        """Give the request its id.

        :param received_id: the id that the client has sent; it is used if it is valid.
        """
        self.request_id = sane_request_id(received_id) or new_request_id()

    def __enter__(self) -> Self:
        self._tokens.append(request_id_context.set(self.request_id))
        return self

    def __exit__(self, *exc_info: object) -> None:
        request_id_context.reset(self._tokens.pop())

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()  # so that a Django request, which refers to this, can be pickled

    def elapsed(self) -> int:
        """Return the whole milliseconds since the request arrived."""
        return milliseconds_since(self._started)

    def update_fields(self, make: Callable[[], Mapping[str, Any]], logger: logging.Logger) -> None:
        """Let the application change the fields of the summary; log what it raises.

        :param make: returns all fields, for example an extension's ``summary_extra``.
        :param logger: the adapter's logger.
        """
        try:
            self.fields = dict(make())
        except Exception:
            logger.exception("Can't get the request summary's fields; it is logged without them")

    def add_at_end(
        self,
        makers: Mapping[str, Callable[[Any], Any] | None],
        request: Any,
        logger: logging.Logger,
    ) -> None:
        """Add fields to the summary when the request ends.

        A later call for the same field replaces its function.

        :param makers: for each field, a function that takes the request and returns the value, or
            None to add no field. If it raises, the exception is logged.
        :param request: the argument of the functions, such as an ASGI scope.
        :param logger: the adapter's logger.
        """

        def add(name: str, make: Callable[[Any], Any]) -> None:
            def fields() -> dict[str, Any]:
                value = make(request)
                return {**self.fields, name: "" if value is None else value}

            self.update_fields(fields, logger)

        for name, make in makers.items():
            if make is not None:
                self.at_end[name] = functools.partial(add, name, make)

    # ------------------------------------------------------------------ events

    def response_started(
        self, status: object, header_names: Iterable[str]
    ) -> tuple[str, str] | None:
        """Note the start of the response.

        :param status: its status: a number, or a text that begins with one.
        :param header_names: the names of its headers.
        :returns: the name and value of the header to add to it, or None.
        """
        number: Any = status[:3] if isinstance(status, str) else status
        try:
            self.code = int(number)
        except (TypeError, ValueError):
            self.code = None
        if self.code is not None and self.code < 500:
            self.error = None  # it was handled: Flask-RESTX, for example, raises each 404
        names = {name.lower() for name in header_names}
        self._has_length = "content-length" in names
        header_name = self.settings.header_name
        if not self.settings.sends_id or self.request_id is None or header_name.lower() in names:
            return None
        return header_name, self.request_id

    def headers_sent(self) -> None:
        """Note that the server has the headers; if the body is in memory, the request ends here."""
        # A later hook may have replaced the body with a stream, which has no length.
        if self.body_in_memory and (self._has_length or not self._expects_body()):
            self.finish()

    def failed(self, error: BaseException) -> None:
        """Note an unhandled exception.

        A cancellation of asyncio or trio, or a closed generator, means that the client has
        disconnected. A time limit of gevent does not, nor does the end of a worker, although
        uvicorn also cancels requests then.

        :param error: the exception; if it is a group with a single exception, that one is used.
        """
        raised: Any = error
        if isinstance(error, BaseExceptionGroup) and len(raised.exceptions) == 1:
            self.failed(raised.exceptions[0])
        elif self.is_websocket and isinstance(error, StopIteration):
            pass  # Flask-Sock's end like this under gunicorn
        elif _is_cancellation(raised):
            self.client_gone()
        else:
            self.error = error

    def client_gone(self) -> None:
        """Note that the client disconnected before the response ended."""
        self.client_left = True

    def body_ended(self, error: BaseException | None, complete: bool) -> None:
        """Note the end of a streamed body, which is the end of the request.

        :param error: the exception that ended it, if any.
        :param complete: whether its last byte was passed on.
        """
        if error is not None:
            self.failed(error)
        elif not complete and self._expects_body():
            self.client_gone()
        self.finish()

    def finish(self) -> None:
        """Write the summary; only the first call does.

        It never raises, even if handlers or filters of the application do.
        """
        if self.finished:
            return
        self.finished = True
        with harmless(REQUEST_SUMMARY):
            self._write()
        self.at_end.clear()  # they refer to the request, and it to this observation

    # ------------------------------------------------------------------ the summary

    def _write(self) -> None:
        if not self.is_recorded:
            return
        if self.is_websocket and self.code is None and self.error is None:
            return  # it was accepted, and no response was sent
        for add_fields in self.at_end.values():
            add_fields()
        code, error, errno = self.code, self.error, 0
        if self.client_left:
            error = None  # it only reports that, like Starlette's ClientDisconnect
        if self.client_left and self._expects_body():
            code = CLIENT_CLOSED_REQUEST
        elif error is not None:
            errno = 500
            code = 500 if code is None else code  # as a server answers then
        elif code is not None and code >= 500:
            errno = code
        if not errno and self.settings.excluded_paths and self._is_excluded():
            return
        logger = self.logger or logging.getLogger(REQUEST_SUMMARY)
        level = logging.INFO if error is None else logging.ERROR
        found = {**self.fields, "errno": errno, "code": code}
        if code is None:
            del found["code"]
        if "t" in found:
            found["t"] = self.elapsed()
        write_summary(logger, level, "" if error is None else describe(error), found)

    def _expects_body(self) -> bool:
        """Return whether headers, or a body after them (RFC 9110, section 6.4.1), are expected."""
        code = self.code
        return code is None or (not self._is_head and code >= 200 and code not in (204, 304))

    def _is_excluded(self) -> bool:
        path = str(self.fields.get("path", ""))
        names = {_without_slash(path), _without_slash(path.removeprefix(self._mount))}
        return not names.isdisjoint(self.settings.excluded_paths)


def _is_cancellation(error: BaseException) -> bool:
    """Return whether an exception means that the client has disconnected."""
    if isinstance(error, Exception) or type(error).__name__ not in _CANCELLATIONS:
        return False
    # Uvicorn's --timeout-graceful-shutdown cancels requests with this text in the message.
    return "graceful shutdown" not in str(error)


def loaded_identity(user: object) -> str | None:
    """Return the primary key of a user whose attributes SQLAlchemy would read from the database.

    After a commit, reading an attribute queries the database again, but the key is still there.
    https://docs.sqlalchemy.org/en/20/orm/internals.html#sqlalchemy.orm.InstanceState.identity

    :param user: any object that represents a user.
    :returns: the parts of the key, joined by commas; None if reading attributes needs no query.
    """
    state = getattr(user, "_sa_instance_state", None)  # what sqlalchemy.inspect() returns
    if state is None or not state.expired_attributes:
        return None
    return ",".join(map(str, state.identity or ()))


def _without_slash(path: str) -> str:
    return path.rstrip("/") or "/"
