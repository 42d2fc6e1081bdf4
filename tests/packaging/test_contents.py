"""What is in each wheel and each sdist, to the file."""

from __future__ import annotations

import email.message
import email.parser
import pathlib
import subprocess
import sys
import tarfile
import zipfile

import pytest

from tests.packaging.distributions import DISTRIBUTIONS, ROOT, Distribution

pytestmark = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)


def stem(distribution: Distribution) -> str:
    return f"{distribution.name.replace('-', '_')}-{distribution.project['version']}"


def wheel_of(distribution: Distribution, built: pathlib.Path) -> pathlib.Path:
    return built / f"{stem(distribution)}-py3-none-any.whl"


def files_of(distribution: Distribution) -> set[str]:
    """The files of its source, by their path below src."""
    return {
        path.relative_to(distribution.source.parent).as_posix()
        for path in distribution.source.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def members(wheel: pathlib.Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def metadata(wheel: pathlib.Path) -> email.message.Message:
    (content,) = (v for k, v in members(wheel).items() if k.endswith(".dist-info/METADATA"))
    return email.parser.BytesParser().parsebytes(content)


def test_the_wheel_holds_its_leaves_and_nothing_else(
    distribution: Distribution, built: pathlib.Path
) -> None:
    """A wheel holds every file of its leaves, its metadata and its licence, and no other file."""
    info = f"{stem(distribution)}.dist-info"
    expected = {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "licenses/LICENSE")}
    expected |= files_of(distribution)
    content = members(wheel_of(distribution, built))
    assert set(content) == expected
    assert content[f"{info}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()


def test_the_wheel_leaves_the_namespace_alone(
    distribution: Distribution, built: pathlib.Path
) -> None:
    """Every module lies in a leaf below dockerflow, which has no __init__.py of its own."""
    content = members(wheel_of(distribution, built))
    modules = {name for name in content if ".dist-info/" not in name}
    assert "dockerflow/__init__.py" not in modules
    assert {tuple(name.split("/")[:2]) for name in modules} == {
        ("dockerflow", leaf) for leaf in distribution.leaves
    }
    for leaf in distribution.leaves:
        assert content[f"dockerflow/{leaf}/py.typed"] == b""
        assert f"dockerflow/{leaf}/__init__.py" in modules


def test_the_metadata_is_what_indexes_take(distribution: Distribution, built: pathlib.Path) -> None:
    """The metadata is of version 2.4, with licence expression, licence file and description."""
    content = metadata(wheel_of(distribution, built))
    assert content["Metadata-Version"] == "2.4"
    assert content["Name"] == distribution.name
    assert content["License-Expression"] == "MPL-2.0"
    assert content["License-File"] == "LICENSE"
    assert content["Requires-Python"] == ">=3.11"
    assert content["Description-Content-Type"] == "text/markdown"
    assert content.get_payload() == (distribution.folder / "README.md").read_text()
    classifiers = content.get_all("Classifier", [])
    assert "Typing :: Typed" in classifiers
    assert not [classifier for classifier in classifiers if classifier.startswith("License ::")]


def test_the_metadata_leads_to_the_project(distribution: Distribution, built: pathlib.Path) -> None:
    """A wheel has the URLs, keywords and requirements that its pyproject.toml has."""
    content = metadata(wheel_of(distribution, built))
    project = distribution.project
    urls = [f"{label}, {url}" for label, url in project["urls"].items()]
    assert sorted(content.get_all("Project-URL", [])) == sorted(urls)
    assert sorted(content["Keywords"].split(",")) == sorted(project["keywords"])
    required = [each for each in content.get_all("Requires-Dist", []) if "extra ==" not in each]
    wanted = project.get("dependencies", [])
    assert sorted(map(str.lower, required)) == sorted(map(str.lower, wanted))
    assert sorted(content.get_all("Provides-Extra", [])) == sorted(
        project.get("optional-dependencies", {})
    )


def test_the_sdist_holds_source_licence_and_readme(
    distribution: Distribution, built: pathlib.Path
) -> None:
    """An sdist holds what the wheel is built from, and no other file but its metadata."""
    with tarfile.open(built / f"{stem(distribution)}.tar.gz") as archive:
        names = {member.name for member in archive.getmembers() if member.isfile()}
    top = {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    expected = top | {f"src/{name}" for name in files_of(distribution)}
    extra = {f"{stem(distribution)}/.gitignore"}  # hatchling always adds the repository's
    assert names - extra == {f"{stem(distribution)}/{name}" for name in expected}


def test_the_sdist_builds_the_same_wheel(
    distribution: Distribution, built: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """The wheel that is built from the sdist is the wheel that was built from the source."""
    sdist = built / f"{stem(distribution)}.tar.gz"
    subprocess.run(
        [sys.executable, "-m", "uv", "build", "--quiet", "--wheel", sdist, "--out-dir", tmp_path],
        check=True,
    )
    assert members(wheel_of(distribution, tmp_path)) == members(wheel_of(distribution, built))
