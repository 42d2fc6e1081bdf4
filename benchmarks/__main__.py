"""The command: `hatch run bench:all`, `bench:quick`, `bench:only <beginnings of names>`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from . import page, table
from .environments import named, prepare
from .measuring import FULL, QUICK, Bench
from .results import RESULTS, Run, machine
from .rows import ROWS, Environment, chosen


def main() -> None:
    """Measure what is asked for, and print the table."""
    asked = _arguments()
    if asked.command == "page":
        page.write()
        return
    start = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - start:4.0f} s] {what}", file=sys.stderr, flush=True)

    try:
        rows = chosen(asked.prefixes) if asked.command == "only" else list(ROWS)
    except LookupError as error:
        sys.exit(str(error.args[0]))
    try:
        ours, reference = prepare(asked.python, say)
        pythons: dict[Environment, str] = {
            "ours": ours.executable,
            "reference": reference.executable,
        }
        effort = QUICK if asked.command == "quick" or asked.quick else FULL
        results = Bench(pythons, effort, _core(asked.core), say).measure(rows)
    except RuntimeError as error:  # a wrong output, unequal environments, a command that fails
        sys.exit(f"\n{error}")
    run = Run(ours.python.partition(" ")[0], machine(), named(ours), results)
    print(table.as_text(run), end="")
    if asked.output is not None:
        as_markdown = asked.output.suffix == ".md"
        text = table.as_markdown([run]) if as_markdown else run.dump()
        asked.output.write_text(text, encoding="utf-8")
    if asked.write_docs:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"python-{run.minor}.json").write_text(run.dump(), encoding="utf-8")
        page.write()
    say("done")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hatch run", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("all", "measure all rows, in about ten minutes"),
        ("quick", "measure all rows coarsely, in under a minute"),
        ("page", "write docs/benchmarks.md from the results that are kept"),
        ("only", "measure the rows whose names begin so: `flask`, `logging.summary`"),
    ):
        command = commands.add_parser(name, help=what, description=what)
        command.set_defaults(prefixes=[], quick=False, write_docs=False)
        if name == "only":
            command.add_argument("prefixes", nargs="+", help="beginnings of the names of rows")
            command.add_argument("--quick", action="store_true", help="coarsely")
        if name == "all":
            command.add_argument(
                "--write-docs",
                action="store_true",
                help="keep the results in benchmarks/results, and write docs/benchmarks.md",
            )
        if name == "page":
            continue
        command.add_argument("--python", default="3.11", help="3.11 (default), 3.12 or 3.13")
        command.add_argument(
            "--core", type=int, help="the core to measure on; the last one by default"
        )
        command.add_argument(
            "--output", type=Path, help="a .json or .md file for the results as well"
        )
    return parser.parse_args()


def _core(asked: int | None) -> int | None:
    """Return the core to keep to, and keep this process, which mostly waits, to the others."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = os.sched_getaffinity(0)
    core = max(allowed) if asked is None else asked
    if allowed - {core}:
        os.sched_setaffinity(0, allowed - {core})
    return core


if __name__ == "__main__":
    main()
