"""Checking images from their archives."""

from __future__ import annotations

import gzip
import json
import pathlib
import tarfile
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from dockerflow.check.clauses import Level
from dockerflow.check.findings import Finding, Outcome, TargetError
from dockerflow.check.image import CLAUSES, check_image

from .images import (
    APP,
    BASE,
    GOOD,
    USERS,
    VERSION,
    Entry,
    Files,
    Image,
    directory,
    docker,
    hard_link,
    kaniko,
    oci,
    old_docker,
    pack,
    symlink,
    write,
)

FORMS: list[Callable[[Image], Files]] = [oci, docker, old_docker, kaniko]
IDS = [f"IMG{number:02}" for number in range(1, 15)]


def check(folder: pathlib.Path, *layers: Files, **options: Any) -> dict[str, Finding]:
    """Check an image of some layers over a good one."""
    image = Image((*GOOD, *layers), **options)
    findings = check_image(write(folder, oci(image)))
    return {finding.clause.id: finding for finding in findings}


def faults(findings: Mapping[str, Finding]) -> dict[str, str]:
    """Return what is wrong, without the remedies."""
    return {
        id: each.text.rpartition("; ")[0]
        for id, each in findings.items()
        if each.outcome is not Outcome.PASSED
    }


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_good(tmp_path: pathlib.Path, form: Callable[[Image], Files], compress: bool) -> None:
    """A good image keeps all clauses, in each form, compressed or not, with a layer used twice."""
    path = write(tmp_path, form(Image((*GOOD, APP))), compress=compress)
    findings = check_image(path)
    assert [each.clause.id for each in findings] == IDS
    assert {each.text for each in findings if each.outcome is not Outcome.PASSED} == set()
    assert {str(each.place) for each in findings} == {path}


def test_clauses() -> None:
    """Each clause says how it is mended; what the specification does not require is no MUST."""
    assert [clause.id for clause in CLAUSES] == IDS
    assert all(clause.fixes and clause.source.startswith("https://") for clause in CLAUSES)
    assert [clause.id for clause in CLAUSES if clause.level is Level.MUST] == [*IDS[:4], *IDS[5:7]]


NO_USER = b"root:x:0:0::/root:/bin/sh\n"
FILE_FAULTS: list[tuple[Files, str, str]] = [
    ({"etc/group": b"root:x:0:\n"}, "IMG01", "/etc/group has no group app"),
    ({"etc/group": b"app:x:1000:\n"}, "IMG01", "the group app has the GID 1000, not 10001"),
    ({"etc/.wh.group": b""}, "IMG01", "there is no /etc/group, or it is a link that leads nowhere"),
    ({"etc/group": directory()}, "IMG01", "/etc/group is a directory and no file"),
    ({"etc/group": b"#" * 1_000_001}, "IMG01", "/etc/group is larger than 1000000 bytes"),
    ({"etc/passwd": NO_USER}, "IMG02", "/etc/passwd has no user app"),
    ({"etc/passwd": b"app:x:0:10001::/:/b\n"}, "IMG02", "the user app has the UID 0, not 10001"),
    (
        {"etc/passwd": b"app:x:10001:0::/:/b\n"},
        "IMG02",
        "the user app is no member of the group app",
    ),
    ({".wh.app": b""}, "IMG05", "there is no directory /app"),
    ({"app": symlink("loop"), "loop": symlink("app")}, "IMG05", "there is no directory /app"),
    (
        {"app/.wh.version.json": b""},
        "IMG06",
        "there is no /app/version.json, or it is a link that leads nowhere",
    ),
    (
        {"app/.wh..wh..opq": b""},
        "IMG06",
        "there is no /app/version.json, or it is a link that leads nowhere",
    ),
    (
        {"app/version.json": Entry(type=tarfile.FIFOTYPE)},
        "IMG06",
        "/app/version.json is a named pipe and no file",
    ),
    ({"app/version.json": b"{"}, "IMG07", "version.json is no valid JSON"),
    ({"app/version.json": b"[" * 100_000}, "IMG07", "version.json is no valid JSON"),
    ({"app/version.json": b"\xef\xbb\xbf{}"}, "IMG07", "version.json is no valid JSON"),
    (
        {"app/version.json": b'{"a": NaN}'},
        "IMG07",
        "version.json is no valid JSON: it has NaN",
    ),
    ({"app/version.json": b"\xff"}, "IMG07", "version.json is not UTF-8"),
    ({"app/version.json": b"[]"}, "IMG07", "version.json is no JSON object"),
    (
        {"app/version.json": json.dumps({**VERSION, "build": None}).encode()},
        "IMG07",
        "in version.json, missing or no string: build",
    ),
    (
        {"app/version.json": json.dumps({**VERSION, "commit": "main"}).encode()},
        "IMG08",
        "version.json: commit is not a hash of 7 to 64 hexadecimal digits",
    ),
    (
        {"app/a\x1b[2J.py": Entry(uid=10001), "app/data": directory(0o777)},
        "IMG10",
        r"app can write to /app/a\x1b[2J.py and 1 more",
    ),
    ({"app/a.py": Entry(gid=10001, mode=0o664)}, "IMG10", "app can write to /app/a.py"),
    ({"app": directory(uid=10001)}, "IMG10", "app can write to /app"),
    ({"app/.git/HEAD": b"ref"}, "IMG13", "the layers have /app/.git"),
    ({"app/web/.env": b"PASSWORD=hunter2"}, "IMG13", "the layers have /app/web/.env"),
    ({"dev/sda": Entry(type=tarfile.BLKTYPE)}, "IMG14", "there is /dev/sda"),
]


