"""Facts, and what they are found out with."""

# mypy: ignore-errors
# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportMissingImports=false, reportOperatorIssue=false

import asyncio
import contextlib
import logging
import tempfile

FOLDER = tempfile.mkdtemp()
FACTS = {}
RECORDS = []


class Recorder(logging.Handler):
    def emit(self, record):
        RECORDS.append(record)


def fact(function):
    """Note what a function returns, or the type of what it raises, under its name."""
    RECORDS.clear()
    try:
        FACTS[function.__name__] = function()
    except BaseException as error:
        FACTS[function.__name__] = f"raises {type(error).__name__}"
    return function


def recorded(name, *fields):
    """Return fields of the records of a logger, ``None`` for those that are not there."""
    return [
        [getattr(record, field, None) for field in fields]
        for record in RECORDS
        if record.name == name
    ]


def ask_asgi(app, path, method="GET", headers=(), lifespan=False):
    """Send a request to an ASGI application; return status, headers and body."""
    sent = []
    events = iter(["lifespan.startup", "lifespan.shutdown"])

    async def live():
        if lifespan:
            begun = asyncio.Event()

            async def event():
                return {"type": next(events)}

            async def answer(message):
                begun.set()

            asgi = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
            await app(asgi, event, answer)
            await begun.wait()
        await app(scope, receive, send)

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"host", b"localhost"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "state": {},
    }
    with contextlib.suppress(Exception):
        asyncio.run(live())
    headers = {key.decode().lower(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(each.get("body", b"") for each in sent[1:])
