"""``python -m release``: ``prepare`` sets the version everywhere, and ``check`` compares it.

docs/contributing.md says when to run them. The newest release of CHANGELOG.md states the version,
year.month.number; https://keepachangelog.com/en/1.1.0/ describes the format of that file.
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
from pathlib import Path

_RELEASE = re.compile(
    r"^## \[(20\d\d)\.([1-9]|1[0-2])\.(0|[1-9]\d*)\] - \d{4}-\d\d-\d\d$", re.MULTILINE
)
_UNRELEASED = "## [Unreleased]"
_LINK = re.compile(r"^\[Unreleased\]: (\S+)\.\.\.HEAD$", re.MULTILINE)

# In a pyproject.toml: the package's own version, and its requirements on the others.
_VERSION = re.compile(r'^(?P<before>version = ")(?P<version>[^"]*)', re.MULTILINE)
_REQUIREMENT = re.compile(r'^(?P<before> *"dockerflow-\w+~=)(?P<version>[^"]*)', re.MULTILINE)


def newest(changelog: str) -> str:
    """Return the newest release in a changelog.

    :raises ValueError: There is none.
    """
    found = _RELEASE.search(changelog)
    if found is None:
        raise ValueError("CHANGELOG.md has no release; write '## [2026.11.0] - 2026-11-20'")
    return ".".join(found.groups())


def faults(root: Path, tag: str = "") -> list[str]:
    """Return everything that disagrees with the changelog's newest release.

    :param root: the checkout.
    :param tag: the tag to release, if any.
    """
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    version = newest(changelog)
    found = [
        f"{file.relative_to(root)}: {match[0].strip()}, the changelog's newest release is {version}"
        for file in sorted(root.glob("packages/*/pyproject.toml"))
        for pattern in (_VERSION, _REQUIREMENT)
        for match in pattern.finditer(file.read_text(encoding="utf-8"))
        if match["version"] != version
    ]
    if f"\n[{version}]: " not in changelog:
        found.append(f"CHANGELOG.md: no link for {version}; write '[{version}]: …' at the end")
    if tag and tag != version:
        found.append(f"the tag is {tag}, the changelog's newest release {version}; tag {version}")
    if tag and _UNRELEASED in changelog:
        found.append(f"CHANGELOG.md: '{_UNRELEASED}' above {version}; run release:prepare, and tag")
    return found


def prepare(root: Path, today: datetime.date) -> str:
    """Turn the unreleased changes into a release, and set its version in all packages.

    :param root: the checkout.
    :param today: the date of the release; the version is the next one of its month.
    :returns: the version.
    :raises ValueError: There are no unreleased changes.
    """
    file = root / "CHANGELOG.md"
    text = file.read_text(encoding="utf-8")
    link = _LINK.search(text)
    if _UNRELEASED not in text or link is None:
        raise ValueError(
            f"CHANGELOG.md has no '{_UNRELEASED}' with its link at the end "
            "('[Unreleased]: …...HEAD'); say there what the release changes"
        )
    month = f"{today.year}.{today.month}."
    last = newest(text)
    number = int(last.removeprefix(month)) + 1 if last.startswith(month) else 0
    version = f"{month}{number}"
    text = text.replace(_UNRELEASED, f"## [{version}] - {today}", 1)
    file.write_text(text.replace(link[0], f"[{version}]: {link[1]}...{version}"), encoding="utf-8")
    for project in root.glob("packages/*/pyproject.toml"):
        text = project.read_text(encoding="utf-8")
        for pattern in (_VERSION, _REQUIREMENT):
            text = pattern.sub(rf"\g<before>{version}", text)
        project.write_text(text, encoding="utf-8")
    return version


def main() -> None:
    """Run a command; exit with 1 and list all faults, if any."""
    parser = argparse.ArgumentParser(prog="release", description=__doc__)
    parser.add_argument("command", choices=["prepare", "check"])
    parser.add_argument("--tag", default="", help="check that this tag is the newest release's")
    options = parser.parse_args()
    root = Path.cwd()
    try:
        if options.command == "prepare":
            version = prepare(root, datetime.datetime.now(datetime.UTC).date())
            print(f"next: commit, git tag {version}, git push origin main {version}")
        if found := faults(root, options.tag):
            sys.exit("\n".join(found))
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
