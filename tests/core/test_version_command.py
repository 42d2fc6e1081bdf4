"""``python -m dockerflow.version`` in real git repositories."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from dockerflow.version import get_release

SHA = "52ce614fbf99540a1bf6228e36be6cef63b4d73b"
# The machine that runs the tests may be a CI worker with its own values.
CI = ("GITHUB_", "GITLAB_", "CI_", "CIRCLE", "GIT_")
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith(CI)}
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_REF_NAME": "v1.2",
    "GITHUB_SHA": SHA,
    "GITHUB_RUN_ID": "2223",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_URL": "https://gitlab.com/acme/shop",
    "CI_COMMIT_REF_NAME": "main",
    "CI_COMMIT_SHA": SHA,
    "CI_JOB_URL": "https://gitlab.com/acme/shop/-/jobs/7",
}
CIRCLECI = {
    "CIRCLECI": "true",
    "CIRCLE_REPOSITORY_URL": "git@github.com:acme/shop.git",
    "CIRCLE_BRANCH": "main",
    "CIRCLE_TAG": "v1.2",
    "CIRCLE_SHA1": SHA,
    "CIRCLE_BUILD_URL": "https://circleci.com/gh/acme/shop/7",
}


def run(
    *arguments: object, status: int = 0, environ: dict[str, str] | None = None
) -> tuple[str, str]:
    """Return the command's standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "dockerflow.version", *map(str, arguments)],
        env={**ENVIRON, **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr
    return done.stdout, done.stderr


def written(folder: pathlib.Path) -> Any:
    content = json.loads((folder / "version.json").read_text())
    assert list(content) == ["source", "version", "commit", "build"]
    return content


def git(folder: pathlib.Path, *words: str) -> str:
    identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.com")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(
        command, env=ENVIRON, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def clone(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a repository with one commit, a remote, and a token in the remote's URL."""
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "--quiet")
    git(folder, "remote", "add", "origin", "https://oauth2:t0ken@example.com/acme/shop.git")
    (folder / "code").write_text("")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "one")
    return folder


@pytest.mark.parametrize(
    ("environ", "source", "version", "build"),
    [
        (
            GITHUB,
            "https://github.com/acme/shop",
            "v1.2",
            "https://github.com/acme/shop/actions/runs/2223",
        ),
        (GITLAB, GITLAB["CI_PROJECT_URL"], "main", GITLAB["CI_JOB_URL"]),
        (CIRCLECI, "https://github.com/acme/shop", "v1.2", CIRCLECI["CIRCLE_BUILD_URL"]),
    ],
    ids=["GitHub", "GitLab", "CircleCI"],
)
def test_ci(
    tmp_path: pathlib.Path, environ: dict[str, str], source: str, version: str, build: str
) -> None:
    """The variables of a CI service suffice, without git; an argument takes precedence."""
    environ = {**environ, "PATH": ""}
    run("write", tmp_path, environ=environ)
    assert written(tmp_path) == {
        "source": source,
        "version": version,
        "commit": SHA,
        "build": build,
    }
    run("check", tmp_path)
    run("write", tmp_path, "--version", "", environ=environ)
    assert written(tmp_path)["version"] == ""
    run("check", tmp_path)


def test_git(clone: pathlib.Path) -> None:
    """Outside CI, all values come from git, also on a detached HEAD and with uncommitted changes.

    Anything unusual is reported on standard error.
    """
    commit = git(clone, "rev-parse", "HEAD")
    note = run("write", clone)[1]
    assert "there is no tag, so the version is the short commit\n" in note
    content = written(clone)
    assert commit.startswith(content.pop("version"))
    assert content == {"source": "https://example.com/acme/shop", "commit": commit, "build": ""}
    git(clone, "tag", "v1.2")
    git(clone, "checkout", "--quiet", "--detach")
    assert run("write", clone)[1] == ""
    assert written(clone)["version"] == "v1.2"
    (clone / "code").write_text("changed")
    assert "changes that are not committed" in run("write", clone)[1]
    assert (written(clone)["version"], written(clone)["commit"]) == ("v1.2-dirty", commit)


def test_a_shallow_clone(clone: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """In a clone without the tag's history the version is the commit, and a note has the remedy."""
    git(clone, "tag", "v1.2")
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "two")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{clone}", "shallow")
    shallow = tmp_path / "shallow"
    assert "the remote 'origin' is a folder" in run("write", shallow, status=1)[1]
    assert not (shallow / "version.json").exists()
    notes = run("write", shallow, "--source", "https://example.com/acme/shop")[1]
    assert "the clone is shallow: fetch its history and tags" in notes
    assert git(clone, "rev-parse", "HEAD").startswith(written(shallow)["version"])


