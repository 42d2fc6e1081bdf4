"""Reading version.json, and where it is looked for."""

from __future__ import annotations

import json
import logging
import os
import pathlib
from typing import Any
from unittest import mock

import pytest

from dockerflow.endpoints import Reply, find_version, find_version_to_send, version_endpoint
from dockerflow.version import VersionError, encoded_version, get_version


@pytest.mark.parametrize("content", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 10**6, b"9" * 5000])
def test_broken(tmp_path: pathlib.Path, content: bytes) -> None:
    """What is no JSON object in UTF-8 raises the one public exception, a ValueError."""
    (tmp_path / "version.json").write_bytes(content)
    with pytest.raises(VersionError, match=r"version\.json"):
        get_version(tmp_path)
    assert issubclass(VersionError, ValueError)


def test_unreadable(tmp_path: pathlib.Path) -> None:
    """A file that may not be read raises, for it is there."""
    (tmp_path / "version.json").write_text("{}")
    # not chmod(): where the tests are run by root, root may read everything
    refused = PermissionError(13, "Permission denied")
    with (
        mock.patch("builtins.open", side_effect=refused),
        pytest.raises(VersionError, match="can't be read: Permission denied"),
    ):
        get_version(tmp_path)


def test_loop_of_links(tmp_path: pathlib.Path) -> None:
    """A link to itself raises: something is there, and it can't be read."""
    (tmp_path / "version.json").symlink_to("version.json")
    with pytest.raises(VersionError, match="can't be read"):
        get_version(tmp_path)


@pytest.mark.parametrize("root", ["missing", "file", "dangling"])
def test_missing(tmp_path: pathlib.Path, root: str) -> None:
    """Where there is no file the version is None."""
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").mkdir()
    (tmp_path / "dangling" / "version.json").symlink_to("nowhere")
    assert get_version(tmp_path / root) is None
    assert get_version(str(tmp_path / root)) is None


def write(folder: pathlib.Path) -> str:
    folder.mkdir()
    (folder / "version.json").write_text(f'{{"version": "{folder.name}"}}')
    return str(folder)


def test_places(tmp_path: pathlib.Path) -> None:
    """The first of the default places that has a file is read, and a configured one alone."""
    one, two = write(tmp_path / "one"), write(tmp_path / "two")
    empty = str(tmp_path)
    assert find_version(None, (empty, one, two)) == {"version": "one"}
    assert find_version(two, (one,)) == {"version": "two"}
    assert find_version(empty, (one, two)) is None


def test_container_root() -> None:
    """Where nothing is configured, /app is the last place."""
    asked: list[str] = []

    def read(root: str) -> Any:
        asked.append(root)

    assert find_version(None, ("a", pathlib.Path("b")), read) is None
    assert asked == ["a", "b", "/app"]


def test_get_version_is_looked_up_when_called() -> None:
    """Tests may patch dockerflow.version.get_version."""
    with mock.patch("dockerflow.version.get_version", return_value={"version": "patched"}):
        assert find_version("anywhere", ()) == {"version": "patched"}


def test_file_is_read_once_for_each_state(tmp_path: pathlib.Path) -> None:
    """A file that has not changed is not read again, and each caller has its own content."""
    path = tmp_path / "version.json"
    path.write_text('{"version": "one"}')
    settled = path.stat().st_ctime_ns + 10_000_000_000
    with mock.patch("time.time_ns", return_value=settled):
        first = get_version(tmp_path)
        with mock.patch("builtins.open", side_effect=AssertionError):
            second = get_version(tmp_path)
        assert first == second == {"version": "one"}
        assert first is not second
        path.write_text('{"version": "three"}')
        assert get_version(tmp_path) == {"version": "three"}
        path.unlink()
        assert get_version(tmp_path) is None


