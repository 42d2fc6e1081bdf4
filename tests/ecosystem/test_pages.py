"""The recipes of the documentation do what they say."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from tests.docs.page import ROOT, frameworks_of, run

TOOLS = ROOT / "docs/tools"
PAGES = sorted(TOOLS.glob("*.md"))

# What the pages begin with in their tabs for Django: a new project, set up as the guide says.
SETTINGS = """
from dockerflow.logging import dict_config

INSTALLED_APPS += ["dockerflow.django"]
MIDDLEWARE.insert(0, "dockerflow.django.middleware.DockerflowMiddleware")
LOGGING = dict_config("shop")
"""


def start_project(folder: pathlib.Path) -> None:
    """Make the project ``shop``."""
    command = [sys.executable, "-m", "django", "startproject", "shop", str(folder)]
    subprocess.run(command, check=True)
    with (folder / "shop" / "settings.py").open("a") as settings:
        settings.write(SETTINGS)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("path", "framework"),
    [
        pytest.param(path, name, id="-".join(filter(None, [path.stem, name])))
        for path in PAGES
        for name in frameworks_of(path.read_text())
    ],
)
def test_a_page_shows_what_happens(
    path: pathlib.Path, framework: str, tmp_path: pathlib.Path
) -> None:
    """The code of a page runs, in its order and for each framework, and prints what it shows."""
    if framework == "Django":
        start_project(tmp_path)
    done = run(path, tmp_path, {}, framework)
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(400)
@pytest.mark.parametrize("framework", ["Flask", "Sanic"])
def test_rate_limits(framework: str, tmp_path: pathlib.Path) -> None:
    """A client that has used up its limit is refused, with an id, and no prober."""
    page = tmp_path / "page.md"
    markdown = (TOOLS / "rate-limits.md").read_text().replace("100", "1")
    get = "curl --include --header 'Host: shop.example' --header 'X-Forwarded-Proto: https'"
    get += " --header 'X-Forwarded-For: 192.0.2.1' --header 'X-Request-ID: demo-1'"
    end = f"""
```console
$ {get} http://127.0.0.1:8000/
HTTP/1.1 429 ...
X-Request-ID: demo-1
...
$ curl --output /dev/null --write-out "%{{http_code}}" http://127.0.0.1:8000/__lbheartbeat__
200
```
"""
    page.write_text(markdown + end)
    done = run(page, tmp_path, {}, framework)
    assert done.returncode == 0, done.stdout