@pytest.mark.parametrize(("files", "id", "text"), FILE_FAULTS)
def test_faults_of_files(tmp_path: pathlib.Path, files: Files, id: str, text: str) -> None:
    """What a layer does to the files of a good image is found, and said."""
    findings = check(tmp_path, files)
    finding = findings[id]
    is_must = finding.clause.level is Level.MUST
    assert finding.outcome is (Outcome.FAILED if is_must else Outcome.WARNING)
    assert faults(findings)[id] == text


CONFIG_FAULTS: list[tuple[dict[str, object], str, str]] = [
    ({"User": ""}, "IMG03", "no USER is set, so the service runs as root"),
    ({"User": None}, "IMG03", "no USER is set, so the service runs as root"),
    ({"User": "root\n"}, "IMG03", r"USER is root\n, not app"),
    ({"User": "app:root"}, "IMG03", "USER is app:root, not app"),
    ({"Entrypoint": None}, "IMG04", "there is no ENTRYPOINT"),
    ({"Entrypoint": [], "Cmd": "sh"}, "IMG04", "there is no ENTRYPOINT and no CMD"),
    ({"Env": ["PORT=5000"]}, "IMG09", "PORT is 5000, and 8000 is recommended"),
    (
        {"Env": None, "ExposedPorts": {"80/tcp": {}}},
        "IMG09",
        "EXPOSE has 80/tcp, and 8000 is recommended",
    ),
    (
        {"Env": [], "ExposedPorts": None},
        "IMG09",
        "there is no PORT in the environment, and no EXPOSE",
    ),
]


@pytest.mark.parametrize(("config", "id", "text"), CONFIG_FAULTS)
def test_faults_of_the_configuration(
    tmp_path: pathlib.Path, config: dict[str, object], id: str, text: str
) -> None:
    """What an image's configuration lacks is found."""
    assert faults(check(tmp_path, config=config)) == {id: text}


@pytest.mark.parametrize("user", ["app", "10001", "app:app", "10001:10001", "app:10001"])
def test_user(tmp_path: pathlib.Path, user: str) -> None:
    """USER may be a name or a number, with the group or without it."""
    assert faults(check(tmp_path, config={"User": user})) == {}


SECRETS = [
    "DB_PASSWORD=hunter2",
    "API_TOKEN=hunter2",
    "client_secret=hunter2",
    "SECRET_KEY=hunter2",
    "KEY=hunter2",
    "APIKEY=hunter2",
    "SECRET_KEY_BASE=hunter2",
    "DATABASE_URL=postgres://shop:hunter2@db/shop",
    "REPOSITORY=https://ghp_hunter2hunter2hunter2@github.com/example/shop",
]
NO_SECRETS = [
    "GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D",
    "PUBLIC_KEY=ssh-ed25519",
    "DB_PASSWORD_FILE=/run/secrets/db",
    "DB_PASSWORD=/run/secrets/db",
    "DB_PASSWORD=",
    "TOKENIZERS_PARALLELISM=false",
    "PWD=/srv/service",
    "MONKEY=banana",
    "DATABASE_URL=postgres://shop@db/shop",
    "REGISTRY=https://registry.npmjs.org/@example/shop",
]


@pytest.mark.parametrize("variable", SECRETS)
def test_secrets(tmp_path: pathlib.Path, variable: str) -> None:
    """Secrets of the environment and of the history are named, and never shown."""
    name = variable.partition("=")[0]
    findings = check(tmp_path, config={"Env": ["PORT=8000", variable]})
    assert findings["IMG11"].outcome is Outcome.WARNING
    assert faults(findings) == {"IMG11": f"these look like secrets: {name} of the environment"}
    assert "hunter2" not in findings["IMG11"].text
    for command in (f"ENV {variable}", f"RUN |1 {variable} /bin/sh -c make # buildkit"):
        found = check(tmp_path, history=["COPY . /app", command])["IMG11"]
        assert " in step 2 of the history; use RUN --mount=type=secret" in found.text
        assert "hunter2" not in found.text


