"""``check_run``: a good service passes, and each fault of one is found."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any
from unittest import mock
from urllib.request import urlopen

import pytest

from dockerflow.check import service as room
from dockerflow.check import service_process
from dockerflow.check.clauses import Clause, Level
from dockerflow.check.findings import Finding, Outcome, TargetError, passed
from dockerflow.check.service import CLAUSES, check_run
from tests.examples.test_examples import Example
from tests.servers.web import ROOT
from tests.services.beats import wait_until
from tests.services.servers import RedisServer

SERVICES = pathlib.Path(__file__).parent / "services"
OUTAGE = {"RUN08", "RUN09", "RUN10", "RUN11"}
HTTP, LOG = (
    Clause(id, "a-stand-in", Level.MUST, "It is.", "https://example.org", "It is.")
    for id in ("HTTP01", "LOG01")
)


class Checks:
    """Stand-ins for the checks of endpoints and logs, which are tested on their own."""

    def __init__(self, path: str = "/") -> None:
        self.path = path
        self.urls: list[str] = []
        self.lines: list[bytes] = []

    def http(self, url: str) -> list[Finding]:
        """Ask the service once."""
        self.urls.append(url)
        with contextlib.suppress(OSError), urlopen(url + self.path, timeout=60) as response:
            response.read()
        return [passed(HTTP, "It is.")]

    def logs(self, lines: Iterable[bytes], name: str) -> list[Finding]:
        """Read the log."""
        assert name == "stdout"
        self.lines = list(lines)
        return [passed(LOG, "It is.")]


def run(
    fault: str, checks: Checks | None = None, environ: dict[str, str] | None = None, **options: Any
) -> dict[str, Finding]:
    """Check the service with a fault, and return the findings by id."""
    return check([sys.executable, str(SERVICES / "service.py"), fault], checks, environ, **options)


def check(
    command: list[str],
    checks: Checks | None = None,
    environ: dict[str, str] | None = None,
    **options: Any,
) -> dict[str, Finding]:
    """Check a service, and return the findings by id: one for each clause, in order."""
    checks = checks or Checks()
    options = {"wait": 100, "grace": 60, "settle": 60} | options
    findings = check_run(
        command,
        environ={**os.environ, **(environ or {})},
        check_http=checks.http,
        check_logs=checks.logs,
        **options,
    )
    run_ids = [clause.id for clause in CLAUSES]
    assert [each.clause.id for each in findings if each.clause.id in run_ids] == run_ids
    assert all(each.text.isprintable() for each in findings)
    return {each.clause.id: each for each in findings}


def ids(findings: dict[str, Finding], *outcomes: Outcome) -> set[str]:
    """Return the ids with some outcomes."""
    return {id for id, finding in findings.items() if finding.outcome in outcomes}


def faults(findings: dict[str, Finding]) -> set[str]:
    """Return the ids of the clauses that are broken."""
    return ids(findings, Outcome.FAILED, Outcome.WARNING)


def lives(pid: int) -> bool:
    """Return whether a process runs; one that has ended and that nobody reaps does not."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def test_clauses() -> None:
    """Ids are numbered, names are unique, and each clause says why and how to mend it."""
    assert [clause.id for clause in CLAUSES] == [f"RUN{n:02}" for n in range(1, len(CLAUSES) + 1)]
    assert len({clause.name for clause in CLAUSES}) == len(CLAUSES)
    for clause in CLAUSES:
        assert clause.says.endswith(".")
        assert clause.why.endswith(".")
        assert clause.source.startswith("https://")
        assert "any" in clause.fixes or set(clause.fixes) == {"Django", "Flask", "Express", "Go"}
        assert all(0 < fix.count("\n") + 1 <= 6 for fix in clause.fixes.values())
        if clause.level is Level.MUST:
            assert clause.source.startswith("https://github.com/mozilla-services/Dockerflow")


