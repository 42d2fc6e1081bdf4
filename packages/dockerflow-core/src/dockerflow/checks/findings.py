"""Read, log and add up what checks return."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict, cast

from dockerflow import health

from .messages import ERROR, level_to_text

logger = logging.getLogger("dockerflow.checks.registry")
"""The logger of all messages. Services configure it by this name, so it must not change."""

# From "://" to the last "@" before the next space or URL: a password may hold "/", "?" and "@",
# and masking too much of an odd text is safer than too little.
_USER_PART = re.compile(r"(?<=://)(?:(?!://)\S)*@")


class CheckDetails(TypedDict):
    """The status and messages of a check whose status is not ``"ok"``."""

    status: str
    level: int
    messages: dict[str, str]


@dataclass
class ChecksResults:
    """The results of a run of checks.

    :param details: by check name, for each check whose level is above ok: its ``status`` (the
        level's name), its ``level`` (the worst of its messages) and its ``messages`` (texts by id).
    :param statuses: the name of the worst level of each check, by check name.
    :param level: the worst level of all checks, 0 if none returned a message.
    :param durations: the seconds that each check took, by check name: its limit if it is still
        running, and 0 if an earlier result was reused. Ignored by ``==``.
    :param kept: the names of the checks that were not run, because an earlier result is still
        valid. Ignored by ``==``.
    """

    details: dict[str, CheckDetails] = field(default_factory=dict[str, CheckDetails])
    statuses: dict[str, str] = field(default_factory=dict[str, str])
    level: int = 0
    durations: dict[str, float] = field(default_factory=dict[str, float], compare=False)
    kept: set[str] = field(default_factory=set[str], compare=False)


@dataclass(frozen=True)
class Finding:
    """One message of a check, ready to be counted, shown and logged.

    :param text: the message, with the user part of URLs masked.
    :param error: the exception that the check raised, or passed as ``obj``; it is only logged.
    """

    level: int
    text: str
    id: str | None = None
    error: BaseException | None = None


class Outcome(NamedTuple):
    """The outcome of one run of a check.

    :param duration: the seconds that it took.
    :param is_kept: whether it comes from an earlier run.
    """

    findings: Sequence[Finding]
    duration: float = 0.0
    is_kept: bool = False


def mask_urls(text: str) -> str:
    """Return ``text`` with the user part of every URL replaced.

    ``redis://user:secret@host/0`` becomes ``redis://***@host/0``
    (`RFC 3986, section 3.2.1 <https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1>`_).
    """
    return _USER_PART.sub("***@", text) if "@" in text else text


# ---------------------------------------------------------------------- reading


def findings_of(result: Any) -> Iterator[Finding]:
    """Read what a check returned: messages, an iterable of them, a single one, or ``None``."""
    # A generator, so that the messages that a check yields before it raises are kept.
    if result is None:
        return
    if _is_message(result):
        yield _read(result)
    elif isinstance(result, Iterable) and not isinstance(result, str | bytes | Mapping):
        for item in cast("Iterable[object]", result):
            yield _read(item) if _is_message(item) else _wrong_result(item)
    else:
        yield _wrong_result(cast("object", result))


def raised(error: BaseException, text: str = "{}") -> Finding:
    """Return the finding for a check that raised, or could not be started.

    :param text: the text to show; the exception's type replaces ``{}``. Nothing else of the
        exception is shown.
    """
    text = text.format(type(error).__name__)
    return Finding(ERROR, text, health.ERROR_CHECK_RAISED, error)


def _wrong_result(result: object) -> Finding:
    text = f"the check returned {type(result).__name__}; "
    text += "it must return a list of messages, one message or None"
    return Finding(ERROR, text, health.ERROR_CHECK_RESULT)


def _is_message(value: object) -> bool:
    # Django's messages, and any object with the same attributes.
    has_texts = hasattr(value, "msg") and hasattr(value, "id")
    level: object = getattr(value, "level", None)
    return has_texts and isinstance(level, int) and not isinstance(value, type)


def _read(message: Any) -> Finding:
    id = None if message.id is None else str(message.id)
    obj: object = getattr(message, "obj", None)
    error = obj if isinstance(obj, Exception) else None
    return Finding(int(message.level), mask_urls(_text(message.msg)), id, error)


def _text(value: object) -> str:
    try:
        text = str(value)
    except Exception as error:
        return f"<{type(value).__name__} whose text raised {type(error).__name__}>"
    # A lone surrogate, for example of an undecodable file name, can't be sent as UTF-8.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


# ---------------------------------------------------------------------- logging


def log_findings(name: str, findings: Iterable[Finding], unlogged_ids: Collection[str]) -> None:
    """Log each finding at its level, with the check's name as the record's ``check``."""
    for finding in findings:
        with _reported():
            if finding.id not in unlogged_ids:
                _log(name, finding)


def log_slowness(name: str, seconds: float, limit: float) -> None:
    """Log that a check took long, with its name as ``check`` and the milliseconds as ``t``."""
    with _reported():
        extra = {"check": name, "t": round(seconds * 1000)}
        logger.info("%s: took %.1f s, its limit is %g s", name, seconds, limit, extra=extra)


@contextmanager
def _reported() -> Generator[None]:
    """Report what the application's handlers and filters raise, as logging itself does."""
    try:
        yield
    except Exception:
        if logging.raiseExceptions:
            traceback.print_exc()


def _log(name: str, finding: Finding) -> None:
    error = finding.error
    text = f"{finding.id or name}: {finding.text}"
    if error is not None:
        text = f"{text}: {_text(error)}".removesuffix(": ")
    log_masked(logger, finding.level, text, error, check=name)


def log_masked(
    to: logging.Logger, level: int, text: str, error: BaseException | None, **extra: object
) -> None:
    """Log a text, and the exception behind it, with the user part of URLs masked in both."""
    text = mask_urls(text)
    trace = "" if error is None else "".join(traceback.format_exception(error))
    if (masked := mask_urls(trace)) != trace:
        # Handlers must not get the exception itself: its text holds a secret.
        text, error = f"{text}\n{masked.rstrip()}", None
    to.log(level, text, exc_info=error, extra=extra)


# ---------------------------------------------------------------------- adding up


def build_results(
    outcomes: Iterable[tuple[str, Outcome]], silenced_ids: Collection[str]
) -> ChecksResults:
    """Add up the outcomes of all checks by name, without the silenced ids."""
    results = ChecksResults({}, {}, 0, {}, set())
    counted: dict[str, list[Finding]] = {}
    for name, outcome in outcomes:
        findings = counted.setdefault(name, [])
        findings.extend(each for each in outcome.findings if each.id not in silenced_ids)
        results.durations[name] = max(outcome.duration, results.durations.get(name, 0.0))
        if outcome.is_kept:
            results.kept.add(name)
    for name, findings in counted.items():
        level = max((finding.level for finding in findings), default=0)
        status = results.statuses[name] = level_to_text(level)
        results.level = max(results.level, level)
        if level > 0:
            texts: dict[str, str] = {}
            for finding in findings:
                id = finding.id or name
                texts[id] = f"{texts[id]}; {finding.text}" if id in texts else finding.text
            results.details[name] = {"status": status, "level": level, "messages": texts}
    return results
