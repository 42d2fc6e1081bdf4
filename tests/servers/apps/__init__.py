"""The conformance suite's applications for servers, logging mozlog to stdout."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading

from dockerflow import checks
from dockerflow.logging import MozlogHandler, RequestIdLogFilter
from tests.adapters.harness import Options


def log_to_stdout() -> None:
    """Log everything as mozlog, with the request's id."""
    handler = MozlogHandler(name="served")
    handler.addFilter(RequestIdLogFilter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def hung() -> None:
    """Hang as long as the process lives, like a bad check."""
    threading.Event().wait()


def says() -> checks.CheckMessage:
    """Log a line and return a message."""
    logging.getLogger("app").info("in check")
    return checks.Info("fine", id="served.I001")


def ask() -> None:
    """Call the backing service of test_attack.py, which may hang, answer late or refuse."""
    with socket.create_connection(SERVICE) as sock:
        sock.sendall(b"PING\r\n")
        assert sock.recv(100)


async def ask_async() -> None:
    """Call it on the event loop."""
    reader, writer = await asyncio.open_connection(*SERVICE)
    writer.write(b"PING\r\n")
    assert await reader.read(100)
    writer.close()


SERVICE = ("127.0.0.1", int(os.environ.get("SERVICE_PORT", "0")))
CHECKS = {"sync": ask, "async": ask_async} if SERVICE[1] else {"hung": hung, "says": says}
LIMIT = float(os.environ.get("CHECK_TIMEOUT", "0.2"))
OPTIONS = Options(settings={"DOCKERFLOW_CHECK_TIMEOUT": LIMIT}, checks=CHECKS)
