"""Empty virtual environments, to install the built wheels and use them without the source."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any


def run(*command: object, **options: Any) -> str:
    """Run a command that must succeed, and return its output.

    :param options: further arguments of :func:`subprocess.run`.
    """
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    output: str = done.stdout
    return output


class Environment:
    """An empty virtual environment of the Python that runs the tests, without pip.

    :param directory: where it is created; its scripts run in an empty folder next to it.
    :param wheels: the folder of the wheels under test.
    """

    def __init__(self, directory: pathlib.Path, wheels: pathlib.Path) -> None:
        self.wheels = wheels
        self.work = directory / "work"
        self.work.mkdir(parents=True)
        self.python = directory / "venv" / "bin" / "python"
        self._uv("venv", "--python", sys.executable, directory / "venv")

    def install(self, *requirements: str) -> None:
        """Install requirements, our own distributions from the wheels under test."""
        self._uv(
            *("pip", "install", "--python", self.python, "--find-links", self.wheels),
            *requirements,
        )

    def installed(self) -> dict[str, str]:
        """Return the installed distributions: normalised name to version."""
        output = self._uv("pip", "list", "--format", "json", "--python", self.python)
        return {entry["name"].lower(): entry["version"] for entry in json.loads(output)}

    def pip(self, *words: str) -> None:
        """Run the environment's own pip, which must be installed."""
        run(self.python, "-I", "-m", "pip", "--quiet", "--disable-pip-version-check", *words)

    def run(self, script: str) -> str:
        """Run Python code with warnings as errors, away from the source; return its output."""
        return run(self.python, "-I", "-W", "error", "-c", script, cwd=self.work)

    def value(self, script: str) -> Any:
        """Run Python code and return its output, parsed as JSON."""
        return json.loads(self.run(script))

    def _uv(self, *words: object) -> str:
        # VIRTUAL_ENV and similar variables would name the environment of the tests.
        environ = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        environ.setdefault("UV_HTTP_RETRIES", "10")  # short failures of the registry don't count
        return run(sys.executable, "-m", "uv", "--quiet", *words, env=environ)
