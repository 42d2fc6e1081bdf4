"""What the instructions of a Dockerfile come to: the image that they build, as far as is known."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .dockerfile_parser import Instruction, Stage, expanded, find_stage
from .findings import Place
from .printing import quoted

ID = "10001"
"""The number of the user app and of the group app."""

_REGISTRIES = re.compile(
    r"(?:(?:docker\.io|index\.docker\.io|registry-1\.docker\.io|mirror\.gcr\.io|"
    r"public\.ecr\.aws/docker)/)?(?:library/)?"
)


@dataclass
class Copy:
    """A ``COPY`` or ``ADD``, with variables replaced; None for what is not known."""

    instruction: Instruction
    sources: list[str | None]
    target: str | None

    @property
    def has_stage(self) -> bool:
        """Whether it copies from another stage, or from another image."""
        return "from" in self.instruction.flags


@dataclass
class Image:
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
    copies: list[Copy] = field(default_factory=list[Copy])

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


def read_image(stages: list[Stage], name: str) -> Image:
    """Follow the instructions of the last stage, from those of its base on."""
    chain = stages[-1].chain
    image = Image(chain[0].image, chain, name)
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


def _read_copy(copy: Instruction, variables: Mapping[str, str], workdir: str | None) -> Copy:
    """Read a ``COPY`` or ``ADD``."""
    words = [expanded(word, variables) for word in copy.words]
    return Copy(copy, words[:-1], _join(workdir, words[-1] if words else None))


def _join(folder: str | None, path: str | None) -> str | None:
    """Return a path of the image, from a folder on; None if it is not known."""
    if path is None or (folder is None and not path.startswith("/")):
        return None
    return posixpath.normpath(posixpath.join(folder or "/", path))


def _is_official(image: str) -> bool:
    """Return whether an image is one of Docker's official ones, or empty."""
    match = _REGISTRIES.match(image)
    return "/" not in image[match.end() if match else 0 :].partition("@")[0]


def stage_from(name: str | None, stages: list[Stage]) -> Stage | None:
    """Return the stage that ``--from`` names, if it is one."""
    if name is not None and name.isdecimal() and len(name) < 5 and int(name) < len(stages):
        return stages[int(name)]
    return find_stage(stages, name)
