"""The commands; hatch.toml gives them their names."""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
from pathlib import Path

from .repository import Refused, Repository
from .version import Version

ROOT = Path(__file__).parents[1]


def main(words: list[str] | None = None, root: Path = ROOT) -> int:
    """Run a command.

    :param words: the command line, by default this process's.
    :param root: the checkout.
    :returns: the exit code: 0, or 1 if the command was refused.
    """
    options = _parser().parse_args(words)
    try:
        print(_run(Repository(root), options))
    except Refused as refusal:
        print(f"refused: {options.command}\n{refusal}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="release", description="Release all packages together.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="changelog and packages agree, and have no faults")
    prepare = commands.add_parser("prepare", help="set the version, and date the changelog")
    prepare.add_argument("version", nargs="?", type=_version, help="by default the next")
    prepare.add_argument("--date", type=_date, help="YYYY-MM-DD, by default today (UTC)")
    commands.add_parser("confirm", help="this is the repository and the tag of the release")
    commands.add_parser("upload", help="upload what is in dist")
    return parser


def _version(text: str) -> Version:
    try:
        return Version.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _date(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; write YYYY-MM-DD") from error


def _run(repository: Repository, options: argparse.Namespace) -> str:
    if options.command == "check":
        return f"{repository.check()}: changelog and packages agree"
    if options.command == "confirm":
        repository.confirm(os.environ)
        return "this is the repository and the tag of the release"
    if options.command == "upload":
        files = repository.confirm_upload()
        words = [sys.executable, "-m", "twine", "upload", "--skip-existing", *files]
        if status := subprocess.run(words, cwd=repository.root, check=False).returncode:
            raise Refused(
                f"twine ended with status {status}; run it again: what is there is skipped"
            )
        return "uploaded"
    written = repository.prepare(
        options.version, options.date or datetime.datetime.now(datetime.UTC).date()
    )
    if not written:
        return "nothing to do: changelog and packages say so already"
    version = Repository(repository.root).check()
    steps = f"hatch run release:check, commit, git tag {version}, git push origin main {version}"
    return "\n".join([*map(str, written), f"{version} is set; next: {steps}"])


if __name__ == "__main__":
    raise SystemExit(main())