def test_good() -> None:
    """A good service passes; its URL is checked once, and so is what it wrote to stdout."""
    checks = Checks()
    findings = run("none", checks)
    assert ids(findings, Outcome.PASSED) == {
        *("HTTP01", "LOG01", *(f"RUN0{n}" for n in range(1, 8)))
    }
    assert ids(findings, Outcome.SKIPPED) == set(OUTAGE)
    (url,) = checks.urls
    first = url.rpartition(":")[2]
    assert url == f"http://127.0.0.1:{first}"
    assert checks.lines[0] == b"GET /__lbheartbeat__\n"
    assert checks.lines[-2:] == [b"GET /\n", b"ending\n"]
    text = findings["RUN01"].text
    assert f"$PORT={first}, and on " in text
    assert text.count(first) == 1
    assert "; on stderr: 0." in findings["RUN04"].text
    assert "--dependency" in findings["RUN08"].text


def test_good_by_signal() -> None:
    """A service that SIGTERM ends passes, with a hint for the first process of a container."""
    findings = run("no-handler")
    assert faults(findings) == set()
    assert "init such as tini" in findings["RUN06"].text


def test_good_ipv6() -> None:
    """A service may listen on the loopback address of IPv6 alone."""
    checks = Checks()
    assert faults(run("ipv6", checks)) == set()
    assert checks.urls[0].startswith("http://[::1]:")


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_good_node(redis_server: RedisServer) -> None:
    """A service in Node passes, with its Redis taken away too."""
    findings = check(
        ["node", str(SERVICES / "service.js")],
        environ={"REDIS_URL": redis_server.url},
        dependency=f"127.0.0.1:{redis_server.port}",
    )
    assert faults(findings) == set()
    assert ids(findings, Outcome.SKIPPED) == set()


def test_flask_example(redis_server: RedisServer, tmp_path: pathlib.Path) -> None:
    """The example of Flask passes with a real Redis that is taken away."""
    example = Example("flask", tmp_path)
    python_path = os.pathsep.join(str(each) for each in sorted((ROOT / "packages").glob("*/src")))
    checks = Checks()
    server = "exec gunicorn --bind 127.0.0.1:$PORT 'app:create_app()'"
    try:
        findings = check(
            ["bash", "-c", f"cd {tmp_path}/examples/flask && {server}"],
            checks,
            environ={
                "PATH": example.environ["PATH"],
                "PYTHONPATH": python_path,
                "REDIS_URL": redis_server.url,
            },
            dependency=f"127.0.0.1:{redis_server.port}",
        )
    finally:
        example.close()
    assert faults(findings) == set()
    assert ids(findings, Outcome.SKIPPED) == set()
    types = [json.loads(line)["Type"] for line in checks.lines]
    assert "request.summary" in types


@pytest.mark.parametrize(
    ("fault", "id", "says", "options"),
    [
        ("own-port", "RUN01", "or give it more time with --wait; it wrote", {"wait": 5}),
        ("not-http", "RUN01", "Nothing answered HTTP on $PORT=", {"wait": 5}),
        ("is-silent", "RUN04", "It wrote nothing", {}),
        ("ignores-sigterm", "RUN05", "1 s after SIGTERM, and was killed", {"grace": 1}),
        ("exit-status", "RUN06", "with status 1", {}),
        ("leaves-child", "RUN07", "ran on, and were killed: python", {"grace": 3}),
        ("leaves-session", "RUN07", "still holds the output", {}),
    ],
)
def test_fault(fault: str, id: str, says: str, options: dict[str, Any]) -> None:
    """Each fault of a service breaks its clause, and no other one."""
    checks = Checks()
    findings = run(fault, checks, **options)
    assert faults(findings) == {id}
    assert says in findings[id].text
    is_must = id in {"RUN01", "RUN04"}
    assert findings[id].outcome is (Outcome.FAILED if is_must else Outcome.WARNING)
    if fault.startswith("leaves"):
        pid = int(checks.lines[0])
        if fault == "leaves-session":
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not lives(pid))


def test_shell() -> None:
    """A shell that waits for the server gets SIGTERM in its place, and leaves it behind."""
    server = f"{sys.executable} {SERVICES / 'service.py'} none"
    findings = check(["bash", "-c", f"{server}; true"], grace=3)
    assert faults(findings) == {"RUN07"}


