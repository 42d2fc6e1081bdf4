"""One request, from its arrival to its last byte: its id, its summary, and the settings of both.

For adapters of frameworks; no promise of stability.

An adapter says *when*: the request is here, the response starts, somebody failed, the last byte is
gone. What that means is decided here, once for all frameworks: which id the request has, what its
status and ``errno`` are, whether it is recorded, and that there is one record.
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
"""The status that stands for a client that went away: nginx's own, no RFC has one."""

# ---------------------------------------------------------------------- settings

# Each of these functions raises a ValueError with the remedy for a value that makes no sense.


def read_header_name(value: object) -> str:
    """Return the name of a header, a token of RFC 9110, 5.6.2; by default ``X-Request-ID``."""
    if value == "":
        return DEFAULT_HEADER
    if isinstance(value, str) and re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", value):
        return value
    raise ValueError(
        "the name of a header, made of letters, digits and !#$%&'*+-.^_`|~, such as 'X-Request-ID'"
    )


def read_switch(value: object) -> bool:
    """Return whether a switch is on; environment variables have texts alone to say that it isn't.

    ``0``, ``false``, ``no``, ``off``, ``f``, ``n``, ``none`` and the empty text do, in any case.
    """
    if isinstance(value, str):
        return value.strip().lower() not in ("", "0", "false", "no", "off", "f", "n", "none")
    return bool(value)


