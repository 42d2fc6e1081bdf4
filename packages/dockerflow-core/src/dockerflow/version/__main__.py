"""Write and check ``version.json``: ``python -m dockerflow.version``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from . import VersionError, get_version
from .build import KEYS, BuildError, find, problems


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m dockerflow.version",
        description="Write version.json when a container is built, or check an existing one.",
        epilog="exit status: 0, or 1 if it can't be written or has problems, or 2 for wrong "
        "arguments",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    write = commands.add_parser(
        "write",
        help="write the file, from GitHub Actions, GitLab CI or CircleCI, or else from git",
        description="Write version.json. Values that are not given come from the variables of "
        "GitHub Actions, GitLab CI or CircleCI, or else from git. Users, passwords and tokens in "
        "URLs are left out.",
    )
    check = commands.add_parser("check", help="print the problems of an existing file")
    for command, run in ((write, write_file), (check, check_file)):
        command.set_defaults(run=run)
        command.add_argument(
            "folder",
            nargs="?",
            default=".",
            type=Path,
            metavar="DIR",
            help="the folder of the file; default: the current one",
        )
    for key, what in {
        "source": "the URL of the repository",
        "version": "the release, such as a tag; it may be empty",
        "commit": "the hash of the commit",
        "build": "the URL of the build; it may be empty",
    }.items():
        write.add_argument(f"--{key}", metavar=key.upper(), help=what)
    options = parser.parse_args()
    sys.exit(options.run(options))


def write_file(options: argparse.Namespace) -> int:
    """Write the file, and return the exit status."""
    path = options.folder / "version.json"
    given = {key: getattr(options, key) for key in KEYS}
    try:
        content = find(given, os.environ, options.folder, lambda text: tell(f"note: {text}"))
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except BuildError as error:
        tell(f"{path} was not written\n{error}")
        return 1
    except OSError as error:
        tell(f"{path} can't be written: {error.strerror}")
        return 1
    print(f"{path}: {content['version'] or 'no version'}, commit {content['commit']}")
    return 0


def check_file(options: argparse.Namespace) -> int:
    """Print the problems of the file, and return the exit status."""
    path = options.folder / "version.json"
    try:
        content = get_version(options.folder)
    except VersionError as error:
        print(error)
        return 1
    if content is None:
        print(f"{path} does not exist")
        return 1
    faults = list(problems(content))
    print("\n".join(f"{path}: {fault}" for fault in faults or ["no problems found"]))
    return 1 if faults else 0


def tell(text: str) -> None:
    """Print a message, which is not part of the result, on standard error."""
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
