"""Check a Dockerfile. Nothing is built; what a base image brings along is not seen."""

from __future__ import annotations

import os
import posixpath
import re

from . import dockerfile_clauses as clauses
from .dockerfile_accounts import check_accounts
from .dockerfile_clauses import CLAUSES
from .dockerfile_image import ID, Image, read_image, stage_from
from .dockerfile_parser import (
    Instruction,
    ParseError,
    Stage,
    expanded,
    parse,
    read_stages,
)
from .files import Fault, findings_of, read_text
from .findings import Finding, Place, TargetError
from .printing import printable, quoted
from .secret_names import has_password, has_token, is_secret, is_secret_name

__all__ = ["CLAUSES", "check_dockerfile"]

MAX_BYTES = 200_000  # none that people write comes near

_SHELLS = {"sh", "bash", "ash", "dash", "zsh"}
_MOVING_TAGS = {"latest", "slim", "alpine", "lts", "current", "stable", "mainline", "edge"} | {
    "main",
    "master",
    "nightly",
}
_PORT_VARIABLE = re.compile(r"\$(?:PORT\b|\{PORT[:}?-])")
_LITERAL_PORT = re.compile(
    r"(?:--?(?:port|bind|listen|http-port|b|p)[= ]|\brunserver )(?:\S{0,100}:)?"
    r"([0-9]{4,5}|80|443)(?!\S)"
)
_REMOTE = re.compile(r"(?:https?|ftp|git|ssh)://|git@")


def check_dockerfile(path: str | os.PathLike[str], *, target: str | None = None) -> list[Finding]:
    """Check a Dockerfile.

    :param path: the file.
    :param target: the stage that is built, by name or number; without it, the last.
    :returns: one finding for each clause, or several with the lines of its faults.
    :raises TargetError: if it can't be read, or is no Dockerfile.
    """
    text = read_text(path, MAX_BYTES)
    name = printable(os.fspath(path))
    try:
        instructions = parse(text)
    except ParseError as error:
        raise TargetError(f"{name}:{error.line} is no Dockerfile: {error}") from error
    stages = read_stages(instructions)
    if not stages:
        raise TargetError(f"{name} is no Dockerfile: it has no FROM instruction")
    if target is not None:
        stage = stage_from(target, stages)
        if stage is None:
            raise TargetError(f"{name} has no stage {quoted(target)}")
        stages = [each for each in stages if each.line <= stage.line]
    image = read_image(stages, name)
    return [
        *check_accounts(image, stages),
        *_check_user(image),
        *_check_entrypoint_and_cmd(image),
        *_check_sources(image),
        *_check_port(image),
        *_check_default_port(image),
        *_check_secrets(image, instructions),
        *_check_base_is_pinned(image, stages),
        *_check_base_is_official(image),
        *_check_exec_form(image),
        *_check_healthcheck(image),
        *_check_add(image, stages),
    ]


def _is_in_app(path: str) -> bool:
    """Return whether a path of the image is /app, or in it."""
    return path == "/app" or path.startswith("/app/")


def _check_user(image: Image) -> list[Finding]:
    """Check the user that the image runs as."""
    clause = clauses.USER_IS_APP
    if image.user is None:
        text = (
            "there is no USER instruction, so that the service may run as root; end with USER app"
        )
        unknown = image.unseen("there is no USER")
        faults = [] if unknown else [(text, image.place())]
        return findings_of(clause, faults, "", place=image.place(), unknown=unknown)
    instruction, value = image.user
    place = image.place(instruction)
    if value is None:
        unknown = "the user is a variable without a known value"
        return findings_of(clause, [], "", place=place, unknown=unknown)
    user, _, group = value.partition(":")
    is_good = user in {"app", ID} and group in {"", "app", ID}
    faults = [] if is_good else [(f"the user is {quoted(value)}; end with USER app", place)]
    return findings_of(clause, faults, f"the user is {quoted(value)}", place=place)


def _check_entrypoint_and_cmd(image: Image) -> list[Finding]:
    """Check that both instructions are there."""
    both = {"ENTRYPOINT": image.entrypoint, "CMD": image.cmd}
    missing = [name for name, instruction in both.items() if instruction is None]
    place = image.place(image.cmd or image.entrypoint)
    text = f"there is no {' and no '.join(missing)}"
    if missing == ["CMD"] and image.drops_cmd:
        text += ": ENTRYPOINT drops that of an earlier stage; repeat it after ENTRYPOINT"
    # An ENTRYPOINT drops the CMD of the base image as well.
    unknown = image.unseen(text) if missing and image.entrypoint is None else None
    return findings_of(
        clauses.HAS_ENTRYPOINT_AND_CMD,
        [(text, place)] if missing and unknown is None else [],
        "ENTRYPOINT and CMD are there",
        place=place,
        unknown=unknown,
    )


