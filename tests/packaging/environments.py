"""Empty virtual environments, to install what was built and use it with the source out of reach."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any


class Environment:
    """A virtual environment of the Python that runs the tests, with nothing in it, not even pip.

    :param directory: where it is made; its scripts run in an empty folder beside it.
    :param wheels: the folder of the wheels under test.
    """

    def __init__(self, directory: pathlib.Path, wheels: pathlib.Path) -> None:
        self.wheels = wheels
        self.work = directory / "work"
        self.work.mkdir(parents=True)
        self.python = directory / "venv" / "bin" / "python"
        self._uv("venv", "--quiet", "--python", sys.executable, str(directory / "venv"))

    def install(self, *requirements: str) -> None:
        """Install requirements, those on our own distributions from the wheels under test."""
        self._uv(
            *("pip", "install", "--quiet", "--python", str(self.python)),
            *("--find-links", str(self.wheels), *requirements),
        )

    def installed(self) -> dict[str, str]:
        """List the installed distributions: normalised name to version."""
        output = self._uv("pip", "list", "--format", "json", "--python", str(self.python))
        return {entry["name"].lower(): entry["version"] for entry in json.loads(output)}

    def run(self, script: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run a script with warnings as errors, away from the source.

        :param script: Python code.
        :param options: further options of the interpreter, before the script.
        """
        return subprocess.run(
            [str(self.python), "-I", "-W", "error", *options, "-c", script],
            cwd=self.work,
            capture_output=True,
            text=True,
            check=False,
        )

    def value(self, script: str) -> Any:
        """Run a script and return what it prints, read as JSON."""
        result = self.run(script)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def _uv(self, *words: str) -> str:
        # VIRTUAL_ENV and the like would name the environment of the tests.
        environ = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        environ.setdefault("UV_HTTP_RETRIES", "10")  # a registry's hiccup says nothing of ours
        result = subprocess.run(
            [sys.executable, "-m", "uv", *words],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout
