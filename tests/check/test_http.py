"""``check_http``: a good service passes, and each fault is found by its clause."""

from __future__ import annotations

import base64
import gzip
import itertools
import logging
import pathlib
import ssl
import subprocess
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from dockerflow.check.clauses import Level
from dockerflow.check.findings import Finding, Outcome, TargetError
from dockerflow.check.http import CLAUSES, check_http
from dockerflow.version import get_version
from tests.check.web import (
    HEARTBEAT_JSON,
    VERSION_JSON,
    Fault,
    Reply,
    Request,
    good,
    serve,
    with_fault,
)
from tests.examples.test_examples import SERVICES, Example
from tests.servers.web import ROOT

VERSION, HEARTBEAT, LBHEARTBEAT = "/__version__", "/__heartbeat__", "/__lbheartbeat__"
ERROR = "/__error__"
SECRET = "s3cr3t-w0rd"  # a password that no finding may repeat


def ids(findings: list[Finding], *outcomes: Outcome) -> set[str]:
    """Return the ids of the clauses with some outcomes."""
    return {finding.clause.id for finding in findings if finding.outcome in outcomes}


def faults(findings: list[Finding]) -> set[str]:
    """Return the ids of the clauses that are broken."""
    return ids(findings, Outcome.FAILED, Outcome.WARNING)


def text(findings: list[Finding], id: str) -> str:
    """Return what was found of a clause."""
    (found,) = [finding.text for finding in findings if finding.clause.id == id]
    return found


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """An event that is set when the test ends; servers wait for it, or for a moment."""
    event = threading.Event()
    yield event
    event.set()


def test_clauses() -> None:
    """Ids are numbered, names are unique, and each clause says why and how to mend it."""
    assert [clause.id for clause in CLAUSES] == [f"HTTP{n:02}" for n in range(1, len(CLAUSES) + 1)]
    assert len({clause.name for clause in CLAUSES}) == len(CLAUSES)
    for clause in CLAUSES:
        assert clause.says.endswith(".")
        assert clause.why.endswith(".")
        assert clause.source.startswith("https://")
        assert set(clause.fixes) in ({"any"}, {"Django", "Flask", "Express", "Go"})
        assert all(0 < fix.count("\n") + 1 <= 6 for fix in clause.fixes.values())
        if clause.level is Level.MUST:
            assert clause.source.startswith("https://github.com/mozilla-services/Dockerflow")


def test_good() -> None:
    """A good service keeps every clause; each has one finding, in order, with its place."""
    with serve(good) as url:
        findings = check_http(url, expected_version=VERSION_JSON, error_endpoint=True)
    assert [finding.clause for finding in findings] == list(CLAUSES)
    assert {finding.outcome for finding in findings} == {Outcome.PASSED}, findings
    assert str(findings[0].place) == f"{url}/__version__"


def test_not_asked_for() -> None:
    """Without a version.json to compare with and without --error-endpoint, those are skipped."""
    asked: list[Request] = []

    def service(request: Request) -> Reply:
        asked.append(request)
        return good(request)

    with serve(service) as url:
        findings = check_http(url)
    assert ids(findings, Outcome.SKIPPED) == {"HTTP04", "HTTP22", "HTTP23"}
    assert ERROR not in {request.path for request in asked}
    assert {request.method for request in asked} == {"GET", "HEAD", "POST"}


def test_prefix_and_credentials() -> None:
    """A base URL may have a path, a trailing slash, and a user, which is sent and never shown."""
    credentials = base64.b64encode(f"user:{SECRET}".encode()).decode()

    def service(request: Request) -> Reply:
        if request.authorization != f"Basic {credentials}" or "/shop" not in request.path[:5]:
            return Reply(401)
        return good(replace(request, path=request.path.removeprefix("/shop")))

    with serve(service) as url:
        findings = check_http(f"{url.replace('//', f'//user:{SECRET}@')}/shop/")
    assert faults(findings) == set()
    assert str(findings[0].place) == f"{url}/shop/__version__"
    assert SECRET not in repr(findings)


