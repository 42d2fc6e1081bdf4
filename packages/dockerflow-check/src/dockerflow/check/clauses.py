"""The clauses of the Dockerflow specification that can be seen from outside, each with an id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SPECIFICATION = "https://github.com/mozilla-services/Dockerflow"
"""The specification's repository; its README.md is the specification."""


class Level(StrEnum):
    """How much a clause binds, in the words of RFC 2119."""

    MUST = "MUST"
    SHOULD = "SHOULD"


@dataclass(frozen=True)
class Clause:
    """One requirement.

    :param id: its id, such as ``HTTP03``: the area, and a number that never changes its meaning.
    :param name: its name, such as ``lbheartbeat-is-200``.
    :param level: whether a service that breaks it fails, or gets a warning.
    :param says: the requirement in one sentence.
    :param source: where it comes from, as a URL.
    :param why: what goes wrong without it.
    :param fixes: how to mend it, by framework or language: ``Django``, ``Flask``, ``Express``,
        ``Go``; or ``any`` for all of them.
    """

    id: str
    name: str
    level: Level
    says: str
    source: str
    why: str
    fixes: Mapping[str, str] = field(default_factory=dict[str, str])