def read_paths(value: object) -> frozenset[str]:
    """Return the paths of a list, or of a text with commas, without their trailing slashes."""
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
    :param sends_id: whether the id is sent back in the response.
    :param logs_query_string: whether summaries have the query string.
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
        """Return the names of the settings, as an application has them."""
        return tuple(each.metadata["name"] for each in fields(cls))

    @classmethod
    def read(
        cls, get: Callable[[str], object], report: Callable[[str], object] | None = None
    ) -> Self:
        """Read the settings of an application.

        :param get: returns the value of a setting by its name, None where it is not set.
        :param report: gets a sentence for each value that makes no sense, for which the default is
            used then.
        :raises ValueError: for a value that makes no sense, if there is no ``report``; it names the
            setting, the value and the remedy.
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
                shown = re.sub(r"://\S*@", "://***@", repr(value))  # a password is for nobody
                problem = f"{name} is {shown}; set it to {remedy}"
                if report is None:
                    raise ValueError(problem) from None
                report(problem)
        return cls(**values)


class LiveSettings:
    """The request settings of an application whose configuration may change while it runs.

    :param get: returns the value of a setting by its name, None where it is not set.
    :param logger: where a value that makes no sense is logged, once for as long as it stays.
    """

    def __init__(self, get: Callable[[str], object], logger: logging.Logger) -> None:
        self._get = get
        self._report = functools.partial(logger.error, "%s; until then the default is used")
        self._names = RequestSettings.names()
        self._values: list[object] = []
        self._settings = RequestSettings()

    def read(self) -> RequestSettings:
        """Return the settings as they are now."""
        values = [self._get(name) for name in self._names]
        if values != self._values:
            self._settings = RequestSettings.read(self._get, self._report)
            self._values = values
        return self._settings


# ---------------------------------------------------------------------- the request

_CANCELLATIONS = ("CancelledError", "Cancelled", "GeneratorExit")  # asyncio's, trio's, Python's own


class RequestObservation:
    """One request, until its summary is written; its clock starts when this is made.

    As a context manager, it puts the request's id into ``request_id_context``.

    :param settings: those of the application.
    :param method: the request's method.
    :param path: its whole path, decoded as the framework does it, without the query.
    :param get_header: returns the value of a request header by its name, in any case; None where it
        is absent.
    :param query_string: what stands behind the ``?``, as it was sent.
    :param mount: the part of the path that names where the application is mounted.
    :param has_id: whether the request is given an id.
    :param logger: where the summary goes, by default the logger ``request.summary``; an attribute
        of that name may be set later.
    :ivar request_id: the id of the request.
    :ivar fields: what the summary says of the request; an adapter may add to it. ``errno``,
        ``code`` and ``t`` are set at the end, ``t`` only if it is still there.
    :ivar code: the status of the response, None before there is one.
    :ivar body_in_memory: whether the adapter saw the whole body in memory before the response
        started; False, unless it says so.
    :ivar error: the exception that nobody has handled, as far as is known.
    :ivar finished: whether the end of the request has been seen.
    :ivar client_left: whether the client went away before the response had ended.
    :ivar is_recorded: whether there is to be a summary; True, unless somebody sets it.
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
            # For people to read. A ``+`` stays one.
            self.fields["querystring"] = unquote_to_bytes(query_string).decode("utf-8", "replace")

    def identify(self, received_id: str | None) -> None:
        """Give the request its id.

        :param received_id: what the client has sent, which is used if it is sane.
        """
        self.request_id = sane_request_id(received_id) or new_request_id()

    def __enter__(self) -> Self:
        self._tokens.append(request_id_context.set(self.request_id))
        return self

    def __exit__(self, *exc_info: object) -> None:
        request_id_context.reset(self._tokens.pop())

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()  # a Django request, which refers to this, is pickled without it

    def elapsed(self) -> int:
        """Return the whole milliseconds since the request arrived."""
        return milliseconds_since(self._started)

    def update_fields(self, make: Callable[[], Mapping[str, Any]], logger: logging.Logger) -> None:
        """Let the application say more of the request; what it raises is logged.

        :param make: returns all fields, such as an extension's ``summary_extra``.
        :param logger: the adapter's logger.
        """
        try:
            self.fields = dict(make())
        except Exception:
            logger.exception("The fields of the request summary can't be had: it goes without them")

    # ------------------------------------------------------------------ what happens to it

    def response_started(
        self, status: object, header_names: Iterable[str]
    ) -> tuple[str, str] | None:
        """Note the response.

        :param status: its status: a number, or a text that begins with one.
        :param header_names: the names of its headers.
        :returns: name and value of the header that is to be added to it, or None.
        """
        number: Any = status[:3] if isinstance(status, str) else status
        try:
            self.code = int(number)
        except (TypeError, ValueError):
            self.code = None
        if self.code is not None and self.code < 500:
            self.error = None  # it has been answered, as Flask-RESTX does with each 404
        names = {name.lower() for name in header_names}
        self._has_length = "content-length" in names
        header_name = self.settings.header_name
        if not self.settings.sends_id or self.request_id is None or header_name.lower() in names:
            return None
        return header_name, self.request_id

    def headers_sent(self) -> None:
        """Note that the server has the headers: a request whose body is in memory ends here."""
        # A later hook may have put a stream in its place, which has no length.
        if self.body_in_memory and (self._has_length or not self._expects_body()):
            self.finish()

    def failed(self, error: BaseException) -> None:
        """Note an exception that nobody has handled.

        Cancellation, asyncio's and trio's, and a closed generator stand for a client that has gone;
        gevent's time limits and the end of a worker, for which uvicorn cancels as well, don't.

        :param error: the exception; a lone one is taken out of the groups of task groups.
        """
        raised: Any = error
        if isinstance(error, BaseExceptionGroup) and len(raised.exceptions) == 1:
            self.failed(raised.exceptions[0])
        elif self.is_websocket and isinstance(error, StopIteration):
            pass  # so do those of Flask-Sock end under gunicorn
        elif _is_cancellation(raised):
            self.client_gone()
        else:
            self.error = error

    def client_gone(self) -> None:
        """Note that the client went away before the response had ended."""
        self.client_left = True

    def body_ended(self, error: BaseException | None, complete: bool) -> None:
        """Note the end of a streamed body, which is the end of the request.

        :param error: the exception that ended it, if one did.
        :param complete: whether it was handed over to its last byte.
        """
        if error is not None:
            self.failed(error)
        elif not complete and self._expects_body():
            self.client_gone()
        self.finish()

    def finish(self) -> None:
        """Write the summary; only the first call does.

        Nothing is raised, whatever the handlers and filters of the application do.
        """
        if self.finished:
            return
        self.finished = True
        with harmless(REQUEST_SUMMARY):
            self._write()

    # ------------------------------------------------------------------ what it comes to

    def _write(self) -> None:
        if not self.is_recorded:
            return
        if self.is_websocket and self.code is None and self.error is None:
            return  # it was taken over, and no response was sent
        code, error, errno = self.code, self.error, 0
        if self.client_left:
            error = None  # which says just that, such as Starlette's ClientDisconnect
        if self.client_left and self._expects_body():
            code = CLIENT_CLOSED_REQUEST
        elif error is not None:
            errno = 500
            code = 500 if code is None else code  # what a server makes of it
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
        """Return whether headers, or a body after them (RFC 9110, section 6.4.1), are due."""
        code = self.code
        return code is None or (not self._is_head and code >= 200 and code not in (204, 304))

    def _is_excluded(self) -> bool:
        path = str(self.fields.get("path", ""))
        names = {_without_slash(path), _without_slash(path.removeprefix(self._mount))}
        return not names.isdisjoint(self.settings.excluded_paths)


def _is_cancellation(error: BaseException) -> bool:
    """Return whether an exception is what ends a request whose client has gone."""
    if isinstance(error, Exception) or type(error).__name__ not in _CANCELLATIONS:
        return False
    # Uvicorn cancels what its --timeout-graceful-shutdown cuts off, with this in the message.
    return "graceful shutdown" not in str(error)


def loaded_identity(user: object) -> str | None:
    """Return the primary key of a user whom SQLAlchemy would have to read from the database.

    After a commit any attribute of such an object is read anew; its key is still known.
    https://docs.sqlalchemy.org/en/20/orm/internals.html#sqlalchemy.orm.InstanceState.identity

    :param user: any object that stands for a user.
    :returns: its parts, joined by commas; None for any object whose attributes may be read.
    """
    state = getattr(user, "_sa_instance_state", None)  # what sqlalchemy.inspect() returns
    if state is None or not state.expired_attributes:
        return None
    return ",".join(map(str, state.identity or ()))


def _without_slash(path: str) -> str:
    return path.rstrip("/") or "/"