def _check_sources(image: Image) -> list[Finding]:
    """Check that the sources come into /app."""
    clause = clauses.SOURCES_ARE_IN_APP
    place = image.place()
    in_app = [each for each in image.copies if each.target is not None and _is_in_app(each.target)]
    whole = [each for each in image.copies if {".", "./"} & {*each.sources}]
    # What is built elsewhere may be copied from another stage.
    is_elsewhere = bool(whole) and not any(each in whole or each.has_stage for each in in_app)
    if in_app and not is_elsewhere:
        place = image.place(in_app[0].instruction)
        return findings_of(clause, [], "sources are copied to /app", place=place)
    # Other sources than those of a COPY may come into the working directory.
    if not is_elsewhere and image.workdir is not None and _is_in_app(image.workdir):
        return findings_of(clause, [], "the working directory is in /app", place=place)
    first = next(iter(whole or image.copies), None)
    if first is None:
        return findings_of(clause, [("nothing is copied to /app", place)], "", place=place)
    place = image.place(first.instruction)
    if first.target is None:
        unknown = "where the sources are copied to depends on the base image, or on a variable"
        return findings_of(clause, [], "", place=place, unknown=unknown)
    fault = f"the sources are copied to {quoted(first.target)}; use /app"
    return findings_of(clause, [(fault, place)], "", place=place)


def _check_port(image: Image) -> list[Finding]:
    """Check that the command leaves the port to PORT."""
    clause = clauses.PORT_IS_USED
    words = image.command
    text = " ".join(words)
    place = image.place(image.cmd or image.entrypoint)
    uses_variable = _PORT_VARIABLE.search(text) is not None
    reads_variables = any(
        word.rpartition("/")[2] in _SHELLS or word.endswith(".sh") or "entrypoint" in word
        for word in words
    )
    literal = _LITERAL_PORT.search(text)
    faults: list[Fault] = []
    if uses_variable and not reads_variables:
        fault = "no shell replaces $PORT in a JSON array; use sh -c and exec"
        faults.append((fault, place))
    elif literal is not None and not uses_variable:
        faults.append((f"the port {literal[1]} is written into the command; use $PORT", place))
    elif image.port is None and not uses_variable:
        fault = "neither ENV nor the command mentions PORT; set its default: ENV PORT=8000"
        faults.append((fault, image.place()))
    return findings_of(clause, faults, "PORT is used", place=place)


def _check_default_port(image: Image) -> list[Finding]:
    """Check the default of PORT."""
    clause = clauses.PORT_IS_8000
    if image.port is not None:
        instruction, value = image.port
        place = image.place(instruction)
        if value is None:
            unknown = "the default of PORT is a variable without a known value"
            return findings_of(clause, [], "", place=place, unknown=unknown)
        faults = [] if value == "8000" else [(f"the default of PORT is {quoted(value)}", place)]
        return findings_of(clause, faults, "the default of PORT is 8000", place=place)
    if image.exposed is not None:
        place = image.place(image.exposed)
        ports = [expanded(word, image.variables) for word in image.exposed.words]
        faults = [] if {"8000", "8000/tcp", None} & {*ports} else [("EXPOSE is not 8000", place)]
        return findings_of(clause, faults, "EXPOSE is 8000", place=place)
    unknown = "PORT has no default here"
    return findings_of(clause, [], "", place=image.place(), unknown=unknown)


def _check_secrets(image: Image, instructions: list[Instruction]) -> list[Finding]:
    """Check that no variable and no URL holds a secret. Its value is never shown."""
    faults: list[Fault] = []
    for each in instructions:
        place = image.place(each)
        for name, value in each.pairs if each.name in {"ARG", "ENV"} else ():
            # A variable comes from an ARG, and is in the image then; files and switches are fine.
            is_given = (
                each.name == "ARG" if not value else value[0] == "$" or is_secret(name, value)
            )
            if is_secret_name(name) and is_given:
                faults.append((f"{each.name} {quoted(name)} holds a secret by its name", place))
        text = "\n".join((each.text, *each.documents))
        if has_password(text):
            faults.append((f"a URL of {quoted(each.name)} holds a password or a token", place))
        if has_token(text):
            faults.append((f"{quoted(each.name)} holds what looks like a token or a key", place))
        if each.name in {"COPY", "ADD"} and "from" not in each.flags:
            names = {posixpath.basename(source) for source in each.words[:-1]}
            faults += [
                (f"the file {name} is copied into the image", place)
                for name in (".env", "id_rsa", "id_ed25519", ".npmrc", ".netrc", ".pypirc")
                if name in names
            ]
    return findings_of(
        clauses.HAS_NO_SECRETS, faults, "no secrets were found", place=Place(image.file)
    )