def body(content: bytes) -> Fault:
    """Return the fault of another body."""
    return lambda _, reply: replace(reply, body=content)


def status(code: int) -> Fault:
    """Return the fault of another status."""
    return lambda _, reply: replace(reply, status=code)


def headers(**changed: str) -> Fault:
    """Return the fault of other headers."""
    return lambda _, reply: reply.having(**changed)


def json_body(content: object) -> Fault:
    """Return the fault of another JSON body."""
    return lambda _, reply: reply.saying(content)


def version(**changed: object) -> Fault:
    """Return the fault of other values in the version object; None leaves a key out."""
    content = {key: value for key, value in {**VERSION_JSON, **changed}.items() if value != ""}
    return json_body({**content, **({} if "version" in changed else {"version": ""})})


def heartbeat(code: int = 200, **changed: object) -> Fault:
    """Return the fault of other values in the heartbeat."""
    return lambda _, reply: replace(reply.saying({**HEARTBEAT_JSON, **changed}), status=code)


def raw(*chunks: bytes) -> Fault:
    """Return the fault of an answer that no HTTP server would give."""
    return lambda _, reply: replace(reply, raw=chunks)


FAULTS: dict[str, tuple[Fault, str, str, set[str]]] = {
    # HTTP01 to HTTP06: the version
    "no version": (status(404), VERSION, "", {"HTTP01"}),
    "version fails": (status(500), VERSION, "", {"HTTP01"}),
    "version is created": (status(201), VERSION, "GET", {"HTTP01"}),
    "version is a page": (body(b"<html>"), VERSION, "GET", {"HTTP02"}),
    "version is empty": (body(b""), VERSION, "GET", {"HTTP02"}),
    "version is a list": (json_body([VERSION_JSON]), VERSION, "GET", {"HTTP02"}),
    "version is null": (json_body(None), VERSION, "GET", {"HTTP02"}),
    "version has a byte order mark": (body(b"\xef\xbb\xbf{}"), VERSION, "GET", {"HTTP02"}),
    "version is UTF-16": (body("{}".encode("utf-16")), VERSION, "GET", {"HTTP02"}),
    "version has NaN": (body(b'{"source": NaN}'), VERSION, "GET", {"HTTP02"}),
    "version is deep": (body(b"[" * 500_000), VERSION, "GET", {"HTTP02"}),
    "version has a long number": (body(b"9" * 500_000), VERSION, "GET", {"HTTP02"}),
    "version without build": (version(build=""), VERSION, "GET", {"HTTP03", "HTTP04"}),
    "version with a null build": (version(build=None), VERSION, "GET", {"HTTP03", "HTTP04"}),
    "version without a name": (version(version=None), VERSION, "GET", {"HTTP04"}),
    "version with a number": (version(version=3), VERSION, "GET", {"HTTP03", "HTTP04"}),
    "version with an empty commit": (
        version(commit=" "),
        VERSION, "GET", {"HTTP04", "HTTP06"},
    ),
    "version of another build": (version(version="1.0"), VERSION, "GET", {"HTTP04"}),
    "version with more": (version(extra="x"), VERSION, "GET", {"HTTP04"}),
    "version as text": (headers(Content_Type="text/plain"), VERSION, "GET", {"HTTP05"}),
    "version without a type": (headers(Content_Type=""), VERSION, "GET", {"HTTP05"}),
    "version of a branch": (version(commit="main"), VERSION, "GET", {"HTTP04", "HTTP06"}),
    "version without URLs": (version(build="17"), VERSION, "GET", {"HTTP04", "HTTP06"}),
    # HTTP07 to HTTP09: the heartbeat
    "no heartbeat": (status(404), HEARTBEAT, "", {"HTTP07"}),
    "heartbeat is guarded": (status(401), HEARTBEAT, "", {"HTTP07"}),
    "heartbeat is 204": (status(204), HEARTBEAT, "", {"HTTP07"}),
    "heartbeat is 600": (status(600), HEARTBEAT, "", {"HTTP07"}),
    "heartbeat is a list": (json_body([]), HEARTBEAT, "", {"HTTP08"}),
    "heartbeat is broken": (body(b'{"status":'), HEARTBEAT, "", {"HTTP08"}),
    "heartbeat with a strange word": (heartbeat(status="fine"), HEARTBEAT, "", {"HTTP08"}),
    "heartbeat with a number": (heartbeat(status=1), HEARTBEAT, "", {"HTTP08"}),
    "heartbeat with a list": (heartbeat(checks=["db"]), HEARTBEAT, "", {"HTTP08"}),
    "heartbeat hides an error": (heartbeat(status="error"), HEARTBEAT, "", {"HTTP09"}),
    "heartbeat fails for nothing": (heartbeat(503), HEARTBEAT, "GET", {"HTTP09", "HTTP13"}),
    # HTTP10 and HTTP12: the load balancer's; HTTP11 has a test of its own
    "no lbheartbeat": (status(404), LBHEARTBEAT, "", {"HTTP10"}),
    "lbheartbeat is 204": (status(204), LBHEARTBEAT, "", {"HTTP10"}),
    "lbheartbeat fails": (status(503), LBHEARTBEAT, "", {"HTTP10"}),
    "lbheartbeat has checks": (json_body(HEARTBEAT_JSON), LBHEARTBEAT, "", {"HTTP12"}),
    # HTTP13 to HTTP21: how they answer
    "HEAD is refused": (status(405), "", "HEAD", {"HTTP13"}),
    "HEAD is not implemented": (status(501), HEARTBEAT, "HEAD", {"HTTP13"}),
    "POST is taken": (status(200), HEARTBEAT, "POST", {"HTTP14"}),
    "POST is not found": (status(404), "", "POST", {"HTTP14"}),
    "POST without Allow": (headers(Allow=""), VERSION, "POST", {"HTTP14"}),
    "no Cache-Control": (headers(Cache_Control=""), "", "", {"HTTP15"}),
    "a public cache": (headers(Cache_Control="public, max-age=9"), VERSION, "", {"HTTP15"}),
    "a field is not cached": (headers(Cache_Control='no-cache="x"'), HEARTBEAT, "", {"HTTP15"}),
    "a cache answers": (headers(Age="5"), HEARTBEAT, "", {"HTTP15"}),
    "a redirect": (
        lambda _, reply: replace(reply, status=301).having(Location=f"https://a:{SECRET}@b/?q"),
        LBHEARTBEAT, "", {"HTTP10", "HTTP16"},
    ),
    "a redirect to nowhere": (
        lambda _, reply: replace(reply, status=302).having(Location=f"http://\x1b:{SECRET}"),
        HEARTBEAT, "", {"HTTP07", "HTTP16"},
    ),
    "a cookie": (headers(Set_Cookie=f"session={SECRET}"), HEARTBEAT, "", {"HTTP17"}),
    "a password": (
        heartbeat(details={"db": f"postgres://me:{SECRET}@db/x"}),
        HEARTBEAT, "", {"HTTP18"},
    ),
    "a password with @": (
        heartbeat(details={"db": f"redis://:p@{SECRET}@db/x"}),
        HEARTBEAT, "", {"HTTP18"},
    ),
    "a password of PHP": (
        body(b'{"x": "mysql:\\/\\/me:%b@db"}' % SECRET.encode()),
        HEARTBEAT, "", {"HTTP18"},
    ),
    "a token": (
        version(source=f"https://{SECRET}@github.com/o/r"),
        VERSION, "", {"HTTP04", "HTTP18"},
    ),
    "a password on an error page": (body(f"http://u:{SECRET}@h".encode()), ERROR, "", {"HTTP18"}),
    "a body of 2 MB": (body(b" " * 2_000_000), LBHEARTBEAT, "GET", {"HTTP19"}),
    "a version of 2 MB": (body(b" " * 2_000_000), VERSION, "GET", {"HTTP02", "HTTP19"}),
    "a compressed bomb": (
        lambda _, reply: replace(reply, body=gzip.compress(bytes(50_000_000)))
        .having(Content_Encoding="gzip"),
        VERSION, "GET", {"HTTP02", "HTTP19"},
    ),
    "a body that breaks off": (
        headers(Content_Length="99"),
        LBHEARTBEAT, "GET", {"HTTP10", "HTTP19"},
    ),
    "a catch-all": (
        lambda _, reply: replace(reply, status=200).saying({"status": "ok"}),
        f"{LBHEARTBEAT}-dockerflow-check", "", {"HTTP20"},
    ),
    "a slash that fails": (status(500), f"{LBHEARTBEAT}/", "", {"HTTP20"}),
    "no request id": (headers(X_Request_ID=""), "", "", {"HTTP21"}),
    "another request id": (headers(X_Request_ID="1"), HEARTBEAT, "", {"HTTP21"}),
    # HTTP22 and HTTP23: the error endpoint
    "no error": (status(404), ERROR, "", {"HTTP22"}),
    "an error that is caught": (status(200), ERROR, "", {"HTTP22"}),
    "an error that is 503": (status(503), ERROR, "", {"HTTP22"}),
    "an error that closes": (raw(), ERROR, "", {"HTTP19", "HTTP22"}),
    "the text of Dockerflow": (body(b"This is a test exception from"), ERROR, "", {"HTTP23"}),
    "a traceback of Python": (
        body(b"<pre>Traceback (most recent call last)"),
        ERROR, "", {"HTTP23"},
    ),
    "a traceback of Express": (body(b"x<br>&nbsp; at f (/app/a.js:1:2)"), ERROR, "", {"HTTP23"}),
    "a traceback of Go": (body(b"goroutine 7 [running]:"), ERROR, "", {"HTTP23"}),
    "an exception's name": (body(b"TypeError: x is undefined"), ERROR, "", {"HTTP23"}),
    # no HTTP at one path
    "version closes": (raw(), VERSION, "", {"HTTP01", "HTTP19"}),
    "heartbeat is no HTTP": (raw(b"\x1b[31mhello\r\n\r\n"), HEARTBEAT, "", {"HTTP07", "HTTP19"}),
    "endless headers": (
        raw(b"HTTP/1.1 200 OK\r\n", *[b"X-A: a\r\n"] * 50_000),
        HEARTBEAT, "", {"HTTP07", "HTTP19"},
    ),
    "a header with a control character": (
        headers(Content_Type="text/\x1bplain"), VERSION, "GET", {"HTTP05"}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str) -> None:
    """Each fault breaks its own clauses and no others, and is told without secrets and escapes."""
    fault, path, method, expected = FAULTS[name]
    with serve(with_fault(fault, path, method)) as url:
        findings = check_http(url, expected_version=VERSION_JSON, error_endpoint=True)
    assert faults(findings) == expected, findings
    assert [finding.clause for finding in findings] == list(CLAUSES)
    for finding in findings:
        assert SECRET not in finding.text
        assert finding.text.isprintable()
        assert len(finding.text) < 400


@pytest.mark.parametrize(
    "fault",
    [
        lambda _, reply: replace(reply, body=b"OK").having(Content_Type="text/plain"),
        lambda _, reply: replace(reply, body=b"").having(Content_Type=""),
        lambda _, reply: replace(reply, body=b"[OK] db").having(Content_Type="text/plain"),
        json_body({}),
        json_body({"storage": True, "cache": True}),
        json_body({"status": "UP"}),
        heartbeat(status="OK", checks={"a": [{"status": "pass"}]}),
        heartbeat(details={"db": "redis://***@host", "b": "http://u:xxxx@h", "c": "ssh://git@h"}),
        headers(Age="0"),
    ],
)
def test_heartbeats_of_others(fault: Fault) -> None:
    """A heartbeat may be text, objects of other libraries are known, and masked URLs are fine.

    A cache that adds ``Age: 0`` has asked the service.
    """
    with serve(with_fault(fault, HEARTBEAT)) as url:
        assert faults(check_http(url)) == set()


def test_failing_heartbeat() -> None:
    """A heartbeat that fails with 5xx keeps the clauses."""
    with serve(with_fault(heartbeat(503, status="error"), HEARTBEAT)) as url:
        assert faults(check_http(url)) == set()


def test_lbheartbeat_fails_with_heartbeat() -> None:
    """Both failing together is a sign that the load balancer's endpoint checks a service."""

    def service(request: Request) -> Reply:
        failing = request.path in {HEARTBEAT, LBHEARTBEAT} and request.method != "POST"
        return replace(good(request), status=503) if failing else good(request)

    with serve(service) as url:
        findings = check_http(url)
    assert faults(findings) == {"HTTP09", "HTTP10", "HTTP12"}
    assert "together" in text(findings, "HTTP12")


def test_gateway() -> None:
    """If all paths fail, as behind a proxy whose service is down, no check is to blame."""
    with serve(with_fault(status(502))) as url:
        findings = check_http(url)
    assert {"HTTP01", "HTTP10"} <= faults(findings)
    assert "HTTP12" not in faults(findings)


def test_slow_lbheartbeat(end: threading.Event) -> None:
    """It is found when it takes its time, and when it takes that of the heartbeat's checks."""

    def wait(_: Request, reply: Reply) -> Reply:
        end.wait(0.3)  # a slow backing service
        return reply

    def service(request: Request) -> Reply:
        slow = request.path in {HEARTBEAT, LBHEARTBEAT}
        return wait(request, good(request)) if slow else good(request)

    with serve(service) as url:
        findings = check_http(url, lbheartbeat_within=0.3)
    assert faults(findings) == {"HTTP11", "HTTP12"}
    with serve(with_fault(wait, HEARTBEAT)) as url:
        assert "HTTP12" not in faults(check_http(url))  # that is how it should be
    with serve(with_fault(wait)) as url:
        assert "HTTP12" not in faults(check_http(url))  # a network like that


def drip(end: threading.Event, head: bytes = b"") -> Iterator[bytes]:
    """Send a byte from time to time, and never an end."""
    yield head
    while not end.wait(0.1):
        yield b"x"


@pytest.mark.parametrize(
    ("path", "must", "head"),
    [
        (VERSION, "HTTP01", b"HTTP/1.1 200 OK\r\n\r\n"),
        (HEARTBEAT, "HTTP07", b""),
        (HEARTBEAT, "HTTP07", b"HTTP/1.1 200 OK\r\nX-A: "),
        (HEARTBEAT, "HTTP07", b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (LBHEARTBEAT, "HTTP10", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"),
    ],
)
def test_drip(path: str, must: str, head: bytes, end: threading.Event) -> None:
    """An endpoint that sends a byte now and then is cut off, in head and body, and broken."""
    fault: Fault = lambda _, reply: replace(reply, raw=drip(end, head))  # noqa: E731
    with serve(with_fault(fault, path)) as url:
        findings = check_http(url, timeout=2)
    assert {must, "HTTP19"} <= faults(findings)
    assert "within 2 s" in text(findings, "HTTP19")


def endless(head: bytes, chunk: bytes) -> Fault:
    """Return the fault of an answer that goes on and on."""
    chunks: Iterable[bytes] = itertools.chain([head], itertools.repeat(chunk))
    return lambda _, reply: replace(reply, raw=chunks)


@pytest.mark.parametrize(
    ("head", "chunk"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 1000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: a\r\n" * 1000),
    ],
)
def test_endless(head: bytes, chunk: bytes) -> None:
    """An answer without an end is cut off, however fast it comes."""
    with serve(with_fault(endless(head, chunk), HEARTBEAT)) as url:
        assert "HTTP19" in faults(check_http(url, timeout=2))


def test_request_id_header() -> None:
    """The header of the request id can have another name."""
    with serve(good) as url:
        findings = check_http(url, request_id_header="X-Correlation-ID")
    assert faults(findings) == {"HTTP21"}
    assert "X-Correlation-ID" in text(findings, "HTTP21")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:8000", "must begin with http"),
        ("ftp://host", "must begin with http"),
        ("http:///path", "name a host"),
        ("http://[::1", "can't be read"),
        ("http://xn--/", "can't be read"),
        ("http://host:port/", "can't be read"),
        ("http://host/\x00", "can't be read"),
        ("http://host:65536", "port of the URL must be from 1 to 65535"),
        ("http://host:0", "port of the URL must be from 1 to 65535"),
        ("http://host/?a=b", "without a query"),
        ("http://host/__version__", "without the path of an endpoint"),
        ("http://127.0.0.1:1", "Connection refused"),
        ("http://name.invalid", "gets no connection"),
    ],
)
def test_no_target(url: str, said: str) -> None:
    """A URL that can't be used, or where nobody listens, is told in one sentence."""
    with pytest.raises(TargetError, match=said) as caught:
        check_http(url)
    assert "\n" not in str(caught.value)


def test_no_secret_in_errors() -> None:
    """The user of a URL is not repeated in what goes wrong with it."""
    for url in (f"http://u:{SECRET}@127.0.0.1:1", f"ftp://u:{SECRET}@h", f"http://u:{SECRET}@h:x"):
        with pytest.raises(TargetError) as caught:
            check_http(url)
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00\x1b]0;x\x07" * 99])
def test_not_http(answer: bytes) -> None:
    """A server that speaks something else is no target."""
    with serve(with_fault(raw(answer))) as url, pytest.raises(TargetError) as caught:
        check_http(url)
    assert "is not answered with HTTP" in str(caught.value)
    assert str(caught.value).isprintable()


