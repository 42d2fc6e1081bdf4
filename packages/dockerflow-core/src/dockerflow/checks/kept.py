"""Outcomes of checks that hold for a while, so that the checks are not run meanwhile.

They are those without any message, for as long as a check's ``keep`` says, and those of checks that
took longer than their limit: what is overloaded is left alone for as long as the limit.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from .findings import Outcome


class _Entry(NamedTuple):
    until: float
    owners: tuple[object, ...]  # whose ids the key is made of
    outcome: Outcome


class KeptOutcomes:
    """The outcomes that one registry keeps.

    A key names the process and the identity of all that an outcome is valid for, so nothing is
    found after a fork, for another application or for another check of the same name.
    """

    def __init__(self) -> None:
        self._entries: dict[tuple[int, ...], _Entry] = {}

    def get(self, key: tuple[int, ...]) -> Outcome | None:
        """Return the outcome that is kept under a key and still holds."""
        entry = self._entries.get(key)
        return entry.outcome if entry is not None and time.monotonic() < entry.until else None

    def add(
        self, key: tuple[int, ...], owners: tuple[object, ...], outcome: Outcome, seconds: float
    ) -> None:
        """Keep an outcome, and forget those that hold no longer.

        :param owners: the objects whose ids are in the key; they stay alive as long.
        """
        now = time.monotonic()
        for other, entry in list(self._entries.items()):
            if entry.until <= now or any(map(_is_closed, entry.owners)):
                self._entries.pop(other, None)
        self._entries[key] = _Entry(now + seconds, owners, outcome)


def _is_closed(owner: object) -> bool:
    return isinstance(owner, asyncio.AbstractEventLoop) and owner.is_closed()
