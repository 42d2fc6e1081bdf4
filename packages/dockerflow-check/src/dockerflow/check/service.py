"""Start a service, check what it answers and logs, and end it: ``dockerflow-check run``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from . import http, logs
from . import service_clauses as clauses
from .findings import Finding, TargetError, broken, passed, skipped
from .proxy import Dependency, Proxy, free_port
from .service_clauses import CLAUSES
from .service_outage import LBHEARTBEAT, OUTAGE_CLAUSES, ask, check_outages
from .service_process import KEPT_OUTPUT, ServiceProcess, ending

__all__ = ["CLAUSES", "check_run"]

STARTS_WITHIN = 30
"""Seconds in which a service is to answer."""

_ASK_TIMEOUT = 5  # seconds
_ENDS_WITHIN = 0.2  # seconds: a process that ends closes its connections some time before
_EOF_WITHIN = 5  # seconds
_MOST_NAMED = 5  # processes
_PAUSE = 0.05  # seconds
_HOSTS = ("127.0.0.1", "::1")

CheckHTTP = Callable[[str], list[Finding]]
CheckLogs = Callable[[Iterable[bytes], str], list[Finding]]
_CheckOutages = Callable[[ServiceProcess, str], list[Finding]]


def check_run(
    command: Sequence[str],
    *,
    dependency: str | None = None,
    wait: float = 30,
    grace: float = 10,
    settle: float = 30,
    environ: Mapping[str, str] | None = None,
    check_http: CheckHTTP | None = None,
    check_logs: CheckLogs | None = None,
) -> list[Finding]:
    """Start a service twice, on two ports, and check all that can be seen of it.

    It runs in a session of its own, with an empty standard input and a free port in ``$PORT``.
    At the first start its endpoints are checked; then SIGTERM is sent, and what it wrote to
    standard output is checked as a log; or to standard error, if that is all. At the second start
    it only has to answer. Whatever happens, Ctrl-C included, its process group is killed at the
    end.

    A backing service is taken away by a proxy: each environment variable whose value contains
    the dependency's ``HOST:PORT`` as it is written here, say
    ``REDIS_URL=redis://localhost:6379/0``, is given to the service with the proxy's address in
    its place. A client that verifies the host's name in a certificate refuses the proxy.

    It needs a POSIX system, and may not be called where an event loop runs.

    :param command: the program and its arguments.
    :param dependency: the ``HOST:PORT`` of a backing service that is to be taken away.
    :param wait: the seconds in which the service has to answer.
    :param grace: the seconds in which it has to end after SIGTERM.
    :param settle: the seconds in which the heartbeat has to follow the dependency.
    :param environ: the environment variables of the service; by default those of this process.
    :param check_http: checks the service's URL; by default all of ``dockerflow.check.http``.
    :param check_logs: checks lines, given with a name for them; by default all of
        ``dockerflow.check.logs``.
    :returns: the findings of both, and one for each clause of :data:`CLAUSES`, in their order.
    :raises TargetError: if the command can't be started, or ends before it has answered; or if
        the dependency can't be reached, or none of the environment variables contains it.
    """
    if os.name != "posix":
        raise TargetError("A service can be run on Linux, macOS and other POSIX systems only.")
    if not command:
        raise TargetError("There is no command to run.")
    environ = os.environ if environ is None else environ
    with contextlib.ExitStack() as stack:
        outages: _CheckOutages | None = None
        if dependency is not None:
            backing_service = Dependency.parse(dependency)
            backing_service.try_out()
            proxy = stack.enter_context(Proxy(backing_service))
            environ, names = backing_service.redirect(environ, proxy.port)
            outages = partial(
                check_outages, proxy=proxy, address=dependency, variables=names, settle=settle
            )
        first = ServiceProcess(command, environ, free_port())
        with first as service:
            findings = _check_first(service, outages, wait, grace, check_http, check_logs)
        if not any(each.clause is clauses.LISTENS_ON_PORT for each in findings):
            second = ServiceProcess(command, environ, free_port(besides=first.port))
            with second as service:
                findings.append(_listens_again(service, wait, first.port))
    return sorted(findings, key=_order)


def _order(finding: Finding) -> int:
    """Return where a finding belongs: those of other rooms come first."""
    return CLAUSES.index(finding.clause) if finding.clause in CLAUSES else -1


def _check_first(
    service: ServiceProcess,
    outages: _CheckOutages | None,
    wait: float,
    grace: float,
    check_http: CheckHTTP | None,
    check_logs: CheckLogs | None,
) -> list[Finding]:
    """Check a service from its start to its end.

    :returns: all findings; that of ``LISTENS_ON_PORT`` only if it is broken.
    """
    started = time.monotonic()
    url = _first_answer(service, wait)
    seconds = time.monotonic() - started
    if url is None:
        findings = _nothing_answers(service, wait)
    else:
        findings = _check_endpoints(service, url, check_http)
        findings.append(_starts_in_time(seconds))
        findings += _check_outages(service, url, outages)
    findings.append(_keeps_running(service, time.monotonic() - started))
    findings += _end(service, grace)
    service.kill()
    name, output = "stdout", service.stdout
    if not output.size and service.stderr.size:
        name, output = "stderr", service.stderr
    check = check_logs or partial(logs.check_logs, ended=True)
    findings += check(output.lines(), name)
    findings.append(_logs_to_output(service))
    return findings


def _first_answer(service: ServiceProcess, wait: float) -> str | None:
    """Wait until a service answers a request, whatever its answer is.

    :param wait: the seconds to wait.
    :returns: its URL; None if there is no answer in time.
    :raises TargetError: if it ends before that.
    """

    async def look() -> str | None:
        end = time.monotonic() + wait
        while (left := end - time.monotonic()) > 0:
            for host in _HOSTS:
                url = f"http://{f'[{host}]' if ':' in host else host}:{service.port}"
                if await ask(url + LBHEARTBEAT, min(left, _ASK_TIMEOUT)) is not None:
                    return url
            if service.status is not None:
                return None
            await asyncio.sleep(_PAUSE)
        return None

    url = asyncio.run(look())
    status = service.status
    if status is None:
        return url
    service.kill()  # and so all is read that it wrote
    hint = " (it has to stay in the foreground)" if status == 0 else ""
    raise TargetError(
        f"The command ended {ending(status)}{hint} before it was seen to answer on "
        f"$PORT={service.port}{service.said()}"
    )


def _nothing_answers(service: ServiceProcess, wait: float) -> list[Finding]:
    """Return what can be said of a service that runs and doesn't answer."""
    reason = "The service did not answer."
    unseen = (*http.CLAUSES, clauses.STARTS_IN_TIME, *OUTAGE_CLAUSES)
    return [
        broken(
            clauses.LISTENS_ON_PORT,
            f"Nothing answered HTTP on $PORT={service.port} within {wait:g} s, though the service "
            "runs: let it listen on the port that $PORT names, or give it more time with --wait"
            f"{service.said()}",
        ),
        *(skipped(clause, reason) for clause in unseen),
    ]


