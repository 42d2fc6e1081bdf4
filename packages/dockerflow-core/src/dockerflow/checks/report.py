"""Show the results of checks as JSON or as a table. For adapters; no promise of stability."""

from __future__ import annotations

import json

from .findings import ChecksResults
from .messages import ERROR, level_to_text


class UsageError(Exception):
    """A command can't use its arguments; the text says why."""


def report(results: ChecksResults, *, as_json: bool) -> tuple[str, int]:
    """Return what a command prints, and its exit status: 1 if a check is at ERROR or worse.

    :param as_json: whether to print the heartbeat's JSON, with details, instead of a table.
    """
    status = 1 if results.level >= ERROR else 0
    if as_json:
        return json.dumps(to_dict(results, with_details=True)), status
    return _table(results) if results.statuses else "There are no checks.", status


def to_dict(results: ChecksResults, *, with_details: bool) -> dict[str, object]:
    """Return the content of the heartbeat's JSON."""
    status: dict[str, object] = {"status": level_to_text(results.level)}
    details = {"checks": results.statuses, "details": results.details}
    return {**status, **details} if with_details else status


def _table(results: ChecksResults) -> str:
    rows = [("status", "check", "time", "message")]
    for name, status in results.statuses.items():
        messages = results.details[name]["messages"] if name in results.details else {}
        texts = [text if id == name else f"{id}: {text}" for id, text in messages.items()]
        time = f"{results.durations.get(name, 0) * 1000:.0f} ms"
        rows.append((status, name, time, texts[0] if texts else ""))
        rows += [("", "", "", text) for text in texts[1:]]
    shown = [[_printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = (map(str.ljust, row, widths) for row in shown)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _printable(text: str) -> str:
    """Return a text with escapes for characters that could move a terminal's cursor."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