def test_second_start(tmp_path: pathlib.Path) -> None:
    """A service that starts only once is found, with what it says at its second start."""
    findings = run("once", environ={"LOCK": str(tmp_path / "lock")})
    assert faults(findings) == {"RUN01"}
    assert "at a second start not: The command ended with status 1" in findings["RUN01"].text
    assert findings["RUN01"].text.endswith("it wrote last: locked")


def test_starts_late() -> None:
    """A service that needs longer than 30 s gets a warning."""
    with mock.patch.object(room, "STARTS_WITHIN", 0):
        assert faults(run("none")) == {"RUN02"}


def test_dies() -> None:
    """A service that ends at a request is found, and not sent a signal."""
    findings = run("dies", Checks("/die"))
    assert faults(findings) == {"RUN03"}
    assert "ended by itself, with status 3" in findings["RUN03"].text
    assert {"RUN05", "RUN06"} < ids(findings, Outcome.SKIPPED)


def test_dies_at_first_requests() -> None:
    """If the endpoints can't be checked since the service has ended, that is what is said."""

    def check_http(url: str) -> list[Finding]:
        Checks("/die").http(url)
        raise TargetError("The URL can't be reached.")

    command = [sys.executable, str(SERVICES / "service.py"), "dies"]
    with pytest.raises(TargetError, match="ended with status 3 at the first requests"):
        check_run(command, check_http=check_http, wait=100)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("fails-at-once", r"ended with status 7 before.* starting \| http://\*\*\*@db/ is \\x1b"),
        ("daemon", r"ended with status 0 \(it has to stay in the foreground\).*; it wrote nothing"),
    ],
)
def test_ends_at_once(fault: str, says: str) -> None:
    """A command that ends before it has answered can't be checked; its last lines say why."""
    with pytest.raises(TargetError, match=says) as caught:
        run(fault)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ([], "There is no command"),
        (["/nonexistent/service"], "can't be started: No such file"),
        ([str(SERVICES)], "can't be started: Permission denied"),
        (["a\0b"], "can't be started: embedded null byte"),
    ],
)
def test_no_command(command: list[str], says: str) -> None:
    """A command that can't be started can't be checked."""
    with pytest.raises(TargetError, match=says):
        check(command)


def test_floods() -> None:
    """All output is read, so that the service never waits, and a part of it is kept."""
    checks = Checks()
    with (
        mock.patch.object(service_process, "KEPT_OUTPUT", 1_000_050),
        mock.patch.object(room, "KEPT_OUTPUT", 1_000_050),
    ):
        findings = run("floods", checks)
    assert faults(findings) == set()
    assert len(checks.lines) == 10_000  # of 100 bytes: the cut one is left out
    assert "(of which the first 1 MB were read)" in findings["RUN04"].text


def outages(fault: str, redis_server: RedisServer, **options: Any) -> dict[str, Finding]:
    """Check the service with a fault, and take its Redis away."""
    return run(
        fault,
        environ={"REDIS_URL": redis_server.url},
        dependency=f"127.0.0.1:{redis_server.port}",
        **options,
    )


def test_outages(redis_server: RedisServer) -> None:
    """A good service says when its Redis is away, lives on, and says when it is back."""
    findings = outages("none", redis_server)
    assert faults(findings) == set()
    assert ids(findings, Outcome.PASSED) > OUTAGE
    assert "answered 503" in findings["RUN08"].text
    assert "refused connections" in findings["RUN08"].text
    assert "was silent" in findings["RUN09"].text


@pytest.mark.parametrize(
    ("fault", "found", "says"),
    [
        ("heartbeat-is-constant", {"RUN08", "RUN09"}, "answers 200"),
        ("lbheartbeat-checks", {"RUN10"}, "answered 503 while"),
        ("lbheartbeat-waits", {"RUN10"}, "s at best while"),
        ("never-recovers", {"RUN11"}, "answers 503"),
        # One request after another, each of which may wait for ever.
        ("waits-for-ever", {"RUN09", "RUN10"}, "gives no answer"),
        ("dies-in-outage", {"RUN03", "RUN08", "RUN09", "RUN10"}, "gives no answer"),
    ],
)
def test_outage_faults(fault: str, found: set[str], says: str, redis_server: RedisServer) -> None:
    """Each fault in an outage breaks its clauses, and no other ones."""
    findings = outages(fault, redis_server, settle=5)
    assert faults(findings) == found
    assert any(says in findings[id].text for id in found)
    must = findings["RUN10"].outcome
    assert must is (Outcome.FAILED if "RUN10" in found else Outcome.PASSED)


