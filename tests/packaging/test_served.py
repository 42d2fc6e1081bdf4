"""Each adapter as in its README: installed from its wheel, saved, run, and called over HTTP."""

from __future__ import annotations

import os
import pathlib
import re
import shlex
from collections.abc import Iterator

import pytest

from tests.packaging.distributions import ADAPTERS, Distribution
from tests.packaging.environments import Environment
from tests.packaging.test_readme import blocks
from tests.servers.web import WebServer

# How to pass each command of a README its port, if it has a way.
PORTS = {
    "flask": ["--port", "{port}"],
    "gunicorn": ["--bind", "127.0.0.1:{port}"],
    "python3": ["{port}"],  # Django's runserver
    "sanic": ["--port", "{port}", "--single-process"],  # in one process, which the test can stop
    "uvicorn": ["--port", "{port}"],
}


class Installed(WebServer):
    """The service of a README, in an environment with only the packages that it installs."""

    def __init__(self, words: list[str], environment: Environment) -> None:
        super().__init__([*words, *PORTS[words[0]]])
        self.folder = environment.work
        # Nothing from the tests' own environment, whose PYTHONPATH names the checkout.
        self.environ = {
            "PATH": f"{environment.python.parent}{os.pathsep}{os.defpath}",
            "PYTHONUNBUFFERED": "1",
            "HOME": str(self.folder),
            "APP_DIR": str(self.folder),  # FastAPI's adapter looks for version.json there
        }

    def command(self) -> list[str]:
        """Return the command line, run in the folder where the service was saved."""
        words = (word.format(port=self.port) for word in self.words)
        return ["env", f"--chdir={self.folder}", *words]


@pytest.fixture(params=ADAPTERS, ids=str)
def served(
    request: pytest.FixtureRequest, built: pathlib.Path, tmp_path: pathlib.Path
) -> Iterator[tuple[Distribution, Installed]]:
    """Each adapter, and the service of its README."""
    distribution: Distribution = request.param
    readme = (distribution.folder / "README.md").read_text()
    alone = Environment(tmp_path / "alone", built)
    (install,) = re.findall(r"^python3 -m pip install (.*)$", readme, re.MULTILINE)
    alone.install(*install.replace(distribution.name, distribution.pinned()).split())
    (name,) = re.findall(r"^Save this as `(.*)`:$", readme, re.MULTILINE)
    (alone.work / name).write_text(blocks(readme, "python")[0])
    (alone.work / "version.json").write_text('{"version": "1"}')
    (command,) = re.findall(r"^Run it with `(.*?)`", readme, re.MULTILINE)
    server = Installed(shlex.split(command), alone)
    try:
        server.start()
        yield distribution, server
    finally:
        server.close()


def answer(server: WebServer, path: str) -> tuple[int, str]:
    head, _, body = server.get(path).partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


def test_the_service_of_the_readme_is_served_from_the_wheel(
    served: tuple[Distribution, Installed],
) -> None:
    """Started by the README's command, it answers the four endpoints with the README's output."""
    distribution, server = served
    django = distribution.framework == "Django"
    readme = (distribution.folder / "README.md").read_text()
    (shown,) = blocks(readme, "text")
    assert answer(server, "/__heartbeat__") == (200, shown.rstrip("\n"))
    assert answer(server, "/__lbheartbeat__") in [(200, ""), (200, '{"status": "ok"}')]
    # The service in Django's README has no BASE_DIR, where version.json would be.
    version = (404, "version.json not found") if django else (200, '{"version": "1"}')
    assert answer(server, "/__version__") == version
    assert answer(server, "/__error__")[0] == 500
    assert "This is a test exception from the /__error__ endpoint." in server.log
