"""The answers of the operational endpoints as neutral values."""

from __future__ import annotations

import json

from dockerflow.checks import ERROR, level_to_text
from dockerflow.version import EncodedVersion

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, NoReturn, Self

    from dockerflow.checks import ChecksResults
    from dockerflow.version import VersionError

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"

# Probes and deployment tools must see the service as it is now, whatever proxies lie between.
# https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.5
NOT_STORED = (("Cache-Control", "no-store"),)


class Reply(tuple[int, bytes, str, tuple[tuple[str, str], ...]]):
    """An answer that any framework can send.

    :param status: the HTTP status code.
    :param body: the content, encoded as ``media_type`` says.
    :param media_type: the value of ``Content-Type``.
    :param headers: names and values of further response headers.
    """

    # By hand: to make a NamedTuple takes a twentieth of an adapter's import, a dataclass a fifth.
    __slots__ = ()
    __match_args__ = ("status", "body", "media_type", "headers")

    def __new__(
        cls,
        status: int,
        body: bytes = b"",
        media_type: str = TEXT,
        headers: tuple[tuple[str, str], ...] = NOT_STORED,
    ) -> Self:
        """Return an answer with these parts."""
        return super().__new__(cls, (status, body, media_type, headers))

    @property
    def status(self) -> int:
        """The HTTP status code."""
        return self[0]

    @property
    def body(self) -> bytes:
        """The content."""
        return self[1]

    @property
    def media_type(self) -> str:
        """The value of ``Content-Type``."""
        return self[2]

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Names and values of further response headers."""
        return self[3]

    def __getnewargs__(self) -> tuple[int, bytes, str, tuple[tuple[str, str], ...]]:
        return self.status, self.body, self.media_type, self.headers  # what a copy is made of

    def __repr__(self) -> str:
        return (
            f"Reply(status={self.status!r}, body={self.body!r}, "
            f"media_type={self.media_type!r}, headers={self.headers!r})"
        )


class ErrorEndpointCalled(Exception):
    """Raised by ``/__error__``, so that the reporting of errors can be tried."""


def lbheartbeat_reply(content: Mapping[str, object] | None = None) -> Reply:
    """Answer ``/__lbheartbeat__``: the process serves requests, whatever its backing services do.

    :param content: a JSON object to answer with; by default the body is empty.
    """
    return Reply(200) if content is None else Reply(200, _as_json(content), JSON)


def heartbeat_reply(results: ChecksResults, *, show_details: bool, failed_status: int) -> Reply:
    """Answer ``/__heartbeat__``.

    :param results: what the checks came to.
    :param show_details: whether the body names each check, and what it said.
    :param failed_status: the status where a check is at :data:`~dockerflow.checks.ERROR` or worse.
    """
    body: dict[str, object] = {"status": level_to_text(results.level)}
    if show_details:
        body["checks"] = results.statuses
        body["details"] = results.details
    failed = results.level >= ERROR
    return Reply(failed_status if failed else 200, _as_json(body), JSON)


def version_reply(content: object) -> Reply:
    """Answer ``/__version__`` with what was found.

    :param content: what is sent as JSON; what :func:`find_version_to_send` found is JSON already,
        and ``None`` stands for no ``version.json``, a 404.
    """
    if type(content) is EncodedVersion:
        return Reply(200, content.body, JSON)
    if content is None:
        return Reply(404, b"version.json not found")
    return Reply(200, _as_json(content), JSON)


def version_broken(error: VersionError, logger: logging.Logger) -> Reply:
    """Answer ``/__version__`` where the file is there and can't be served, and log why.

    :param error: why; its text is the body of the answer, a 500.
    :param logger: the adapter's logger, which gets one record of level ERROR.
    """
    logger.error("%s", error)
    return Reply(500, str(error).encode("utf-8", "backslashreplace"))


def error_called(logger: logging.Logger) -> NoReturn:
    """Do what ``/__error__`` is for.

    :param logger: the adapter's logger, which gets one record of level ERROR.
    :raises ErrorEndpointCalled: always.
    """
    logger.error("The __error__ endpoint was called")
    raise ErrorEndpointCalled("The __error__ endpoint was called")


def _make_encode() -> Callable[[object, int], Iterable[str]]:
    """Return the encoder in C that :func:`json.dumps` makes anew for each call."""
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # another Python
        return lambda content, indent: ()
    like = json.JSONEncoder()
    encode: Callable[[object, int], Iterable[str]] = make(
        None,  # no look-out for circles: they end in a RecursionError
        like.default,
        json.encoder.encode_basestring_ascii,
        like.indent,
        like.key_separator,
        like.item_separator,
        like.sort_keys,
        like.skipkeys,
        like.allow_nan,
    )
    return encode


_encode = _make_encode()


def _as_json(content: object) -> bytes:
    """Return what :func:`json.dumps` makes of it, encoded, at half the time."""
    try:
        text = "".join(_encode(content, 0))
    except Exception:  # which json.dumps raises in its own words
        text = ""
    return (text or json.dumps(content)).encode("ascii")
