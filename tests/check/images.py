"""Archives of images, as the tools write them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pathlib
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

VERSION = {
    "source": "https://github.com/example/shop",
    "version": "1.2.3",
    "commit": "c0ffee1" * 5,
    "build": "https://ci.example.com/1",
}


@dataclass(frozen=True)
class Entry:
    """An entry of a layer; by default, a file of root."""

    content: bytes = b""
    type: bytes = tarfile.REGTYPE
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    link: str = ""


def symlink(target: str) -> Entry:
    return Entry(type=tarfile.SYMTYPE, link=target, mode=0o777)


def hard_link(target: str) -> Entry:
    return Entry(type=tarfile.LNKTYPE, link=target)


def directory(mode: int = 0o755, uid: int = 0) -> Entry:
    return Entry(type=tarfile.DIRTYPE, mode=mode, uid=uid)


Files = Mapping[str, Entry | bytes]

BASE: Files = {
    "etc": directory(),
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": b"root:x:0:\n",
    "usr/bin/python": b"\x7fELF",
    "bin": symlink("usr/bin"),
}
USERS: Files = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\napp:x:10001:10001::/app:/bin/false\n",
    "etc/group": b"root:x:0:\napp:x:10001:\n",
}
APP: Files = {
    "app": directory(),
    "app/service.py": b"print()\n",
    "app/version.json": json.dumps(VERSION).encode(),
}
GOOD = (BASE, USERS, APP)

CONFIG: dict[str, Any] = {
    "User": "app",
    "Entrypoint": ["/app/run"],
    "Cmd": ["serve"],
    "Env": ["PATH=/usr/bin", "PORT=8000", "GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D"],
    "ExposedPorts": {"8000/tcp": {}},
}


def pack(files: Files, format: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for name, given in files.items():
            entry = given if isinstance(given, Entry) else Entry(given)
            info = tarfile.TarInfo()
            info.name = name
            info.type, info.mode, info.linkname = entry.type, entry.mode, entry.link
            info.uid, info.gid, info.size = entry.uid, entry.gid, len(entry.content)
            tar.addfile(info, io.BytesIO(entry.content))
    return buffer.getvalue()


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Image:
    """An image to write. Its layers are files by path, or the bytes of an archive.

    :param config: what its configuration has other than a good one.
    :param history: the commands of its history.
    """

    layers: Sequence[Files | bytes] = GOOD
    config: Mapping[str, object] = field(default_factory=dict[str, object])
    history: Sequence[str] = ()
    architecture: str = "amd64"

    def archives(self) -> list[bytes]:
        """Return its layers, not compressed."""
        return [layer if isinstance(layer, bytes) else pack(layer) for layer in self.layers]

    def configuration(self) -> bytes:
        """Return the JSON of its configuration."""
        content = {
            "os": "linux",
            "architecture": self.architecture,
            "config": {**CONFIG, **self.config},
            "rootfs": {"type": "layers", "diff_ids": [sha256(each) for each in self.archives()]},
            "history": [{"created_by": command} for command in self.history],
        }
        return json.dumps(content).encode()


def add_blob(blobs: dict[str, bytes], data: bytes) -> dict[str, object]:
    """Add a blob, and return its descriptor."""
    digest = sha256(data)
    blobs[f"blobs/{digest.replace(':', '/')}"] = data
    return {"digest": digest, "size": len(data)}


def oci(*images: Image) -> dict[str, bytes]:
    """Return the files of an OCI layout, with an index of several platforms within its index."""
    blobs: dict[str, bytes] = {}
    manifests = [
        add_blob(blobs, json.dumps({"manifests": [], "schemaVersion": 2}).encode()),
        {"digest": sha256(b"of another platform, and not in the archive"), "size": 1},
    ]
    for image in images:
        manifest = {
            "schemaVersion": 2,
            "config": add_blob(blobs, image.configuration()),
            "layers": [add_blob(blobs, gzip.compress(each, mtime=0)) for each in image.archives()],
        }
        manifests.append(add_blob(blobs, json.dumps(manifest).encode()))
    index = {"manifests": [add_blob(blobs, json.dumps({"manifests": manifests}).encode())]}
    return {
        **dict(sorted(blobs.items())),
        "index.json": json.dumps(index).encode(),
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
    }


def docker(*images: Image) -> dict[str, bytes]:
    """Return the files that `docker save` writes since version 25, without its index.json."""
    blobs: dict[str, bytes] = {}
    manifest: list[dict[str, object]] = []
    for image in images:
        config = add_blob(blobs, image.configuration())
        layers = [add_blob(blobs, each) for each in image.archives()]
        names = [f"blobs/{str(each['digest']).replace(':', '/')}" for each in (config, *layers)]
        manifest.append({"Config": names[0], "RepoTags": ["shop:1"], "Layers": names[1:]})
    return {**blobs, "manifest.json": json.dumps(manifest).encode()}


def old_docker(image: Image) -> dict[str, Entry | bytes]:
    """Return the files that `docker save` wrote before: a layer that is there twice is a link."""
    files: dict[str, Entry | bytes] = {}
    names: dict[bytes, str] = {}
    for number, data in enumerate(image.archives()):
        id = f"{number:064x}"
        files[f"{id}/VERSION"] = b"1.0"
        files[f"{id}/json"] = b"{}"
        known = names.get(data)
        files[f"{id}/layer.tar"] = data if known is None else symlink(f"../{known}/layer.tar")
        names.setdefault(data, id)
    config = image.configuration()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    layers = [f"{number:064x}/layer.tar" for number in range(len(image.layers))]
    manifest = [{"Config": name, "RepoTags": None, "Layers": layers}]
    return {**files, name: config, "manifest.json": json.dumps(manifest).encode()}


def kaniko(image: Image) -> dict[str, bytes]:
    """Return the files that kaniko, crane and Bazel write for `docker load`."""
    layers = {f"{sha256(each)[7:]}.tar.gz": each for each in image.archives()}
    config = image.configuration()
    name = sha256(config)
    names = [f"{sha256(each)[7:]}.tar.gz" for each in image.archives()]
    manifest = [{"Config": name, "RepoTags": ["shop:1"], "Layers": names}]
    packed = {name: gzip.compress(each, mtime=0) for name, each in layers.items()}
    return {name: config, **packed, "manifest.json": json.dumps(manifest).encode()}


def write(folder: pathlib.Path, files: Files, *, compress: bool = False) -> str:
    """Write an archive, and return its path."""
    path = folder / "image.tar"
    data = pack(files)
    path.write_bytes(gzip.compress(data, mtime=0) if compress else data)
    return str(path)
