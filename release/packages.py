"""The packages: where each says its version, and what it asks of the others."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .version import Version

_VERSION = re.compile(r'^version = "[^"]*"$', re.MULTILINE)


@dataclass(frozen=True)
class Package:
    """A package: a folder below ``packages``, and what its pyproject.toml says."""

    file: Path
    name: str
    text: str
    project: dict[str, Any]

    @property
    def version(self) -> str:
        """The version that it says."""
        return str(self.project.get("version"))

    @property
    def source(self) -> str:
        """The URL of the repository that it names, ``""`` if it names none."""
        return str(self.project.get("urls", {}).get("Source", "")).rstrip("/")

    def artifacts(self) -> list[str]:
        """Name the files that are built of it."""
        stem = f"{self.name.replace('-', '_')}-{self.version}"
        return [f"{stem}-py3-none-any.whl", f"{stem}.tar.gz"]


def packages_of(root: Path) -> list[Package]:
    """Read all packages of the repository.

    :raises ValueError: if one of them is no TOML.
    """
    files = sorted(root.glob("packages/*/pyproject.toml"))
    return [_package(file.relative_to(root), file.read_text(encoding="utf-8")) for file in files]


def _package(file: Path, text: str) -> Package:
    try:
        project = tomllib.loads(text).get("project", {})
    except ValueError as error:
        raise ValueError(f"{file}: {error}; mend its TOML") from error
    return Package(file, file.parent.name, text, project)


def with_version(package: Package, version: Version, own: set[str]) -> Package:
    """Return a package with a version, and what it asks of the others by it.

    :param own: the names of all packages.
    """
    text = _VERSION.sub(f'version = "{version}"', package.text, count=1)
    for name in own:
        text = re.sub(rf'"{re.escape(name)}~=[^"]*"', f'"{name}~={version.line}"', text)
    return _package(package.file, text)


def faults_of(package: Package, version: Version, own: set[str]) -> Iterator[str]:
    """Name what does not agree with the version: file, what was found, and the remedy.

    :param version: the changelog's newest release.
    :param own: the names of all packages.
    """
    command = f"hatch run release:prepare {version}"
    if package.version != str(version):
        missing = f"write 'version = \"{version}\"' into [project]"
        remedy = command if "version" in package.project else missing
        yield f"{package.file}: version {package.version}, the changelog says {version}; {remedy}"
    required: list[str] = package.project.get("dependencies", [])
    for requirement in required:
        found = re.match(r"[\w.-]+", requirement)
        if found is None or found[0] not in own:
            continue
        wanted = f"{found[0]}~={version.line}"
        if requirement != wanted:
            remedy = command if requirement.startswith(f"{found[0]}~=") else "write that"
            yield f"{package.file}: requires {requirement!r}, not {wanted!r}; {remedy}"


def repository_of(packages: list[Package]) -> str:
    """Return the URL of the repository that all packages name.

    :raises ValueError: if one of them names none, or another.
    """
    named = {each.source for each in packages}
    if len(named) != 1 or "" in named:
        found = ", ".join(f"{each.file} {each.source!r}" for each in packages)
        raise ValueError(
            f"[project.urls] Source: {found or 'no packages'}; "
            "give all packages the URL of their one repository"
        )
    return named.pop()
