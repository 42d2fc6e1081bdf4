"""Sanic, behind its own server, which is asked through a socket."""

from __future__ import annotations

import asyncio
import re
import socket
from functools import partial
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.response import text

from benchmarks.work import Work
from dockerflow.sanic import Dockerflow

from . import requests


async def _hello(request: Request[Any, Any]) -> HTTPResponse:
    return text("hello")


def ask(path: str, package: str, checks: requests.Checks = ()) -> Work:
    """Return what asks a new application for a path."""
    app: Any = Sanic("service", configure_logging=False)
    app.config.ACCESS_LOG = False
    app.add_route(_hello, "/hello")
    if package:
        extension: Any = Dockerflow(app, version_path=requests.version_folder())
        for check in checks:
            extension.check(check, name=check.__name__)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    reader, writer = loop.run_until_complete(_connect(app))
    headers = [f"{name}: {value}" for name, value in requests.HEADERS.items()]
    request = "\r\n".join([f"GET {path} HTTP/1.1", *headers, "", ""]).encode()

    async def ask_all(count: int) -> None:
        for _ in range(count):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)

    return lambda count: loop.run_until_complete(ask_all(count))


async def _connect(app: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Start the server of an application, and return a client's connection to it."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = await app.create_server(sock=listening, return_asyncio_server=True)
    await server.startup()
    await server.before_start()
    await server.start_serving()
    await server.after_start()
    return await asyncio.open_connection(*listening.getsockname())


measure = partial(requests.measure, ask)
