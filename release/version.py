"""The version of a release: its year, its month, and its number in that month."""

from __future__ import annotations

import datetime
import re
from typing import NamedTuple

_FORM = re.compile(r"(20\d\d)\.([1-9]|1[0-2])\.(0|[1-9]\d*)", re.ASCII)


class Version(NamedTuple):
    """A calendar version, ordered in time.

    https://calver.org/ would write it ``YYYY.MM.MICRO``.
    """

    year: int
    month: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read a version.

        :raises ValueError: if the text is no year.month.number, such as 2026.11.0.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(
                f"{text!r} is no version; write year.month.number without leading zeros, "
                "such as 2026.11.0"
            )
        return cls(*map(int, found.groups()))

    @property
    def line(self) -> Version:
        """The first release of its month, from which on adapters take core and logging."""
        return self._replace(number=0)

    def is_of(self, day: datetime.date) -> bool:
        """Tell whether a day lies in its month."""
        return (self.year, self.month) == (day.year, day.month)

    @classmethod
    def after(cls, newest: Version, day: datetime.date) -> Version:
        """Return the version of the release that comes next, on a day."""
        return cls(day.year, day.month, newest.number + 1 if newest.is_of(day) else 0)

    def __str__(self) -> str:
        return f"{self.year}.{self.month}.{self.number}"
