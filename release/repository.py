"""A checkout of the repository: what is set in it, verified, and refused."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .changelog import FILE, Changelog
from .packages import Package, faults_of, packages_of, repository_of, with_version
from .version import Version


class Refused(Exception):
    """A command that is not carried out, and why: the file, what was found, and the remedy."""


class Repository:
    """A checkout of this repository.

    :param root: its folder.
    :raises Refused: if what it says of itself can't be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            self.packages: list[Package] = packages_of(root)
            self.own = {each.name for each in self.packages}
            self.url = repository_of(self.packages)
            self.changelog = Changelog((root / FILE).read_text(encoding="utf-8"), self.url)
        except (OSError, ValueError) as error:
            raise Refused(str(error)) from error

    def faults(self) -> list[str]:
        """Name what is wrong with the changelog or, if nothing is, where packages don't agree."""
        faults = self.changelog.faults()
        newest = self.changelog.newest
        if newest is not None and not faults:
            for package in self.packages:
                faults += faults_of(package, newest, self.own)
        return faults

    def check(self) -> Version:
        """Return the version that changelog and packages agree on.

        :raises Refused: with all faults, if they don't.
        """
        faults = self.faults()
        newest = self.changelog.newest
        if faults or newest is None:
            raise Refused("\n".join(faults))
        return newest

    # ------------------------------------------------------------------ prepare

    def prepare(self, version: Version | None, day: datetime.date) -> list[Path]:
        """Set a version: in the changelog, in the packages, and in what these ask of each other.

        It can be run again: what is as it should be stays as it is.

        :param version: by default the next one on that day.
        :param day: the date of the release.
        :returns: the files that were written.
        :raises Refused: if something is in the way; then nothing was written.
        """
        if faults := self.changelog.faults():
            raise Refused("\n".join(faults))
        newest = self.changelog.newest
        assert newest is not None  # or there were faults
        text = self.changelog.text
        if version is None:
            version = Version.after(newest, day) if self.changelog.unreleased else newest
        if version != newest or self.changelog.unreleased is not None:
            self._refuse_version(version, newest, day)
            text = self.changelog.with_release(version, day)
        packages = [with_version(each, version, self.own) for each in self.packages]
        if faults := [fault for each in packages for fault in faults_of(each, version, self.own)]:
            raise Refused("\n".join(faults))
        # The changelog last: until it is written, all this is done anew.
        wanted = {**{each.file: each.text for each in packages}, Path(FILE): text}
        changed = {path for path, text in wanted.items() if self._read(path) != text}
        done = {str(path) for path in wanted.keys() - changed}
        if changed and (others := [each for each in changed_files(self.root) if each not in done]):
            raise Refused(
                f"{', '.join(others)}: changed and not committed; commit or stash that first, "
                "so that the release is a commit of its own"
            )
        written = [path for path in wanted if path in changed]
        for path in written:
            (self.root / path).write_text(wanted[path], encoding="utf-8")
        return written

    def _refuse_version(self, version: Version, newest: Version, day: datetime.date) -> None:
        if self.changelog.unreleased is None:
            raise Refused(
                f"{FILE}: the newest release is {newest}, and above it is no '## [Unreleased]'; "
                f"say there what {version} changes"
            )
        newest_day = self.changelog.releases[0][0].date or ""
        if day.isoformat() < newest_day:
            raise Refused(
                f"{FILE}: the newest release is of {newest_day}, after {day}; "
                "name the day of the next one with --date"
            )
        expected = Version.after(newest, day)
        if version <= newest:
            raise Refused(
                f"{FILE}: {version} is not newer than the newest release, {newest}; "
                f"take {expected}, or no version at all"
            )
        if not version.is_of(day):
            raise Refused(
                f"{version} is no version of {day}; take {expected}, "
                "or name the day of the release with --date"
            )

    def _read(self, path: Path) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    # ------------------------------------------------------------------ confirm and upload

    def confirm(self, environ: Mapping[str, str]) -> None:
        """Confirm that a workflow runs in this repository, for the tag of the newest release.

        :param environ: the environment variables that GitHub Actions sets.
        :raises Refused: if it is a fork's, or the tag another's.
        """
        version = self.check()
        server = environ.get("GITHUB_SERVER_URL", "https://github.com")
        running = f"{server}/{environ.get('GITHUB_REPOSITORY', '')}"
        if running.lower() != self.url.lower():
            raise Refused(
                f"{self.packages[0].file}: the packages are of {self.url}, and this runs in "
                f"{running}; release from there, or name this one in [project.urls]"
            )
        self._refuse_tag(environ.get("GITHUB_REF", ""), version)

    def _refuse_tag(self, ref: str, version: Version) -> None:
        if (unreleased := self.changelog.unreleased) is not None:
            raise Refused(
                f"{FILE}:{unreleased.line}: there are unreleased changes; "
                "release with 'hatch run release:prepare', commit, and tag that"
            )
        if ref != f"refs/tags/{version}":
            raise Refused(
                f"{FILE}: the newest release is {version}, and this is {ref or 'no tag'}; "
                f"tag the commit that says so: git tag {version}"
            )

    def confirm_upload(self, folder: str = "dist") -> list[str]:
        """Confirm that the built files are those of the release, tagged and committed.

        :param folder: where they are, below the root.
        :returns: the files, core and logging first: an adapter never stands there without them.
        :raises Refused: if a file is missing, or one too many, or the commit is not tagged.
        """
        version = self.check()
        wanted = {name for package in self.packages for name in package.artifacts()}
        found = {path.name for path in (self.root / folder).glob("*")}
        if wanted != found:
            raise Refused(
                f"{folder}: missing {sorted(wanted - found)}, too many {sorted(found - wanted)}; "
                "build with 'hatch run release:check'"
            )
        if others := changed_files(self.root):
            raise Refused(f"{', '.join(others)}: changed and not committed; commit, and build anew")
        tags = git(self.root, "tag", "--points-at", "HEAD").split()
        self._refuse_tag(f"refs/tags/{version}" if str(version) in tags else "", version)
        needed = {
            name
            for package in self.packages
            for name in self.own
            if any(name in each for each in package.project.get("dependencies", []))
        }
        ordered = sorted(self.packages, key=lambda each: (each.name not in needed, each.name))
        return [f"{folder}/{name}" for package in ordered for name in package.artifacts()]


def changed_files(root: Path) -> list[str]:
    """Name the files that differ from the last commit, new ones included.

    :raises Refused: if git can't tell.
    """
    lines = git(root, "status", "--porcelain=v1", "-z", "--no-renames").split("\0")
    return [line[3:] for line in lines if line]


def git(root: Path, *words: str) -> str:
    """Return what a git command prints.

    :raises Refused: if it fails.
    """
    try:
        result = subprocess.run(
            ["git", *words], cwd=root, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise Refused(f"git {words[0]}: {error}; a release needs git") from error
    if result.returncode:
        raise Refused(f"git {words[0]}: {result.stderr.strip()}; a release is made in a checkout")
    return result.stdout
