"""The id of the current request, and the filter that adds it to log lines."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Mapping
from contextvars import ContextVar

request_id_context: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the current request; None outside of one."""

DEFAULT_HEADER = "X-Request-ID"
"""The header of the request id, if no other is configured."""

_SANE_ID = re.compile("[!-~]{1,200}")


def new_request_id() -> str:
    """Return a new random UUID (version 4, RFC 9562) as text."""
    return str(uuid.uuid4())


def sane_request_id(value: object) -> str | None:
    """Return *value* as a request id, if it can be one.

    :param value: a header's value; surrounding spaces and tabs are ignored (RFC 9110, 5.5).
    :returns: 1 to 200 visible ASCII characters (0x21 to 0x7e), or None for anything else.
    """
    if not isinstance(value, str):
        return None
    text = value.strip(" \t")
    return text if _SANE_ID.fullmatch(text) else None


def get_or_generate_request_id(
    headers: Mapping[str, object], header_name: str | None = None
) -> str:
    """Return the id that a request was sent with, or a new one.

    :param headers: the request's headers, a plain dict or a framework's own; names in any case.
    :param header_name: the header that carries the id; ``X-Request-ID`` by default.
    :returns: the header's value if it is valid, otherwise a new UUID4.
    """
    name = header_name or DEFAULT_HEADER
    try:
        value = headers.get(name)
        if value is None:
            same_name = (key for key in headers if str(key).lower() == name.lower())
            value = next((headers[key] for key in same_name), None)
    except Exception:  # whatever the headers hold, the request gets an id
        value = None
    return sane_request_id(value) or new_request_id()


def outgoing_headers(header_name: str = DEFAULT_HEADER) -> dict[str, str]:
    """Return the headers that pass the id of the current request on to another service.

    Only send them to your own services: you can't know what others do with an id.

    :param header_name: the header in which the other service expects the id.
    :returns: the header with the id; an empty dict outside of a request, or if the application has
        set an invalid id.
    """
    request_id = sane_request_id(request_id_context.get())
    return {header_name: request_id} if request_id else {}


class RequestIdLogFilter(logging.Filter):
    """Set ``rid`` on every record to the id of its request, so that formats can use ``%(rid)s``.

    A ``rid`` in the caller's ``extra`` is kept. Otherwise the id is that of the current request, or
    else that of the ``request`` in ``extra`` (as in records of Django after its middleware), or
    else None. The filter works on handlers and on loggers.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the id.

        :param record: any record.
        :returns: always True, so that no record is dropped.
        """
        if not hasattr(record, "rid"):
            record.rid = request_id_context.get() or _id_of(getattr(record, "request", None))
        return True


def _id_of(request: object) -> str | None:
    """Return the id of a request, from the observation that its adapter has set on it."""
    try:
        return getattr(getattr(request, "dockerflow_observation", None), "request_id", None)
    except Exception:  # a proxy whose request is gone
        return None