def test_no_answer(end: threading.Event) -> None:
    """A server that accepts connections and says nothing is no target."""
    silent = with_fault(lambda _, reply: replace(reply, raw=drip(end)))
    with serve(silent) as url, pytest.raises(TargetError, match=r"no answer within 0\.3 s"):
        check_http(url, timeout=0.3)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return the file of a key and its certificate, which nobody has signed."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    command = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    output = ("-nodes", "-keyout", str(path), "-out", f"{path}.crt")
    subprocess.run([*command, *names, *output], check=True, capture_output=True)
    path.write_text(path.read_text() + pathlib.Path(f"{path}.crt").read_text())
    return path


def test_https(certificate: pathlib.Path) -> None:
    """Over https the certificate is verified, by a given file, or not at all."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serve(good, context) as url:
        with pytest.raises(TargetError, match="certificate is not valid: self-signed"):
            check_http(url)
        assert faults(check_http(url, verify=str(certificate))) == set()
        assert faults(check_http(url, verify=False)) == set()
        with pytest.raises(TargetError, match="is not answered with HTTP"):
            check_http(url.replace("https", "http"))
    with serve(good) as url, pytest.raises(TargetError, match="TLS failed"):
        check_http(url.replace("http", "https"))


@pytest.mark.parametrize("file", ["missing.pem", "empty.pem"])
def test_no_certificates(file: str, tmp_path: pathlib.Path) -> None:
    """A file of CA certificates that can't be used is told."""
    (tmp_path / "empty.pem").touch()
    with pytest.raises(TargetError, match="CA certificates can't be read"):
        check_http("https://127.0.0.1:1", verify=str(tmp_path / file))


def test_environment(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Proxies of the environment are not asked, and no log line has the URL's password."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    caplog.set_level(logging.DEBUG)
    with serve(good) as url:
        assert faults(check_http(url.replace("//", f"//u:{SECRET}@"))) == set()
    assert SECRET not in caplog.text


@pytest.mark.parametrize("framework", SERVICES)
def test_example(framework: str, tmp_path: pathlib.Path) -> None:
    """Each example of ours, run by its command, keeps every clause."""
    example = Example(framework, tmp_path)
    try:
        example.start()
        url = f"http://127.0.0.1:{example.port}"
        expected = get_version(ROOT / "examples" / framework)
        findings = check_http(url, expected_version=expected, error_endpoint=True)
    finally:
        example.close()
    assert {finding.outcome for finding in findings} == {Outcome.PASSED}, findings
