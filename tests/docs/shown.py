"""The files that a page shows, for tests that do more with them than the page itself."""

from __future__ import annotations

import pathlib

from tests.docs.pages import blocks
from tests.packaging.distributions import ROOT


def files_of(page: str) -> dict[str, str]:
    """Return the captioned files of a page by name, as they are at its end.

    :param page: its path below ``docs/``.
    """
    files: dict[str, str] = {}
    for block in blocks((ROOT / "docs" / page).read_text()):
        if block.caption is not None:
            before = f"{files[block.caption]}\n\n" if block.added else ""
            files[block.caption] = before + block.text
    return files


def write_files(files: dict[str, str], folder: pathlib.Path) -> None:
    """Write files into a folder, and make the folders that their names need."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
