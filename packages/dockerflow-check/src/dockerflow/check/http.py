"""Check the endpoints of a running service with HTTP requests."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from . import http_clauses as clauses
from . import http_documents as documents
from . import http_exchanges as exchanges
from .clauses import Clause
from .findings import Finding, TargetError
from .http_answers import ERROR, HEARTBEAT, LBHEARTBEAT, VERSION, Answer, Seen, works
from .http_target import Target

__all__ = ["CLAUSES", "check_http"]

_LBHEARTBEATS = 5  # requests, so that one slow answer is an accident

_Ask = Callable[[str, str], Awaitable[Answer]]  # with a method and a path


def check_http(
    url: str,
    *,
    timeout: float = 10,
    verify: bool | str = True,
    expected_version: Mapping[str, Any] | None = None,
    error_endpoint: bool = False,
    request_id_header: str = "X-Request-ID",
    lbheartbeat_within: float = 1,
) -> list[Finding]:
    """Check a running service with about twenty requests, one after another.

    It may not be called where an event loop runs.

    :param url: the URL of the service, such as ``http://localhost:8000`` or
        ``https://example.org/prefix``. A user and a password in it are sent, and never shown.
    :param timeout: the seconds that one answer may take, from the connection to the last byte.
    :param verify: whether to verify the certificate; or the path of a file of CA certificates.
    :param expected_version: the content of ``version.json``, if it is to be compared.
    :param error_endpoint: whether to request ``/__error__``, which makes an error report.
    :param request_id_header: the header of the request id.
    :param lbheartbeat_within: the seconds in which ``/__lbheartbeat__`` has to answer.
    :returns: one finding for each clause of :data:`CLAUSES`, in their order.
    :raises TargetError: if the service can't be reached, or answers nothing with HTTP.
    """
    target = Target(url, timeout=timeout, verify=verify)

    async def look() -> Seen:
        async def ask(method: str, path: str) -> Answer:
            # Each has an id of its own, as the log of the service may be checked as well.
            rid = str(uuid.uuid4())
            answer = await target.ask(method, path, {request_id_header: rid})
            return replace(answer, request_id=rid)

        get = await _first_answers(target, ask)
        working = [path for path, answer in get.items() if works(answer)]
        lbheartbeat = LBHEARTBEAT in working
        lbheartbeats, heartbeats = [get[LBHEARTBEAT]], [get[HEARTBEAT]]
        if lbheartbeat:
            lbheartbeats += [await ask("GET", LBHEARTBEAT) for _ in range(_LBHEARTBEATS - 1)]
        if HEARTBEAT in working:
            heartbeats.append(await ask("GET", HEARTBEAT))
        return Seen(
            get=get,
            head={path: await ask("HEAD", path) for path in working},
            # Of the other methods only POST is sent: a PUT or DELETE might be obeyed.
            post={path: await ask("POST", path) for path in working},
            lbheartbeats=tuple(lbheartbeats),
            heartbeats=tuple(heartbeats),
            beside=await ask("GET", f"{LBHEARTBEAT}-dockerflow-check") if lbheartbeat else None,
            slash=await ask("GET", f"{LBHEARTBEAT}/") if lbheartbeat else None,
            error=await ask("GET", ERROR) if error_endpoint else None,
            lbheartbeat_within=lbheartbeat_within,
            expected_version=expected_version,
            request_id_header=request_id_header,
        )

    seen = asyncio.run(look())
    return [rule(clause, seen) for clause, rule in _RULES]


async def _first_answers(target: Target, ask: _Ask) -> dict[str, Answer]:
    """Ask each endpoint once; the quickest is first, as it shows whether there is a service."""
    answers: dict[str, Answer] = {}
    for path in (LBHEARTBEAT, VERSION, HEARTBEAT):
        answers[path] = await ask("GET", path)
        if not any(answer.connected for answer in answers.values()):
            break
    if all(answer.status is None for answer in answers.values()):
        raise TargetError(f"{target} can't be checked: {answers[LBHEARTBEAT]}.")
    return answers


_RULES: tuple[tuple[Clause, Callable[[Clause, Seen], Finding]], ...] = (
    (clauses.VERSION_IS_200, documents.version_is_200),
    (clauses.VERSION_IS_OBJECT, documents.version_is_object),
    (clauses.VERSION_HAS_KEYS, documents.version_has_keys),
    (clauses.VERSION_IS_FILE, documents.version_is_file),
    (clauses.VERSION_IS_JSON_TYPE, documents.version_is_json_type),
    (clauses.VERSION_LEADS_TO_BUILD, documents.version_leads_to_build),
    (clauses.HEARTBEAT_IS_200_OR_5XX, documents.heartbeat_is_200_or_5xx),
    (clauses.HEARTBEAT_HAS_KNOWN_SHAPE, documents.heartbeat_has_known_shape),
    (clauses.HEARTBEAT_STATUS_AGREES, documents.heartbeat_status_agrees),
    (clauses.LBHEARTBEAT_IS_200, exchanges.lbheartbeat_is_200),
    (clauses.LBHEARTBEAT_IS_QUICK, exchanges.lbheartbeat_is_quick),
    (clauses.LBHEARTBEAT_CHECKS_NOTHING, exchanges.lbheartbeat_checks_nothing),
    (clauses.HEAD_IS_AS_GET, exchanges.head_is_as_get),
    (clauses.OTHER_METHODS_ARE_405, exchanges.other_methods_are_405),
    (clauses.NOT_CACHED, exchanges.not_cached),
    (clauses.NO_REDIRECT, exchanges.no_redirect),
    (clauses.NO_COOKIES, exchanges.no_cookies),
    (clauses.NO_SECRETS, exchanges.no_secrets),
    (clauses.ANSWERS_END, exchanges.answers_end),
    (clauses.TRAILING_TEXT, exchanges.trailing_text),
    (clauses.REQUEST_ID, exchanges.request_id),
    (clauses.ERROR_IS_500, exchanges.error_is_500),
    (clauses.ERROR_HIDES_TEXT, exchanges.error_hides_text),
)

CLAUSES: tuple[Clause, ...] = tuple(clause for clause, _ in _RULES)
"""What :func:`check_http` looks at."""