def test_slow_anyway(redis_server: RedisServer) -> None:
    """An outage is not to blame for a load balancer's check that is slow without one as well."""
    assert faults(outages("lbheartbeat-is-slow", redis_server)) == set()


def test_not_used(redis_server: RedisServer) -> None:
    """If the service never connects to its backing service, that is said."""
    findings = outages("heartbeat-is-constant", redis_server, settle=1)
    assert "never connected to 127.0.0.1" in findings["RUN08"].text
    assert "REDIS_URL" in findings["RUN08"].text


def test_unhealthy_before(redis_server: RedisServer) -> None:
    """A service that was unhealthy before is not judged by what it says in an outage."""
    findings = run(
        "none",
        environ={"REDIS_URL": "redis://127.0.0.1:1", "OTHER": redis_server.url},
        dependency=f"127.0.0.1:{redis_server.port}",
        settle=1,
    )
    assert ids(findings, Outcome.SKIPPED) == set(OUTAGE)
    assert "/__heartbeat__ answers 503 although" in findings["RUN08"].text


@pytest.mark.parametrize(
    ("dependency", "says"),
    [
        ("localhost", "must be HOST:PORT"),
        ("127.0.0.1:1", "127.0.0.1:1 can't be reached: Connection refused"),
        ("{redis}", "No environment variable contains 127.0.0.1:"),
    ],
)
def test_no_dependency(dependency: str, says: str, redis_server: RedisServer) -> None:
    """A dependency that can't be taken away is refused before anything is started."""
    with pytest.raises(TargetError, match=says):
        check(
            ["/nonexistent/service"],
            dependency=dependency.format(redis=f"127.0.0.1:{redis_server.port}"),
        )


@pytest.fixture
def interrupted(tmp_path: pathlib.Path) -> Callable[[], list[int]]:
    """Run a check, interrupt it as Ctrl-C does, and return the pids of the service."""
    program = (
        "import sys\n"
        "from dockerflow.check.service import check_run\n"
        "def wait(url):\n"
        "    print('checking', flush=True)\n"
        "    import threading; threading.Event().wait(60)\n"
        "    return []\n"
        "check_run(sys.argv[1:], check_http=wait, check_logs=lambda lines, name: [], wait=100)\n"
    )
    pids = tmp_path / "pid"

    def interrupt() -> list[int]:
        command = [sys.executable, str(SERVICES / "service.py"), "pid"]
        with subprocess.Popen(
            [sys.executable, "-c", program, *command],
            env={**os.environ, "PID": str(pids)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "checking\n"
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=60)
        assert "KeyboardInterrupt" in error
        return [int(pid) for pid in pids.read_text().split()]

    return interrupt


def test_interrupt(interrupted: Callable[[], list[int]]) -> None:
    """Ctrl-C ends the service with all of its processes."""
    pids = interrupted()
    assert len(pids) == 2
    assert not any(lives(pid) for pid in pids)


def test_terminated(tmp_path: pathlib.Path) -> None:
    """SIGTERM to the command ends the service with all of its processes."""
    pids = tmp_path / "pid"
    service = [sys.executable, str(SERVICES / "service.py"), "pid"]
    with subprocess.Popen(
        [sys.executable, "-m", "dockerflow.check", "run", "--", *service],
        env={**os.environ, "PID": str(pids)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        process.terminate()
        assert process.wait(60)
    assert not any(lives(int(pid)) for pid in pids.read_text().split())


def test_no_answer_is_no_pass() -> None:
    """Of a service that never answers, the clauses on HTTP alone are status 2: none was checked."""
    service = [sys.executable, str(SERVICES / "service.py"), "own-port"]
    options = ["--only", "HTTP", "--wait", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "dockerflow.check", "run", *options, "--", *service],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "skipped  HTTP01" in done.stdout
