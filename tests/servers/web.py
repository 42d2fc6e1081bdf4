"""A web server for tests, its log, and a client that can disconnect early."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import resource
import socket
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from tests.services.beats import wait_until
from tests.services.servers import Server

ROOT = pathlib.Path(__file__).parents[2]


class WebServer(Server):
    """A web server.

    :param words: the arguments of ``python``, with ``{port}`` in place of the port.
    :param prefix: the start of all paths.
    """

    def __init__(self, words: Sequence[str], prefix: str = "") -> None:
        super().__init__()
        self.words = words
        self.prefix = prefix
        python_path = f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"
        self.environ = {**self.environ, "PYTHONPATH": python_path, "PYTHONUNBUFFERED": "1"}

    def command(self) -> list[str]:
        """Return the command line, with the Python that runs the tests."""
        return [sys.executable, *(word.format(port=self.port) for word in self.words)]

    def ready(self) -> bool:
        """Return whether the application answers."""
        return self.get(f"{self.prefix}/__lbheartbeat__").startswith(b"HTTP/1.1 200")

    def get(self, path: str, request_id: str = "ready", method: str = "GET") -> bytes:
        """Send a request on a connection of its own, and return the whole response."""
        with self.connect(path, request_id, method) as sock:
            chunks: list[bytes] = []
            while chunk := sock.recv(65536):
                chunks.append(chunk)
        return b"".join(chunks)

    def connect(self, path: str, request_id: str, method: str = "GET") -> socket.socket:
        """Send a request, and return the connection without reading."""
        sock = socket.create_connection(("127.0.0.1", self.port), 30)
        sock.sendall(head(path, request_id, method))
        return sock

    def lines(self, rid: str | None = None) -> list[dict[str, Any]]:
        """Return the mozlog lines so far, of one request or of all."""
        # What is being written just now has no end yet.
        written = self.log.rpartition("\n")[0]
        lines = [line for line in written.splitlines() if line.startswith("{")]
        parsed = [json.loads(line, parse_constant=pytest.fail) for line in lines]
        return [each for each in parsed if rid is None or each["Fields"].get("rid") == rid]

    def summary(self, rid: str) -> dict[str, Any]:
        """Wait for the summary of a request, and return its fields; there must be exactly one."""

        def summaries() -> list[dict[str, Any]]:
            return [each for each in self.lines(rid) if each["Type"] == "request.summary"]

        wait_until(lambda: summaries() != [])
        (summary,) = summaries()
        fields: dict[str, Any] = summary["Fields"]
        return fields


def head(path: str, request_id: str, method: str = "GET") -> bytes:
    """Write the head of a request that makes the server close the connection."""
    return (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: {request_id}\r\n"
        "Connection: close\r\n\r\n"
    ).encode("ascii")


async def storm(port: int, requests: Sequence[tuple[str, str]]) -> list[bytes]:
    """Send requests, given as path and request id, all at once; return the answers in order."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    async def one(path: str, request_id: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(head(path, request_id))
            return await reader.read()
        finally:
            writer.close()

    return await asyncio.gather(*(one(*request) for request in requests))