def test_file_just_written_is_read_again(tmp_path: pathlib.Path) -> None:
    """A file may change within one tick of the clock that its times are taken from."""
    path = tmp_path / "version.json"
    path.write_text('{"version": "one"}')
    status = path.stat()
    assert get_version(tmp_path) == {"version": "one"}
    path.write_text('{"version": "two"}')
    with mock.patch("os.stat", return_value=status):
        assert get_version(tmp_path) == {"version": "two"}


def test_few_files_are_remembered(tmp_path: pathlib.Path) -> None:
    """What is remembered of files does not grow without end."""
    from dockerflow import version

    for number in range(100):
        get_version(write(tmp_path / str(number)))
        with mock.patch("time.time_ns", return_value=2**62):
            get_version(tmp_path / str(number))
    assert len(version._texts) <= 16


SETTLED = mock.patch("dockerflow.version._SETTLED", -(10**12))
"""Files count as settled at once."""

LOGGER = logging.getLogger("dockerflow.tests")


def answer(root: str | os.PathLike[str]) -> Reply:
    return version_endpoint(lambda: find_version_to_send(root, ()), LOGGER)


def test_answer_is_encoded_once(tmp_path: pathlib.Path) -> None:
    """A file that has not changed is neither parsed nor encoded again; one that has changed is."""
    content = {"version": "one", "build": "ci/\u00e9", "more": [1.50, None, {"a": True}]}
    path = tmp_path / "version.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(content, ensure_ascii=False, indent=2).encode())
    with SETTLED:
        first = answer(tmp_path)
        with (
            mock.patch("builtins.open", side_effect=AssertionError),
            mock.patch("dockerflow.version._DECODER", None),
            mock.patch("json.dumps", side_effect=AssertionError),
        ):
            assert answer(tmp_path) == first
        assert first.body == json.dumps(content).encode("ascii")
        assert (first.status, first.media_type) == (200, "application/json")
        path.write_text('{"version": "three"}')
        assert answer(tmp_path).body == b'{"version": "three"}'
        path.unlink()
        assert answer(tmp_path).status == 404


def test_answer_and_content_stay_apart(tmp_path: pathlib.Path) -> None:
    """What a caller of get_version does to what it got changes no answer and no other content."""
    write(tmp_path / "one")
    with SETTLED:
        answer(tmp_path / "one")
        mine = get_version(tmp_path / "one")
        assert type(mine) is dict
        mine["version"] = "changed"
        assert answer(tmp_path / "one").body == b'{"version": "one"}'
        assert get_version(tmp_path / "one") == {"version": "one"}


def test_answer_of_a_file_just_written(tmp_path: pathlib.Path) -> None:
    """The answer is that of the file as it is, though its times are those of what was there."""
    path = tmp_path / "version.json"
    path.write_text('{"version": "one"}')
    status = path.stat()
    assert answer(tmp_path).body == b'{"version": "one"}'
    path.write_text('{"version": "two"}')
    with mock.patch("os.stat", return_value=status):
        assert answer(tmp_path).body == b'{"version": "two"}'


@pytest.mark.parametrize("content", [b"", b"[]", b"1", b"{", b"\xff", b"[" * 10**6, b"9" * 5000])
def test_answer_to_a_broken_file(tmp_path: pathlib.Path, content: bytes) -> None:
    """What get_version raises is raised each time, in the same words."""
    (tmp_path / "version.json").write_bytes(content)
    with SETTLED:
        for _ in range(2):
            with pytest.raises(VersionError) as expected:
                get_version(tmp_path)
            with pytest.raises(VersionError) as raised:
                encoded_version(tmp_path)
            assert str(raised.value) == str(expected.value)


def test_answer_of_a_patched_get_version(tmp_path: pathlib.Path) -> None:
    """Once get_version is patched it is asked, also where the answer is known; and then no more."""
    root = write(tmp_path / "one")
    with SETTLED:
        known = answer(root)
        with mock.patch("dockerflow.version.get_version", return_value={"v": 2}) as patched:
            assert answer(root).body == b'{"v": 2}'
        patched.assert_called_once_with(root)
        assert answer(root) == known
