"""Streams of strangers: expanded and hashed as they are read, with bounds on time and memory."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import Protocol

from .findings import TargetError

CHUNK = 2**18  # bytes that are read at once
START = 512  # bytes that tell how something is compressed
GZIP = 16 + zlib.MAX_WBITS  # https://docs.python.org/3/library/zlib.html#zlib.decompress

SIGNATURES = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x04\x22\x4d\x18": "lz4",
}


@dataclass(frozen=True)
class Limits:
    """What an archive may ask for. Beyond it, the archive is refused.

    :param expanded: bytes that all layers expand to; also those of the archive itself.
    :param ratio: how many times its size something compressed may expand to.
    :param ratio_from: the ratio counts from so many expanded bytes on: a small file of zeros is no
        attack.
    :param entries: files, directories and links of all layers.
    :param header: bytes of a header of variable length, such as for a long name.
    :param json: bytes of a JSON file of the archive.
    :param layers: layers of the image.
    """

    expanded: int = 32 * 10**9
    ratio: int = 1000
    ratio_from: int = 64 * 10**6
    entries: int = 1_000_000
    header: int = 2**20
    json: int = 4 * 2**20
    layers: int = 500


class Source(Protocol):
    """What can be read to its end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        ...


class Readable(Protocol):
    """A binary file as far as it is used here: forwards."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Skip bytes from the current position on, where ``whence`` is 1."""
        ...

    def tell(self) -> int:
        """Return the position."""
        ...


class Expanded:
    """What a gzip stream expands to, within limits.

    :param source: the stream.
    :param name: what it is, for errors.
    """

    def __init__(self, source: Readable, name: str, limits: Limits) -> None:
        self._source = source
        self._name = name
        self._limits = limits
        # gzip.GzipFile would read a file name of any length in the header, byte by byte.
        self._stream = zlib.decompressobj(GZIP)
        self._is_between = False  # two streams, one of which has ended
        self._pending = b""
        self._position = 0

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        try:
            data = self._expand(min(size, CHUNK))
        except zlib.error as error:
            raise TargetError(f"{self._name} is no valid gzip") from error
        self._position += len(data)
        limits = self._limits
        if self._position > limits.expanded:
            raise TargetError(
                f"{self._name} is refused: it expands to more than {limits.expanded} bytes"
            )
        if self._position > max(limits.ratio_from, self._source.tell() * limits.ratio):
            raise TargetError(
                f"{self._name} is refused: it expands to more than {limits.ratio} times its size"
            )
        return data

    def _expand(self, size: int) -> bytes:
        data = b""
        while not data:
            self._pending = self._pending or self._source.read(CHUNK)
            if not self._pending:
                if self._is_between:
                    return b""
                raise TargetError(f"{self._name} is truncated")
            if self._is_between:
                self._pending = self._pending.lstrip(b"\0")
                if not self._pending:
                    continue
                self._stream = zlib.decompressobj(GZIP)
                self._is_between = False
            data = self._stream.decompress(self._pending, size)
            self._pending = self._stream.unconsumed_tail
            if self._stream.eof:
                self._pending = self._stream.unused_data
                self._is_between = True
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Skip bytes from the current position on."""
        assert whence == 1
        skip_by_reading(self, offset)
        return self._position

    def tell(self) -> int:
        """Return how many bytes have been read."""
        return self._position


def skip_by_reading(file: Source, size: int) -> None:
    """Read bytes, or as many as there are, and forget them."""
    while size > 0 and (data := file.read(min(size, CHUNK))):
        size -= len(data)


class Rewound:
    """A file with its first bytes, which have been read already, put back."""

    def __init__(self, start: bytes, rest: Readable) -> None:
        self._start = start
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        if self._start:
            data, self._start = self._start[:size], self._start[size:]
            return data
        return self._rest.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Skip bytes from the current position on."""
        assert whence == 1
        from_start = min(offset, len(self._start))
        self._start = self._start[from_start:]
        if offset > from_start:
            self._rest.seek(offset - from_start, 1)
        return self.tell()

    def tell(self) -> int:
        """Return the position in the file."""
        return self._rest.tell() - len(self._start)


def expand(file: Readable, name: str, limits: Limits) -> Readable:
    """Return what a file expands to: itself, if it is not compressed.

    :param name: what it is, for errors.
    :raises TargetError: if it is compressed in a way that can't be read here.
    """
    start = file.read(START)
    rewound = Rewound(start, file)
    if start.startswith(b"\x1f\x8b"):
        return Expanded(rewound, name, limits)
    for signature, compression in SIGNATURES.items():
        if start.startswith(signature):
            raise TargetError(
                f"{name} is compressed with {compression}, which can't be read here: build the "
                "image with gzip"
            )
    return rewound


class Hashed:
    """A file that is hashed as it is read."""

    def __init__(self, source: Source, algorithm: str) -> None:
        self._source = source
        self._hash = hashlib.new(algorithm)
        self._position = 0

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        data = self._source.read(min(size, CHUNK))
        self._hash.update(data)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Skip bytes from the current position on."""
        assert whence == 1
        skip_by_reading(self, offset)
        return self._position

    def tell(self) -> int:
        """Return how many bytes have been read."""
        return self._position

    def digest(self) -> str:
        """Return the digest of all that is left and has been read."""
        while self.read(CHUNK):
            pass
        return f"{self._hash.name}:{self._hash.hexdigest()}"


def read_all(source: Source) -> bytes:
    """Return all that is left, where its size is bounded."""
    return b"".join(iter(lambda: source.read(CHUNK), b""))
