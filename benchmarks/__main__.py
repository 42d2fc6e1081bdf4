"""Compare the speed of these packages with the existing package and with similar ones."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median

import pyperf

from .results import Result, pictures, tables, with_results
from .rows import REFERENCE, ROWS, Row

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"


def main() -> None:
    """Measure the chosen rows and print the tables."""
    parser = argparse.ArgumentParser(prog="hatch run bench:all", description=__doc__)
    parser.add_argument("rows", nargs="*", help="prefixes of names, such as flask; default: all")
    parser.add_argument("--quick", action="store_true", help="one round only, less exact")
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    rows = [row for row in ROWS if row.name.startswith(tuple(options.rows or [""]))]
    if not rows:
        parser.error(f"no such row; choose from {', '.join(row.name for row in ROWS)}")
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        ours, reference = _install(Path(folder))
        for row in rows:
            results.append(measure(row, ours, reference, rounds=1 if options.quick else 7))
            done = f"[{len(results)} of {len(rows)}] {row.name}:"
            print(done, " | ".join(results[-1].cells), file=sys.stderr)
    frameworks = ("django", "fastapi", "flask", "sanic")
    versions = ", ".join(f"{name} {version(name)}" for name in frameworks)
    text = (
        f"Measured on {os.cpu_count()} cores of {platform.machine()}, with Python "
        f"{platform.python_version()}, {versions}.\n{tables(results)}"
    )
    print(text)
    if options.write_docs:
        PAGE.write_text(with_results(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
        for name, picture in pictures(results).items():
            PAGE.with_name(name).write_text(picture, encoding="utf-8")


def measure(row: Row, ours: str, reference: str, rounds: int) -> Result:
    """Measure both sides of a row alternately.

    :param ours: the folder where these packages are installed.
    :param reference: the folder where the existing package is installed.
    :param rounds: how many times to measure; the side that comes first changes each time.
    :raises subprocess.CalledProcessError: The work fails, or its output is wrong.
    """
    result = Result(row, [], [])
    sides = [(ours, row.ours, result.ours)]
    if row.is_compared:
        sides.append((ours if row.peer else reference, row.name, result.theirs))
    for _ in range(rounds):
        for folder, work, times in sides:
            times.append(_time(folder, work))
        sides.reverse()
    return result


def _time(folder: str, work: str) -> float:
    """Return the seconds that one piece of work takes with the packages in a folder."""
    with tempfile.TemporaryDirectory() as scratch:
        file = str(Path(scratch, "times.json"))
        _run("-m", "benchmarks.work", work, "--in-process", "--quiet", "-o", file, path=folder)
        return float(median(pyperf.Benchmark.load(file).get_values()))


def _install(folder: Path) -> tuple[str, str]:
    """Install the wheels of this checkout and the existing package, each into its own folder."""
    wheels, ours, reference = folder / "wheels", folder / "ours", folder / "reference"
    _run("-m", "hatch", "-q", "build", "--all", "-t", "wheel", str(wheels))
    install = ("-m", "uv", "pip", "install", "-q", "--no-deps", "--target")
    _run(*install, str(ours), *map(str, wheels.glob("*.whl")))
    _run(*install, str(reference), f"dockerflow=={REFERENCE}")
    return str(ours), str(reference)


def _run(*words: str, path: str = "") -> None:
    """Run Python in the benchmark environment, with a folder of packages on its path."""
    # The inner hatch must not take this environment for its own.
    environ = {k: v for k, v in os.environ.items() if k not in ("HATCH_ENV", "HATCH_ENV_ACTIVE")}
    environ["PYTHONPATH"] = path
    command = [sys.executable, *words]
    subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
