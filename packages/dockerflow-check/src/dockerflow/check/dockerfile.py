"""Check a Dockerfile. Nothing is built; what a base image brings along is not seen."""

from __future__ import annotations

import os
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from . import dockerfile_clauses as clauses
from .accounts import Account, Group, User, created
from .clauses import Clause
from .dockerfile_clauses import CLAUSES
from .dockerfile_parser import (
    Instruction,
    ParseError,
    Stage,
    expanded,
    find_stage,
    parse,
    read_stages,
)
from .files import Fault, findings_of, read_text
from .findings import Finding, Place, TargetError
from .printing import printable, quoted
from .secret_names import has_password, has_token, is_secret, is_secret_name

__all__ = ["CLAUSES", "check_dockerfile"]

MAX_BYTES = 200_000  # none that people write comes near
ID = "10001"

_SHELLS = {"sh", "bash", "ash", "dash", "zsh"}
_REGISTRIES = re.compile(
    r"(?:(?:docker\.io|index\.docker\.io|registry-1\.docker\.io|mirror\.gcr\.io|"
    r"public\.ecr\.aws/docker)/)?(?:library/)?"
)
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


_Account = tuple[Instruction, Account | None]
"""What an instruction creates; None stands for a file that can't be seen."""


@dataclass
class _Copy:
    """A ``COPY`` or ``ADD``, with variables replaced; None for what is not known."""

    instruction: Instruction
    sources: list[str | None]
    target: str | None

    @property
    def has_stage(self) -> bool:
        """Whether it copies from another stage, or from another image."""
        return "from" in self.instruction.flags


