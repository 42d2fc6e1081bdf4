"""Reading tar archives of strangers as a stream, with bounds on time and memory.

:mod:`tarfile` is made for archives that one trusts: it reads headers of any size into memory, calls
itself for each header before a header, and goes back where a size is negative. This reads what
image tools write: the formats ustar, GNU and pax, in one pass, and raises TargetError for anything
else.

https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
https://www.gnu.org/software/tar/manual/html_node/Standard.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from .findings import TargetError
from .printing import shown
from .streams import CHUNK, Limits, Readable

BLOCK = 512  # bytes; headers and contents are padded to a multiple of it
MAX_PATH = 4096  # bytes, PATH_MAX of Linux
MAX_NAME = 255  # characters of one part of a path, NAME_MAX of Linux
MAX_DEPTH = 256  # parts of a path


class Kind(Enum):
    """What an entry is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARDLINK = "hard link"
    DEVICE = "device file"
    FIFO = "named pipe"


KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.DEVICE,
    b"4": Kind.DEVICE,
    b"5": Kind.DIRECTORY,
    b"6": Kind.FIFO,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of an archive.

    :param parts: its path, relative to the root of the archive; empty for the root itself.
    :param link: where a link leads, otherwise empty.
    :param size: bytes of its content.
    """

    parts: tuple[str, ...]
    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    link: str


class Tar:
    """The entries of a tar archive, in one pass.

    :param file: the archive, not compressed.
    :param name: what it is, for errors.
    """

    def __init__(self, file: Readable, name: str, limits: Limits) -> None:
        self._file = file
        self._name = name
        self._limits = limits
        self._left = 0  # bytes of the current entry's content
        self._padding = 0

    def read(self, size: int, /) -> bytes:
        """Return the next bytes of the current entry's content, at most so many."""
        size = min(size, self._left, CHUNK)
        data = self._file.read(size) if size else b""
        if len(data) == 0 and size:
            raise self._error("is truncated")
        self._left -= len(data)
        return data

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries; the content of each can be read until the next is asked for.

        :raises TargetError: if the archive is truncated, malformed or refused.
        """
        extended: dict[str, bytes] = {}
        for _ in range(self._limits.entries):
            self._skip_content()
            header = self._read_header()
            if header is None:
                return
            size = read_number(header[124:136])
            kind = header[156:157]
            if size is None or self._is_damaged(header):
                raise self._error("has a damaged header, or is no tar archive")
            if kind in b"xgLK":
                extended.update(self._read_extension(kind, size))
                continue
            entry = self._make_entry(header, size, extended)
            extended = {}
            # Whatever their headers say, links and directories have no content.
            self._left = entry.size
            self._padding = -entry.size % BLOCK
            yield entry
        raise self._error(f"is refused: it has more than {self._limits.entries} entries")

    def _read_header(self) -> bytes | None:
        """Return the next header, or None at the end."""
        header = self._read_exactly(BLOCK, may_end=True)
        return header if header.strip(b"\0") else None

    def _read_exactly(self, size: int, *, may_end: bool = False) -> bytes:
        parts: list[bytes] = []
        while size and (data := self._file.read(size)):
            parts.append(data)
            size -= len(data)
        if size and (parts or not may_end):
            raise self._error("is truncated")
        return b"".join(parts)

    def _skip_content(self) -> None:
        size, self._left, self._padding = self._left + self._padding, 0, 0
        if size:
            self._file.seek(size - 1, 1)
            self._read_exactly(1)  # seeking goes beyond the end of a file without an error

    @staticmethod
    def _is_damaged(header: bytes) -> bool:
        total = sum(header) - sum(header[148:156]) + 8 * ord(" ")
        return read_number(header[148:156]) != total

    def _read_extension(self, kind: bytes, size: int) -> dict[str, bytes]:
        """Read a header that extends the next one, and return the fields that it has."""
        if size > self._limits.header:
            raise self._error(f"is refused: a header of it has {size} bytes")
        data = self._read_exactly(size)
        self._padding = -size % BLOCK
        if kind == b"x":
            return self._read_records(data)
        # A global header is for comments here: container engines ignore it too.
        field = {b"L": "path", b"K": "linkpath"}.get(kind)
        return {} if field is None else {field: data.rstrip(b"\0")}

    def _read_records(self, data: bytes) -> dict[str, bytes]:
        """Read pax records, each ``LENGTH KEY=VALUE`` and a line end."""
        records: dict[str, bytes] = {}
        position = 0
        while position < len(data):
            match = RECORD.match(data, position)
            end = position + int(match[1]) if match else 0
            if match is None or not match.end() < end <= len(data) or data[end - 1] != ord("\n"):
                raise self._error("has a malformed pax header")
            key = match[2].decode("ascii", "replace")
            if key.startswith("GNU.sparse."):
                raise self._error("has a sparse file, which can't be read")
            if key in PAX_KEYS:
                records[key] = data[match.end() : end - 1]
            position = end
        return records

    def _make_entry(self, header: bytes, size: int, extended: dict[str, bytes]) -> Entry:
        path = extended.get("path")
        if path is None:
            path = until_nul(header[:100])
            if header[257:263] == b"ustar\0" and (prefix := until_nul(header[345:500])):
                path = prefix + b"/" + path
        kind = KINDS.get(header[156:157])
        if kind is None:
            raise self._error("has a sparse file or another kind of entry that can't be read")
        if kind is Kind.FILE and path.endswith(b"/"):
            kind = Kind.DIRECTORY  # as before POSIX
        link = b""
        if kind in {Kind.SYMLINK, Kind.HARDLINK}:
            link = extended.get("linkpath", until_nul(header[157:257]))
        numbers = [
            self._extended_number(extended[key]) if key in extended else read_number(field)
            for key, field in (("uid", header[108:116]), ("gid", header[116:124]))
        ]
        mode = read_number(header[100:108])
        if "size" in extended:
            size = self._extended_number(extended["size"])
        uid, gid = numbers
        if mode is None or uid is None or gid is None or len(link) > MAX_PATH or b"\0" in link:
            raise self._error("has a damaged header")
        if size > self._limits.expanded:
            raise self._error(f"is refused: a file of it has {size} bytes")
        return Entry(
            self._split(path),
            kind,
            mode & 0o7777,
            uid,
            gid,
            size if kind is Kind.FILE else 0,
            link.decode("utf-8", "surrogateescape"),
        )

    def _extended_number(self, text: bytes) -> int:
        if not re.fullmatch(rb"[0-9]{1,19}", text):
            raise self._error("has a malformed number in a pax header")
        return int(text)

    def _split(self, path: bytes) -> tuple[str, ...]:
        """Return the parts of a path that stays within the archive.

        An absolute one begins at its root, as engines read it: kaniko and ko write such paths.
        """
        text = path.decode("utf-8", "surrogateescape")
        parts = tuple(part for part in text.split("/") if part not in {"", "."})
        if ".." in parts:
            raise self._error(f"is refused: {shown(text)} leads out of it")
        if not text or "\0" in text or len(path) > MAX_PATH:
            raise self._error(f"is refused: {shown(text)} is no name for a file")
        if len(parts) > MAX_DEPTH or any(len(part) > MAX_NAME for part in parts):
            raise self._error(f"is refused: {shown(text)} is too deep, or a part of it too long")
        return parts

    def _error(self, text: str) -> TargetError:
        return TargetError(f"{self._name} {text}")


RECORD = re.compile(rb"([0-9]{1,8}) ([^=\n]{1,255})=")
PAX_KEYS = {"path", "linkpath", "size", "uid", "gid"}


def until_nul(field: bytes) -> bytes:
    """Return the text of a field, which ends at its first NUL."""
    return field.partition(b"\0")[0]


def read_number(field: bytes) -> int | None:
    """Return the number of a field, octal digits or GNU's binary form, or None."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if re.fullmatch(rb"[0-7]*", digits):
        return int(digits or b"0", 8)
    return None  # with a first byte of 0xff, it is negative
