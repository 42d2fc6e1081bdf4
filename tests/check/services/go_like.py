"""A service that answers and logs as one does that is written in Go, with net/http.

``go_like.py good`` keeps the specification; ``go_like.py usual`` is what a first draft does: its
handlers take any method, the media type is guessed, lines of the package log go to stderr, and a
panic ends the connection.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import sys
import threading
import time
from email.utils import formatdate
from types import FrameType

IS_GOOD = sys.argv[1] == "good"
VERSION = pathlib.Path(sys.argv[2]).read_bytes()
TEXT = "text/plain; charset=utf-8"
stopping = threading.Event()


def log(kind: str, severity: int, fields: dict[str, object]) -> None:
    """Write a line: json.Encoder sorts the keys of a map and escapes what HTML might mean."""
    if not IS_GOOD:
        moment = time.strftime("%Y/%m/%d %H:%M:%S")
        print(moment, fields.get("method"), fields.get("path"), file=sys.stderr, flush=True)
        return
    line = {
        "Timestamp": time.time_ns(),
        "Type": kind,
        "Logger": "shop",
        "Hostname": socket.gethostname(),
        "EnvVersion": "2.0",
        "Severity": severity,
        "Pid": os.getpid(),
        "Fields": fields,
    }
    text = json.dumps(line, sort_keys=True, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    print(text, flush=True)


def canonical(name: str) -> str:
    """Spell the name of a header as textproto.CanonicalMIMEHeaderKey does: X-Request-Id."""
    return "-".join(part.capitalize() for part in name.split("-"))


def handle(method: str, path: str) -> tuple[int, dict[str, str], bytes] | None:
    """Answer as ServeMux and the handlers do; None for a panic."""
    if path not in {"/__version__", "/__heartbeat__", "/__lbheartbeat__", "/__error__"}:
        return (
            404,
            {"content-type": TEXT, "x-content-type-options": "nosniff"},
            b"404 page not found\n",
        )
    if IS_GOOD and method not in {"GET", "HEAD"}:  # "GET /__version__" is a pattern since Go 1.22
        headers = {"allow": "GET, HEAD", "content-type": TEXT, "x-content-type-options": "nosniff"}
        return 405, headers, b"Method Not Allowed\n"
    headers = {"cache-control": "no-store"} if IS_GOOD else {}
    if path == "/__error__":
        if not IS_GOOD:
            return None
        headers |= {"content-type": TEXT, "x-content-type-options": "nosniff"}
        return 500, headers, b"Internal Server Error\n"
    if path == "/__lbheartbeat__":
        return 200, headers, b""
    headers["content-type"] = "application/json" if IS_GOOD else TEXT
    if path == "/__version__":
        return 200, headers, VERSION
    return 200, headers, b'{"checks":{"database":"ok"},"status":"ok"}\n'


def serve(connection: socket.socket) -> None:
    """Answer one request; the client asked for the connection to be closed."""
    with connection, connection.makefile("rb") as stream:
        started = time.monotonic()
        line = stream.readline().decode().split()
        if len(line) != 3:
            return
        method, path, _ = line
        received: dict[str, str] = {}
        while text := stream.readline().decode().strip():
            name, _, value = text.partition(":")
            received[canonical(name)] = value.strip()
        answer = handle(method, path)
        rid = received.get("X-Request-Id", "")
        status = 500 if answer is None else answer[0]
        fields: dict[str, object] = {
            "agent": received.get("User-Agent", ""),
            "errno": int(status >= 500),
            "lang": received.get("Accept-Language", ""),
            "method": method,
            "path": path,
            "code": status,
            "t": int((time.monotonic() - started) * 1000),
            "rid": rid,
        }
        log("request.summary", 6, fields)
        if answer is None:
            return  # net/http recovers, and closes the connection without a word
        status, headers, body = answer
        if IS_GOOD and rid:
            headers["x-request-id"] = rid
        headers["date"] = formatdate(usegmt=True)
        if path == "/__heartbeat__" and method != "HEAD":
            headers["transfer-encoding"] = "chunked"  # the handler flushes
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        else:
            headers["content-length"] = str(len(body))
        headers["connection"] = "close"
        reason = {200: "OK", 404: "Not Found", 405: "Method Not Allowed"}.get(
            status, "Internal Server Error"
        )
        head = "".join(f"{canonical(name)}: {headers[name]}\r\n" for name in sorted(headers))
        start = f"HTTP/1.1 {status} {reason}\r\n{head}\r\n".encode()
        connection.sendall(start + (b"" if method == "HEAD" else body))


def stop(number: int, frame: FrameType | None) -> None:
    """End as server.Shutdown does: open requests are answered."""
    stopping.set()


signal.signal(signal.SIGTERM, stop)
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
listener.settimeout(0.1)
end = time.monotonic() + 120  # if a test leaves it
while not stopping.is_set() and time.monotonic() < end:
    try:
        accepted, _ = listener.accept()
    except TimeoutError:
        continue
    accepted.settimeout(10)
    threading.Thread(target=serve, args=(accepted,)).start()
