"""Reading the archive of an image: an OCI layout, or what ``docker save`` writes.

The archive is read in three passes, so that it may be compressed and have its parts in any order:
the JSON files; the layers, of which the tree is kept; the few files that somebody asks for. All
that has a digest is compared with it. Nothing is written to the disk.

- https://github.com/opencontainers/image-spec/blob/main/image-layout.md
- https://github.com/moby/docker-image-spec/blob/main/spec.md
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import stat
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, cast

from .findings import TargetError
from .layers import MAX_LINKS, Budget, Directory, Found, Leaf, find, lay_over, read_layer
from .printing import shown
from .streams import CHUNK, Hashed, Limits, expand, read_all
from .tar import Entry, Kind, Tar

MAX_FILES = 20_000  # of the archive itself, where an image has a few for each layer
MAX_JSON = 32 * 2**20  # bytes of all JSON files of the archive
MAX_MANIFESTS = 200  # a few platforms, and what is attested of each

DIGEST = re.compile(r"(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128})")
IN_NAME = re.compile(r"(?:blobs/sha256/|sha256:)?([0-9a-f]{64})(?:\.json)?")


@dataclass(frozen=True)
class Image:
    """An image of an archive.

    :param platform: such as ``linux/amd64``.
    :param config: its configuration, the whole JSON object.
    :param root: its file system.
    :param layers: the trees of its layers, from the lowest on.
    :param size: bytes of its layers, not compressed.
    """

    archive: Archive
    platform: str
    config: Mapping[str, object]
    root: Directory
    layers: tuple[Directory, ...]
    size: int

    def find(self, path: str) -> Found | None:
        """Return what an absolute path leads to, or None."""
        return find(self.root, path)

    def read(self, files: Collection[Leaf]) -> dict[Leaf, bytes]:
        """Return the content of some files, in one pass through the archive."""
        return self.archive.read_files(files)


@dataclass(frozen=True)
class Manifest:
    """Where the parts of an image are in the archive.

    :param config: its configuration.
    :param layers: the names of its layers' files, from the lowest on.
    :param digests: the digests that the manifest tells of the layers' files, where it does.
    """

    config: Mapping[str, object]
    layers: tuple[str, ...]
    digests: Mapping[str, str]

    @property
    def platform(self) -> str:
        """The platform, such as ``linux/amd64`` or ``linux/arm/v7``."""
        parts = [self.config.get(key) for key in ("os", "architecture", "variant")]
        return "/".join(part for part in parts if isinstance(part, str) and part)

    @property
    def diff_ids(self) -> list[object]:
        """The digests of the layers, not compressed."""
        return as_list(as_mapping(self.config.get("rootfs")).get("diff_ids"))


class Archive:
    """The files of an archive.

    :param path: the archive.
    :raises TargetError: if it can't be read, or is refused.
    """

    def __init__(self, path: str, limits: Limits) -> None:
        self.path = path
        self._limits = limits
        self._files: set[str] = set()
        self._links: dict[str, str] = {}
        self._json: dict[str, bytes] = {}
        left = MAX_JSON
        for name, entry, tar in self._entries():
            if name in self._files or name in self._links:
                raise self.error(f"is refused: it has {shown(name)} twice")
            if entry.kind is Kind.FILE:
                self._files.add(name)
                if entry.size <= limits.json and (start := tar.read(1)) in {b"{", b"["}:
                    left -= entry.size
                    if left < 0:
                        raise self.error(f"is refused: it has more than {MAX_JSON} bytes of JSON")
                    self._json[name] = start + read_all(tar)
            elif entry.kind is Kind.SYMLINK:
                self._links[name] = posixpath.join(posixpath.dirname(name), entry.link)
            elif entry.kind is Kind.HARDLINK:
                self._links[name] = entry.link

    def __contains__(self, name: str) -> bool:
        return self.locate(name) is not None

    def locate(self, name: str) -> str | None:
        """Return the name of the file that a name or a link of the archive stands for, or None.

        ``docker save`` of old has links for layers that several images share.
        """
        for _ in range(MAX_LINKS):
            name = posixpath.normpath(name)
            if name in self._files:
                return name
            if name not in self._links:
                return None
            name = self._links[name]
        return None

    def error(self, text: str) -> TargetError:
        """Return an error about the archive."""
        return TargetError(f"{self.path} {text}")

    def json(self, name: str, digest: str | None = None) -> object:
        """Return the content of a JSON file.

        :param digest: the digest that it must have.
        """
        found = self.locate(name)
        if found is None:
            raise self.error(f"lacks its part {shown(name)}")
        data = self._json.get(found)
        if data is None:
            raise self.error(
                f"has a part {shown(name)} that is no JSON of at most {self._limits.json} bytes"
            )
        if digest is not None:
            hashed = hashlib.new(digest.partition(":")[0], data)
            if f"{hashed.name}:{hashed.hexdigest()}" != digest:
                raise self.error(f"is damaged: {shown(name)} does not match its digest")
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self.error(f"has a part {shown(name)} that is no valid JSON") from error

    def read_layers(self, manifest: Manifest) -> tuple[Directory, list[Directory], int]:
        """Return the file system of an image, the trees of its layers, and their size in bytes."""
        numbers: dict[str, int] = {}
        for number, layer in enumerate(manifest.layers):
            name = self.locate(layer)
            if name is None:
                raise self.error(f"lacks layer {number + 1} of the image, {shown(layer)}")
            numbers.setdefault(name, number)
        trees: dict[str, tuple[Directory, int]] = {}
        budget = Budget(self._limits.entries)
        left = self._limits.expanded
        for name, _, tar in self._entries():
            if name in numbers:
                trees[name] = self._read_layer(tar, name, manifest, numbers[name], budget, left)
                left -= trees[name][1]
        found = [trees[self.locate(layer) or ""] for layer in manifest.layers]
        root = Directory()
        budget = Budget(self._limits.entries)
        for tree, _ in found:
            lay_over(root, tree, budget)
        return root, [tree for tree, _ in found], sum(size for _, size in found)

    def _read_layer(
        self, tar: Tar, name: str, manifest: Manifest, number: int, budget: Budget, left: int
    ) -> tuple[Directory, int]:
        title = self._title(number)
        diff_id = self.check_digest(manifest.diff_ids[number])
        digest = manifest.digests.get(manifest.layers[number])
        packed = Hashed(tar, (digest or "sha256:").partition(":")[0])
        limits = replace(self._limits, expanded=left)
        layer = Hashed(expand(packed, title, limits), diff_id.partition(":")[0])
        tree = read_layer(Tar(layer, title, limits), name, budget)
        if layer.digest() != diff_id:
            raise TargetError(f"{title} is damaged: it does not match its digest in diff_ids")
        actual = packed.digest()
        if digest not in {None, actual}:
            raise TargetError(f"{title} is damaged: it does not match its digest")
        return tree, layer.tell()

    def read_files(self, files: Collection[Leaf]) -> dict[Leaf, bytes]:
        """Return the content of some files, in one pass through the archive.

        :raises TargetError: if they are no longer there.
        """
        wanted: dict[str, dict[int, Leaf]] = {}
        for leaf in files:
            wanted.setdefault(leaf.layer, {})[leaf.number] = leaf
        found: dict[Leaf, bytes] = {}
        for name, _, packed in self._entries():
            numbers = wanted.pop(name, {})
            if numbers:
                title = f"{self.path}: {shown(name)}"
                file = expand(Hashed(packed, "sha256"), title, self._limits)
                layer = Tar(file, title, self._limits)
                for number, _ in enumerate(layer):
                    if number in numbers:
                        found[numbers.pop(number)] = read_all(layer)
                    if not numbers:
                        break
            if not wanted:
                break
        if not {*files} <= {*found}:
            raise self.error("has changed while it was read")
        return found

    def _title(self, number: int) -> str:
        return f"{self.path}: layer {number + 1}"

    def check_digest(self, value: object) -> str:
        """Return a digest.

        :raises TargetError: if it is none of the two algorithms that the specification has.
        """
        if isinstance(value, str) and DIGEST.fullmatch(value):
            return value
        raise self.error("is damaged: it has a digest that is neither SHA-256 nor SHA-512")

    def _entries(self) -> Iterator[tuple[str, Entry, Tar]]:
        """Yield the files of the archive, each with its name and where to read its content."""
        with open_archive(self.path) as file:
            limits = replace(self._limits, entries=MAX_FILES)
            expanded = expand(file, self.path, limits)
            tar = Tar(expanded, self.path, limits)
            for entry in tar:
                yield "/".join(entry.parts), entry, tar
            while expanded.read(CHUNK):
                pass  # what follows the archive, and the checksum of gzip


@contextmanager
def open_archive(path: str) -> Generator[BinaryIO]:
    """Open a file for reading, if it is one.

    :raises TargetError: if it can't be read.
    """
    try:
        try:
            info = os.stat(path)
        except ValueError as error:
            raise TargetError(f"{shown(path)} is no path") from error
        if stat.S_ISDIR(info.st_mode):
            raise TargetError(
                f"{path} is a directory; give the file that `docker save --output FILE` writes"
            )
        if not stat.S_ISREG(info.st_mode):
            raise TargetError(f"{path} is no regular file, and it is read more than once")
        if not info.st_size:
            raise TargetError(f"{path} is empty")
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise TargetError(f"{path} can't be read: {error.strerror or error}") from error


def load(path: str, platform: str | None = None, limits: Limits | None = None) -> Image:
    """Read an image from an archive.

    :param path: the archive, compressed with gzip or not.
    :param platform: such as ``linux/arm64``; without it, the first image is read.
    :raises TargetError: if it can't be read, is damaged, or is refused.
    """
    limits = limits or Limits()
    archive = Archive(path, limits)
    manifest = choose(archive, platform)
    if not len(manifest.layers) == len(manifest.diff_ids) <= limits.layers:
        raise archive.error(
            f"is damaged: it has {len(manifest.layers)} layers and {len(manifest.diff_ids)} digests"
            f" of layers, where at most {limits.layers} are read"
        )
    root, layers, size = archive.read_layers(manifest)
    return Image(archive, manifest.platform, manifest.config, root, tuple(layers), size)


def choose(archive: Archive, platform: str | None) -> Manifest:
    """Return the first image of the archive, or the first of a platform."""
    seen: list[str] = []
    for manifest in manifests(archive):
        if platform is None or f"{manifest.platform}/".startswith(f"{platform}/"):
            return manifest
        seen.append(shown(manifest.platform))
    if not seen:
        raise archive.error("holds no image that is complete")
    names = ", ".join(dict.fromkeys(seen[:20]))
    raise archive.error(f"has no image for {shown(platform or '')}, but for: {names}")


def manifests(archive: Archive) -> Iterator[Manifest]:
    """Yield the images of an archive."""
    if "index.json" in archive:
        yield from of_index(archive, archive.json("index.json"), set())
    elif "manifest.json" in archive:
        for each in as_list(archive.json("manifest.json"))[:MAX_MANIFESTS]:
            yield of_docker(archive, as_mapping(each))
    else:
        raise archive.error(
            "is no archive of an image: it has neither index.json nor manifest.json"
        )


def of_index(archive: Archive, index: object, seen: set[str]) -> Iterator[Manifest]:
    """Yield the images of an OCI index that are in the archive; those of all platforms seldom are.

    What has no layers of files is no image: attestations, signatures.

    :param seen: the digests of what has been read of it, which grows.
    """
    for each in as_list(as_mapping(index).get("manifests")):
        digest = archive.check_digest(as_mapping(each).get("digest"))
        if digest in seen or blob(digest) not in archive:
            continue
        seen.add(digest)
        if len(seen) > MAX_MANIFESTS:
            raise archive.error(f"is refused: it has more than {MAX_MANIFESTS} manifests")
        manifest = as_mapping(archive.json(blob(digest), digest))
        if "manifests" in manifest:
            yield from of_index(archive, manifest, seen)
            continue
        descriptor = as_mapping(manifest.get("config"))
        if "digest" not in descriptor:
            continue
        digest = archive.check_digest(descriptor["digest"])
        if blob(digest) not in archive:
            continue
        config = as_mapping(archive.json(blob(digest), digest))
        if "rootfs" in config and config.get("os") != "unknown":
            descriptors = [as_mapping(layer) for layer in as_list(manifest.get("layers"))]
            digests = [archive.check_digest(layer.get("digest")) for layer in descriptors]
            layers = {blob(digest): digest for digest in digests}
            yield Manifest(config, tuple(map(blob, digests)), layers)


def of_docker(archive: Archive, manifest: Mapping[str, object]) -> Manifest:
    """Return an image of a ``manifest.json`` of ``docker save``."""
    name = manifest.get("Config")
    layers = as_list(manifest.get("Layers"))
    names = tuple(layer for layer in layers if isinstance(layer, str))
    if not isinstance(name, str) or len(names) != len(layers):
        raise archive.error("is damaged: its manifest.json has no configuration or no layers")
    config = as_mapping(archive.json(name, digest_of_name(name)))
    # The older form names a layer's file by an id, which is no digest of what is in it.
    digests = {
        layer: f"sha256:{layer.rpartition('/')[2]}"
        for layer in names
        if re.fullmatch(r"blobs/sha256/[0-9a-f]{64}", layer)
    }
    return Manifest(config, names, digests)


def digest_of_name(name: str) -> str | None:
    """Return the digest that a file of an archive is named by, or None."""
    match = IN_NAME.fullmatch(name)
    return f"sha256:{match[1]}" if match else None


def blob(digest: str) -> str:
    """Return the name of what has a digest, in an OCI layout."""
    return f"blobs/{digest.replace(':', '/')}"


def as_mapping(value: object) -> Mapping[str, object]:
    """Return a JSON object, or an empty one for anything else."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """Return a JSON array, or an empty one for anything else."""
    return cast("list[object]", value) if isinstance(value, list) else []