def _listens_again(service: ServiceProcess, wait: float, first: int) -> Finding:
    """Return whether a service that answered on one port answers on another one."""
    clause = clauses.LISTENS_ON_PORT
    try:
        url = _first_answer(service, wait)
    except TargetError as error:
        return broken(clause, f"It answered on $PORT={first}, but at a second start not: {error}")
    if url is None:
        return broken(
            clause,
            f"It answered on $PORT={first}, but at a second start nothing answered on "
            f"$PORT={service.port} within {wait:g} s{service.said()}",
        )
    return passed(clause, f"It answered on $PORT={first}, and on {service.port} when started anew.")


def _check_endpoints(
    service: ServiceProcess, url: str, check_http: CheckHTTP | None
) -> list[Finding]:
    try:
        return list((check_http or http.check_http)(url))
    except TargetError as error:
        if not service.wait(_ENDS_WITHIN):
            raise
        assert service.status is not None
        raise TargetError(
            f"The command ended {ending(service.status)} at the first requests{service.said()}"
        ) from error


def _starts_in_time(seconds: float) -> Finding:
    text = f"It answered {seconds:.1f} s after its start"
    if seconds <= STARTS_WITHIN:
        return passed(clauses.STARTS_IN_TIME, f"{text}.")
    return broken(clauses.STARTS_IN_TIME, f"{text}: listen first, and prepare the rest later.")


