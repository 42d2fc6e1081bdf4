"""Reading what a check returned or raised, and logging it.

Whatever a check does ends as a list of :class:`Finding`: plain values, read once, so that nothing
that a message object does later can reach the heartbeat.
"""

from __future__ import annotations

import logging
import reprlib
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from dockerflow import health

from .masking import mask_urls
from .messages import ERROR
from .registry import logger


@dataclass(frozen=True)
class Finding:
    """One message of a check as it is counted, shown and logged.

    :param text: the message, with the user part of URLs masked.
    :param error: the exception behind it, where a check raised.
    """

    level: int
    text: str
    id: str | None
    error: BaseException | None = None


def findings_of(result: object) -> Iterator[Finding]:
    """Read what a check returned: messages, an iterable of them, one, or ``None``.

    It is a generator, so that what a check's own generator said before it raised is kept.
    """
    if result is None:
        return
    if _is_message(result):
        yield _read(result)
    elif _is_iterable_of_messages(result):
        for item in result:
            yield _read(item) if _is_message(item) else wrong_result(item)
    else:
        yield wrong_result(result)


def wrong_result(result: object) -> Finding:
    """Say that a check returned something that is no message."""
    text = (
        f"The check returned {_short_repr(result)}; "
        "it must return a list of messages, one message or None"
    )
    return Finding(ERROR, mask_urls(text), health.ERROR_CHECK_RESULT)


def raised(error: BaseException) -> Finding:
    """Say that a check raised, with the exception's type and text."""
    text = _text(error)
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return Finding(ERROR, mask_urls(text), health.ERROR_CHECK_RAISED, error)


def timed_out(limit: float) -> Finding:
    """Say that a check has not ended within ``limit`` seconds."""
    return Finding(ERROR, f"still running after {limit:g} s", health.ERROR_CHECK_TIMEOUT)


def log_findings(name: str, findings: Iterable[Finding], silenced_ids: Collection[str]) -> None:
    """Log each finding at its level, with the check's name as the record's ``check``."""
    for finding in findings:
        if finding.id not in silenced_ids:
            try:
                _log(name, finding)
            except Exception:
                # A handler or filter of the application raised. A broken log must not take the
                # heartbeat with it, and logging.Handler.handleError speaks likewise.
                if logging.raiseExceptions:
                    traceback.print_exc()


def _log(name: str, finding: Finding) -> None:
    if not logger.isEnabledFor(finding.level):
        return
    key, text, exc_info = finding.id or name, finding.text, finding.error
    if exc_info is not None:
        trace = "".join(traceback.format_exception(exc_info))
        if (masked := mask_urls(trace)) != trace:
            # The exception can't be handed on: its text, or a source line, holds a secret.
            text, exc_info = f"{text}\n{masked.rstrip()}", None
    logger.log(
        finding.level, "%s: %s", key, text, exc_info=exc_info, extra={"check": name}, stacklevel=3
    )


def _is_iterable_of_messages(result: object) -> TypeGuard[Iterable[object]]:
    return isinstance(result, Iterable) and not isinstance(
        result, str | bytes | bytearray | Mapping
    )


def _is_message(value: object) -> bool:
    # Django's own messages count, and so does anything of their shape.
    level = getattr(value, "level", None)
    return (
        isinstance(level, int)
        and not isinstance(value, type)
        and hasattr(value, "msg")
        and hasattr(value, "id")
    )


def _read(message: Any) -> Finding:
    id = message.id
    text = mask_urls(_text(message.msg))
    return Finding(int(message.level), text, None if id is None else str(id))


def _text(value: object) -> str:
    try:
        text = str(value)
    except Exception as error:
        return f"<{type(value).__name__} whose text raised {type(error).__name__}>"
    # A lone surrogate, say of an undecodable file name, is not to be had in JSON's UTF-8.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _short_repr(value: object) -> str:
    try:
        text = reprlib.repr(value)
    except Exception as error:
        text = f"an object whose repr raised {type(error).__name__}"
    return f"{text} ({type(value).__name__})"
