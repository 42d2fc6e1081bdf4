"""Log records to lines: the formatter alone, and the handler that writes to a pipe."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from dockerflow.logging import MozlogFormatter, MozlogHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from . import Subject

LOGGER = "myapp"
_POOL = 256  # records, all different, that a block goes through again and again

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_PATHS = ("/", "/api/v1/items/", "/api/v1/items/42", "/search", "/static/app.3f2a.js", "/login")
_ENVELOPE = {"Timestamp", "Type", "Logger", "Hostname", "EnvVersion", "Severity", "Pid", "Fields"}


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    assert len(found) == len(pairs), "a name stands twice"
    return found


def _refuse(constant: str) -> object:
    raise AssertionError(f"{constant} is not JSON")


def strict_object(line: str) -> dict[str, Any]:
    """Return the JSON object that *line* is, by RFC 8259 and without repeated names.

    :raises AssertionError: It is something else.
    """
    assert "\n" not in line, "one record, one line"
    assert "\r" not in line, "one record, one line"
    found = json.loads(line, object_pairs_hook=_pairs, parse_constant=_refuse)
    assert isinstance(found, dict)
    json.dumps(found, ensure_ascii=False).encode()  # no lone surrogates
    return found


def record(
    level: int, message: str, args: tuple[object, ...] = (), name: str = "shop.orders"
) -> logging.LogRecord:
    """Return a record as a logger would make it."""
    return logging.LogRecord(name, level, "/app/shop/orders.py", 117, message, args, None, "submit")


def summary(number: int) -> logging.LogRecord:
    """Return the record of one request, with the nine fields that both packages write."""
    made = record(logging.INFO, "", name="request.summary")
    vars(made).update(
        errno=0,
        agent=AGENT,
        lang="en-GB,en;q=0.7,de;q=0.3",
        method="GET" if number % 4 else "POST",
        path=_PATHS[number % len(_PATHS)],
        uid="" if number % 3 else str(number),
        rid=str(uuid.uuid4()),
        code=200,
        t=number % 40,
    )
    return made


def message(number: int) -> logging.LogRecord:
    """Return a record whose message has three arguments."""
    return record(
        logging.INFO, "Sent %d items of order %s in %.1f ms", (number, "A-17", number / 7)
    )


def _frame_5(number: int) -> None:
    raise LookupError(f"no order {number}")


def _frame_4(number: int) -> None:
    _frame_5(number)


def _frame_3(number: int) -> None:
    _frame_4(number)


def _frame_2(number: int) -> None:
    _frame_3(number)


def exception(number: int) -> logging.LogRecord:
    """Return a record of an exception that came through five frames, this one included."""
    made = record(logging.ERROR, "Order %d failed", (number,))
    try:
        _frame_2(number)
    except LookupError:
        made.exc_info = sys.exc_info()
    return made


class _Order:
    """An object with no JSON form: the line holds its `repr`."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __repr__(self) -> str:
        return f"<Order {self._number}>"


def odd(number: int) -> logging.LogRecord:
    """Return a record with two datetimes, two UUIDs, two sets and two objects."""
    made = record(logging.INFO, "Order submitted")
    start = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
    vars(made).update(
        placed=start + timedelta(seconds=number),
        due=start + timedelta(days=3, seconds=number),
        customer=uuid.uuid4(),
        basket=uuid.uuid4(),
        tags={"new", f"batch-{number}"},
        rebates={number, number + 1, number + 2},
        order=_Order(number),
        previous=_Order(number - 1),
    )
    return made


def text(number: int) -> logging.LogRecord:
    """Return a record with a message of 10,000 ASCII characters."""
    sentence = f"{number}: the quick brown fox jumps over the lazy dog. "
    return record(logging.INFO, (sentence * 250)[:10_000])


def _fields(made: logging.LogRecord) -> dict[str, Any]:
    """Return what the record has beyond what every record has: its `extra`."""
    return {name: value for name, value in vars(made).items() if name not in _EVERY_RECORD}


_EVERY_RECORD = frozenset(vars(record(logging.INFO, ""))) | {"logger_name"}


