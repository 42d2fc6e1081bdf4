"""The clauses of all rooms together, by id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from . import dockerfile, http, image, logs, manifest, service
from .clauses import Clause

ID = re.compile(r"([A-Z][A-Z0-9]*[A-Z])[0-9]{2}")
"""The id of a clause: its area, such as ``HTTP`` or ``K8S``, and a number of two digits."""


class UnknownClauseError(LookupError):
    """There is no such clause and no such area. The text is one sentence for the user."""


class Catalogue(Mapping[str, Clause]):
    """Clauses by id, in the order in which they were given.

    :param groups: the clauses of each room.
    :raises ValueError: if an id is malformed, or if two clauses share an id or a name.
    """

    def __init__(self, *groups: Iterable[Clause]) -> None:
        self._clauses: dict[str, Clause] = {}
        self._areas: dict[str, list[str]] = {}
        names: set[tuple[str, str]] = set()
        for clause in (each for group in groups for each in group):
            parts = ID.fullmatch(clause.id)
            if parts is None:
                raise ValueError(f"the id {clause.id!r} is no area with two digits, as HTTP01 is")
            if clause.id in self._clauses or (parts[1], clause.name) in names:
                raise ValueError(f"two clauses share the id {clause.id} or the name {clause.name}")
            self._clauses[clause.id] = clause
            self._areas.setdefault(parts[1], []).append(clause.id)
            names.add((parts[1], clause.name))

    def __getitem__(self, id: str) -> Clause:
        return self._clauses[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._clauses)

    def __len__(self) -> int:
        return len(self._clauses)

    @property
    def areas(self) -> Mapping[str, list[str]]:
        """The ids of each area."""
        return self._areas

    def ids(self, names: Iterable[str]) -> set[str]:
        """Return the ids that ids and areas stand for, in upper or lower case.

        :raises UnknownClauseError: for a name that is neither.
        """
        found: set[str] = set()
        for name in names:
            wanted = name.upper()
            if wanted in self._areas:
                found.update(self._areas[wanted])
            elif wanted in self._clauses:
                found.add(wanted)
            else:
                raise UnknownClauseError(
                    f"there is no clause and no area {name!r}; the areas are "
                    f"{', '.join(self._areas)}, and `dockerflow-check list` lists the clauses"
                )
        return found


CATALOGUE = Catalogue(
    http.CLAUSES,
    image.CLAUSES,
    dockerfile.CLAUSES,
    manifest.CLAUSES,
    logs.CLAUSES,
    service.CLAUSES,
)
"""All clauses that this package checks."""
