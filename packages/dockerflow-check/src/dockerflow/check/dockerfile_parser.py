"""Reading a Dockerfile: its instructions, and its stages with their variables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

MAX_VALUE = 10_000  # characters of a value; `ENV A=$A$A`, repeated, would fill the memory
MAX_VARIABLES = 500  # of a stage
MAX_INSTRUCTIONS = 2000

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.*?)\s*")
_FLAG = re.compile(r"--([a-z][a-z-]*)(?:=((?:\"[^\"]*\"|'[^']*'|[^\s\"'])*))?(?:\s+|$)")
_WORD = re.compile(r"(?:\"(?:\\.|[^\"\\])*\"|'[^']*'|\\.|[^\s\"'\\])+|\S", re.DOTALL)
_QUOTED = re.compile(r"\"((?:\\.|[^\"\\])*)\"|'([^']*)'|\\(.)", re.DOTALL)
_HEREDOC = re.compile(r"\d*<<(-?)([^<\s]+)")
_VARIABLE = re.compile(
    r"\\\$|\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])([^{}]*))?\}|(\{))"
)


class ParseError(ValueError):
    """The text can't be read as a Dockerfile.

    :param line: the line from which it can't be read.
    """

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    :param name: its name in upper case, such as ``RUN``.
    :param text: all after its name and its flags, with continued lines joined.
    :param line: the line on which it begins, from 1 on.
    :param flags: its flags, such as ``{"from": "build"}``.
    :param documents: the bodies of its heredocs.
    """

    name: str
    text: str
    line: int
    flags: Mapping[str, str] = field(default_factory=dict[str, str])
    documents: tuple[str, ...] = ()

    @property
    def exec_form(self) -> list[str] | None:
        """The words of the exec form, a JSON array of strings; None for the shell form."""
        if not self.text.startswith("["):
            return None
        try:
            words: object = json.loads(self.text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(words, list):
            return None
        items = cast(list[object], words)
        texts = [word for word in items if isinstance(word, str)]
        return texts if len(texts) == len(items) else None

    @property
    def words(self) -> list[str]:
        """The words of the exec form, or else those between spaces, without their quotes."""
        return self.exec_form or [unquoted(word) for word in _WORD.findall(self.text)]

    @property
    def pairs(self) -> list[tuple[str, str | None]]:
        """The names and values of an ``ENV`` or ``ARG``; None where there is no value."""
        words = _WORD.findall(self.text)
        if self.name == "ENV" and words and "=" not in words[0]:
            return [(words[0], self.text[len(words[0]) :].strip())]  # the old form, ENV NAME value
        split = (word.partition("=") for word in words)
        return [(unquoted(name), unquoted(value) if sep else None) for name, sep, value in split]


@dataclass
class Stage:
    """A stage of the build.

    :param line: the line of its ``FROM``.
    :param image: what it is built from, with variables replaced; None if one has no known value.
    :param name: its name in lower case, or an empty text.
    :param base: the earlier stage that it is built from, if it is.
    :param instructions: each with the variables that it sees.
    """

    line: int
    image: str | None
    name: str
    base: Stage | None
    instructions: list[tuple[Instruction, Mapping[str, str]]] = field(
        default_factory=list[tuple[Instruction, Mapping[str, str]]]
    )

    @property
    def chain(self) -> list[Stage]:
        """The stages that it consists of, from that with the outer base image to itself."""
        stages: list[Stage] = []
        stage: Stage | None = self
        while stage is not None:
            stages.append(stage)
            stage = stage.base
        return stages[::-1]


def unquoted(word: str) -> str:
    """Return a word without its quotes and escapes."""
    return _QUOTED.sub(
        lambda match: next(part for part in match.groups() if part is not None), word
    )


def expanded(text: str, variables: Mapping[str, str]) -> str | None:
    """Return a text with its variables replaced; None if one of them is not known."""
    parts: list[str] = []
    end = length = 0
    for match in _VARIABLE.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        plain, braced, operator, word, strange = match.groups()
        name = plain or braced
        if match[0] == r"\$":
            parts.append("$")
            continue
        value = variables.get(name) if name else None
        if strange or name is None:
            return None
        if operator in {":-", "-"}:
            value = value or expanded(word, variables)
        elif operator in {":+", "+"}:
            value = expanded(word, variables) if value else ""
        if value is None or length > MAX_VALUE:
            return None
        length += len(value)
        parts.append(value)
    return "".join((*parts, text[end:]))


def parse(text: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile.

    :raises ParseError: for a heredoc without an end, and for more instructions than anyone writes.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    escape = _escape(lines)
    numbered = enumerate(lines, 1)
    instructions: list[Instruction] = []
    for start, line in numbered:
        if len(instructions) == MAX_INSTRUCTIONS:
            raise ParseError(f"there are more than {MAX_INSTRUCTIONS} instructions", start)
        if _is_code(line):
            instructions.append(_instruction(start, line, numbered, escape))
    return instructions


def _is_code(line: str) -> bool:
    """Return whether a line is neither empty nor a comment."""
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _escape(lines: list[str]) -> str:
    """Return the character that continues lines, which a directive at the top may set."""
    for line in lines:
        match = _DIRECTIVE.fullmatch(line.strip())
        if match is None:
            break
        if match[1].lower() == "escape" and match[2] == "`":
            return "`"
    return "\\"


def _instruction(
    start: int, line: str, rest: Iterator[tuple[int, str]], escape: str
) -> Instruction:
    """Read an instruction that starts on a line; take what belongs to it from the rest."""
    parts: list[str] = []
    while True:
        body = line.rstrip()
        # Two of them are an escaped one.
        continues = body.endswith(escape) and not body.endswith(escape * 2)
        parts.append(body.removesuffix(escape) if continues else body)
        line = next((line for _, line in rest if _is_code(line)), "") if continues else ""
        if not line:
            break
    name, _, arguments = "".join(parts).strip().replace("\t", " ").partition(" ")
    name, arguments = name.upper(), arguments.strip()
    if name == "ONBUILD":
        return Instruction(name, arguments, start)
    flags: dict[str, str] = {}
    end = 0
    while flag := _FLAG.match(arguments, end):
        flags[flag[1]] = unquoted(flag[2] or "")
        end = flag.end()
    arguments = arguments[end:]
    instruction = Instruction(name, arguments, start, flags)
    if name not in {"RUN", "COPY", "ADD"} or instruction.exec_form is not None:
        return instruction
    heredocs = [_HEREDOC.fullmatch(word) for word in _WORD.findall(arguments)]
    documents = tuple(
        _document(unquoted(match[2]), bool(match[1]), rest, start) for match in heredocs if match
    )
    return Instruction(name, arguments, start, flags, documents)


def _document(end: str, is_indented: bool, rest: Iterator[tuple[int, str]], start: int) -> str:
    """Read the body of a heredoc."""
    lines: list[str] = []
    for _, line in rest:
        shown = line.lstrip("\t") if is_indented else line
        if shown.rstrip("\r") == end:
            return "\n".join(lines)
        lines.append(shown)
    raise ParseError("a heredoc has no end", start)


def read_stages(instructions: list[Instruction]) -> list[Stage]:
    """Return the stages of a Dockerfile, the last of which is the image."""
    stages: list[Stage] = []
    outer: dict[str, str] = {}  # of the ARGs before the first FROM
    variables: dict[str, str] = {}
    arguments: set[str] = set()  # variables that an ARG has set, which an ENV overrides
    for each in instructions:
        if each.name == "FROM":
            words = each.words
            image = expanded(words[0], outer) if words else None
            name = words[2].lower() if len(words) > 2 and words[1].upper() == "AS" else ""
            base = find_stage(stages, image)
            stages.append(Stage(each.line, image, name, base))
            variables = {} if base is None else _environment(base)
            arguments = set()
        elif not stages:
            for key, value in each.pairs if each.name == "ARG" else ():
                _set(outer, key, value, outer)
        else:
            before = variables
            if each.name in {"ARG", "ENV"}:
                variables = dict(variables)
            for key, value in each.pairs if each.name in {"ARG", "ENV"} else ():
                if each.name == "ENV":
                    arguments.discard(key)
                    _set(variables, key, value, before)
                elif key not in variables or key in arguments:
                    arguments.add(key)
                    _set(variables, key, outer.get(key) if value is None else value, before)
            stages[-1].instructions.append((each, variables))
    return stages


def find_stage(stages: list[Stage], name: str | None) -> Stage | None:
    """Return the last stage of a name, if there is one."""
    return next((one for one in reversed(stages) if name and one.name == name.lower()), None)


def _environment(stage: Stage) -> dict[str, str]:
    """Return the variables of a stage that one built from it inherits: those of ENV, not of ARG."""
    values: dict[str, str] = {}
    for each, variables in (pair for one in stage.chain for pair in one.instructions):
        if each.name == "ENV":
            values |= {key: variables[key] for key, _ in each.pairs if key in variables}
    return values


def _set(variables: dict[str, str], name: str, value: str | None, known: Mapping[str, str]) -> None:
    """Set a variable, or forget it if its value is not known."""
    result = None if value is None else expanded(value, known)
    if result is None or len(result) > MAX_VALUE or len(variables) > MAX_VARIABLES:
        variables.pop(name, None)
    else:
        variables[name] = result
