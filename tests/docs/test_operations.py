"""The image of operations.md, and who writes its version.json."""

from __future__ import annotations

import fnmatch
import io
import json
import os
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from dockerfile_parse import DockerfileParser

from tests.docs.formats import scripts_of_steps
from tests.docs.shown import files_of, write_files
from tests.servers.web import WebServer

FILES = files_of("operations.md")
PARSED = DockerfileParser(fileobj=io.StringIO(FILES["Dockerfile"]))
INSTRUCTIONS: list[tuple[str, str]] = [
    (one["instruction"], one["value"]) for one in PARSED.structure
]

GITHUB = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "example/service",
    "GITHUB_REF_NAME": 'fix-"quotes"',
    "GITHUB_SHA": "52ce614fbf99540a1bf6228e36be6cef63b4d73b",
    "GITHUB_RUN_ID": "2223",
}
CIRCLECI = {
    "CIRCLE_PROJECT_USERNAME": "example",
    "CIRCLE_PROJECT_REPONAME": "service",
    "CIRCLE_BRANCH": 'fix-"quotes"',
    "CIRCLE_SHA1": "52ce614fbf99540a1bf6228e36be6cef63b4d73b",
    "CIRCLE_BUILD_URL": "https://circleci.com/gh/example/service/2223",
}
CI_FILES = {".github/workflows/image.yaml": GITHUB, ".circleci/config.yml": CIRCLECI}


def values(instruction: str) -> list[str]:
    return [value for name, value in INSTRUCTIONS if name == instruction]


def position(instruction: str, value: str) -> int:
    return INSTRUCTIONS.index((instruction, value))


# ---------------------------------------------------------------------- the image


def test_dockerfile() -> None:
    """The Dockerfile has what the specification asks for: /app, app, an entry point, a command."""
    assert values("WORKDIR") == ["/app"]
    assert values("COPY")[-1] == ". ."
    assert values("USER") == ["app"]
    # What the build does, it does as root; what runs is not root.
    assert position("USER", "app") > max(position("RUN", value) for value in values("RUN"))
    assert position("USER", "app") > position("COPY", ". .")
    (port,) = values("EXPOSE")
    assert f"PORT={port}" in shlex.split(values("ENV")[-1])
    assert json.loads(values("ENTRYPOINT")[0])
    assert json.loads(values("CMD")[0])


def test_dockerfile_makes_the_user(tmp_path: pathlib.Path) -> None:
    """The user and the group are called app and have the number 10001."""
    script = next(value for value in values("RUN") if "useradd" in value)
    words = shlex.split(script)
    group = words[words.index("groupadd") : words.index("&&")]
    user = words[words.index("useradd") :]
    assert group[-1] == user[-1] == user[user.index("--gid") + 1] == "app"
    assert group[group.index("--gid") + 1] == user[user.index("--uid") + 1] == "10001"
    if not may_be_root():
        return  # these words are all that can be looked at
    etc = tmp_path / "etc"
    etc.mkdir()
    for name in ("passwd", "group", "shadow", "gshadow"):
        (etc / name).touch()
    elsewhere = "".join(
        f'{name}() {{ command {name} --prefix "{tmp_path}" "$@"; }}\n'
        for name in ("groupadd", "useradd")
    )
    done = as_root(["bash", "-c", f"set -e\n{elsewhere}{script}"])
    assert done.returncode == 0, done.stderr
    assert (etc / "group").read_text() == "app:x:10001:\n"
    assert (etc / "passwd").read_text() == "app:x:10001:10001::/app:/usr/sbin/nologin\n"