def _check_outages(
    service: ServiceProcess, url: str, outages: _CheckOutages | None
) -> list[Finding]:
    if service.wait(_ENDS_WITHIN):
        reason = "The service had ended."
    elif outages is None:
        reason = "No dependency was given: --dependency HOST:PORT takes one away."
    else:
        return outages(service, url)
    return [skipped(clause, reason) for clause in OUTAGE_CLAUSES]


def _keeps_running(service: ServiceProcess, seconds: float) -> Finding:
    service.wait(_ENDS_WITHIN)
    status = service.status
    if status is None:
        text = f"It ran for {seconds:.0f} s, until SIGTERM was sent."
        return passed(clauses.KEEPS_RUNNING, text)
    return broken(
        clauses.KEEPS_RUNNING,
        f"It ended by itself, {ending(status)}, while it was checked{service.said()}",
    )


def _end(service: ServiceProcess, grace: float) -> list[Finding]:
    """Send SIGTERM, and return how the service ended."""
    if service.status is not None:
        reason = "It had ended by itself."
        return [
            skipped(clauses.ENDS_ON_SIGTERM, reason),
            skipped(clauses.EXIT_STATUS, reason),
            _no_process_left(service, 0),
        ]
    started = time.monotonic()
    service.terminate()
    ended = service.wait(grace)
    seconds = time.monotonic() - started
    status = service.status
    if not ended or status is None:
        reason = "It did not end after SIGTERM."
        return [
            broken(
                clauses.ENDS_ON_SIGTERM,
                f"It ran on for {grace:g} s after SIGTERM, and was killed: let the process that "
                "the command starts handle the signal.",
            ),
            skipped(clauses.EXIT_STATUS, reason),
            skipped(clauses.NO_PROCESS_LEFT, reason),
        ]
    return [
        passed(clauses.ENDS_ON_SIGTERM, f"It ended {seconds:.1f} s after SIGTERM."),
        _exit_status(status),
        _no_process_left(service, grace - seconds),
    ]


def _exit_status(status: int) -> Finding:
    if status == -signal.SIGTERM:
        # As process 1, it would not be ended by a signal that it does not handle (see kill(2)).
        # Many servers handle it and then send it to themselves; from here both look the same.
        return passed(
            clauses.EXIT_STATUS,
            "It was ended by SIGTERM. As the first process of a container it has to handle the "
            "signal, or needs an init such as tini before it.",
        )
    if status in {0, 128 + signal.SIGTERM}:
        return passed(clauses.EXIT_STATUS, f"It ended {ending(status)}.")
    return broken(
        clauses.EXIT_STATUS, f"It ended {ending(status)} after SIGTERM: end with status 0."
    )


def _no_process_left(service: ServiceProcess, wait: float) -> Finding:
    clause = clauses.NO_PROCESS_LEFT
    remedy = "let the first process end its children and wait for them."
    if members := service.wait_for_members(wait):
        names = ", ".join(members[:_MOST_NAMED])
        more = f" and {len(members) - _MOST_NAMED} more" if len(members) > _MOST_NAMED else ""
        return broken(clause, f"These processes ran on, and were killed: {names}{more}; {remedy}")
    if any(_connects(host, service.port) for host in _HOSTS):
        return broken(
            clause,
            f"Something still listens on port {service.port}, perhaps a process that has left its "
            f"process group, and was not killed: {remedy}",
        )
    if not (service.stdout.at_end(_EOF_WITHIN) and service.stderr.at_end(_EOF_WITHIN)):
        return broken(
            clause,
            "A process that has left its process group still holds the output, and was not "
            f"killed: {remedy}",
        )
    return passed(clause, "No process is left.")


def _connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


def _logs_to_output(service: ServiceProcess) -> Finding:
    clause, out, err = clauses.LOGS_TO_OUTPUT, service.stdout, service.stderr
    if not out.size and not err.size:
        return broken(clause, "It wrote nothing to stdout and stderr: log requests to stdout.")
    cut = f" (of which the first {KEPT_OUTPUT // 1_000_000} MB were read)"
    return passed(
        clause,
        f"Lines on stdout: {out.newlines}{cut if out.size > KEPT_OUTPUT else ''}; on stderr: "
        f"{err.newlines}. Whether it writes files as well can't be seen from outside.",
    )
