"""The commands of a page: what is run, what is a server, and what is only checked."""

from __future__ import annotations

import dataclasses
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import InvalidRequirement, Requirement

from tests.docs.printed import Wrong
from tests.packaging.distributions import DISTRIBUTIONS, ROOT

# Checked by bash for their syntax, and not run. Every word has its reason.
NOT_RUN = {
    "docker": "the tests have no daemon to talk to",
    "kubectl": "the tests have no cluster",
    "git": "pages clone and push to servers; the tests have no network, and no repository",
}
if shutil.which("jq") is None:
    NOT_RUN["jq"] = "it is not on this machine; it runs where it is"

SERVERS = {"gunicorn", "uvicorn", "hypercorn", "sanic"}
SERVERS_BY_COMMAND = {("celery", "worker"), ("fastapi", "run"), ("flask", "run")}
_ANSWERS_AND_ENDS = {"--help", "--version", "--check-config"}
_OPTIONS_WITH_VALUES = {"-r", "--requirement", "-c", "--constraint", "-i", "--index-url"}


@dataclasses.dataclass
class Command:
    """A command of a transcript.

    :param text: what is typed, without the prompt.
    :param line: the page's line it stands on.
    :param output: what the page says it prints.
    """

    text: str
    line: int
    output: str = ""


def commands(transcript: str, line: int) -> list[Command]:
    """Read a transcript: ``$`` begins a command; a backslash or ``>`` continues it."""
    found: list[Command] = []
    goes_on = False
    for number, text in enumerate(transcript.splitlines(), line):
        if text.startswith("$ "):
            found.append(Command(text[2:], number))
            goes_on = True
        elif not found:
            raise Wrong(f"a transcript begins with '$ ', not with {text!r}")
        elif goes_on and found[-1].text.endswith("\\"):
            found[-1].text += "\n" + text
        elif goes_on and text.startswith("> "):
            found[-1].text += "\n" + text[2:]
        else:
            found[-1].output += text + "\n"
            goes_on = False
    return found


def words(command: str) -> list[str]:
    """Split a command as bash does, without the variables that are set for it alone.

    :raises Wrong: a quote is not closed.
    """
    try:
        found = shlex.split(command.replace("\\\n", " "), comments=True)
    except ValueError as error:
        raise Wrong(f"{command}: {error}") from None
    while found and re.match(r"\w+=|exec$", found[0]):
        del found[0]
    return found


def is_server(command: str) -> bool:
    """Tell whether a command starts what runs until it is ended."""
    said = words(command)
    if command.rstrip().endswith("&"):
        return True
    if said[:2] in (["python", "-m"], ["python3", "-m"]):
        del said[:2]
    if not said or _ANSWERS_AND_ENDS.intersection(said):
        return False
    return (
        said[0] in SERVERS
        or "runserver" in said
        or any((said[0], word) in SERVERS_BY_COMMAND for word in said[1:])
    )


def is_checked_only(command: str) -> bool:
    """Check what can't be run here, and say whether the command was such a one.

    :raises Wrong: it installs what does not exist, or calls a script that is not in hatch.toml.
    """
    said = words(command)
    if said and said[0] in NOT_RUN:
        return True
    if said[:2] in (["python", "-m"], ["python3", "-m"]) or said[:1] == ["uv"]:
        said = said[2:] if said[0] != "uv" else said[1:]
    if said[:2] in (["pip", "install"], ["pip", "uninstall"]) or said[:1] == ["add"]:
        for requirement in _required(said[1:] if said[0] == "add" else said[2:]):
            check_requirement(requirement, uninstalled=said[:2] == ["pip", "uninstall"])
        return True
    if said[:1] == ["hatch"]:
        _check_hatch(said[1:])
        return True
    return False


def check_requirement(text: str, *, uninstalled: bool = False) -> None:
    """Check that a distribution, and its extras, exist.

    :param uninstalled: whether it is the single package, which users uninstall.
    :raises Wrong: there is no such distribution here, or not with such an extra.
    """
    try:
        required = Requirement(text)
    except InvalidRequirement as error:
        raise Wrong(f"{text!r} is no requirement: {error}") from None
    name = required.name.lower()
    ours = {one.name: one for one in DISTRIBUTIONS}
    if name in ours:
        extras = set(ours[name].project.get("optional-dependencies", {}))
    elif name == "dockerflow" and uninstalled:
        return
    elif name.startswith("dockerflow"):
        raise Wrong(f"there is no {name} in packages/")
    else:
        try:
            extras = set(distribution(name).metadata.get_all("Provides-Extra") or ())
        except PackageNotFoundError:
            raise Wrong(f"{name} is not in the environment that the tests run in") from None
    if unknown := required.extras - extras:
        raise Wrong(f"{name} has no extra {', '.join(sorted(unknown))}, but {sorted(extras)}")


def check_requirements(text: str) -> None:
    """Check the lines of a requirements file.

    :raises Wrong: one of them can't be installed.
    """
    for line in text.splitlines():
        if required := line.partition(" #")[0].strip():
            check_requirement(required)


def _required(said: list[str]) -> Iterator[str]:
    remaining = iter(said)
    for word in remaining:
        if word in _OPTIONS_WITH_VALUES:
            next(remaining, None)
        elif not word.startswith("-"):
            yield word


def _check_hatch(said: list[str]) -> None:
    environments = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]
    if said[:1] != ["run"]:
        return
    environment, _, script = said[1].rpartition(":")
    if script not in environments[environment or "default"]["scripts"]:
        raise Wrong(f"hatch.toml has no script {said[1]}")
