"""The exact contents of each wheel and each sdist."""

from __future__ import annotations

import configparser
import pathlib
import sys
import tarfile
import zipfile
from collections.abc import Iterator

import pytest
from packaging.metadata import parse_email

from tests.packaging.distributions import DISTRIBUTIONS, ROOT, Distribution
from tests.packaging.environments import run

pytestmark = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)


def stem(distribution: Distribution) -> str:
    return f"{distribution.name.replace('-', '_')}-{distribution.project['version']}"


def wheel_of(distribution: Distribution, folder: pathlib.Path) -> pathlib.Path:
    return folder / f"{stem(distribution)}-py3-none-any.whl"


def members(wheel: pathlib.Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def files_of(distribution: Distribution) -> set[str]:
    """The files of its source, by their path below src."""
    return {
        path.relative_to(distribution.source.parent).as_posix()
        for path in distribution.source.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def read_ini(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Return each section of a file of entry points, with what is in it."""
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read_string(text)
    for name in parser.sections():
        yield name, dict(parser[name])


def test_the_wheel_holds_its_leaves_and_nothing_else(
    distribution: Distribution, built: pathlib.Path
) -> None:
    """A wheel holds its metadata, its licence and typed packages below dockerflow, nothing else.

    The namespace itself has no __init__.py.
    """
    content = members(wheel_of(distribution, built))
    info = f"{stem(distribution)}.dist-info"
    assert content.pop(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    for name in ("METADATA", "RECORD", "WHEEL"):
        del content[f"{info}/{name}"]
    entry_points = content.pop(f"{info}/entry_points.txt", b"").decode()
    project = distribution.project
    groups = {"console_scripts": project.get("scripts"), **project.get("entry-points", {})}
    assert dict(read_ini(entry_points)) == {name: group for name, group in groups.items() if group}
    assert content.keys() == files_of(distribution)
    leaves = {f"dockerflow/{leaf}" for leaf in distribution.leaves}
    assert {"/".join(name.split("/")[:2]) for name in content} == leaves
    assert {f"{leaf}/__init__.py" for leaf in leaves} <= content.keys()
    assert [content[f"{leaf}/py.typed"] for leaf in leaves] == [b""] * len(leaves)


def test_the_metadata_is_what_indexes_take(distribution: Distribution, built: pathlib.Path) -> None:
    """The metadata is of version 2.4, and equals the pyproject.toml and the README."""
    wheel = members(wheel_of(distribution, built))
    content, unknown = parse_email(wheel[f"{stem(distribution)}.dist-info/METADATA"])
    project = distribution.project
    required = {each.lower() for each in content.pop("requires_dist", []) if "extra ==" not in each}
    assert required == {each.lower() for each in project.get("dependencies", [])}
    assert set(content.pop("provides_extra", [])) == set(distribution.extras)
    assert (content, unknown) == (
        {
            "metadata_version": "2.4",
            "name": distribution.name,
            "version": project["version"],
            "summary": project["description"],
            "description": (distribution.folder / "README.md").read_text(),
            "description_content_type": "text/markdown",
            "license_expression": "MPL-2.0",
            "license_files": ["LICENSE"],
            "requires_python": ">=3.11",
            "keywords": sorted(project["keywords"]),
            "classifiers": project["classifiers"],
            "project_urls": project["urls"],
        },
        {},
    )


def test_the_sdist_holds_source_licence_and_readme(
    distribution: Distribution, built: pathlib.Path
) -> None:
    """An sdist holds the sources of the wheel and its metadata, nothing else."""
    with tarfile.open(built / f"{stem(distribution)}.tar.gz") as archive:
        names = {member.name for member in archive.getmembers() if member.isfile()}
    expected = {f"src/{name}" for name in files_of(distribution)}
    expected |= {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    expected |= {".gitignore"}  # hatchling always adds the repository's file
    assert names == {f"{stem(distribution)}/{name}" for name in expected}


def test_the_sdist_builds_the_same_wheel(
    distribution: Distribution, built: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """The wheel built from the sdist equals the wheel built from the source."""
    sdist = built / f"{stem(distribution)}.tar.gz"
    run(sys.executable, "-m", "uv", "build", "--wheel", sdist, "--out-dir", tmp_path)
    assert members(wheel_of(distribution, tmp_path)) == members(wheel_of(distribution, built))
