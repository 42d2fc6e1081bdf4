"""Find the content of ``version.json`` when a container is built."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

KEYS = ("source", "version", "commit", "build")
"""The keys of the specification."""

URLS = ("source", "build")
"""The keys whose values are URLs."""

_USER_PART = re.compile(r"(?<=://)[^/?#]*@")
# git@host:path; neither C:\path nor the helper::address of gitremote-helpers(7)
_SCP_ADDRESS = re.compile(r"(?:[^/@:]+@)?([^/@:]{2,}):(?!//|:)/*(.+)")
_SSH_ADDRESS = re.compile(r"(?:ssh|git|git\+ssh|ssh\+git)://([^/:]+)(?::\d*)?/+(.+)")


class BuildError(Exception):
    """A value is missing or wrong; the text says why, and what to do."""


def from_ci(env: Mapping[str, str]) -> dict[str, str]:
    """Return the values that the variables of a CI service provide: all, some or none.

    - https://docs.github.com/en/actions/reference/workflows-and-actions/variables
    - https://docs.gitlab.com/ci/variables/predefined_variables/
    - https://circleci.com/docs/reference/variables/
    """

    def first(*names: str) -> str:
        return next((env[name] for name in names if env.get(name)), "")

    found: dict[str, str] = {}
    if first("GITHUB_ACTIONS"):
        found = {"version": first("GITHUB_REF_NAME"), "commit": first("GITHUB_SHA")}
        if repository := first("GITHUB_REPOSITORY"):  # may be missing in a Docker build
            found["source"] = f"{first('GITHUB_SERVER_URL')}/{repository}"
            found["build"] = f"{found['source']}/actions/runs/{first('GITHUB_RUN_ID')}"
    elif first("GITLAB_CI"):
        found = {
            "source": first("CI_PROJECT_URL"),
            "version": first("CI_COMMIT_TAG", "CI_COMMIT_REF_NAME"),
            "commit": first("CI_COMMIT_SHA"),
            "build": first("CI_JOB_URL"),
        }
    elif first("CIRCLECI"):
        found = {
            "source": first("CIRCLE_REPOSITORY_URL"),
            "version": first("CIRCLE_TAG", "CIRCLE_BRANCH"),
            "commit": first("CIRCLE_SHA1"),
            "build": first("CIRCLE_BUILD_URL"),
        }
    return {key: value for key, value in found.items() if value}


class Git:
    """The Git clone that a folder belongs to.

    :param note: is called with a sentence for each oddity that is not an error.
    """

    def __init__(self, folder: Path, note: Callable[[str], object]) -> None:
        self._folder = folder
        self._note = note

    def source(self) -> str:
        """Return the address of the remote ``origin``.

        :raises BuildError: if there is none that others can open.
        """
        if "origin" not in self._run("remote").split():
            raise BuildError("there is no remote 'origin'")
        source = public_url(self._run("remote", "get-url", "origin"))
        if "://" not in source or source.startswith("file:"):
            raise BuildError("the remote 'origin' is a folder, not an address that others can open")
        return source

    def commit(self) -> str:
        """Return the commit that is checked out, whether on a branch or not.

        :raises BuildError: if there is none.
        """
        self._run("rev-parse", "--git-dir")
        try:
            return self._run("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        except BuildError:
            raise BuildError("there is no commit yet") from None

    def version(self) -> str:
        """Return what ``git describe`` prints: the newest tag before the commit, or a short hash.

        :raises BuildError: if there is no commit.
        """
        commit = self.commit()
        version = self._run("describe", "--tags", "--always", "--dirty")
        if commit.startswith(version.removesuffix("-dirty")):
            is_shallow = self._run("rev-parse", "--is-shallow-repository") == "true"
            remedy = "; the clone is shallow: fetch its history and tags" if is_shallow else ""
            self._note(f"there is no tag, so the version is the short commit{remedy}")
        if version.endswith("-dirty"):
            self._note("files have changes that are not committed, so the version ends in -dirty")
        return version

    def build(self) -> str:
        """Return an empty text, because no CI service runs the build."""
        return ""

    def _run(self, *words: str) -> str:
        command = ["git", "-C", str(self._folder), *words]
        try:
            done = subprocess.run(  # noqa: S603 - constant words, and a folder
                command,
                env={**os.environ, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            raise BuildError("git is not installed") from None
        if done.returncode:
            reason = done.stderr.decode(errors="replace").strip().partition("\n")[0]
            raise BuildError(f"git failed: {reason}")
        return done.stdout.decode(errors="replace").strip()


def public_url(url: str) -> str:
    """Return the https address of a repository, or another URL, without user and password."""
    url = _USER_PART.sub("", url.strip())
    if ssh := _SSH_ADDRESS.fullmatch(url) or _SCP_ADDRESS.fullmatch(url):
        url = f"https://{ssh[1]}/{ssh[2]}"
    return url.removesuffix(".git")


def find(
    given: Mapping[str, str | None],
    env: Mapping[str, str],
    folder: Path,
    note: Callable[[str], object],
) -> dict[str, str]:
    """Return the content of ``version.json``: given values, else those of CI, else those of git.

    :param given: values by key, None for those that are not given.
    :param folder: a folder in the clone.
    :param note: is called with a sentence for each oddity that is not an error.
    :raises BuildError: with a line for each value that is missing or wrong.
    """
    git = Git(folder, note)
    content = {**from_ci(env), **{key: text for key, text in given.items() if text is not None}}
    missing: dict[str, list[str]] = {}
    for key, ask in zip(KEYS, (git.source, git.version, git.commit, git.build), strict=True):
        try:
            text = content[key] if key in content else ask()
        except BuildError as error:
            missing.setdefault(str(error), []).append(f"--{key}")
            continue
        content[key] = public_url(text) if key in URLS else text.strip()
    faults = [f"{reason}; give {' '.join(options)}" for reason, options in missing.items()]
    faults = faults or list(problems(content))
    if faults:
        raise BuildError("\n".join(faults))
    return {key: content[key] for key in KEYS}


def problems(content: Mapping[str, object]) -> Iterator[str]:
    """Yield the problems of a ``version.json``, without showing its values.

    The version may be empty if it is not a release, and the build if it was made by hand.
    https://github.com/mozilla-services/Dockerflow/blob/main/docs/version_object.md
    """
    for key in KEYS:
        value = content.get(key)
        if key not in content:
            yield f"{key} is missing"
        elif not isinstance(value, str):
            yield f"{key} is of type {type(value).__name__}, but must be a string"
        elif key == "commit" and not re.fullmatch(r"[0-9a-fA-F]{7,64}", value):
            yield "commit is not a hash of 7 to 64 hexadecimal digits"
        elif key == "source" or (key == "build" and value):
            if not (re.fullmatch(r"https?://[^/\s]\S*", value) and value.isprintable()):
                yield f"{key} is not a URL that begins with https://"
            elif "@" in value:  # an unencoded password may move it into the path
                yield f"{key} is a URL with a user, or with an @ that is not written as %40"
            elif key == "source" and re.search("[?#]", value):
                yield "source has a query or a fragment, which may hold a token"
        elif not value.isprintable():
            yield f"{key} has control characters"