class Formatted:
    """`format` on records of one kind, all different."""

    clock = "cpu"

    def __init__(self, make: Callable[[int], logging.LogRecord]) -> None:
        self._pool = [make(number) for number in range(_POOL)]
        self._format = MozlogFormatter(logger_name=LOGGER).format
        self._next: Iterator[logging.LogRecord] = cycle(self._pool)

    def run(self, count: int) -> None:
        """Format *count* records."""
        form = self._format
        for made in islice(self._next, count):
            form(made)

    def lines(self) -> list[str]:
        """Return the line of each record."""
        return [self._format(made) for made in self._pool]

    def check(self) -> None:
        """Look at the line of each record, and that no record keeps a part of it."""
        lines = {check_line(self._format(made), made) for made in self._pool}
        assert len(lines) == len(self._pool), "two records have one line"
        made = self._pool[0]
        before = self._format(made)
        made.name, name = "another", made.name
        assert self._format(made) == before.replace(name, "another", 1)
        made.name = name


def check_line(line: str, made: logging.LogRecord) -> str:
    """Look at the line of a record of this module, and return it.

    :raises AssertionError: It is not what it has to be.
    """
    found = strict_object(line)
    assert found.keys() == _ENVELOPE
    fields = found["Fields"]
    assert found["Type"] == made.name
    assert found["Logger"] == LOGGER
    assert found["Pid"] == os.getpid()
    assert found["Severity"] == {logging.INFO: 6, logging.ERROR: 3}[made.levelno]
    assert abs(found["Timestamp"] / 1e9 - made.created) < 1e-3
    # Of an empty message, the existing package says nothing.
    assert fields.pop("msg", "") == made.getMessage()
    if made.exc_info:
        assert fields.pop("error") == repr(made.exc_info[1])
        trace = fields.pop("traceback")
        assert trace.startswith("Uncaught exception:\n")
        assert trace.count('  File "') == 5
        assert repr(made.exc_info[1]) in trace
    expected = _fields(made)
    assert fields.keys() == expected.keys()
    for name, value in expected.items():
        assert _says(fields[name], value), (name, fields[name], value)
    return line


def _says(said: object, value: object) -> bool:
    """Whether *said* is what a line may say of *value*: its natural JSON form, or its `repr`."""
    if said == repr(value):  # what the existing package makes of anything but JSON's own types
        return not isinstance(value, str | int)
    if isinstance(value, datetime):
        return said == value.isoformat()
    if isinstance(value, uuid.UUID):
        return said == str(value)
    if isinstance(value, set):
        return isinstance(said, list) and set(said) == value
    return said == value and type(said) is type(value)


class Piped:
    """`logger.info` through a `MozlogHandler` to a pipe, which a container's stdout is."""

    clock = "cpu"

    def __init__(self) -> None:
        self._from, to = os.pipe()
        os.set_blocking(self._from, False)
        capacity = 65536
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            # Room for a whole block, so that no reader has to be woken while the clock runs.
            capacity = fcntl.fcntl(to, fcntl.F_SETPIPE_SZ, 1 << 20)
        self._room = capacity // 512  # lines of less than 512 bytes
        self._logger = logging.getLogger("shop.pipe")
        self._logger.propagate = False
        self._logger.setLevel(logging.INFO)
        handler = MozlogHandler(stream=os.fdopen(to, "w", encoding="utf-8"), name=LOGGER)
        handler.setFormatter(MozlogFormatter(logger_name=LOGGER))
        self._logger.addHandler(handler)

    def _drain(self) -> bytes:
        pieces: list[bytes] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                pieces.append(os.read(self._from, 1 << 20))
        return b"".join(pieces)

    def prepare(self, count: int) -> None:
        """Empty the pipe."""
        self._drain()

    def run(self, count: int) -> None:
        """Log *count* messages."""
        info = self._logger.info
        while count > self._room:
            self.run(self._room)
            self._drain()
            count -= self._room
        for number in range(count):
            info("Sent order %d", number)

    def check(self) -> None:
        """Look at three lines."""
        self._drain()
        start = time.time()
        self.run(3)
        lines = self._drain().decode().splitlines()
        assert len(lines) == 3
        for number, line in enumerate(lines):
            found = strict_object(line)
            assert found.keys() == _ENVELOPE
            assert found["Fields"] == {"msg": f"Sent order {number}"}
            assert found["Type"] == "shop.pipe"
            assert found["Logger"] == LOGGER
            assert found["Pid"] == os.getpid()
            assert start - 1 <= found["Timestamp"] / 1e9 <= time.time() + 1


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "logging.summary": lambda: Formatted(summary),
    "logging.message": lambda: Formatted(message),
    "logging.exception": lambda: Formatted(exception),
    "logging.odd": lambda: Formatted(odd),
    "logging.text": lambda: Formatted(text),
    "logging.pipe": Piped,
}