@pytest.mark.parametrize("variable", NO_SECRETS)
def test_no_secrets(tmp_path: pathlib.Path, variable: str) -> None:
    """What an official image has, and names of files with secrets, are no secrets."""
    command = "RUN --mount=type=secret,id=token TOKEN=$(cat /run/secrets/token) make"
    history = [command, f"ENV {variable}", 'RUN PASSWORD="$OTHER" make --key=${KEY}']
    history.append("RUN key='B97B0AFCAA1A47F044F244A07FCC7D46ACCC4CF8'; gpg --recv-keys \"$key\"")
    findings = check(tmp_path, config={"Env": ["PORT=8000", variable]}, history=history)
    assert faults(findings) == {}


def test_tokens(tmp_path: pathlib.Path) -> None:
    """A token that its form gives away is found whatever its name is, and never shown."""
    token = f"ghp_{'a1' * 18}"
    findings = check(
        tmp_path, config={"Env": ["PORT=8000", f"A={token}"]}, history=[f"RUN {token}"]
    )
    assert faults(findings) == {
        "IMG11": "these look like secrets: A of the environment, "
        "a token or a key in step 1 of the history"
    }


def test_options_of_commands(tmp_path: pathlib.Path) -> None:
    """A password among the options of a command is found as well."""
    findings = check(tmp_path, history=["RUN mysql --password='hunter 2' < schema.sql"])
    text = "these look like secrets: password in step 1 of the history"
    assert faults(findings) == {"IMG11": text}


def test_removed(tmp_path: pathlib.Path) -> None:
    """What a later layer removes is no longer there, but a .env is still in the image."""
    findings = check(tmp_path, {"app/.env": b"A=1"}, {"app/.wh..env": b""})
    assert faults(findings) == {"IMG13": "the layers have /app/.env"}


def test_environment_directory(tmp_path: pathlib.Path) -> None:
    """A directory .env is a virtual environment, and no file of secrets."""
    assert faults(check(tmp_path, {"app/.env/bin/python": b""})) == {}


def test_size(tmp_path: pathlib.Path) -> None:
    """The size of the layers is compared with a limit."""
    path = write(tmp_path, oci(Image()))
    found = {each.clause.id: each for each in check_image(path, max_size=10_000)}["IMG12"]
    assert found.text.startswith("linux/amd64: 0.0 MB in layers: 3, and the limit is 0.0 MB; use")
    assert found.outcome is Outcome.WARNING


def test_nothing(tmp_path: pathlib.Path) -> None:
    """An empty image from scratch breaks each MUST; what can't be looked at is skipped."""
    config = {"User": "", "Entrypoint": None, "Cmd": None, "Env": None, "ExposedPorts": None}
    findings = check_image(write(tmp_path, oci(Image([{}], config))))
    outcomes = {each.clause.id: each.outcome for each in findings}
    failed = [id for id, outcome in outcomes.items() if outcome is Outcome.FAILED]
    skipped = [id for id, outcome in outcomes.items() if outcome is Outcome.SKIPPED]
    assert failed == [*IDS[:4], "IMG06"]
    assert skipped == ["IMG07", "IMG08", "IMG10"]


GOOD_VERSION = APP["app/version.json"]
LINKED: list[Sequence[Files]] = [
    [{".wh.app": b"", "srv/shop/version.json": GOOD_VERSION}, {"app": symlink("srv/shop")}],
    [{"srv/v.json": GOOD_VERSION, "app/version.json": symlink("/srv/v.json")}],
    [{"srv/v.json": GOOD_VERSION, "app/version.json": symlink("../../../srv/v.json")}],
    [{"app/other.json": GOOD_VERSION, "app/version.json": hard_link("app/other.json")}],
    [{"app/version.json": hard_link("app/other.json")}],
    [{"app/version.json": hard_link("app/other.json")}, {"app/.wh.other.json": b""}],
    [{"app/version.json": b"{"}, {"app/.wh..wh..opq": b"", **APP}],
    [{"app/version.json": b"{"}, {**APP, "app/.wh.version.json": b""}],
]


@pytest.mark.parametrize("layers", LINKED)
def test_links_and_whiteouts(tmp_path: pathlib.Path, layers: Sequence[Files]) -> None:
    """Links are followed within the image, and whiteouts hide what is in lower layers only."""
    other = {"app/other.json": APP["app/version.json"]}
    assert faults(check(tmp_path, other, *layers)) == {}


