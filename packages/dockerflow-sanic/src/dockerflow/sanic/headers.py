"""Headers in the forms with which Sanic has least to do, and what they mean here.

From 25.12 on, Sanic removes line ends from the names and values that it sends with
``str.translate()``, which raises and catches a ``KeyError`` for each letter that stays: for the id
and the name of its header more than twenty, a tenth of all that is added to a request.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sanic.compat import Header
from sanic.response import types

from dockerflow.logging.request_id import DEFAULT_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

# Not looked up in the object: Header has a __getattr__, with which Python takes longer to find a
# method than the method takes.
header_value: Any = Header.get

# The str in which Header keeps names: it needs not be brought to one case for each look-up.
_Name: Any = type(next(iter(Header({"a": ""}))))

_REMOVED: Any = getattr(types, "HEADER_TRANSLATION_TABLE", None)


def _translate(self: str, table: Any) -> str:
    return self if table is _REMOVED else str.translate(self, table)


class CleanName(_Name):  # type: ignore[misc] # found at run time
    """The name of a header, with nothing in it that Sanic removes."""

    __slots__ = ()

    translate = _translate


class CleanText(str):
    """The value of a header, likewise."""

    __slots__ = ()

    translate = _translate

    def __format__(self, spec: str) -> str:  # Sanic formats values before
        return str.__format__(self, spec) if spec else self


class SentId(CleanText):
    """A request id in a response header that was not set by the application."""

    __slots__ = ()


@lru_cache(16)
def header_name(name: str | None) -> str:
    """Return the name of the request id's header.

    :param name: the configured one; None or an empty one stands for the default.
    """
    named = name or DEFAULT_HEADER
    kind: Any = CleanName if named.isprintable() else _Name
    found: str = kind(named)
    return found


REQUEST_ID = header_name(None)
USER_AGENT: str = _Name("User-Agent")
ACCEPT_LANGUAGE: str = _Name("Accept-Language")


def is_ours(headers: Mapping[str, object], name: str) -> bool:
    """Tell whether all that a response has in a header comes from here, or whether it has none.

    An application may send one response to several requests.

    :param headers: the response's headers; a Header, or what the application has put in place.
    :param name: the name of the header, in any case.
    """
    wanted = name.lower()
    return all(type(value) is SentId for found, value in headers.items() if found.lower() == wanted)


@lru_cache(16)
def clean_headers(pairs: tuple[tuple[str, str], ...]) -> Header:
    """Return headers of an answer of our own; to be copied.

    :param pairs: names and values that have no line ends in them.
    """
    return Header([(CleanName(name), CleanText(value)) for name, value in pairs])
