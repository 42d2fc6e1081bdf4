"""The examples keep the specification, and each fault that is put into one is found."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest

from dockerflow.check.findings import Finding, Outcome
from dockerflow.check.http import check_http
from dockerflow.check.service import check_run
from tests.examples.test_examples import SERVICES, Example
from tests.servers.web import ROOT
from tests.services.servers import RedisServer

FAULTY = (pathlib.Path(__file__).parent / "services" / "faulty.py").read_text()

# Where the faults are put around the application: file, what stands there, and what will.
WRAPPED = {
    "asgi": ("app.py", "    return dockerflow\n", "    return faulty.asgi(dockerflow)\n"),
    "django": (
        "visits/asgi.py",
        "= get_asgi_application()",
        "= faulty.asgi(get_asgi_application())",
    ),
    "fastapi": ("app.py", "    return app\n", "    return faulty.asgi(app)  # type: ignore\n"),
    "flask": ("app.py", "    return app\n", "    return faulty.wsgi(app)\n"),
    "wsgi": ("app.py", "    return dockerflow\n", "    return faulty.wsgi(dockerflow)\n"),
}
IMPORTS = "from __future__ import annotations\n"
LOGS = ("app.py", 'configure("visits")\n', 'configure("visits")\nfaulty.lines()\n')


@dataclasses.dataclass(frozen=True)
class Fault:
    """A fault, and the clauses that it breaks.

    :ivar example: the example that gets it.
    :ivar name: the fault.
    :ivar ids: the ids of the clauses, of which most faults have one.
    :ivar before: statements before each request, which may change its ``method`` and ``path``.
    :ivar after: statements that may change an answer: ``status``, ``headers``, ``body``.
    :ivar line: statements that may change a ``line`` of the log and its ``fields``.
    :ivar edits: texts of files, and what is put in their places.
    :ivar command: a text of the command, and what is put in its place.
    :ivar version: what is changed in version.json.
    :ivar environ: environment variables.
    :ivar outage: whether Redis is taken away.
    """

    example: str
    name: str
    ids: str
    before: str = ""
    after: str = ""
    line: str = ""
    edits: tuple[tuple[str, str, str], ...] = ()
    command: tuple[str, str] = ("", "")
    version: Mapping[str, str | None] = dataclasses.field(default_factory=dict[str, str | None])
    environ: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    outage: bool = False

    def __str__(self) -> str:
        return f"{self.example}: {self.name}"


HEARTBEAT = "path == '/__heartbeat__'"
LBHEARTBEAT = "path == '/__lbheartbeat__'"
VERSION = "path == '/__version__'"
DISK = "disk = os.statvfs"
REDIS_PORT = "urlsplit(os.environ['REDIS_URL']).port"
OPEN_PORT = f"socket.create_connection(('127.0.0.1', {REDIS_PORT})).close()"

# Each example reads one of these; Django's has a limit in its client.
TIME_LIMIT = {
    f"{prefix}CHECK_TIMEOUT": "2"
    for prefix in ("", "DOCKERFLOW_", "FLASK_DOCKERFLOW_", "SANIC_DOCKERFLOW_")
}

FAULTS = [
    # endpoints
    Fault("flask", "no version endpoint", "HTTP01", before=f"if {VERSION}: path = '/version'"),
    Fault("asgi", "a version without a body", "HTTP02", after=f"if {VERSION}: body = b''"),
    Fault("wsgi", "a list for a version", "HTTP02", after=f"if {VERSION}: body = b'[1]'"),
    Fault("asgi", "no build in version.json", "HTTP03", version={"build": None}),
    Fault("django", "another commit is deployed", "HTTP04", version={"commit": "0123456789abcdef"}),
    Fault(
        "wsgi",
        "the version as HTML",
        "HTTP05",
        after=f"if {VERSION}: headers['content-type'] = 'text/html'",
    ),
    Fault("sanic", "a branch for a commit", "HTTP06", version={"commit": "main"}),
    Fault("fastapi", "404 for a failure", "HTTP07", after=f"if {HEARTBEAT}: status = 404"),
    Fault("flask", "the heartbeat is a list", "HTTP08", after=f"if {HEARTBEAT}: body = b'[]'"),
    Fault(
        "asgi",
        "an error with status 200",
        "HTTP09",
        after=f"if {HEARTBEAT}: body = body.replace(b'ok', b'error', 1)",
    ),
    Fault(
        "wsgi", "no endpoint for load balancers", "HTTP10", before=f"if {LBHEARTBEAT}: path = '/lb'"
    ),
    Fault(
        "wsgi",
        "a load balancer waits",
        "HTTP11",
        before=f"if {LBHEARTBEAT} or {VERSION} or '-' in path: time.sleep(1.1)",
    ),
    Fault(
        "flask",
        "a load balancer waits for the database",
        "HTTP12",
        before=f"if {LBHEARTBEAT} or {HEARTBEAT}: time.sleep(0.3)",
    ),
    Fault(
        "wsgi",
        "HEAD is refused",
        "HTTP13",
        after="if method == 'HEAD': status = 405",
    ),
    Fault("django", "POST is answered", "HTTP14", before="if method == 'POST': method = 'GET'"),
    Fault("flask", "405 without Allow", "HTTP14", after="headers.pop('allow', None)"),
    Fault(
        "fastapi", "a cached heartbeat", "HTTP15", after="headers['cache-control'] = 'max-age=60'"
    ),
    Fault(
        "wsgi",
        "a redirect to https",
        "HTTP07 HTTP16",
        after=f"if {HEARTBEAT}: status, headers['location'] = 301, 'https://localhost/'",
    ),
    Fault("flask", "a session's cookie", "HTTP17", after="headers['set-cookie'] = 'session=1'"),
    Fault(
        "asgi",
        "a token in version.json",
        "HTTP18",
        version={"source": "https://build:t0ken@github.com/example/visits"},
    ),
    Fault(
        "asgi",
        "an answer that is compressed unasked",
        "HTTP19",
        after=f"if {LBHEARTBEAT}: headers['content-encoding'] = 'gzip'",
    ),
    Fault(
        "flask",
        "any path with that beginning",
        "HTTP20",
        before="if path.startswith('/__lb'): path = '/__lbheartbeat__'",
    ),
    Fault(
        "flask",
        "the request id stays inside",
        "HTTP21",
        environ={"FLASK_DOCKERFLOW_REQUEST_ID_RESPONSE_HEADER": "no"},
    ),
    Fault(
        "sanic",
        "no endpoint for errors",
        "HTTP22",
        environ={"SANIC_DOCKERFLOW_ERROR_ENDPOINT": "no"},
    ),
    Fault(
        "django",
        "debug mode",
        "HTTP23",
        edits=(("visits/settings.py", "USE_TZ = True\n", "USE_TZ = True\nDEBUG = True\n"),),
    ),
    # logs
    Fault(
        "flask",
        "binary data in the log",
        "LOG01 LOG02",
        before="print('\\0\\1\\2', flush=True)",
    ),
    Fault("wsgi", "lines that are not JSON", "LOG02", before="print(method, path, flush=True)"),
    Fault("fastapi", "NaN", "LOG03", line="fields['ratio'] = float('nan')"),
    Fault(
        "flask",
        "a traceback over lines",
        "LOG04",
        after=f"if {HEARTBEAT}:\n"
        "        try: 1 / 0\n"
        "        except ZeroDivisionError: print(traceback.format_exc(), end='', flush=True)",
    ),
    Fault("asgi", "no host's name", "LOG06", line="del line['Hostname']"),
    Fault("wsgi", "a word for the severity", "LOG07", line="line['Severity'] = 'INFO'"),
    Fault("flask", "seconds", "LOG08", line="line['Timestamp'] //= 10**9"),
    Fault(
        "wsgi",
        "an old line",
        "LOG09",
        line="if fields.get('path') == '/__version__': line['Timestamp'] -= 120 * 10**9",
    ),
    Fault("asgi", "nested fields", "LOG10", line="fields['a'] = {'b': {'c': 1}}"),
    Fault("flask", "a summary without an agent", "LOG11", line="fields.pop('agent', None)"),
    Fault("wsgi", "a text for a status", "LOG12", line="fields['code'] = str(fields.get('code'))"),
    Fault("fastapi", "two summaries", "LOG13", line="again = True"),
    Fault(
        "wsgi",
        "no summary",
        "LOG13",
        edits=(("app.py", DISK, f"log.info('asked')\n        {DISK}"),),
        line="if fields.get('path') == '/__heartbeat__': line['Type'] = 'request.lost'",
    ),
    Fault(
        "flask",
        "a password in the log",
        "LOG14",
        line="fields['database'] = 'postgresql://visits:hunter22@db/visits'",
    ),
    # the process
    Fault("wsgi", "a port of its own", "RUN01", command=("$PORT", "$((PORT + 1))")),
    Fault(
        "sanic",
        "SIGTERM is ignored",
        "RUN05",
        command=("exec python app.py", "trap '' TERM; python app.py; true"),
    ),
    Fault(
        "flask",
        "an exit status after SIGTERM",
        "RUN06",
        edits=(
            (
                "gunicorn.conf.py",
                "logconfig_dict",
                "import os\n\n\ndef on_exit(server):\n    os._exit(3)\n\n\nlogconfig_dict",
            ),
        ),
    ),
    Fault("wsgi", "a process that stays", "RUN07", command=("exec ", "{ sleep 100 & } && exec ")),
    # a backing service
    Fault(
        "wsgi",
        "a heartbeat that asks nothing",
        "RUN08 RUN09",
        edits=(("app.py", ", redis=cache)", ")"),),
        outage=True,
    ),
    Fault(
        "wsgi",
        "a heartbeat that only sees an open port",
        "RUN09",
        edits=(
            ("app.py", ", redis=cache)", ")"),
            (
                "app.py",
                "import os\n",
                "import os\nimport socket\nfrom urllib.parse import urlsplit\n",
            ),
            ("app.py", DISK, f"{OPEN_PORT}\n        {DISK}"),
        ),
        outage=True,
    ),
    Fault(
        "asgi",
        "a load balancer asks Redis",
        "HTTP12 RUN10",
        before=f"if {LBHEARTBEAT}: path = '/__heartbeat__'",
        outage=True,
    ),
    Fault(
        "flask",
        "no way back",
        "RUN11",
        after=f"if {HEARTBEAT} and (status == 500 or seen): status = 500; seen.add(path)",
        outage=True,
    ),
]


def put(fault: Fault, folder: pathlib.Path) -> None:
    """Put a fault into a copy of an example."""
    edits = list(fault.edits)
    if fault.before or fault.after:
        edits.append(WRAPPED[fault.example])
    if fault.line:
        edits.append(LOGS)
    if fault.before or fault.after or fault.line:
        code = FAULTY.replace("# BEFORE", fault.before).replace("# AFTER", fault.after)
        (folder / "faulty.py").write_text(code.replace("# LINE", fault.line))
        files = {name for name, _, new in edits if "faulty." in new}
        edits += [(name, IMPORTS, f"{IMPORTS}\nimport faulty\n") for name in files]
    for name, old, new in edits:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))
    if fault.version:
        version = json.loads((folder / "version.json").read_text()) | fault.version
        kept = {name: value for name, value in version.items() if value is not None}
        (folder / "version.json").write_text(json.dumps(kept))


def check(
    example: Example, command: Callable[[str], str] = str, expect: bool = True, **options: Any
) -> list[Finding]:
    """Check an example that is run as its README says.

    :param command: changes the command.
    :param expect: whether its version.json is to be that of the repository.
    """
    file = ROOT / "examples" / example.framework / "version.json"
    *shell, script = example.command()
    return check_run(
        [*shell, command(script.replace(str(example.port), "$PORT"))],
        environ=example.environ,
        check_http=partial(
            check_http,
            error_endpoint=True,
            expected_version=json.loads(file.read_text()) if expect else None,
        ),
        **options,
    )


def faults(findings: list[Finding]) -> dict[str, str]:
    """Return what was found of each clause that is broken."""
    broken = (Outcome.FAILED, Outcome.WARNING)
    return {each.clause.id: each.text for each in findings if each.outcome in broken}


@pytest.mark.parametrize("name", SERVICES)
def test_an_example_keeps_every_clause(
    name: str, tmp_path: pathlib.Path, redis_server: RedisServer
) -> None:
    """An example keeps each MUST and each SHOULD, also while Redis is away."""
    example = Example(name, tmp_path, REDIS_URL=redis_server.url, **TIME_LIMIT)
    findings = check(example, dependency=f"127.0.0.1:{redis_server.port}")
    assert {each.clause.id for each in findings if each.outcome is not Outcome.PASSED} == set()


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_is_found(
    fault: Fault, tmp_path: pathlib.Path, request: pytest.FixtureRequest
) -> None:
    """What is wrong with a copy of an example is found, under the ids of the table and no other."""
    example = Example(fault.example, tmp_path, **fault.environ)
    put(fault, tmp_path / "examples" / fault.example)
    options: dict[str, Any] = {"wait": 10, "grace": 5, "settle": 5}
    if fault.outage:
        redis_server: RedisServer = request.getfixturevalue("redis_server")
        example.environ |= {"REDIS_URL": redis_server.url, **TIME_LIMIT}
        options["dependency"] = f"127.0.0.1:{redis_server.port}"
    expect = not fault.version or "HTTP04" in fault.ids
    findings = check(example, lambda text: text.replace(*fault.command), expect, **options)
    assert faults(findings).keys() == set(fault.ids.split()), faults(findings)
