"""The rules of how a service answers: in time, without a cache, on each method and path."""

from __future__ import annotations

import html
import re
import statistics
from collections.abc import Callable, Iterable

import httpx

from .clauses import Clause
from .findings import Finding, broken, passed, skipped
from .http_answers import (
    ERROR,
    HEARTBEAT,
    LBHEARTBEAT,
    VERSION,
    Answer,
    Seen,
    is_5xx,
    json_object,
    works,
)
from .printing import shown

_NOTICEABLE = 0.1  # seconds, more than a network or a busy machine varies from request to request

# The user part of a URL, up to the last @ before the path. The limit keeps hostile bodies cheap.
_USER_PART = re.compile(r"(https?)?://([^\s/?#\"'<>\\]{1,500})@", re.IGNORECASE)
_MASKED = re.compile(r"[^A-Za-z0-9]*|x+|[<\[({]?(?:redacted|filtered|masked|hidden)[>\])}]?")

_STACK_TRACE = re.compile(
    r"this is a test exception"  # the text of python-dockerflow and of ours
    r"|\w(?:error|exception): \S"  # ValueError, RuntimeException
    r"|traceback \(most recent call last\)"
    r"|\bat [^\n(]{1,200}\([^)\n]{1,300}:\d"  # JavaScript, Java
    r"|goroutine \d+ \[",
    re.IGNORECASE,
)
_SEARCHED = 100_000  # characters of an error page


def lbheartbeat_is_200(clause: Clause, seen: Seen) -> Finding:
    """Look at the status of each answer of ``/__lbheartbeat__``."""
    bad = [answer for answer in seen.lbheartbeats if not works(answer)]
    if bad:
        text = f"{bad[0]}: answer with 200, whatever the state of others"
        return broken(clause, f"{text}.", bad[0].place)
    return passed(clause, f"{seen.lbheartbeats[0]}.", seen.lbheartbeats[0].place)


def lbheartbeat_is_quick(clause: Clause, seen: Seen) -> Finding:
    """Look at the median time: one slow answer is an accident."""
    first = seen.lbheartbeats[0]
    if first.status != 200:
        return skipped(clause, f"{first}.", first.place)
    seconds = statistics.median(answer.seconds for answer in seen.lbheartbeats)
    text = f"The median of {len(seen.lbheartbeats)} answers is {seconds:.3f} s"
    if seconds < seen.lbheartbeat_within:
        return passed(clause, f"{text}.", first.place)
    return broken(clause, f"{text}: answer before anything that waits.", first.place)


def lbheartbeat_checks_nothing(clause: Clause, seen: Seen) -> Finding:
    """Look for traces of checks in the status, the body and the time."""
    first, heartbeat = seen.lbheartbeats[0], seen.get[HEARTBEAT]
    # Where /__version__ fails too, as behind a proxy whose service is down, no check is to blame.
    if is_5xx(first) and is_5xx(heartbeat) and not is_5xx(seen.get[VERSION]):
        text = "It fails together with /__heartbeat__: check nothing here"
        return broken(clause, f"{text}.", first.place)
    if not works(first):
        return skipped(clause, f"{first}.", first.place)
    content = json_object(first) or {}
    if any(isinstance(content.get(key), dict) and content[key] for key in ("checks", "details")):
        return broken(clause, "Its body has results of checks: check nothing here.", first.place)
    if not works(heartbeat):
        return skipped(clause, "There is no heartbeat to compare with.", first.place)
    if _as_slow_as_heartbeat(seen):
        text = "It takes about as long as /__heartbeat__, longer than other paths"
        return broken(clause, f"{text}: check nothing here.", first.place)
    return passed(clause, "Status, body and time show no check.", first.place)


def _as_slow_as_heartbeat(seen: Seen) -> bool:
    """Return whether the time hints that ``/__lbheartbeat__`` runs the checks of the heartbeat.

    The fastest answers are compared, since other work on the machine only ever adds time. The
    fastest of other paths has the time of the network, of TLS and of all middleware.
    """
    others = [each for each in (seen.get[VERSION], seen.beside) if each is not None and each.ended]
    if not others:
        return False
    network = min(answer.seconds for answer in others)
    lbheartbeat = min(answer.seconds for answer in seen.lbheartbeats) - network
    heartbeat = min(answer.seconds for answer in seen.heartbeats) - network
    return lbheartbeat > _NOTICEABLE and lbheartbeat > heartbeat / 2


def head_is_as_get(clause: Clause, seen: Seen) -> Finding:
    """Look at the answers to HEAD."""

    def fault(answer: Answer) -> str | None:
        asked = seen.heartbeats if answer.path == HEARTBEAT else [seen.get[answer.path]]
        return None if answer.status in {each.status for each in asked} else str(answer)

    fine = "HEAD is answered like GET."
    return _each(clause, seen.head.values(), fault, fine, "answer it like GET, without the body")


def other_methods_are_405(clause: Clause, seen: Seen) -> Finding:
    """Look at the answers to POST."""

    def fault(answer: Answer) -> str | None:
        if answer.status == 501:  # a server that does not know the method at all
            return None
        if answer.status == 405:
            return None if "allow" in answer.headers else f"{answer} without Allow"
        return str(answer)

    remedy = "answer with 405 and Allow: GET, HEAD"
    return _each(clause, seen.post.values(), fault, "POST is refused.", remedy)


def not_cached(clause: Clause, seen: Seen) -> Finding:
    """Look at the headers about caching."""

    def fault(answer: Answer) -> str | None:
        if answer.headers.get("age", "0") != "0":  # Varnish adds a 0 to answers of the service
            return f"{answer.path} is answered by a cache"
        value: str = answer.headers.get("cache-control", "")
        directives = {directive.strip().lower() for directive in value.split(",")}
        if directives & {"no-store", "no-cache"}:
            return None
        return f"{answer.path} may be cached"

    remedy = "send Cache-Control: no-store"
    return _each(clause, seen.working(), fault, "No cache may store the answers.", remedy)


