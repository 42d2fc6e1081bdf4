"""Archives of images that are damaged, or made to do harm."""

from __future__ import annotations

import dataclasses
import gzip
import json
import lzma
import os
import pathlib
import re
import tarfile
import tracemalloc
from collections.abc import Callable

import pytest

from dockerflow.check.findings import TargetError
from dockerflow.check.image import check_image
from dockerflow.check.streams import Limits

from .images import (
    GOOD,
    Entry,
    Files,
    Image,
    add_blob,
    docker,
    hard_link,
    oci,
    old_docker,
    pack,
    sha256,
    symlink,
    write,
)

LIMITS = Limits(
    expanded=30_000_000, ratio_from=1_000_000, entries=2000, header=10_000, json=100_000, layers=20
)


def refusal(path: str, limits: Limits = LIMITS) -> str:
    """Return why an archive is refused: one line, which begins with its path."""
    with pytest.raises(TargetError) as caught:
        check_image(path, limits=limits)
    text = str(caught.value)
    assert text.isprintable()
    return text.replace(path, "image.tar")


def with_layer(folder: pathlib.Path, layer: Files | bytes) -> str:
    """Write a good image with a layer more."""
    return write(folder, oci(Image([*GOOD, layer])))


def named(name: str) -> Files:
    return {name: b"content"}


def raw_header(**fields: bytes) -> bytes:
    """Return the header of a file, in which some fields are replaced and the sum is right."""
    info = tarfile.TarInfo("app/file")
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    for name, value in fields.items():
        start = {"size": 124, "type": 156, "mode": 100}[name]
        header[start : start + len(value)] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def extension(kind: bytes, data: bytes) -> bytes:
    """Return an extended header, as pax and GNU tar have them."""
    size = b"%011o\0" % len(data)
    return raw_header(type=kind, size=size) + data + bytes(-len(data) % 512)


def record(key: str, value: str) -> bytes:
    """Return a record of a pax header of less than 100 bytes."""
    return f"{len(key) + len(value) + 5:02} {key}={value}\n".encode()


LAYERS: list[tuple[Files | bytes, str]] = [
    (named("/../etc/passwd"), "layer 4 is refused: /../etc/passwd leads out of it"),
    (named("app/../../etc/passwd"), "layer 4 is refused: app/../../etc/passwd leads out of it"),
    (named("app/\x1b[2J/../x"), r"layer 4 is refused: app/\x1b[2J/../x leads out of it"),
    (
        {"up": symlink("../../.."), "up/etc/passwd": b""},
        "a layer is refused: it has up/etc/passwd below a symbolic link",
    ),
    (
        {"up": hard_link("../../etc/passwd")},
        "a layer is refused: its hard link to ../../etc/passwd leads out of it",
    ),
    ({"up": hard_link("etc/shadow")}, "a layer is refused: its hard link /up leads to no file"),
    ({"up": hard_link("up")}, "a layer is refused: its hard link /up leads to no file"),
    (named("a" * 256), f"layer 4 is refused: {'a' * 100}… is too deep, or a part of it too long"),
    (named("a/" * 257), f"layer 4 is refused: {'a/' * 50}… is too deep, or a part of it too long"),
    ({str(number): b"" for number in range(2001)}, "is refused: it has more than 2000"),
    (
        {str(number): symlink("../" * 99) for number in range(500)},
        "the image is refused: it has more than 2000 files, directories and links",
    ),
    (
        {f"{number}/{'/'.join('abcdefghijk')}": b"" for number in range(200)},
        "the image is refused: it has more than 2000 files, directories and links",
    ),
    ({"zeros": bytes(20_000_000)}, "layer 4 is refused: it expands to more than 1000 times its"),
    (
        {str(number): bytes(range(250)) * 40_000 for number in range(4)},
        "layer 4 is refused: it expands to more than",
    ),
    ({"ones": b"1" * 31_000_000}, "layer 4 is refused: a file of it has 31000000 bytes"),
    (bytes(20_000_000), "layer 4 is refused: it expands to more than 1000 times its size"),
    (extension(b"x", record("path", "/../etc/passwd")) + raw_header(), "passwd leads out of it"),
    (extension(b"L", b"../../etc/passwd\0") + raw_header(), "../../etc/passwd leads out of it"),
    (extension(b"x", record("path", "a\0b")) + raw_header(), r"a\x00b is no name for a file"),
    (extension(b"x", b"9" * 20_000) + raw_header(), "a header of it has 20000 bytes"),
    (extension(b"x", b"9" * 9000) + raw_header(), "layer 4 has a malformed pax header"),
    (extension(b"x", b"99999 path=a\n") + raw_header(), "layer 4 has a malformed pax header"),
    (extension(b"x", b"0 path=a\n") + raw_header(), "layer 4 has a malformed pax header"),
    (extension(b"x", record("size", "-512")) + raw_header(), "has a malformed number in a pax"),
    (extension(b"x", record("size", "9" * 19)) + raw_header(), "a file of it has 99999999999999"),
    (extension(b"x", record("GNU.sparse.major", "1")) + raw_header(), "has a sparse file, which"),
    (extension(b"L", b"a") * 2001 + raw_header(), "it has more than 2000 entries"),
    (raw_header(type=b"S"), "has a sparse file or another kind of entry that can't be read"),
    (raw_header(size=b"\xff" * 12), "layer 4 has a damaged header"),
    (raw_header(size=b"\x80" + b"\xff" * 11), "layer 4 is refused: a file of it has 30948500982"),
    (raw_header(size=b"-0000000512\0"), "layer 4 has a damaged header"),
    (raw_header(mode=b"99999999"), "layer 4 has a damaged header"),
    (raw_header(size=b"00000001000\0"), "image.tar: layer 4 is truncated"),
    (raw_header()[:300], "image.tar: layer 4 is truncated"),
    (b"\xff" * 512, "layer 4 has a damaged header, or is no tar archive"),
    (gzip.compress(os.urandom(600)), "layer 4 has a damaged header, or is no tar archive"),
]


