"""A small service with one fault at a time: ``service.py FAULT``; ``none`` is a good one.

``$REDIS_URL`` names its backing service. It must end by itself, if a test leaves it.
"""

from __future__ import annotations

import http.server
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

FAULT = sys.argv[1]
PORT = int(os.environ["PORT"])
REDIS = urlsplit(os.environ.get("REDIS_URL", ""))
LIFETIME = 120  # seconds
SLEEP = [sys.executable, "-c", f"import time; time.sleep({LIFETIME})"]


def works() -> bool:
    """Return whether the backing service answers."""
    if not REDIS.port:
        return True
    timeout = None if FAULT == "waits-for-ever" else 0.5
    try:
        with socket.create_connection(("127.0.0.1", REDIS.port), timeout) as sock:
            sock.sendall(b"PING\r\n")
            return sock.recv(16) != b""
    except OSError:
        return False


class Handler(http.server.BaseHTTPRequestHandler):
    """Answer one request."""

    failed = False

    def do_GET(self) -> None:
        """Answer, and write one line."""
        print(f"GET {self.path}", flush=True)
        if FAULT == "dies" and self.path == "/die":
            os._exit(3)
        if FAULT == "not-http":
            self.wfile.write(b"220 ready\r\n")
            return
        status = 200
        if self.path == "/__heartbeat__" and FAULT != "heartbeat-is-constant":
            status = 200 if works() else 503
            if FAULT == "never-recovers" and (Handler.failed or status == 503):
                Handler.failed, status = True, 503
            if FAULT == "dies-in-outage" and status == 503:
                os._exit(4)
        if self.path == "/__lbheartbeat__" and FAULT == "lbheartbeat-checks":
            status = 200 if works() else 503
        if self.path == "/__lbheartbeat__" and FAULT == "lbheartbeat-waits" and not works():
            time.sleep(1.5)
        if self.path == "/__lbheartbeat__" and FAULT == "lbheartbeat-is-slow":
            time.sleep(1.2)
        self.send_response_only(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    """Serve each request in a thread."""

    address_family = socket.AF_INET6 if FAULT == "ipv6" else socket.AF_INET
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away."""


class OneByOne(http.server.HTTPServer):
    """Serve one request after another."""


def prepare() -> None:
    """Do what some faults need."""
    if sys.stdin.read():
        sys.exit("there was something on stdin")
    if FAULT == "is-silent":
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if FAULT == "fails-at-once":
        print("starting\nhttp://user:hunter2@db/ is \x1b[31mdown", file=sys.stderr)
        sys.exit(7)
    if FAULT == "daemon":
        sys.exit(0)
    if FAULT == "once":
        lock = pathlib.Path(os.environ["LOCK"])
        if lock.exists():
            sys.exit("locked")
        lock.touch()
    if FAULT == "leaves-child":
        print(subprocess.Popen(SLEEP).pid, flush=True)
    if FAULT == "leaves-session":
        print(subprocess.Popen(SLEEP, start_new_session=True).pid, flush=True)
    if FAULT == "pid":
        pathlib.Path(os.environ["PID"]).write_text(f"{os.getpid()} {subprocess.Popen(SLEEP).pid}")
    if FAULT == "floods":
        sys.stdout.write("x" * 99 + "\n" + "\n".join("y" * 99 for _ in range(20_000)))
        sys.stderr.write("z" * 2_000_000)


def end(number: int, frame: object) -> None:
    """End as a good service does."""
    if FAULT != "ignores-sigterm":
        print("ending", flush=True)
        os._exit(1 if FAULT == "exit-status" else 0)


prepare()
kind = OneByOne if FAULT == "waits-for-ever" else Server
with kind(
    ("::1" if FAULT == "ipv6" else "127.0.0.1", 0 if FAULT == "own-port" else PORT), Handler
) as server:
    if FAULT != "no-handler":
        signal.signal(signal.SIGTERM, end)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    time.sleep(LIFETIME)
