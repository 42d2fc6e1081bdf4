"""Outcomes of checks that are reused for a while instead of running the checks again.

An outcome without any message is reused for the check's ``keep``. That of a check that exceeded its
limit is reused for as long as the limit, so that an overloaded service gets a pause.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from .findings import Outcome


class _Entry(NamedTuple):
    until: float
    owners: tuple[object, ...]  # the key consists of their ids
    outcome: Outcome


class KeptOutcomes:
    """The outcomes that one registry keeps.

    A key holds the ids of the process and of all objects that an outcome is valid for. So nothing
    is found after a fork, for another application or for another check of the same name.
    """

    def __init__(self) -> None:
        self._entries: dict[tuple[int, ...], _Entry] = {}

    def get(self, key: tuple[int, ...]) -> Outcome | None:
        """Return the outcome that is kept under a key, if it is still valid."""
        entry = self._entries.get(key)
        return entry.outcome if entry is not None and time.monotonic() < entry.until else None

    def add(
        self, key: tuple[int, ...], owners: tuple[object, ...], outcome: Outcome, seconds: float
    ) -> None:
        """Keep an outcome, and forget those that are no longer valid.

        :param owners: the objects whose ids are in the key; they are kept alive with the outcome.
        """
        now = time.monotonic()
        for other, entry in list(self._entries.items()):
            if entry.until <= now or any(map(_is_closed, entry.owners)):
                self._entries.pop(other, None)
        self._entries[key] = _Entry(now + seconds, owners, outcome)


def _is_closed(owner: object) -> bool:
    return isinstance(owner, asyncio.AbstractEventLoop) and owner.is_closed()
