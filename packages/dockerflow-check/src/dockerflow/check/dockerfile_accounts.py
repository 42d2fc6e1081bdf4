"""Check that a Dockerfile creates the group and the user of a service."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from . import dockerfile_clauses as clauses
from .accounts import Account, Group, User, created
from .clauses import Clause
from .dockerfile_image import ID, Image, stage_from
from .dockerfile_parser import Instruction, Stage, expanded
from .files import Fault, findings_of
from .findings import Finding
from .printing import quoted

_Account = tuple[Instruction, Account | None]
"""What an instruction creates; None stands for a file that can't be seen."""


def check_accounts(image: Image, stages: list[Stage]) -> Iterator[Finding]:
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
    image: Image, clause: Clause, found: list[_Account], unknown: str | None
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
            source = stage_from(each.flags.get("from"), stages)
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
