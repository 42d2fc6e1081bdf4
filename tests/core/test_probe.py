"""``python -m dockerflow.probe`` against small servers and files."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator

import pytest

from tests.services.servers import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def probe(*arguments: object, **environ: str) -> tuple[int, str]:
    """Return the exit status and the output line of the command."""
    command = [sys.executable, "-W", "error", "-m", "dockerflow.probe", *map(str, arguments)]
    environ = {**os.environ, **environ}
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    assert done.stdout.count("\n") == (done.returncode < 2)
    return done.returncode, done.stdout.strip()


@contextlib.contextmanager
def serving(
    answer: Iterable[bytes],
    host: str = "127.0.0.1",
    wrap: Callable[[socket.socket], socket.socket] = lambda sock: sock,
) -> Generator[tuple[int, list[bytes]]]:
    """Answer one connection; yield the port and the received data."""
    received: list[bytes] = []
    family = socket.AF_INET6 if ":" in host else socket.AF_INET

    def serve() -> None:
        with contextlib.suppress(OSError), wrap(listener.accept()[0]) as sock:
            received.append(sock.recv(65536))
            for chunk in answer:
                sock.sendall(chunk)

    with socket.create_server((host, 0), family=family) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], received
        thread.join(60)


@pytest.mark.parametrize(
    ("answer", "status", "line"),
    [
        (OK, 0, r"200 OK in \d+ ms"),
        (b"HTTP/1.1 204\r\n\r\n", 0, r"204 in \d+ ms"),
        (b"HTTP/1.1 503 Gone \x1b[31m\xff\r\n\r\nbody", 1, r"503 Gone \\x1b\[31m\\xff in \d+ ms"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
            1,
            r"302 Found in \d+ ms; redirects are not followed",
        ),
        (b"garbage\r\n\r\n", 1, r"no complete HTTP answer \(BadStatusLine\)"),
        (b"", 1, r"no complete HTTP answer \(RemoteDisconnected\)"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
            1,
            r"no complete HTTP answer \(ValueError\)",
        ),
    ],
)
def test_an_answer(answer: bytes, status: int, line: str) -> None:
    """Only a status of 2xx is good; the line shows the status, in ASCII."""
    with serving([answer]) as (port, received):
        code, said = probe(http_proxy="http://127.0.0.1:1", PORT=str(port))
    assert (code, bool(re.fullmatch(line, said))) == (status, True), said
    assert received[0].startswith(b"GET /__lbheartbeat__ HTTP/1.1\r\n")


@pytest.mark.parametrize("head", [b"", OK.replace(b"2\r", b"502\r")])
def test_a_server_that_drips(head: bytes) -> None:
    """The time limit is for the whole answer, even if head or body arrive slowly."""
    stop = threading.Event()

    def answer() -> Iterator[bytes]:
        yield head
        for _ in range(500):  # after five seconds the answer is complete
            if stop.wait(0.01):
                break
            yield b"H"

    with serving(answer()) as (port, _):
        assert probe("--timeout", 0.5, PORT=str(port)) == (1, "no answer within 0.5 s")
        stop.set()


def test_nobody_there() -> None:
    """A refused connection and an impossible host name are reported."""
    assert probe(PORT=str(free_port())) == (1, "refused")
    assert probe(f"http://{'a' * 70}.invalid/") == (1, "host not found")


def test_ipv6() -> None:
    """The host may be an IPv6 address."""
    with serving([OK], "::1") as (port, _):
        assert probe(f"http://[::1]:{port}/")[0] == 0
    assert "host not found" not in probe("http://[::1]/")[1]  # port 80


def test_credentials() -> None:
    """User and password of a URL are sent, and never shown."""
    with serving([OK]) as (port, received):
        code, said = probe(f"http://user:s%20ecret@127.0.0.1:{port}/a?b=c")
    assert code == 0
    assert b"Authorization: Basic dXNlcjpzIGVjcmV0\r\n" in received[0]
    assert received[0].startswith(b"GET /a?b=c HTTP")
    assert "ecret" not in said


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return the file of a key and its self-signed certificate."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    command = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    output = ("-nodes", "-keyout", str(path), "-out", f"{path}.crt")
    subprocess.run([*command, *names, *output], check=True, capture_output=True)
    path.write_text(path.read_text() + pathlib.Path(f"{path}.crt").read_text())
    return path


def test_https(certificate: pathlib.Path) -> None:
    """The certificate must be trusted, unless --insecure is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def wrap(sock: socket.socket) -> socket.socket:
        return context.wrap_socket(sock, server_side=True)

    with serving([OK], wrap=wrap) as (port, _):
        said = probe(f"https://localhost:{port}/")
    assert (said[0], said[1].partition(":")[0]) == (1, "wrong certificate")
    with serving([OK], wrap=wrap) as (port, _):
        assert probe(f"https://localhost:{port}/", "--insecure")[0] == 0
    with serving([OK], wrap=wrap) as (port, _):
        assert probe(f"https://localhost:{port}/", SSL_CERT_FILE=str(certificate))[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("ftp://host/",),
        ("http:///path",),
        ("http://user:secret@host:99999/",),
        ("http://host/a b",),
        ("http://host/", "--file", "alive"),
        ("http://host/", "--max-age", "5"),
        ("--timeout", "nan"),
        ("--timeout", "0"),
    ],
)
def test_wrong_arguments(arguments: tuple[str, ...]) -> None:
    """Invalid arguments give status 2, and nothing on standard output."""
    assert probe(*arguments) == (2, "")


def test_a_file(tmp_path: pathlib.Path) -> None:
    """A worker's file must exist, be no older than --max-age, and not come from the future."""
    file = tmp_path / "alive"
    assert probe("--file", tmp_path) == (1, "file is a directory")
    assert probe("--file", file) == (1, "file can't be read: No such file or directory")
    file.touch()
    assert probe("--file", file, "--max-age", 3600)[0] == 0
    now = file.stat().st_mtime
    os.utime(file, (now, now - 90))
    code, said = probe("--file", file)
    assert (code, bool(re.fullmatch(r"file is 9\d s old", said))) == (1, True)
    assert probe("--file", file, "--max-age", 3600)[0] == 0
    os.utime(file, (now, now + 9000))
    code, said = probe("--file", file)
    assert (code, bool(re.fullmatch(r"file is \d+ s in the future", said))) == (1, True)


def test_it_imports_nothing_else_of_ours() -> None:
    """The probe starts fast: it imports neither checks nor endpoints, and no urllib.request."""
    program = "import sys, dockerflow.probe.__main__; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", program], text=True).split())
    ours = {name for name in loaded if name.startswith("dockerflow.")}
    assert ours == {"dockerflow.probe", "dockerflow.probe.__main__"}
    assert "urllib.request" not in loaded