@pytest.mark.parametrize(("layer", "text"), LAYERS)
def test_hostile_layers(tmp_path: pathlib.Path, layer: Files | bytes, text: str) -> None:
    """A layer that climbs out, expands without end, or is malformed is refused in a sentence."""
    assert text in refusal(with_layer(tmp_path, layer))


def test_links_to_the_machine(tmp_path: pathlib.Path) -> None:
    """A link that climbs leads to a file of the image, and never to one of the machine."""
    outside = tmp_path / "version.json"
    outside.write_text("secret")
    for target in (str(outside), f"../../../../../../../../..{outside}"):
        layer = {"app/version.json": symlink(target)}
        texts = {each.clause.id: each.text for each in check_image(with_layer(tmp_path, layer))}
        assert texts["IMG06"].startswith("there is no /app/version.json, or it is a link that")
        assert texts["IMG07"].startswith("there is no /app/version.json")


def test_slow_links(tmp_path: pathlib.Path) -> None:
    """Links that lead to one another are followed a few times, and directories of links too."""
    lower: dict[str, Entry | bytes] = {"a0": symlink("/etc")}
    lower |= {f"a{n}": symlink(f"a{n - 1}/./../a{n - 1}/" * 2) for n in range(1, 40)}
    upper = {f"a{n}/file": b"" for n in range(40)}
    image = Image([*GOOD, lower, upper])
    assert "has more than 2000 files" in refusal(write(tmp_path, oci(image)))
    layer: Files = {"app/version.json": symlink("/a39/x"), **lower}
    assert check_image(with_layer(tmp_path, layer))[5].text.startswith("there is no /app/version")


def damage(files: Files, find: Callable[[str, bytes], bool]) -> Files:
    """Return the files of an archive in which one has a changed byte."""
    name = next(
        name for name, data in files.items() if isinstance(data, bytes) and find(name, data)
    )
    data = files[name]
    assert isinstance(data, bytes)
    return {**files, name: data.replace(b"linux", b"Linux") if b"linux" in data else data + b" "}


def test_digests(tmp_path: pathlib.Path) -> None:
    """A manifest, a configuration or a layer with another digest is refused."""
    mismatch = re.compile(r"image\.tar is damaged: \S+ does not match its digest")
    for form in (oci, docker, old_docker):
        files = form(Image())
        damaged = damage(files, lambda _, data: b'"rootfs"' in data)
        assert mismatch.fullmatch(refusal(write(tmp_path, damaged)))
    damaged = damage(oci(Image()), lambda _, data: b'"layers": [{' in data)
    assert mismatch.fullmatch(refusal(write(tmp_path, damaged)))
    for form in (docker, old_docker):
        image = Image([pack({"one": b"1"}), *GOOD])
        other = pack({"two": b"2"})
        files = {
            name: other if data == image.layers[0] else data for name, data in form(image).items()
        }
        text = "image.tar: layer 1 is damaged: it does not match its digest in diff_ids"
        assert refusal(write(tmp_path, files)) == text


