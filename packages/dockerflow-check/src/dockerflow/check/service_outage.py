"""What a running service answers while a backing service is away, and after that."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from . import service_clauses as clauses
from .clauses import Clause
from .findings import Finding, broken, passed, skipped
from .proxy import Proxy
from .service_process import ServiceProcess

HEARTBEAT = "/__heartbeat__"
LBHEARTBEAT = "/__lbheartbeat__"

LBHEARTBEAT_WITHIN = 1
"""Seconds in which ``/__lbheartbeat__`` answers if nothing holds it up."""

_LBHEARTBEAT_TIMEOUT = 10  # seconds: longer than checks usually may take
_LBHEARTBEATS = 3  # requests at least, so that one slow answer is an accident
_PAUSE = 0.2  # seconds between requests
_MOST_BYTES = 1_000_000  # of one body
OUTAGE_CLAUSES = (
    clauses.HEARTBEAT_SEES_REFUSAL,
    clauses.HEARTBEAT_SEES_SILENCE,
    clauses.LBHEARTBEAT_HOLDS,
    clauses.RECOVERS,
)
"""What :func:`check_outages` looks at."""


@dataclass(frozen=True)
class Became:
    """Whether an endpoint came to answer as wanted.

    :param wanted: whether it did.
    :param status: the last status; None if there was no answer.
    :param seconds: how long that took.
    """

    wanted: bool
    status: int | None
    seconds: float

    def __str__(self) -> str:
        return "gives no answer" if self.status is None else f"answers {self.status}"


@dataclass
class Outage:
    """What was seen of one outage.

    :param name: what the backing service did.
    :param heartbeat: whether the heartbeat failed.
    :param recovery: whether it was 200 after the outage.
    :param lbheartbeats: each status with the seconds that it took.
    """

    name: str
    heartbeat: Became
    recovery: Became
    lbheartbeats: list[tuple[int | None, float]] = field(
        default_factory=list[tuple[int | None, float]]
    )

    def lbheartbeat_fault(self, within: float) -> str | None:
        """Return what is wrong with ``/__lbheartbeat__``, or None.

        :param within: the seconds in which the quickest has to answer.
        """
        for status, _ in self.lbheartbeats:
            if status is None:
                return "gave no answer"
            if status != 200:
                return f"answered {status}"
        quickest = min(seconds for _, seconds in self.lbheartbeats)
        if quickest > within:
            return f"took {quickest:.1f} s at best"
        return None


async def ask(url: str, timeout: float) -> int | None:
    """Send a GET request and read the answer.

    :param url: the URL, with http.
    :param timeout: the seconds for the whole.
    :returns: the status; None if there is no HTTP answer in time.
    """
    headers = {"User-Agent": "dockerflow-check", "Connection": "close"}
    request = httpx.Request("GET", url, headers=headers)
    # A context without certificates is made at once, and http needs none.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    status: int | None = None
    # An answer whose body does not end is an answer all the same: check_http speaks of that.
    with contextlib.suppress(httpx.TransportError, OSError):
        async with (
            asyncio.timeout(timeout),
            httpx.AsyncHTTPTransport(verify=context, trust_env=False) as transport,
            contextlib.aclosing(await transport.handle_async_request(request)) as response,
        ):
            status, size = response.status_code, 0
            async for chunk in response.aiter_raw():
                size += len(chunk)
                if size > _MOST_BYTES:
                    break
    return status


def check_outages(
    service: ServiceProcess,
    url: str,
    proxy: Proxy,
    address: str,
    variables: list[str],
    settle: float,
) -> list[Finding]:
    """Take the backing service away twice, and see what the service answers.

    :param service: the service.
    :param url: its URL.
    :param proxy: what is between the service and the backing service.
    :param address: the address of the backing service.
    :param variables: the environment variables that lead to the proxy.
    :param settle: the seconds in which the heartbeat has to follow the backing service.
    """

    async def heartbeat(wanted: Callable[[int], bool], within: float) -> Became:
        started = time.monotonic()
        while True:
            left = started + within - time.monotonic()
            status = await ask(url + HEARTBEAT, max(left, LBHEARTBEAT_WITHIN))
            seconds = time.monotonic() - started
            if status is not None and wanted(status):
                return Became(True, status, seconds)
            if seconds >= within or service.status is not None:
                return Became(False, status, seconds)
            await asyncio.sleep(_PAUSE)

    async def outage(name: str, begin: Callable[[], None], within: float) -> Outage:
        begin()
        failing = asyncio.create_task(heartbeat(lambda status: 500 <= status < 600, within))
        answers: list[tuple[int | None, float]] = []
        # All the while: a heartbeat that hangs may hold the only worker.
        while not failing.done() or len(answers) < _LBHEARTBEATS:
            started = time.monotonic()
            status = await ask(url + LBHEARTBEAT, _LBHEARTBEAT_TIMEOUT)
            answers.append((status, time.monotonic() - started))
            if status != 200:
                break
            await asyncio.wait({failing}, timeout=_PAUSE)
        failed = await failing
        proxy.restore()
        recovery = await heartbeat(lambda status: status == 200, settle)
        return Outage(name, failed, recovery, answers)

    async def look() -> list[Finding]:
        before = await heartbeat(lambda status: status == 200, settle)
        if not before.wanted:
            reason = f"{HEARTBEAT} {before} although {address} can be reached."
            return [skipped(clause, reason) for clause in OUTAGE_CLAUSES]
        started = time.monotonic()
        lbheartbeat = await ask(url + LBHEARTBEAT, _LBHEARTBEAT_TIMEOUT)
        # One that is slow anyway is no sign of the outage; HTTP11 speaks of that.
        lbheartbeat_within = max(LBHEARTBEAT_WITHIN, 2 * (time.monotonic() - started))
        refusal = await outage("refused connections", proxy.refuse, settle)
        # A heartbeat that does not see the first outage is not waited for in the second.
        within = settle if refusal.heartbeat.wanted else LBHEARTBEAT_WITHIN
        silence = await outage("was silent", proxy.hang, within)
        return [
            _heartbeat(clauses.HEARTBEAT_SEES_REFUSAL, refusal, address),
            _heartbeat(clauses.HEARTBEAT_SEES_SILENCE, silence, address),
            _lbheartbeat([refusal, silence], address, lbheartbeat_within)
            if lbheartbeat == 200
            else skipped(
                clauses.LBHEARTBEAT_HOLDS, f"{LBHEARTBEAT} is not 200 with {address} either."
            ),
            _recovery([refusal, silence], address),
        ]

    findings = asyncio.run(look())
    if proxy.connections == 0:
        note = (
            f" The service never connected to {address} through {' or '.join(variables)}: it may "
            "not use it, or may have the address from elsewhere."
        )
        findings = [
            Finding(each.clause, each.outcome, each.text + note)
            if each.clause is clauses.HEARTBEAT_SEES_REFUSAL
            else each
            for each in findings
        ]
    return findings


def _heartbeat(clause: Clause, outage: Outage, address: str) -> Finding:
    became = outage.heartbeat
    if became.wanted:
        return passed(
            clause,
            f"{HEARTBEAT} answered {became.status} after {became.seconds:.1f} s while {address} "
            f"{outage.name}.",
        )
    return broken(
        clause,
        f"{HEARTBEAT} {became} {became.seconds:.0f} s after the start of an outage in which "
        f"{address} {outage.name}: check it there, with a time limit.",
    )


def _lbheartbeat(outages: list[Outage], address: str, within: float) -> Finding:
    clause = clauses.LBHEARTBEAT_HOLDS
    for outage in outages:
        if (fault := outage.lbheartbeat_fault(within)) is not None:
            return broken(
                clause,
                f"{LBHEARTBEAT} {fault} while {address} {outage.name}: it must not depend on it, "
                "nor wait for a heartbeat that does.",
            )
    times = [seconds for outage in outages for _, seconds in outage.lbheartbeats]
    text = f"{LBHEARTBEAT} answered 200 to each of {len(times)} requests in two outages"
    if (slowest := max(times)) > within:
        text += f"; one waited {slowest:.1f} s, perhaps for a worker that a heartbeat held"
    return passed(clause, f"{text}.")


def _recovery(outages: list[Outage], address: str) -> Finding:
    clause = clauses.RECOVERS
    if not any(outage.heartbeat.wanted for outage in outages):
        return skipped(clause, f"{HEARTBEAT} did not fail in an outage of {address}.")
    for outage in outages:
        if not outage.recovery.wanted:
            return broken(
                clause,
                f"{HEARTBEAT} {outage.recovery} {outage.recovery.seconds:.0f} s after the end of "
                f"an outage in which {address} {outage.name}: open a new connection where the old "
                "one is broken.",
            )
    slowest = max(outage.recovery.seconds for outage in outages)
    return passed(
        clause, f"{HEARTBEAT} was 200 again at most {slowest:.1f} s after the end of an outage."
    )
