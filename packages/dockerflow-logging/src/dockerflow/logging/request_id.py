"""The id of the request that is being served, and its way onto every log line."""

from __future__ import annotations

import logging
import os
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: The id of the current request; None outside of one.
request_id_context: ContextVar[str | None] = ContextVar("request_id", default=None)

#: The header of the request id, where no other is configured.
DEFAULT_HEADER = "X-Request-ID"
MAX_LENGTH = 200


def new_request_id() -> str:
    """Return a new random UUID (version 4, RFC 9562) as text."""
    # What uuid.uuid4() does, without importing uuid and without its object.
    digits = os.urandom(16).hex("-", 6)  # three groups, of 8, 12 and 12 digits
    return f"{digits[_BEGINNING]}-4{digits[_MIDDLE]}-{_VARIANTS[digits[17]]}{digits[_END]}"


# Without the digits of the version and the variant. To make them anew takes a tenth of the time.
_BEGINNING, _MIDDLE, _END = slice(13), slice(14, 17), slice(18, None)
# Two bits of the digit are set (RFC 9562, 4.1).
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def sane_request_id(value: object) -> str | None:
    """Return *value* as a request id, if it can be one.

    :param value: a header's value; blanks around it don't count (RFC 9110, 5.5).
    :returns: 1 to 200 visible ASCII characters (0x21 to 0x7e), or None for anything else.
    """
    if not isinstance(value, str):
        return None
    text = str.__str__(value).strip(" \t")
    if not 0 < len(text) <= MAX_LENGTH or not text.isascii() or not text.isprintable():
        return None
    return None if " " in text else text


def get_or_generate_request_id(
    headers: Mapping[str, object], header_name: str | None = None
) -> str:
    """Return the request id that a request came with, or a new one.

    :param headers: the request's headers, a plain dict or a framework's own; names in any case.
    :param header_name: the header that carries the id; ``X-Request-ID`` by default.
    :returns: the header's value if it is sane, otherwise a new UUID4.
    """
    name = header_name or DEFAULT_HEADER
    try:
        value = headers.get(name)
        if value is None:
            wanted = name.lower()
            for key in headers:
                if str(key).lower() == wanted:
                    value = headers[key]
                    break
    except Exception:  # whatever a request holds, it gets an id
        value = None
    return sane_request_id(value) or new_request_id()


class RequestIdLogFilter(logging.Filter):
    """Give every record the id of the current request as ``rid``.

    Works on handlers and on loggers. Outside of a request, and on a record whose caller gave a
    ``rid`` of its own, it adds nothing.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the id.

        :param record: what is to be logged.
        :returns: True: no record is ever held back.
        """
        rid = request_id_context.get()
        if rid is not None:
            record.__dict__.setdefault("rid", rid)
        return True