def test_digest_of_a_compressed_layer(tmp_path: pathlib.Path) -> None:
    """Bytes after the end of a compressed layer change its digest."""
    image = Image()
    packed = gzip.compress(image.archives()[0], mtime=0)
    files = {n: data + bytes(9) if data == packed else data for n, data in oci(image).items()}
    assert refusal(write(tmp_path, files)) == (
        "image.tar: layer 1 is damaged: it does not match its digest"
    )


def test_truncated(tmp_path: pathlib.Path) -> None:
    """An archive that was not written to its end is refused, wherever it ends."""
    for files in (oci(Image()), docker(Image())):
        for compress in (False, True):
            path = pathlib.Path(write(tmp_path, files, compress=compress))
            data = path.read_bytes()
            end = len(data) if compress else len(data.rstrip(b"\0"))
            for size in range(1, end, end // 20):
                path.write_bytes(data[:size])
                assert refusal(str(path)).startswith("image.tar ")


def test_truncated_layer(tmp_path: pathlib.Path) -> None:
    """A layer that was not written to its end is refused, though its digest is right."""
    files = oci(Image())
    packed = gzip.compress(Image().archives()[-1], mtime=0)
    cut = packed[:-10]
    old, new = (sha256(each).removeprefix("sha256:") for each in (packed, cut))
    files = {n.replace(old, new): d.replace(old.encode(), new.encode()) for n, d in files.items()}
    files[f"blobs/sha256/{new}"] = cut
    # The manifest has another digest now, and so has what refers to it.
    for _ in range(2):
        for name in [each for each in files if each.startswith("blobs/")]:
            right = sha256(files[name]).replace("sha256:", "blobs/sha256/")
            if right != name:
                before, after = (each.rpartition("/")[2].encode() for each in (name, right))
                files[right] = files.pop(name)
                files = {n: d.replace(before, after) for n, d in files.items()}
    assert refusal(write(tmp_path, files)) == "image.tar: layer 3 is truncated"


def test_outer_bomb(tmp_path: pathlib.Path) -> None:
    """An archive that expands a thousand-fold is refused as well, in bounded memory."""
    path = tmp_path / "image.tar"
    path.write_bytes(gzip.compress(pack({"index.json": bytes(300_000_000)})))
    tracemalloc.start()
    text = refusal(str(path), Limits())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert text == "image.tar is refused: it expands to more than 1000 times its size"
    assert peak < 5_000_000


JSON = [
    (b"[" * 50_000, "image.tar has a part index.json that is no valid JSON"),
    (b"{" + b" " * 200_000, "image.tar has a part index.json that is no JSON of at most 100000"),
    (b"", "image.tar has a part index.json that is no JSON of at most"),
    (b"[]", "image.tar holds no image that is complete"),
    (b'{"manifests": 1}', "image.tar holds no image that is complete"),
    (b'{"manifests": [1]}', "image.tar is damaged: it has a digest that is neither SHA-256 nor"),
    (
        json.dumps({"manifests": [{"digest": "sha256:../../etc/passwd"}]}).encode(),
        "image.tar is damaged: it has a digest that is neither SHA-256 nor SHA-512",
    ),
]


@pytest.mark.parametrize(("data", "text"), JSON)
def test_index(tmp_path: pathlib.Path, data: bytes, text: str) -> None:
    """An index that is no index is refused."""
    assert refusal(write(tmp_path, {**oci(Image()), "index.json": data})).startswith(text)


def test_many_manifests(tmp_path: pathlib.Path) -> None:
    """An index of hundreds of manifests is refused, and one that is there twice is read once."""
    files: dict[str, bytes] = {}
    manifests = [add_blob(files, b'{"number": %d}' % number) for number in range(201)]
    for index, text in (
        (manifests, "image.tar is refused: it has more than 200 manifests"),
        (manifests[:1] * 500, "image.tar holds no image that is complete"),
    ):
        files["index.json"] = json.dumps({"manifests": index}).encode()
        assert refusal(write(tmp_path, files)) == text


MANIFESTS = [
    (b"[]", "image.tar holds no image that is complete"),
    (b"[{}]", "image.tar is damaged: its manifest.json has no configuration or no layers"),
    (
        b'[{"Config": "../config.json", "Layers": []}]',
        "image.tar lacks its part ../config.json",
    ),
]


@pytest.mark.parametrize(("data", "text"), MANIFESTS)
def test_manifest(tmp_path: pathlib.Path, data: bytes, text: str) -> None:
    """A manifest of docker save that lacks something is refused."""
    assert refusal(write(tmp_path, {"manifest.json": data})) == text


def test_layers_that_lack(tmp_path: pathlib.Path) -> None:
    """An image whose layers are not all in the archive, or too many, is refused."""
    files = docker(Image())
    layer = next(name for name, data in files.items() if data == Image().archives()[1])
    lacking = {name: data for name, data in files.items() if name != layer}
    text = f"image.tar lacks layer 2 of the image, {layer}"
    assert refusal(write(tmp_path, lacking)) == text
    [manifest] = json.loads(files["manifest.json"])
    manifest["Layers"].pop()
    files["manifest.json"] = json.dumps([manifest]).encode()
    assert "it has 2 layers and 3 digests of layers" in refusal(write(tmp_path, files))
    assert "it has 21 layers" in refusal(write(tmp_path, docker(Image([{}] * 21))))


def test_links_of_the_archive(tmp_path: pathlib.Path) -> None:
    """Links among the files of the archive that lead in a circle, or out of it, lead nowhere."""
    for target in ("manifest.json", "../manifest.json", "/etc/passwd", "../" * 999):
        path = write(tmp_path, {"manifest.json": symlink(target)})
        assert "neither index.json nor manifest.json" in refusal(path)


def test_twice(tmp_path: pathlib.Path) -> None:
    """A file that is in the archive twice may mean different things to different readers."""
    path = write(tmp_path, {"index.json": b"{}", "./index.json": b"{}"})
    assert refusal(path) == "image.tar is refused: it has index.json twice"


def test_other_compression(tmp_path: pathlib.Path) -> None:
    """An archive or a layer in another compression says so."""
    path = tmp_path / "image.tar"
    path.write_bytes(lzma.compress(pack({})))
    assert refusal(str(path)) == (
        "image.tar is compressed with xz, which can't be read here: build the image with gzip"
    )
    zstd = b"\x28\xb5\x2f\xfd" + bytes(600)
    assert refusal(write(tmp_path, docker(Image([zstd])))) == (
        "image.tar: layer 1 is compressed with zstd, which can't be read here: build the image "
        "with gzip"
    )


def test_no_archive(tmp_path: pathlib.Path) -> None:
    """What is no archive of an image is said to be none."""
    path = tmp_path / "image.tar"
    assert refusal(str(path)) == "image.tar can't be read: No such file or directory"
    path.touch()
    assert refusal(str(path)) == "image.tar is empty"
    path.write_text("FROM scratch\n" * 99)
    assert refusal(str(path)) == "image.tar has a damaged header, or is no tar archive"
    path.write_bytes(b"\x1f\x8b" + bytes(99))
    assert refusal(str(path)) == "image.tar is no valid gzip"
    path.unlink()
    assert refusal(write(tmp_path, named("README"))) == (
        "image.tar is no archive of an image: it has neither index.json nor manifest.json"
    )
    path.unlink()
    path.mkdir()
    assert refusal(str(path)) == (
        "image.tar is a directory; give the file that `docker save --output FILE` writes"
    )
    path.rmdir()
    os.mkfifo(path)
    assert refusal(str(path)) == "image.tar is no regular file, and it is read more than once"
    assert refusal("a\0b") == r"a\x00b is no path"


def test_much_json(tmp_path: pathlib.Path) -> None:
    """An archive of which much looks like JSON is refused, since that is kept in memory."""
    files = {f"{number}.json": b"{" + bytes(4_000_000) for number in range(9)}
    text = "image.tar is refused: it has more than 33554432 bytes of JSON"
    assert refusal(write(tmp_path, files), Limits()) == text


def test_total_of_layers(tmp_path: pathlib.Path) -> None:
    """The limit of what is expanded counts for all layers together."""
    noise = os.urandom(200_000)
    layers = [pack({"noise": noise + bytes([number])}) for number in range(10)]
    path = write(tmp_path, oci(Image(layers)))
    check_image(path, limits=LIMITS)
    limits = dataclasses.replace(LIMITS, expanded=1_500_000)
    assert "is refused: a file of it has 200001 bytes" in refusal(path, limits)
