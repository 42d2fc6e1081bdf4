"""The changelog, its form, and its faults.

The form is that of https://keepachangelog.com/en/1.1.0/, with a link for each version.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from .version import Version

FILE = "CHANGELOG.md"
TITLE = "# Changelog"
UNRELEASED = "Unreleased"
GROUPS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")

_SECTION = re.compile(r"## \[(?P<name>[^]]+)\](?: - (?P<date>\S+))?(?: \[YANKED\])?")
_LINK = re.compile(r"\[(?P<name>[^]]+)\]: (?P<target>\S+)")


@dataclass
class Group:
    """The changes of one kind."""

    line: int
    name: str
    entries: int = 0


@dataclass
class Section:
    """One release, or what is to be the next."""

    line: int
    name: str
    date: str | None
    groups: list[Group] = field(default_factory=list)

    @property
    def entries(self) -> int:
        """How many changes it names."""
        return sum(group.entries for group in self.groups)


class Changelog:
    """A changelog as it was read.

    :param text: all of it.
    :param repository: the URL of the repository, for the links of the versions.
    """

    def __init__(self, text: str, repository: str) -> None:
        self.text = text
        self._repository = repository
        self._lines = text.splitlines()
        self.sections: list[Section] = []
        self._links: dict[str, tuple[int, str]] = {}
        self._misplaced: list[str] = []
        for number, line in enumerate(self._lines, start=1):
            self._read(number, line)

    def _read(self, number: int, line: str) -> None:
        section = self.sections[-1] if self.sections else None
        if line.startswith("## "):
            found = _SECTION.fullmatch(line)
            if found is None:
                self._misplaced.append(
                    f"{FILE}:{number}: {line!r} is no section; write '## [{UNRELEASED}]', "
                    "or '## [2026.11.0] - 2026-11-20'"
                )
            else:
                self.sections.append(Section(number, found["name"], found["date"]))
        elif section is None:
            return
        elif line.startswith("### "):
            section.groups.append(Group(number, line.removeprefix("### ")))
        elif line.startswith("- "):
            if section.groups:
                section.groups[-1].entries += 1
            else:
                self._misplaced.append(
                    f"{FILE}:{number}: a change before any group; put it below '### Added', "
                    "or another of " + ", ".join(GROUPS)
                )
        elif link := _LINK.fullmatch(line):
            self._links[link["name"]] = (number, link["target"])

    # ------------------------------------------------------------------ what it says

    @property
    def releases(self) -> list[tuple[Section, Version]]:
        """The releases, newest first; without those whose version is none."""
        found: list[tuple[Section, Version]] = []
        for section in self.sections:
            try:
                found.append((section, Version.parse(section.name)))
            except ValueError:
                continue
        return found

    @property
    def newest(self) -> Version | None:
        """The newest release: the one place where the version is stated."""
        return self.releases[0][1] if self.releases else None

    @property
    def unreleased(self) -> Section | None:
        """What is to be the next release."""
        return next((each for each in self.sections if each.name == UNRELEASED), None)

    def links(self) -> dict[str, str]:
        """Return the link that belongs to each section, by its name."""
        names = [each.name for each in self.sections]
        later = [
            f"{self._repository}/compare/{older}...{'HEAD' if name == UNRELEASED else name}"
            for name, older in pairwise(names)
        ]
        first = f"{self._repository}/releases/tag/{names[-1]}" if names else ""
        return dict(zip(names, [*later, first], strict=True)) if names else {}

    # ------------------------------------------------------------------ what is wrong with it

    def faults(self) -> list[str]:
        """Name what is wrong: each with its line, what was found, and the remedy."""
        return [
            *self._faults_of_title(),
            *self._misplaced,
            *(fault for each in self.sections for fault in _faults_of(each)),
            *self._faults_of_order(),
            *self._faults_of_links(),
        ]

    def _faults_of_title(self) -> Iterator[str]:
        first = self._lines[0] if self._lines else ""
        if first != TITLE:
            yield f"{FILE}:1: begins with {first!r}; begin with {TITLE!r}"
        if not self.releases:
            yield f"{FILE}: no release in it; its newest release states the version of all packages"

    def _faults_of_order(self) -> Iterator[str]:
        for each in self.sections[1:]:
            if each.name == UNRELEASED:
                yield f"{FILE}:{each.line}: [{UNRELEASED}] below a release; move it to the top"
        for (later, newer), (earlier, older) in pairwise(self.releases):
            if newer <= older:
                yield (
                    f"{FILE}:{earlier.line}: [{older}] below [{newer}]; "
                    "each release stands once, the newest first"
                )
            elif (later.date or "") < (earlier.date or ""):
                yield (
                    f"{FILE}:{later.line}: [{newer}] of {later.date}, and the release before it "
                    f"of {earlier.date}; mend the date that is wrong"
                )

    def _faults_of_links(self) -> Iterator[str]:
        wanted = self.links()
        for name, target in wanted.items():
            number, found = self._links.get(name, (len(self._lines), None))
            if found != target:
                yield (
                    f"{FILE}:{number}: the link of [{name}] is {found}; "
                    f"write, at the end, '[{name}]: {target}'"
                )
        for name, (number, _) in self._links.items():
            if name not in wanted and (name == UNRELEASED or name[:2] == "20"):
                yield f"{FILE}:{number}: a link of [{name}], which has no section; remove the link"

    # ------------------------------------------------------------------ the next release

    def with_release(self, version: Version, day: datetime.date) -> str:
        """Return its text with the unreleased changes as a release.

        The caller has seen to it that there are such changes, and no faults.

        :param day: the date of the release.
        """
        link = self._links[UNRELEASED][1].replace("...HEAD", f"...{version}")
        changed = {
            f"## [{UNRELEASED}]": f"## [{version}] - {day.isoformat()}",
            f"[{UNRELEASED}]: {self._links[UNRELEASED][1]}": f"[{version}]: {link}",
        }
        return "".join(f"{changed.get(line, line)}\n" for line in self._lines)


def _faults_of(section: Section) -> Iterator[str]:
    place = f"{FILE}:{section.line}"
    if section.name == UNRELEASED:
        if section.date is not None:
            yield f"{place}: [{UNRELEASED}] of {section.date}; write '## [{UNRELEASED}]'"
    else:
        yield from _faults_of_release(place, section)
    if not section.entries:
        yield f"{place}: [{section.name}] names no change; add one, or remove the section"
    yield from _faults_of_groups(section.groups)


def _faults_of_release(place: str, section: Section) -> Iterator[str]:
    try:
        version = Version.parse(section.name)
    except ValueError as error:
        yield f"{place}: {error}"
        return
    try:
        day = datetime.date.fromisoformat(section.date or "")
        if day.isoformat() != section.date:  # such as 20261120, which Python reads as well
            raise ValueError
    except ValueError:
        yield f"{place}: [{version}] of {section.date}; write '## [{version}] - ' and YYYY-MM-DD"
        return
    if not version.is_of(day):
        yield f"{place}: [{version}] of {day}, another month; mend the version or the date"


def _faults_of_groups(groups: Sequence[Group]) -> Iterator[str]:
    for group in groups:
        place = f"{FILE}:{group.line}"
        if group.name not in GROUPS:
            yield f"{place}: {group.name!r} is no group; use one of {', '.join(GROUPS)}"
        if not group.entries:
            yield f"{place}: {group.name!r} is empty; add a change, '- …', or remove it"
    known = [group for group in groups if group.name in GROUPS]
    for above, below in pairwise(known):
        if GROUPS.index(above.name) >= GROUPS.index(below.name):
            yield (
                f"{FILE}:{below.line}: {below.name!r} below {above.name!r}; "
                f"each group stands once, in the order {', '.join(GROUPS)}"
            )
