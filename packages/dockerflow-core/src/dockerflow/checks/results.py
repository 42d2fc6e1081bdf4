"""What a run of checks came to, in the words of the heartbeat."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TypedDict

from .messages import level_to_text
from .outcome import Finding


class CheckDetails(TypedDict):
    """What one check that is not ``"ok"`` has to say."""

    status: str
    level: int
    messages: dict[str, str]


@dataclass
class ChecksResults:
    """The results of a run of checks.

    :param details: by check name, for each check whose level is above ok: its ``status`` (the
        level's name), its ``level`` (the worst of its messages) and its ``messages`` (texts by id).
    :param statuses: the name of the worst level of each check, by check name.
    :param level: the worst level of all, 0 where no check had anything to say.
    """

    details: dict[str, CheckDetails] = field(default_factory=dict[str, CheckDetails])
    statuses: dict[str, str] = field(default_factory=dict[str, str])
    level: int = 0


def build_results(
    outcomes: Iterable[tuple[str, Iterable[Finding]]], silenced_ids: Collection[str]
) -> ChecksResults:
    """Count what the checks said, without the silenced ids; outcomes of one name are added up."""
    spoken: dict[str, list[Finding]] = {}
    for name, findings in outcomes:
        heard = spoken.setdefault(name, [])
        heard.extend(finding for finding in findings if finding.id not in silenced_ids)
    results = ChecksResults()
    for name, heard in spoken.items():
        level = max((finding.level for finding in heard), default=0)
        results.statuses[name] = level_to_text(level)
        results.level = max(results.level, level)
        if level <= 0:
            continue
        texts: dict[str, str] = {}
        for finding in heard:
            key = finding.id or name
            texts[key] = f"{texts[key]}; {finding.text}" if key in texts else finding.text
        results.details[name] = {"status": level_to_text(level), "level": level, "messages": texts}
    return results
