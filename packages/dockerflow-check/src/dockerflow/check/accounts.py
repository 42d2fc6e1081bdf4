"""Users and groups that the commands of a ``RUN`` instruction create."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Options with a value, of shadow's commands (Debian, Fedora), Debian's adduser and BusyBox's.
_OPTIONS = {
    "groupadd": "-g --gid -K --key -p --password -R --root -P --prefix -U --users",
    "addgroup": "-g --gid --firstgid --lastgid --conf --shell",
    "groupmod": "-g --gid -n --new-name -p --password",
    "useradd": "-u --uid -g --gid -G --groups -d --home-dir --home -s --shell -c --comment -b "
    "--base-dir -e --expiredate -f --inactive -k --skel -K --key -p --password -R --root -P "
    "--prefix -Z --selinux-user",
    "adduser": "-u --uid -g --gid -G --ingroup -h --home -s --shell --gecos --comment --conf -k "
    "--firstuid --lastuid --firstgid --lastgid -d --home-dir -c",
    "usermod": "-u --uid -g --gid -G --groups -d --home -s --shell -c --comment -l --login",
}
_BEFORE = {"then", "do", "else", "elif", "if", "while", "until", "!", "{", "time", "exec"} | {
    "sudo",
    "env",
    "busybox",
}
_SHELLS = {"sh", "bash", "ash", "dash"}
_SCRIPT_OPTION = re.compile(r"-[a-z]{0,9}c")
_NEWLINE = ";;;;"  # no word of a shell
_GROUP_LINE = re.compile(r"(?<![\w.-])app:[^:\s]{0,100}:([0-9]{1,10}):(?![0-9])")
_USER_LINE = re.compile(r"(?<![\w.-])app:[^:\s]{0,100}:([0-9]{1,10}):([0-9]{1,10}):")


@dataclass(frozen=True)
class Account:
    """A group or a user that a command creates or changes.

    :param name: its name; None if it can't be known.
    :param id: its number; an empty text if the command doesn't say it, None if it can't be known.
    """

    name: str | None
    id: str | None


class Group(Account):
    """A group, and its GID."""


@dataclass(frozen=True)
class User(Account):
    """A user, and its UID.

    :param groups: names and numbers of its groups; None stands for one that can't be known.
    """

    groups: tuple[str | None, ...]


def created(
    script: str, expand: Callable[[str], str | None], is_file: bool = False
) -> Iterator[Account]:
    """Find the users and groups that a script creates.

    :param script: commands for a shell.
    :param expand: replaces the variables in a word; None if one is not known.
    :param is_file: whether the script is the content of a file such as ``/etc/passwd`` instead.
    """
    for match in _USER_LINE.finditer(script):
        yield User("app", match[1], (match[2],))
    for match in _GROUP_LINE.finditer(script):
        yield Group("app", match[1])
    if is_file:
        return
    for words in commands(script):
        name = words[0].rpartition("/")[2]
        if name not in _OPTIONS:
            continue
        options, operands = _read(words[1:], set(_OPTIONS[name].split()))
        yield from _accounts(
            name,
            {key: None if value is None else expand(value) for key, value in options.items()},
            [expand(word) for word in operands],
        )


def commands(script: str) -> Iterator[list[str]]:
    """Split a script for a shell into its commands, as far as that is simple.

    Those of ``sh -c`` are the commands of its own script.
    """
    # Comments may hold apostrophes, which are none of a quote.
    lines = [line for line in script.split("\n") if not line.lstrip().startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ").replace("\n", f" {_NEWLINE} ")
    text = re.sub(r"(?<=\s)[0-9](?=[<>])", "", text)  # the 2 of `2>/dev/null`
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:  # a quote without an end
        words = re.sub(r"([;&|()]+)", r" \1 ", text).split()
    command: list[str] = []
    is_comment = False
    for word in (*words, _NEWLINE):
        is_comment = word != _NEWLINE and (is_comment or word.startswith("#"))
        if word and not word.strip(";&|()") and not is_comment:
            kept = list(itertools.dropwhile(lambda one: one in _BEFORE or "=" in one, command))
            inner = script_of(kept)
            if inner is not None:
                yield from commands(inner)
            elif kept:
                yield kept
            command = []
        elif not is_comment:
            command.append(word)


def script_of(words: list[str]) -> str | None:
    """Return the script that a command gives a shell with ``-c``, or None."""
    if words and words[0].rpartition("/")[2] in _SHELLS:
        rest = iter(words[1:])
        if any(_SCRIPT_OPTION.fullmatch(word) for word in rest):
            return next(rest, None)
    return None


def _read(words: list[str], with_value: set[str]) -> tuple[dict[str, str | None], list[str]]:
    """Split the words of a command into options and operands."""
    options: dict[str, str | None] = {}
    operands: list[str] = []
    # A redirection ends what is read.
    rest = itertools.takewhile(lambda word: not word or word.strip("<>&"), words)
    for word in rest:
        if word.startswith("--") and len(word) > 2:
            name, has_value, value = word.partition("=")
            options[name] = value if has_value else next(rest, "") if name in with_value else None
        elif word.startswith("-") and len(word) > 1:
            for index, letter in enumerate(word[1:], 2):
                if f"-{letter}" in with_value:
                    options[f"-{letter}"] = word[index:] or next(rest, "")
                    break
                options[f"-{letter}"] = None
        else:
            operands.append(word)
    return options, operands


def _accounts(
    command: str, options: dict[str, str | None], operands: list[str | None]
) -> Iterator[Account]:
    """Return what a command creates."""

    def value(*names: str) -> str | None:
        return next((options[name] for name in names if name in options), "")

    if not operands:
        return
    gid, uid = value("-g", "--gid"), value("-u", "--uid")
    if command in {"groupadd", "addgroup", "groupmod"}:
        new_name = value("-n", "--new-name") if command == "groupmod" else ""
        if command == "addgroup" and len(operands) > 1:  # `addgroup USER GROUP`
            yield User(operands[0], "", (operands[1],))
        else:
            yield Group(operands[0] if new_name == "" else new_name, gid)
        return
    new_name = value("-l", "--login") if command == "usermod" else ""
    name = operands[0] if new_name == "" else new_name
    if command == "adduser":
        # BusyBox's -g is the comment, and Debian's --gid the group's id.
        gid = value("-G", "--ingroup", "--gid")
        if len(operands) > 1:  # `adduser USER GROUP`
            yield User(name, "", (operands[1],))
            return
    more = value("-G", "--groups") if command != "adduser" else ""
    groups = [gid] if gid != "" else []
    groups += [None] if more is None else [each for each in more.split(",") if each]
    is_system = options.keys() & {"--system", "-S" if command == "adduser" else "-r"}
    has_own = gid == "" and not options.keys() & {"-N", "--no-user-group"}
    if command == "adduser" and is_system:
        has_own = gid == "" and "--group" in options
    if command == "usermod":
        groups.append(None)  # those that it had
    elif has_own:
        groups.append(name)  # its own, with the same number
        # Debian's adduser gives it the user's number; useradd takes one below 1000 for --system.
        yield Group(name, "" if is_system and command == "useradd" else uid)
    yield User(name, uid, tuple(groups))
