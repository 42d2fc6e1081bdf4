"""What a check of a service finds: an outcome for each clause, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .clauses import Clause, Level


class Outcome(StrEnum):
    """What was found of a clause."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Place:
    """Where something was found.

    :param path: a file, or a URL.
    :param line: the line of a file, from 1 on; None for the whole file.
    """

    path: str
    line: int | None = None

    def __str__(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"


@dataclass(frozen=True)
class Finding:
    """What was found of one clause.

    :param clause: the clause.
    :param outcome: the outcome.
    :param text: what was found, and for a fault the remedy, in one sentence.
    :param place: where it was found.
    """

    clause: Clause
    outcome: Outcome
    text: str
    place: Place | None = None


def passed(clause: Clause, text: str, place: Place | None = None) -> Finding:
    """Return a finding that keeps its clause."""
    return Finding(clause, Outcome.PASSED, text, place)


def broken(clause: Clause, text: str, place: Place | None = None) -> Finding:
    """Return a finding that breaks its clause: a warning if the clause is no MUST."""
    outcome = Outcome.FAILED if clause.level is Level.MUST else Outcome.WARNING
    return Finding(clause, outcome, text, place)


def skipped(clause: Clause, text: str, place: Place | None = None) -> Finding:
    """Return a finding of a clause that could not be looked at; the text says why."""
    return Finding(clause, Outcome.SKIPPED, text, place)


def exit_status(findings: Iterable[Finding]) -> int:
    """Return the exit status of a command: 1 if a MUST is broken, otherwise 0."""
    return int(any(each.outcome is Outcome.FAILED for each in findings))


class TargetError(Exception):
    """What is to be checked can't be: it is not there, or can't be read.

    The text is one sentence for the user. The command ends with status 2.
    """