def as_root(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command as the root of a user namespace, which changes nothing outside of it."""
    environ = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    return subprocess.run(
        ["unshare", "--map-root-user", *command],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def may_be_root() -> bool:
    try:
        return as_root(["useradd", "--help"]).returncode == 0
    except FileNotFoundError:
        return False


def test_requirements_are_copied_before_they_are_installed() -> None:
    """What the build installs from is in the image by then, and is a file of the page."""
    (install,) = (value for value in values("RUN") if "pip install" in value)
    name = shlex.split(install)[-1]
    assert name in FILES
    assert position("COPY", f"{name} .") < position("RUN", install)
    assert position("WORKDIR", "/app") < position("COPY", f"{name} .")


def test_image_takes_version_json_along() -> None:
    """No line of .dockerignore keeps the version, the sources or the requirements out."""
    ignored = FILES[".dockerignore"].split()
    assert ".git" in ignored
    for name in ("version.json", "service.py", "requirements.txt"):
        assert not any(fnmatch.fnmatch(name, pattern) for pattern in ignored)


class Container(WebServer):
    """What the image's entry point and command start, in a folder that is as its /app."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(())
        self.folder = folder
        del self.environ["PYTHONPATH"]
        commands = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{self.environ['PATH']}"
        for assignment in shlex.split(values("ENV")[-1]):
            name, _, value = assignment.partition("=")
            self.environ[name] = value
        self.environ |= {"PATH": commands, "PORT": str(self.port)}

    def command(self) -> list[str]:
        """Say the command line; ``env`` changes the folder and becomes the command."""
        words: list[str] = [
            *json.loads(values("ENTRYPOINT")[0]),
            *json.loads(values("CMD")[0]),
        ]
        return ["env", f"--chdir={self.folder}", *words]


@pytest.fixture
def container(tmp_path: pathlib.Path) -> Iterator[Container]:
    """The image's process, with all files of the page but the check that never ends."""
    before = FILES["service.py"].partition("\n\n\n@dockerflow.check")[0]
    write_files(FILES | {"service.py": before}, tmp_path)
    started = Container(tmp_path)
    yield started
    started.close()


def test_entry_point_and_command(container: Container) -> None:
    """The image's process listens on PORT, serves version.json, and ends by SIGTERM in order."""
    container.start()
    answer = container.get("/__version__", "asked").partition(b"\r\n\r\n")[2]
    assert json.loads(answer) == json.loads(FILES["version.json"])
    assert container.get("/__heartbeat__").startswith(b"HTTP/1.1 200")
    assert container.summary("asked")["path"] == "/__version__"
    container.stop()
    assert "Shutting down: Master" in container.log


# ---------------------------------------------------------------------- version.json


def written_by(folder: pathlib.Path, scripts: list[str], environ: dict[str, str]) -> dict[str, str]:
    path = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    for script in scripts:
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=folder,
            env=path | environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads((folder / "version.json").read_text())
    return found


def writing_steps(name: str) -> list[str]:
    document: Any = yaml.safe_load(FILES[name])
    return [script for script in scripts_of_steps(document) if "docker" not in script]


@pytest.mark.parametrize("name", CI_FILES)
def test_ci_writes_version_json(name: str, tmp_path: pathlib.Path) -> None:
    """With nothing but its own variables, CI writes all four parts, whatever a branch is called."""
    write_files({"write_version.py": FILES["write_version.py"]}, tmp_path)
    environ = CI_FILES[name]
    version = written_by(tmp_path, writing_steps(name), environ)
    assert version == {
        "source": "https://github.com/example/service",
        "version": 'fix-"quotes"',
        "commit": "52ce614fbf99540a1bf6228e36be6cef63b4d73b",
        "build": environ.get(
            "CIRCLE_BUILD_URL", "https://github.com/example/service/actions/runs/2223"
        ),
    }


def test_circleci_says_the_tag(tmp_path: pathlib.Path) -> None:
    """A build of CircleCI for a tag, which has no branch, has the tag as its version."""
    write_files({"write_version.py": FILES["write_version.py"]}, tmp_path)
    environ = {**CIRCLECI, "CIRCLE_TAG": "2026.11.0"}
    del environ["CIRCLE_BRANCH"]
    version = written_by(tmp_path, writing_steps(".circleci/config.yml"), environ)
    assert version["version"] == "2026.11.0"


def test_version_json_by_hand(tmp_path: pathlib.Path) -> None:
    """By hand it comes from git, without the remote's password, and marked where it is dirty."""
    write_files({"write_version.py": FILES["write_version.py"]}, tmp_path)
    git = "git -c user.name=me -c user.email=me@example.org"
    prepare = [
        "git init --quiet",
        "git remote add origin https://me:s3cret@git.example.org/service.git",
        "git add write_version.py",
        f"{git} commit --quiet --message first",
        f"{git} tag 2026.11.0",
    ]
    by_hand = "python3 write_version.py"
    assert by_hand in (pathlib.Path(__file__).parents[2] / "docs/operations.md").read_text()
    version = written_by(tmp_path, [*prepare, by_hand], {})
    assert version["source"] == "https://git.example.org/service.git"
    assert version["version"] == "2026.11.0"
    assert len(version["commit"]) == 40
    dirty = written_by(tmp_path, ["echo '#' >> write_version.py", by_hand], {})
    assert dirty["version"] == "2026.11.0-dirty"
    assert dirty["commit"] == version["commit"]


@pytest.mark.parametrize("name", CI_FILES)
def test_ci_files_are_what_their_services_read(name: str, tmp_path: pathlib.Path) -> None:
    """The files for CI are valid by the schemas that the services publish."""
    write_files({name: FILES[name]}, tmp_path)
    schema = "vendor.github-workflows" if "github" in name else "vendor.circle-ci"
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