def test_link_of_a_lower_layer(tmp_path: pathlib.Path) -> None:
    """A file below a link of a lower layer is where the link leads."""
    layers = [BASE, USERS, {"srv/shop": directory(), "app": symlink("srv/shop")}]
    version = {"app/version.json": APP["app/version.json"]}
    assert check_image(write(tmp_path, oci(Image([*layers, version]))))[5].outcome is Outcome.PASSED


def test_absolute_paths(tmp_path: pathlib.Path) -> None:
    """Absolute paths, which kaniko and ko write, begin at the root of the image."""
    layer: Files = {
        "/": directory(),
        "/app": directory(),
        "/app/other.json": APP["app/version.json"],
        "/app/version.json": hard_link("/app/other.json"),
    }
    assert faults(check(tmp_path, {"app/version.json": b"{"}, layer)) == {}


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_formats(tmp_path: pathlib.Path, format: int) -> None:
    """Long names, names that are no ASCII and large numbers are read in each format of tar."""
    long = f"app/{'d' * 90}/{'e' * 40}/füü.py"
    id = 2_000_000 if format == tarfile.USTAR_FORMAT else 4_000_000_000
    layer = pack({long: Entry(b"", uid=id, mode=0o666), "./app/./": directory()}, format)
    image = Image([*GOOD, layer])
    findings = {each.clause.id: each for each in check_image(write(tmp_path, oci(image)))}
    assert faults(findings) == {"IMG10": f"app can write to /{long[:99]}…"}


def test_several_streams(tmp_path: pathlib.Path) -> None:
    """A gzip file may consist of several, as those do that can be loaded lazily."""
    data = pack(oci(Image()))
    parts = [data[start : start + 4000] for start in range(0, len(data), 4000)]
    path = tmp_path / "image.tar.gz"
    path.write_bytes(b"".join(map(gzip.compress, parts)) + bytes(600))
    assert {each.outcome for each in check_image(str(path))} == {Outcome.PASSED}


def test_hard_link_of_the_archive(tmp_path: pathlib.Path) -> None:
    """A file of the archive may be a hard link."""
    files: Files = {
        "m.json": docker(Image())["manifest.json"],
        "manifest.json": hard_link("m.json"),
    }
    path = write(tmp_path, {**docker(Image()), **files})
    assert {each.outcome for each in check_image(path)} == {Outcome.PASSED}


def test_exposed_port(tmp_path: pathlib.Path) -> None:
    """EXPOSE says the port where the environment does not."""
    findings = check(tmp_path, config={"Env": None})
    assert (faults(findings), findings["IMG09"].text) == ({}, "EXPOSE has 8000")


def test_further_groups(tmp_path: pathlib.Path) -> None:
    """What a further group of the user app may write, app may write."""
    groups = b"app:x:10001:\nweb:x:33:www,app\nadm:x:4:root\n"
    layer = {"app/a": Entry(gid=4, mode=0o664), "app/b": Entry(gid=33, mode=0o664)}
    findings = check(tmp_path, {"etc/group": groups, **layer})
    assert faults(findings) == {"IMG10": "app can write to /app/b"}


def test_further_member(tmp_path: pathlib.Path) -> None:
    """The user app may have the group app as a further one."""
    files = {"etc/passwd": b"app:x:10001:0::/:/b\n", "etc/group": b"app:x:10001:web,app\n"}
    assert faults(check(tmp_path, files)) == {}


def test_notes_of_aufs(tmp_path: pathlib.Path) -> None:
    """Files that AUFS has left in a layer remove nothing."""
    assert faults(check(tmp_path, {".wh..wh.plnk": b"", ".wh..wh.aufs": b""})) == {}


def test_platforms(tmp_path: pathlib.Path) -> None:
    """Of several platforms, the first is checked, or the one that is asked for."""
    images = [Image(), Image(config={"User": ""}, architecture="arm64")]
    for form in (oci, docker):
        path = write(tmp_path, form(*images))
        assert check_image(path)[2].outcome is Outcome.PASSED
        assert check_image(path, platform="linux/arm64")[2].outcome is Outcome.FAILED
        with pytest.raises(TargetError, match=r"for: linux/amd64, linux/arm64$"):
            check_image(path, platform="windows/amd64")


def test_memory(tmp_path: pathlib.Path) -> None:
    """A large file of a layer is not read into memory."""
    path = write(tmp_path, oci(Image([*GOOD, {"app/model": b"0123456789" * 6_000_000}])))
    tracemalloc.start()
    check_image(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
