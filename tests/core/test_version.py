"""Reading version.json."""

from __future__ import annotations

import os
import pathlib
from unittest import mock

import pytest

from dockerflow.version import VersionError, get_version

BROKEN = [b"", b"[]", b"1", b"null", b"{", b"\xff", b'{"a": NaN}', b"[" * 10**6, b"9" * 5000]


@pytest.mark.parametrize("content", BROKEN)
def test_broken(tmp_path: pathlib.Path, content: bytes) -> None:
    """Anything but a JSON object in UTF-8 raises the one public exception, a ValueError."""
    (tmp_path / "version.json").write_bytes(content)
    with pytest.raises(VersionError, match=r"version\.json"):
        get_version(tmp_path)
    assert issubclass(VersionError, ValueError)


def test_content(tmp_path: pathlib.Path) -> None:
    """The file is read again each time; a byte order mark is accepted."""
    path = tmp_path / "version.json"
    path.write_bytes(b'\xef\xbb\xbf{"version": "one", "more": [1.5, null]}')
    assert get_version(tmp_path) == {"version": "one", "more": [1.5, None]}
    path.write_text('{"version": "two"}')
    assert get_version(str(tmp_path)) == {"version": "two"}


def test_huge(tmp_path: pathlib.Path) -> None:
    """A file of 3 GB is refused without being read into memory."""
    path = tmp_path / "version.json"
    path.touch()
    os.truncate(path, 3 * 2**30)  # takes no space on the disk
    with pytest.raises(VersionError, match="larger than 1000000 bytes"):
        get_version(tmp_path)


def test_what_is_no_file(tmp_path: pathlib.Path) -> None:
    """A directory, a named pipe and a link to itself raise, without waiting for the pipe."""
    for name in ("folder", "pipe", "loop"):
        (tmp_path / name).mkdir()
    (tmp_path / "folder" / "version.json").mkdir()
    os.mkfifo(tmp_path / "pipe" / "version.json")
    (tmp_path / "loop" / "version.json").symlink_to("version.json")
    for name, fault in {"folder": "is not a file", "pipe": "is not", "loop": "can't be"}.items():
        with pytest.raises(VersionError, match=fault):
            get_version(tmp_path / name)


def test_unreadable(tmp_path: pathlib.Path) -> None:
    """An existing file without read permission raises."""
    (tmp_path / "version.json").write_text("{}")
    # chmod() has no effect on root, who may run the tests
    refused = PermissionError(13, "Permission denied")
    with (
        mock.patch("builtins.open", side_effect=refused),
        pytest.raises(VersionError, match="can't be read: Permission denied"),
    ):
        get_version(tmp_path)


@pytest.mark.parametrize("root", ["missing", "file", "dangling"])
def test_missing(tmp_path: pathlib.Path, root: str) -> None:
    """If there is no file, the version is None."""
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").mkdir()
    (tmp_path / "dangling" / "version.json").symlink_to("nowhere")
    assert get_version(tmp_path / root) is None
