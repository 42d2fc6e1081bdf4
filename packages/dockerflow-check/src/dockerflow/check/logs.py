"""Check the lines of a log: each of them is to be mozlog."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from . import log_clauses as clauses
from . import log_faults as faults
from .clauses import Clause
from .findings import Finding, Place, broken, passed, skipped
from .log_clauses import CLAUSES
from .log_faults import Fault
from .log_json import read_line, walk
from .log_secrets import extract, secrets
from .printing import printable

__all__ = ["CLAUSES", "check_logs"]

MAX_LINE = 1_000_000
"""Bytes of a line that are looked at."""

MAX_IDS = 1_000_000
"""Request ids whose summaries are counted; one takes about 150 bytes."""

MAX_OPEN_IDS = 100_000
"""Ids without a summary so far; one takes about 400 bytes."""

MAX_STEP_BACK = 60 * 10**9
"""Nanoseconds that a line may be older than the one before it."""

STILL_RUNNING = 10 * 10**9
"""Nanoseconds at the end of a log: a request that has begun in them may still be running."""

_DAY = 24 * 60 * 60 * 10**9
_EARLIEST = 946_684_800 * 10**9  # the year 2000
_NANOSECONDS = {"microseconds": 10**3, "milliseconds": 10**6, "seconds": 10**9}

# How tracebacks and their like begin: Python's, those of Java and Node, Go's.
_TRACEBACK_START = re.compile(
    r"\s*(?:Traceback \(most recent call last\)|File \"[^\"]*\", line \d|at \S+ ?\([^()]*:\d+\)"
    r"|at (?:file:|node:|/)\S+:\d+:\d+|goroutine \d+ \[|panic: )"
)


def check_logs(lines: Iterable[bytes], name: str, *, ended: bool = False) -> list[Finding]:
    """Check a log as it comes, in bounded memory.

    :param lines: its lines, with or without line ends. A line of more than :data:`MAX_LINE` bytes
        may be cut off there, but for one byte more.
    :param name: the name of the log, for the places of findings.
    :param ended: whether the service has ended: then no request is still running.
    :returns: for each clause of :data:`CLAUSES`, a finding for each kind of fault, with the place
        of the first; or one that it is kept, or that there was nothing to look at.
    """
    log = _Log()
    for line in lines:
        log.add(line)
    log.end(ended=ended)
    return [finding for clause in CLAUSES for finding in log.findings(clause, name)]


@dataclass
class _Tally:
    """How many lines have a fault, and the first of them."""

    line: int
    shown: str
    count: int = 1


class _Log:
    """What is known of a log so far.

    :ivar line: the number of the present line, which is that of lines so far.
    :ivar read: how many of them were short enough to be read.
    :ivar objects: how many of these are JSON objects.
    :ivar envelopes: how many of these are mozlog, as far as can be seen.
    :ivar summaries: how many of these are a ``request.summary``.
    """

    def __init__(self) -> None:
        self.line = self.read = self.objects = self.envelopes = self.summaries = 0
        self._tallies: dict[Fault, _Tally] = {}
        self._time: int | None = None  # of the last line with a plausible one
        self._is_after_error = self._is_in_traceback = False
        # By the hash of an id: whether it has a request.summary; otherwise it has a task.summary.
        self._closed: dict[bytes, bool] = {}
        self._open: dict[bytes, tuple[int, int | None, str]] = {}  # first line, its time, the id
        self._full_since: int | None = None  # the first line whose id found no room

    def add(self, raw: bytes) -> None:
        """Look at the next line."""
        self.line += 1
        raw = raw.removesuffix(b"\n").removesuffix(b"\r")
        is_long = len(raw) > MAX_LINE
        raw = raw[:MAX_LINE]
        text = raw.decode("utf-8", "backslashreplace")
        if is_long:
            value, found = None, {faults.TOO_LONG}
        else:
            self.read += 1
            value, found = read_line(raw)
        if b"\0" in raw:
            found.add(faults.BINARY)
        if value is None:
            found = self._of_text(text, found)
        else:
            found.update(self._of_object(value))
        if found:
            is_new = not found <= self._tallies.keys()
            shown = extract(text) if is_new else ""
            for fault in found:
                self._note(fault, self.line, shown)
        for kind, shown in secrets(text):
            self._note(faults.SECRETS[kind], self.line, shown)

    def _note(self, fault: Fault, line: int, shown: str) -> None:
        if fault in self._tallies:
            self._tallies[fault].count += 1
        else:
            self._tallies[fault] = _Tally(line, shown)

    def _of_text(self, text: str, found: set[Fault]) -> set[Fault]:
        """Return the faults of a line without an object: as part of a traceback, it has one."""
        is_start = _TRACEBACK_START.match(text) is not None
        is_part = is_start or self._is_in_traceback
        is_plain = not found.isdisjoint({faults.NO_JSON, faults.EMPTY})
        if is_plain and (is_part or self._is_after_error):
            found = found - {faults.NO_JSON, faults.EMPTY}
            found.add(faults.TRACEBACK if is_part else faults.AFTER_ERROR)
            # The first line that is not indented is the last: the exception.
            self._is_in_traceback = is_start or text[:1] in ("", " ", "\t")
        self._is_after_error = False
        return found

    # ------------------------------------------------------------------ objects

    def _of_object(self, value: dict[str, Any]) -> Iterator[Fault]:
        self.objects += 1
        self._is_in_traceback = False
        severity = value.get("Severity")
        self._is_after_error = type(severity) is int and severity <= 3
        if _is_google_cloud(value):
            yield faults.GOOGLE_CLOUD
        elif value.keys().isdisjoint(faults.ENVELOPE):
            yield faults.OTHER_FORMAT
        else:
            self.envelopes += 1
            yield from _of_envelope(value)
            yield from self._of_time(value.get("Timestamp"))
            if isinstance(value.get("Fields"), dict):
                yield from self._of_fields(value.get("Type"), value["Fields"])

    def _of_time(self, timestamp: object) -> Iterator[Fault]:
        if type(timestamp) is not int:
            return
        if timestamp < _EARLIEST:
            yield _too_early(timestamp)
        elif timestamp > time.time_ns() + _DAY:
            yield faults.IN_FUTURE
        else:
            if self._time is not None and timestamp < self._time - MAX_STEP_BACK:
                yield faults.BACK
            self._time = timestamp

    def _of_fields(self, kind: object, fields: dict[str, Any]) -> Iterator[Fault]:
        if any(objects > 1 and isinstance(value, dict) for value, objects in walk(fields)):
            yield faults.NESTED
        # In mozlog for Node, the name of the logger stands before it.
        name = f".{kind}" if isinstance(kind, str) else ""
        is_request = name.endswith(".request.summary")
        if is_request:
            self.summaries += 1
            yield from _of_summary(fields)
        rid = fields.get("rid")
        if isinstance(rid, str) and rid:
            is_end = is_request or name.endswith(".task.summary")
            yield from self._of_id(rid, is_request=is_request, is_end=is_end)

    def _of_id(self, rid: str, *, is_request: bool, is_end: bool) -> Iterator[Fault]:
        """Note the line of an id.

        :param is_request: whether it is the summary of a request.
        :param is_end: whether it is any summary; a task may have an id that is no request's.
        """
        # 16 bytes of a cryptographic hash: no two ids share them, even if a client tries.
        key = hashlib.blake2b(rid.encode("utf-8", "backslashreplace"), digest_size=16).digest()
        closed = self._closed.get(key)
        if closed is not None:
            if is_request:
                if closed:
                    yield faults.SECOND_SUMMARY
                self._closed[key] = True
            return
        is_room = len(self._closed) < MAX_IDS
        if is_end:
            self._open.pop(key, None)
            if is_room:
                self._closed[key] = is_request
        elif key not in self._open:
            is_room = is_room and len(self._open) < MAX_OPEN_IDS
            if is_room:
                self._open[key] = self.line, self._time, rid[:40]
        if not is_room and self._full_since is None:
            self._full_since = self.line

    def end(self, *, ended: bool) -> None:
        """Note the ids without a summary, if the log has summaries at all.

        :param ended: whether the service has ended.
        """
        if not self.summaries or self._time is None:
            return
        for line, moment, rid in self._open.values():
            if moment is not None and (ended or moment < self._time - STILL_RUNNING):
                self._note(faults.NO_SUMMARY, line, printable(rid))

    # ------------------------------------------------------------------ the outcome

    def findings(self, clause: Clause, name: str) -> Iterator[Finding]:
        """Return what was found of a clause.

        :param name: the name of the log.
        """
        tallies = [(fault, each) for fault, each in self._tallies.items() if fault.clause is clause]
        for fault, tally in sorted(tallies, key=lambda pair: (pair[1].line, pair[0].what)):
            yield broken(clause, _sentence(fault, tally), Place(name, tally.line))
        if clause is clauses.ONE_SUMMARY and self._full_since is not None:
            text = f"Ids that first appear from line {self._full_since} on: too many to be counted."
            yield skipped(clause, text, Place(name, self._full_since))
        if not tallies:
            count, what, otherwise = self._looked_at(clause)
            if count:
                yield passed(clause, f"{count} {what}{'' if count == 1 else 's'}.", Place(name))
            else:
                yield skipped(clause, otherwise, Place(name))

    def _looked_at(self, clause: Clause) -> tuple[int, str, str]:
        """Return how many of what were looked at for a clause, and what to say if none was."""
        if not self.line:
            return 0, "line", "The log is empty."
        if clause is clauses.JSON_LINES:
            return self.read, "line", "Each line is too long to be read."
        if clause in (clauses.STRICT_JSON, clauses.ENVELOPE):
            return self.objects, "JSON line", "No line is JSON."
        if clause in (
            *(clauses.ENVELOPE_VALUES, clauses.NANOSECONDS, clauses.ORDER, clauses.FLAT_FIELDS),
        ):
            return self.envelopes, "mozlog line", "No line is mozlog."
        if clause in (clauses.SUMMARY_FIELDS, clauses.SUMMARY_VALUES):
            return self.summaries, "request.summary line", "No line is a request.summary."
        if clause is clauses.ONE_SUMMARY:
            count = sum(self._closed.values())
            return count, "request id", "No request.summary has a rid."
        return self.line, "line", ""


def _sentence(fault: Fault, tally: _Tally) -> str:
    many, first = ("", "it") if tally.count == 1 else ("s", "the first")
    shown = f": {tally.shown}" if tally.shown else ""
    return (
        f"{tally.count} {fault.unit}{many} with {fault.what}: {fault.remedy}; "
        f"{first} is in line {tally.line}{shown}"
    )


def _is_google_cloud(value: dict[str, Any]) -> bool:
    """Return whether a line is in the structured format of Google Cloud Logging."""
    return (
        isinstance(value.get("severity"), str)
        and value.keys().isdisjoint(faults.ENVELOPE)
        and any(
            name in ("time", "timestamp", "message", "httpRequest")
            or name.startswith("logging.googleapis.com/")
            for name in value
        )
    )


def _of_envelope(value: dict[str, Any]) -> Iterator[Fault]:
    for name, kind in faults.ENVELOPE.items():
        if name not in value:
            if name in faults.MISSING:
                yield faults.MISSING[name]
        elif type(value[name]) not in kind.types:
            yield faults.OTHER_TYPE[name]
        elif name == "EnvVersion" and value[name] != "2.0":
            yield faults.OTHER_VERSION
        elif name == "Severity" and not 0 <= value[name] <= 7:
            yield faults.OTHER_SEVERITY
        elif name == "Pid" and value[name] < 0:
            yield faults.NEGATIVE_PID


def _too_early(timestamp: int) -> Fault:
    """Return the fault of a time that is too early as nanoseconds, but for another unit may fit."""
    for unit, nanoseconds in _NANOSECONDS.items():
        if _EARLIEST <= timestamp * nanoseconds <= time.time_ns() + _DAY:
            return faults.OTHER_UNIT[unit]
    return faults.TOO_EARLY


def _of_summary(fields: dict[str, Any]) -> Iterator[Fault]:
    for name, kind in (faults.SUMMARY | faults.SUMMARY_OPTIONAL).items():
        if name not in fields:
            if name in faults.SUMMARY_MISSING:
                yield faults.SUMMARY_MISSING[name]
        elif type(fields[name]) not in kind.types:
            yield faults.SUMMARY_TYPE[name]
        elif name == "code" and not 100 <= fields[name] <= 599:
            yield faults.NO_STATUS
        elif name == "t" and fields[name] < 0:
            yield faults.NEGATIVE_T