def test_nothing_to_go_by(clone: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """A missing git, clone, commit or remote is reported, with the arguments that help."""
    folder = tmp_path / "empty"
    folder.mkdir()
    missing = "give --source --version --commit\n"
    said = run("write", folder, status=1, environ={"PATH": ""})[1]
    assert f"git is not installed; {missing}" in said
    ceiling = {"GIT_CEILING_DIRECTORIES": str(tmp_path)}
    said = run("write", folder, status=1, environ=ceiling)[1]
    assert "not a git repository" in said
    assert said.endswith(missing)
    git(folder, "init", "--quiet")
    said = run("write", folder, status=1)[1]
    assert "there is no remote 'origin'; give --source\n" in said
    assert "there is no commit yet; give --version --commit\n" in said
    assert not (folder / "version.json").exists()
    given = ("--source", "https://example.com/shop", "--version=1", "--commit", SHA)
    run("write", folder, *given, environ={"PATH": ""})
    assert written(folder)["commit"] == SHA
    assert "can't be written: No such file" in run("write", folder / "none", *given, status=1)[1]


@pytest.mark.parametrize(
    ("remote", "source"),
    [
        ("https://t0ken@example.com/acme/shop", "https://example.com/acme/shop"),
        ("https://me:t0%2Fk@en@example.com:8443/shop.git", "https://example.com:8443/shop"),
        ("git@example.com:acme/shop.git", "https://example.com/acme/shop"),
        ("ssh://git@example.com:2222/acme/shop.git", "https://example.com/acme/shop"),
        ("git://example.com/acme/shop", "https://example.com/acme/shop"),
    ],
)
def test_the_address_of_a_repository(clone: pathlib.Path, remote: str, source: str) -> None:
    """User and token are never written, and a URL that browsers can open is written as https."""
    git(clone, "remote", "set-url", "origin", remote)
    said = run("write", clone)
    assert written(clone)["source"] == source
    assert "t0" not in "".join(said)


@pytest.mark.parametrize("option", ["--source", "--build"])
def test_a_token_that_is_not_encoded(clone: pathlib.Path, option: str) -> None:
    """If a token can't be told from a path, nothing is written, and the token is not shown."""
    said = run("write", clone, option, "https://me:t0k/en@example.com/shop", status=1)
    assert f"{option[2:]} is a URL with a user, or with an @" in said[1]
    assert "t0k" not in "".join(said)
    assert not (clone / "version.json").exists()


@pytest.mark.parametrize(
    ("remote", "fault"),
    [
        ("https://example.com/shop.git?private_token=t0ken", "source has a query"),
        ("codecommit::us-east-1://t0ken", "source is not a URL"),
        ("ext::sh -c t0ken", "not an address that others can open"),
    ],
)
def test_an_address_for_git_alone(clone: pathlib.Path, remote: str, fault: str) -> None:
    """A source that is no web page, or may have a token in its query, is not written."""
    git(clone, "config", "remote.origin.url", remote)
    said = run("write", clone, status=1)
    assert fault in said[1]
    assert "t0ken" not in "".join(said)


def test_a_part_of_ci(clone: pathlib.Path) -> None:
    """If only some variables of a CI service are set, git supplies the rest."""
    run("write", clone, environ={"GITHUB_ACTIONS": "true"})
    assert (written(clone)["source"], written(clone)["build"]) == (
        "https://example.com/acme/shop",
        "",
    )


GOOD = {"source": "https://example.com/shop", "version": "1", "commit": SHA, "build": ""}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "does not exist"),
        ("{", "is not valid JSON"),
        (json.dumps({**GOOD, "commit": "main"}), "commit is not a hash"),
        (json.dumps({**GOOD, "build": "7"}), "build is not a URL"),
        (json.dumps({**GOOD, "version": 2.0}), "version is of type float"),
        (
            json.dumps({**GOOD, "source": "https://me:t0ken@example.com"}),
            "source is a URL with a user",
        ),
        (json.dumps({**GOOD, "version": "1\x1b"}), "version has control characters"),
        (json.dumps({**GOOD, "source": "https://example.com/a\x1b[2J"}), "source is not a URL"),
        (json.dumps({**GOOD, "source": "https://example.com/a?t=t0ken"}), "source has a query"),
        ("{}", "build is missing"),
    ],
)
def test_check(tmp_path: pathlib.Path, content: str | None, fault: str) -> None:
    """The check names the problem, does not repeat the value, and exits with status 1."""
    if content is not None:
        (tmp_path / "version.json").write_text(content)
    said = run("check", tmp_path, status=1)[0]
    assert fault in said
    assert "t0ken" not in said
    assert said.count("\n") == (4 if content == "{}" else 1)


@pytest.mark.parametrize(
    ("content", "release"),
    [
        ('{"version": "v1.2", "commit": "abc"}', "v1.2"),
        ('{"version": "", "commit": "abc"}', "abc"),
        ('{"version": "feature/cart", "commit": "abc"}', "abc"),
        ('{"version": 5}', None),
        ('{"version": "..", "commit": "abc"}', "abc"),
        ("{", None),
        (None, None),
    ],
)
def test_release(tmp_path: pathlib.Path, content: str | None, release: str | None) -> None:
    """The release is a version that Sentry accepts, else the commit, else None."""
    if content is not None:
        (tmp_path / "version.json").write_text(content)
    assert get_release(tmp_path) == release