def no_redirect(clause: Clause, seen: Seen) -> Finding:
    """Look for redirects."""

    def fault(answer: Answer) -> str | None:
        if answer.status is None or not 300 <= answer.status <= 399:
            return None
        return f"{answer.path} redirects ({answer.status}){_destination(answer)}"

    remedy = "answer before anything that redirects"
    return _each(clause, seen.get.values(), fault, "No endpoint redirects.", remedy)


def _destination(answer: Answer) -> str:
    """Return where a redirect leads, without user and query, which may be secret."""
    location: str = answer.headers.get("location", "")
    try:
        url = httpx.URL(location).copy_with(userinfo=b"", query=None, fragment=None)
    except (httpx.InvalidURL, UnicodeError):
        return ""
    return f" to {shown(url)}" if location else ""


def no_cookies(clause: Clause, seen: Seen) -> Finding:
    """Look for cookies."""

    def fault(answer: Answer) -> str | None:
        return f"{answer.path} sets a cookie" if "set-cookie" in answer.headers else None

    remedy = "answer before sessions and CSRF protection"
    return _each(clause, seen.get.values(), fault, "No endpoint sets a cookie.", remedy)


def no_secrets(clause: Clause, seen: Seen) -> Finding:
    """Look for URLs with a password or a token, and repeat nothing of them."""

    def fault(answer: Answer) -> str | None:
        # PHP and others write a slash in JSON with a backslash.
        text = answer.text.replace("\\/", "/")
        if any(_is_secret(*found.groups()) for found in _USER_PART.finditer(text)):
            return f"{answer.path} answers with a URL that has a password or token"
        return None

    remedy = "mask it, and change the password"
    return _each(clause, seen.all(), fault, "No answer has a URL with a password.", remedy)


def _is_secret(scheme: str | None, user_part: str) -> bool:
    user, colon, password = user_part.partition(":")
    if not colon:  # Git hosts take a token as the user, which in ssh://git@host is none
        password = user if scheme is not None and user != "git" else ""
    return _MASKED.fullmatch(password.lower()) is None


def answers_end(clause: Clause, seen: Seen) -> Finding:
    """Look for answers that break off, do not end, or are too long."""

    def fault(answer: Answer) -> str | None:
        return str(answer) if answer.problem is not None else None

    remedy = "send a short, complete body"
    return _each(clause, seen.all(), fault, "Each answer is complete and short.", remedy)


def trailing_text(clause: Clause, seen: Seen) -> Finding:
    """Look at what is answered to paths that begin as the endpoint does."""
    beside, slash, endpoint = seen.beside, seen.slash, seen.get[LBHEARTBEAT]
    if beside is None or slash is None:
        return skipped(clause, f"{endpoint}.", endpoint.place)
    # Two pages of one application need not be equal to the byte.
    same = beside.body == endpoint.body or (_is_page(beside) and _is_page(endpoint))
    if beside.status == 200 and same:
        text = f"{beside} like the endpoint: answer unknown paths with 404"
        return broken(clause, f"{text}.", beside.place)
    for answer in (beside, slash):
        if answer.status is None or is_5xx(answer):
            return broken(clause, f"{answer}: answer unknown paths with 404.", answer.place)
    return passed(clause, f"{beside}.", beside.place)


def _is_page(answer: Answer) -> bool:
    return b"<html" in answer.body[:1000].lower()


def request_id(clause: Clause, seen: Seen) -> Finding:
    """Look for the request id in the answers."""
    name = seen.request_id_header

    def fault(answer: Answer) -> str | None:
        if answer.headers.get(name) == answer.request_id:
            return None
        what = "another" if name in answer.headers else "no"
        return f"{answer.path} answers with {what} {name}"

    remedy = "send the id of the request back"
    return _each(clause, seen.working(), fault, f"{name} comes back.", remedy)


def error_is_500(clause: Clause, seen: Seen) -> Finding:
    """Look at the status of ``/__error__``."""
    answer = seen.error
    if answer is None:
        return skipped(clause, f"{ERROR} was not requested.")
    if answer.status == 500 and answer.ended:
        return passed(clause, f"{answer}.", answer.place)
    return broken(clause, f"{answer}: raise an exception there.", answer.place)


def error_hides_text(clause: Clause, seen: Seen) -> Finding:
    """Look for an exception's text on the error page."""
    answer = seen.error
    if answer is None:
        return skipped(clause, f"{ERROR} was not requested.")
    if not is_5xx(answer):
        return skipped(clause, f"{answer}.", answer.place)
    if _STACK_TRACE.search(html.unescape(answer.text[:_SEARCHED])) is not None:
        text = "The page shows the exception: switch the debug mode off"
        return broken(clause, f"{text}.", answer.place)
    return passed(clause, "The page shows no exception.", answer.place)


def _each(
    clause: Clause,
    answers: Iterable[Answer],
    fault: Callable[[Answer], str | None],
    fine: str,
    remedy: str,
) -> Finding:
    """Return one finding for several answers, with the faults of all of them."""
    answers = list(answers)
    faults = [(text, answer) for answer in answers if (text := fault(answer)) is not None]
    if faults:
        texts = ", ".join(text for text, _ in faults)
        return broken(clause, f"{texts}: {remedy}.", faults[0][1].place)
    if not answers:
        return skipped(clause, "No endpoint answers as it should.")
    return passed(clause, fine)
