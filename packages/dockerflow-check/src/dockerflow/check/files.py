"""What the checks of files share: reading one, and its findings with their lines."""

from __future__ import annotations

import os
from collections.abc import Sequence

from .clauses import Clause
from .findings import Finding, Place, TargetError, broken, passed, skipped
from .printing import printable

MAX_FINDINGS = 50  # of a clause; a generated file may repeat one fault a thousand times

Fault = tuple[str, Place]
"""What breaks a clause, and where."""


def read_text(path: str | os.PathLike[str], max_bytes: int) -> str:
    """Read a text file.

    :param max_bytes: the largest size that is read.
    :raises TargetError: if it can't be read, is larger, or is not text in UTF-8.
    """
    name = printable(os.fspath(path))
    try:
        with open(path, "rb") as file:
            data = file.read(max_bytes + 1)
    except IsADirectoryError as error:
        raise TargetError(f"{name} is a directory: give a file in it") from error
    except (OSError, ValueError) as error:  # a ValueError for a name with a NUL
        reason = error.strerror if isinstance(error, OSError) else None
        raise TargetError(f"{name} can't be read: {reason or 'no such name'}") from error
    if len(data) > max_bytes:
        raise TargetError(f"{name} is larger than {max_bytes:,} bytes, the most that is read")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TargetError(f"{name} is not text in UTF-8") from error
    if "\0" in text:
        raise TargetError(f"{name} is not a text file: it has NUL characters")
    return text


def findings_of(
    clause: Clause,
    faults: Sequence[Fault],
    good: str,
    *,
    place: Place | None,
    unknown: str | None = None,
) -> list[Finding]:
    """Return what was found of a clause.

    :param faults: what breaks it.
    :param good: the text if nothing does.
    :param place: the place of a finding that breaks nothing.
    :param unknown: why it can't be judged, if it can't; faults count all the same.
    """
    if faults:
        found = [broken(clause, text, where) for text, where in faults[:MAX_FINDINGS]]
        if more := len(faults) - len(found):
            found.append(broken(clause, f"so do {more} more places", faults[MAX_FINDINGS][1]))
        return found
    if unknown is not None:
        return [skipped(clause, unknown, place)]
    return [passed(clause, good, place)]
