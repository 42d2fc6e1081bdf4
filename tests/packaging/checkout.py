"""A checkout of a repository like this one, for the tests of what releases it."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

URL = "https://github.com/dockerflow/dockerflow-python"
CHANGELOG = f"""\
# Changelog

What it is.

## [Unreleased]

### Added

- A check.
  Of two lines.

### Fixed

- An endpoint.

## [2026.10.3] - 2026-10-30

A sentence.

### Security

- A header.

## [2026.9.0] - 2026-09-01 [YANKED]

### Added

- All.

[Unreleased]: {URL}/compare/2026.10.3...HEAD
[2026.10.3]: {URL}/compare/2026.9.0...2026.10.3
[2026.9.0]: {URL}/releases/tag/2026.9.0
"""

Run = Callable[..., str]


def content(root: pathlib.Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_text() for path in files}


def replace(root: pathlib.Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new, 1))
