"""What the READMEs say is what happens."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.packaging.distributions import CORE, LOGGING, ROOT, Distribution
from tests.packaging.environments import Environment

INSTALL = "python3 -m pip install hatch==1.18.2"
TEST = "python3 -m hatch run test"


def blocks(markdown: str, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def without_moment(text: str) -> str:
    """Blot out what differs from run to run: the time, the host and the process."""
    text = re.sub(r'"(Timestamp|Pid)": \d+', r'"\1": 0', text)
    return re.sub(r'"Hostname": "[^"]*"', '"Hostname": ""', text)


@pytest.mark.parametrize("distribution", [CORE, LOGGING], ids=str)
def test_the_example_of_a_package_prints_what_its_readme_says(
    distribution: Distribution, environment: Callable[[], Environment]
) -> None:
    """A README has an install line, and an example that prints what it shows.

    Those of the adapters are served: see test_served.
    """
    readme = (distribution.folder / "README.md").read_text()
    assert f"python3 -m pip install {distribution.name}\n" in readme
    (code,), (output,) = blocks(readme, "python"), blocks(readme, "text")
    alone = environment()
    alone.install(distribution.pinned())
    result = alone.run(code)
    assert result.returncode == 0, result.stderr
    assert without_moment(result.stdout) == without_moment(output)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    """CI installs and tests with the very commands that the README gives."""
    readme = (ROOT / "README.md").read_text()
    assert f"{INSTALL}\n{TEST}\n" in blocks(readme, "")
    words = [line.strip() for line in (ROOT / ".ci" / "run").read_text().splitlines()]
    assert f"{INSTALL} || exit 1" in words
    assert f"step {TEST}" in words


def test_hatch_has_one_version() -> None:
    """The hatch that the README installs is the one that the tests build with."""
    version = INSTALL.rpartition("hatch")[2]
    for name in ("README.md", ".ci/run", ".readthedocs.yaml", "hatch.toml"):
        found = set(re.findall(r"\bhatch(==[\d.]+)", (ROOT / name).read_text()))
        assert found == {version}, name


@pytest.mark.parametrize(
    "script",
    ["compat", "cov", "docs", "fix", "imports", "lint", "lowest", "matrix", "types", "wheels"],
)
def test_the_readme_names_the_scripts_there_are(script: str) -> None:
    """The commands of the README's table are scripts of hatch.toml."""
    assert f"`{script}`" in (ROOT / "README.md").read_text()
    assert re.search(rf"^{script} = ", (ROOT / "hatch.toml").read_text(), re.MULTILINE)
