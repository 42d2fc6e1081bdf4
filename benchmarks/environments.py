"""The two environments: made by hatch, with the wheels of this checkout in one of them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .process import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .rows import Environment

_STAMP = "dockerflow-benchmarks.sha256"

# What is compared, and what differs on purpose.
_OWN = "dockerflow"
_TOLD = ("django", "fastapi", "flask", "sanic", "starlette", "werkzeug")
_PEERS = ("asgi-correlation-id", "django-guid", "orjson", "python-json-logger", "structlog")

_DESCRIBE = """\
import json, platform, re, sys, sysconfig
from importlib.metadata import distributions
names = {re.sub("[-_.]+", "-", one.name).lower(): one.version for one in distributions()}
print(json.dumps({"executable": sys.executable, "site": sysconfig.get_path("purelib"),
 "python": platform.python_version() + " " + platform.python_compiler(), "versions": names}))
"""


class Unequal(RuntimeError):
    """The environments differ in more than `dockerflow`; says in what, and what to do."""


@dataclass(frozen=True)
class Described:
    """An environment.

    :ivar executable: Its interpreter.
    :ivar site: The folder of its packages.
    :ivar python: The version of Python, and the compiler it was built with.
    :ivar versions: Its distributions.
    """

    executable: str
    site: str
    python: str
    versions: dict[str, str]


def compare(ours: Described, reference: Described, names: Mapping[Environment, str]) -> None:
    """Refuse environments that differ in Python or in a distribution that both have.

    :param names: What hatch calls them.
    :raises Unequal: They differ.
    """
    differing = [
        f"{name} {ours.versions[name]} and {reference.versions[name]}"
        for name in sorted(ours.versions.keys() & reference.versions.keys())
        if not name.startswith(_OWN) and ours.versions[name] != reference.versions[name]
    ]
    if ours.python != reference.python:
        differing.insert(0, f"Python {ours.python} and {reference.python}")
    if _OWN not in reference.versions:
        differing.append(f"the reference has no {_OWN}")
    if differing:
        again = " && ".join(f"hatch env remove {name}" for name in names.values())
        raise Unequal(
            f"{names['ours']} and {names['reference']} differ: {'; '.join(differing)}.\n"
            f"Make both anew, from the same state of the package index: {again}"
        )


def named(ours: Described) -> dict[str, str]:
    """Return the versions that the page names."""
    return {name: ours.versions[name] for name in (*_TOLD, *_PEERS) if name in ours.versions}


def prepare(python: str, say: Callable[[str], None]) -> tuple[Described, Described]:
    """Make, fill and compare the environments for a version of Python.

    :param python: As in the names of hatch's environments: `3.11`.
    :param say: Told what is being done.
    :return: Ours, and the reference.
    :raises Unequal: They differ.
    """
    names: dict[Environment, str] = {
        "ours": f"bench-ours.py{python}",
        "reference": f"bench-reference.py{python}",
    }
    say(f"environments {names['ours']}, {names['reference']}")
    ours = _describe(names["ours"])
    _install_checkout(ours, say)
    ours = _described(ours.executable)
    reference = _describe(names["reference"])
    compare(ours, reference, names)
    return ours, reference


def _describe(name: str) -> Described:
    # `run` makes the environment where it is not there, and updates it where hatch.toml changed.
    where = "import sys; print(sys.executable)"
    output = _run([sys.executable, "-m", "hatch", "-q", "run", f"{name}:python", "-c", where])
    return _described(output.splitlines()[-1])


def _described(executable: str) -> Described:
    found: dict[str, Any] = json.loads(_run([executable, "-I", "-c", _DESCRIBE]))
    return Described(**found)


def _install_checkout(environment: Described, say: Callable[[str], None]) -> None:
    """Build the packages of the checkout and install their wheels, unless that has been done."""
    stamp = Path(environment.site) / _STAMP
    sources = _digest(
        sorted(ROOT.glob("packages/*/pyproject.toml")), ROOT.glob("packages/*/src/**/*")
    )
    if stamp.is_file() and stamp.read_text(encoding="ascii") == sources:
        return
    say("wheels of the checkout")
    with tempfile.TemporaryDirectory() as folder:
        for package in sorted(ROOT.glob("packages/*/pyproject.toml")):
            command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
            _run(command, cwd=package.parent)
        wheels = [str(wheel) for wheel in sorted(Path(folder).glob("*.whl"))]
        options = [
            "--quiet",
            "--python",
            environment.executable,
            "--no-deps",
            "--reinstall",
            "--no-cache",
        ]
        _run([sys.executable, "-m", "uv", "pip", "install", *options, *wheels])
    stamp.write_text(sources, encoding="ascii")


def _digest(*files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted({one for some in files for one in some}):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _run(command: list[str], cwd: Path = ROOT) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"HATCH_ENV_ACTIVE", "HATCH_ENV", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"}
    }
    done = subprocess.run(
        command, cwd=cwd, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