@dataclass
class _Image:
    """What the instructions of a stage and of those that it is built on come to."""

    root: str | None  # the outer base image
    stages: list[Stage]
    file: str
    user: tuple[Instruction, str | None] | None = None
    entrypoint: Instruction | None = None
    cmd: Instruction | None = None
    drops_cmd: bool = False  # that of an earlier stage
    healthcheck: Instruction | None = None
    workdir: str | None = "/"
    exposed: Instruction | None = None
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    port: tuple[Instruction, str | None] | None = None
    copies: list[_Copy] = field(default_factory=list[_Copy])

    def place(self, instruction: Instruction | None = None) -> Place:
        """Return the place of an instruction, or else that of the stage."""
        return Place(self.file, self.stages[-1].line if instruction is None else instruction.line)

    @property
    def is_official(self) -> bool:
        """Whether all that its base image has is known: nothing of what is asked for here."""
        return self.root is not None and _is_official(self.root)

    def unseen(self, what: str) -> str | None:
        """Say that a base image may have what is missing here; None if it can't.

        :param what: what is missing, as a sentence.
        """
        if self.is_official:
            return None
        base = "the base image" if self.root is None else f"the base image {quoted(self.root)}"
        return f"{what} here; {base} may have it: ask `dockerflow-check image`"

    @property
    def needs_app(self) -> bool:
        """Whether the image runs as a user of the name app, which it must then have."""
        return self.user is not None and (self.user[1] or "").partition(":")[0] == "app"

    @property
    def command(self) -> list[str]:
        """The words that are run, those of a shell included."""
        both = [self.entrypoint]
        if self.entrypoint is None or self.entrypoint.exec_form is not None:
            both.append(self.cmd)  # a shell ignores it
        lists = [each.exec_form or ["/bin/sh", "-c", each.text] for each in both if each]
        return [word for words in lists for word in words]


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
        stage = _stage_from(target, stages)
        if stage is None:
            raise TargetError(f"{name} has no stage {quoted(target)}")
        stages = [each for each in stages if each.line <= stage.line]
    image = _read_image(stages, name)
    return [
        *_check_accounts(image, stages),
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


def _read_image(stages: list[Stage], name: str) -> _Image:
    """Follow the instructions of the last stage, from those of its base on."""
    chain = stages[-1].chain
    image = _Image(chain[0].image, chain, name)
    if not image.is_official:
        image.workdir = None
    for stage in chain:
        has_cmd = False
        for each, variables in stage.instructions:
            if each.name == "ENTRYPOINT":
                image.entrypoint = None if each.exec_form == [] else each
                image.drops_cmd = image.cmd is not None and not has_cmd  # as Docker does
                image.cmd = image.cmd if has_cmd else None
            elif each.name == "CMD":
                image.cmd = None if each.exec_form == [] else each
                has_cmd = True
            elif each.name == "USER":
                image.user = each, expanded(each.text.strip("\"'"), variables)
            elif each.name == "HEALTHCHECK":
                image.healthcheck = each
            elif each.name == "EXPOSE":
                image.exposed = each
            elif each.name == "WORKDIR":
                image.workdir = _join(image.workdir, expanded(each.text.strip("\"'"), variables))
            elif each.name == "ENV" and any(key == "PORT" for key, _ in each.pairs):
                image.port = each, variables.get("PORT")
            elif each.name in {"COPY", "ADD"}:
                image.copies.append(_read_copy(each, variables, image.workdir))
            image.variables = variables
    return image


def _read_copy(copy: Instruction, variables: Mapping[str, str], workdir: str | None) -> _Copy:
    """Read a ``COPY`` or ``ADD``."""
    words = [expanded(word, variables) for word in copy.words]
    return _Copy(copy, words[:-1], _join(workdir, words[-1] if words else None))


def _join(folder: str | None, path: str | None) -> str | None:
    """Return a path of the image, from a folder on; None if it is not known."""
    if path is None or (folder is None and not path.startswith("/")):
        return None
    return posixpath.normpath(posixpath.join(folder or "/", path))


def _is_in_app(path: str) -> bool:
    """Return whether a path of the image is /app, or in it."""
    return path == "/app" or path.startswith("/app/")


def _is_official(image: str) -> bool:
    """Return whether an image is one of Docker's official ones, or empty."""
    match = _REGISTRIES.match(image)
    return "/" not in image[match.end() if match else 0 :].partition("@")[0]


def _check_accounts(image: _Image, stages: list[Stage]) -> Iterator[Finding]:
    """Check that the group and the user are created."""
    found: list[_Account] = []
    seen: set[int] = set()
    for stage in image.stages:
        found += _accounts(stage, stages, seen)
    unknown = None
    if image.needs_app and any(map(_runs_script, image.stages)):
        unknown = "nothing creates it here; a script may: ask `dockerflow-check image`"
    elif any(account is None for _, account in found):
        unknown = "a copied file may bring it; ask `dockerflow-check image`"
    else:
        unknown = image.unseen("nothing creates it")
    yield from _check_account(image, clauses.GROUP_IS_CREATED, found, unknown)
    yield from _check_account(image, clauses.USER_IS_CREATED, found, unknown)


def _check_account(
    image: _Image, clause: Clause, found: list[_Account], unknown: str | None
) -> list[Finding]:
    """Check the group or the user, by all commands that are about it."""
    is_user = clause is clauses.USER_IS_CREATED
    kind: type[Account] = User if is_user else Group
    what, id_name = ("user", "UID") if is_user else ("group", "GID")
    named = [(each, one) for each, one in found if isinstance(one, kind) and one.name == "app"]
    place = image.place(named[-1][0] if named else None)
    number = next((one.id for _, one in reversed(named) if one.id != ""), "")
    groups = {group for _, one in named if isinstance(one, User) for group in one.groups}
    faults: list[Fault] = []
    if named and number == "":
        faults.append((f"the {what} app is given no {id_name}; use {ID}", place))
    elif named and number is not None and number != ID:
        faults.append((f"the {what} app has {id_name} {quoted(number)}; use {ID}", place))
    elif is_user and named and not {"app", ID, None} & groups:
        faults.append(("the user app is not in the group app", place))
    elif number is None or (groups and not {"app", ID} & groups):
        unknown = f"what the commands give the {what} app can't be seen"
    elif named:
        unknown = None
    elif any(isinstance(one, kind) and one.name is None for _, one in found):
        unknown = f"the name of a {what} is a variable without a known value"
    elif unknown is None:
        faults.append((f"no {what} app with {id_name} {ID} is created", place))
    good = f"the {what} app has {id_name} {ID}"
    return findings_of(clause, faults, good, place=place, unknown=unknown)


def _accounts(stage: Stage, stages: list[Stage], seen: set[int]) -> Iterator[_Account]:
    """Find the accounts of a stage alone; None stands for those of a file that can't be seen."""
    if id(stage) in seen:
        return
    seen.add(id(stage))
    for each, variables in stage.instructions:

        def expand(word: str, variables: Mapping[str, str] = variables) -> str | None:
            return expanded(word, variables)

        if each.name == "RUN":
            words = each.exec_form
            parts = (each.text, *each.documents) if words is None else [shlex.join(words)]
            for account in created("\n".join(parts), expand):
                yield each, account
        elif each.name in {"COPY", "ADD"} and _brings_accounts(each):
            for brought in created("\n".join(each.documents), expand, is_file=True):
                yield each, brought
            source = _stage_from(each.flags.get("from"), stages)
            if source is not None:
                for one in source.chain:
                    for _, copied in _accounts(one, stages, seen):
                        yield each, copied
            elif not each.documents:
                yield each, None


def _runs_script(stage: Stage) -> bool:
    """Return whether a stage runs a script, whose commands can't be seen."""
    runs = (each for each, _ in stage.instructions if each.name == "RUN")
    return any(word.endswith(".sh") for each in runs for word in each.words)


def _brings_accounts(copy: Instruction) -> bool:
    """Return whether a COPY may bring /etc/passwd or /etc/group."""
    *sources, target = copy.words or [""]
    if any(path.rstrip("/").endswith(("passwd", "group")) for path in (*sources, target)):
        return target.startswith("/etc") or target == "/"
    return "from" in copy.flags and any(path in {"/", "/etc", "/etc/"} for path in sources)


def _stage_from(name: str | None, stages: list[Stage]) -> Stage | None:
    """Return the stage that ``--from`` names, if it is one."""
    if name is not None and name.isdecimal() and len(name) < 5 and int(name) < len(stages):
        return stages[int(name)]
    return find_stage(stages, name)


def _check_user(image: _Image) -> list[Finding]:
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


def _check_entrypoint_and_cmd(image: _Image) -> list[Finding]:
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


def _check_sources(image: _Image) -> list[Finding]:
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


def _check_port(image: _Image) -> list[Finding]:
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


def _check_default_port(image: _Image) -> list[Finding]:
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


def _check_secrets(image: _Image, instructions: list[Instruction]) -> list[Finding]:
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


def _check_base_is_pinned(image: _Image, stages: list[Stage]) -> list[Finding]:
    """Check that each image from elsewhere has a version."""
    used: list[tuple[str | None, int]] = []
    for index, stage in enumerate(stages):
        if stage.base is None:
            used.append((stage.image, stage.line))
        for each, variables in stage.instructions:
            source = each.flags.get("from")
            if source is not None and _stage_from(source, stages[: index + 1]) is None:
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


def _check_base_is_official(image: _Image) -> list[Finding]:
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


def _check_exec_form(image: _Image) -> list[Finding]:
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


def _check_healthcheck(image: _Image) -> list[Finding]:
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


def _check_add(image: _Image, stages: list[Stage]) -> list[Finding]:
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