def _check_base_is_pinned(image: Image, stages: list[Stage]) -> list[Finding]:
    """Check that each image from elsewhere has a version."""
    used: list[tuple[str | None, int]] = []
    for index, stage in enumerate(stages):
        if stage.base is None:
            used.append((stage.image, stage.line))
        for each, variables in stage.instructions:
            source = each.flags.get("from")
            if source is not None and stage_from(source, stages[: index + 1]) is None:
                used.append((expanded(source, variables), each.line))
    faults: list[Fault] = []
    for name, line in used:
        if name is None or name == "scratch" or "@sha256:" in name:
            continue
        tag = name.rpartition("/")[2].partition(":")[2]
        if tag in _MOVING_TAGS or not tag:
            what = f"has the moving tag {tag}" if tag else "has no tag, which is latest"
            faults.append((f"{quoted(name)} {what}; name a version", Place(image.file, line)))
    unknown = None
    if any(name is None for name, _ in used):
        unknown = "an image is named by a variable without a default"
    return findings_of(
        clauses.BASE_IS_PINNED,
        faults,
        "all images have versions",
        place=image.place(),
        unknown=unknown,
    )


def _check_base_is_official(image: Image) -> list[Finding]:
    """Check whose image it is built on."""
    place = Place(image.file, image.stages[0].line)
    faults: list[Fault] = []
    unknown = None
    if image.root is None:
        unknown = "the base image is named by a variable without a default"
    elif not image.is_official:
        faults.append((f"{quoted(image.root)} is not one of Docker's official images", place))
    good = f"{quoted(image.root or '')} is official"
    return findings_of(clauses.BASE_IS_OFFICIAL, faults, good, place=place, unknown=unknown)


def _check_exec_form(image: Image) -> list[Finding]:
    """Check that signals reach the service, and CMD the ENTRYPOINT."""
    faults: list[Fault] = []
    both = [each for each in (image.entrypoint, image.cmd) if each is not None]
    for each in both:
        if each.exec_form is not None:
            continue
        place = image.place(each)
        if each.text.startswith("["):
            text = f"{each.name} is no valid JSON, so that a shell gets it; use double quotes"
            faults.append((text, place))
        elif each is image.entrypoint:
            text = "ENTRYPOINT is run by a shell, which ignores CMD; use a JSON array"
            faults.append((text, place))
        elif not _has_exec(each.text):
            text = "CMD is run by a shell, which passes no signals on; use a JSON array, or exec"
            faults.append((text, place))
    words = image.command
    for index, word in enumerate(words[:-2]):
        is_script = word.rpartition("/")[2] in _SHELLS and re.fullmatch(
            r"-[a-z]{0,9}c", words[index + 1]
        )
        if is_script and not _has_exec(words[index + 2]) and not faults:
            text = "sh -c starts the service without exec, and passes no signals on"
            faults.append((text, image.place(image.cmd or image.entrypoint)))
    return findings_of(
        clauses.IS_EXEC_FORM,
        faults,
        "signals reach the service",
        place=image.place(image.cmd or image.entrypoint),
        unknown=None if both else "there is no ENTRYPOINT and no CMD",
    )


def _has_exec(script: str) -> bool:
    """Return whether a script for a shell starts something by exec."""
    return re.search(r"(?:^|[\s;&|({])exec\s", script) is not None


def _check_healthcheck(image: Image) -> list[Finding]:
    """Check what a HEALTHCHECK asks."""
    clause = clauses.HEALTHCHECK_ASKS_LBHEARTBEAT
    place = image.place(image.healthcheck)
    text = "" if image.healthcheck is None else image.healthcheck.text
    if not text or text.upper() == "NONE":
        return findings_of(clause, [], "", place=place, unknown="there is no HEALTHCHECK")
    faults: list[Fault] = []
    unknown = None
    if "/__heartbeat__" in text:
        faults.append(("HEALTHCHECK asks /__heartbeat__; ask /__lbheartbeat__", place))
    elif "/__lbheartbeat__" in text or "dockerflow.probe" in text:
        pass
    elif re.search(r"https?://|\b(?:curl|wget)\b", text):
        faults.append(("HEALTHCHECK asks another path; ask /__lbheartbeat__", place))
    else:
        unknown = "what the command of HEALTHCHECK asks can't be seen"
    good = "HEALTHCHECK asks /__lbheartbeat__"
    return findings_of(clause, faults, good, place=place, unknown=unknown)


def _check_add(image: Image, stages: list[Stage]) -> list[Finding]:
    """Check that nothing is fetched without a checksum."""
    faults = [
        ("ADD fetches a URL without a checksum; give --checksum", image.place(each))
        for stage in stages
        for each, variables in stage.instructions
        if each.name == "ADD"
        and "checksum" not in each.flags
        and any(_REMOTE.match(expanded(word, variables) or word) for word in each.words[:-1])
    ]
    good = "ADD fetches nothing unchecked"
    return findings_of(clauses.HAS_NO_ADD_FROM_URL, faults, good, place=Place(image.file))
