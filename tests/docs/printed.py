"""Comparing what a page says is printed with what was printed."""

from __future__ import annotations

import difflib
import json
import re


class Wrong(AssertionError):
    """What a page says is not what happens; the text says how."""


# What differs from run to run, or from machine to machine.
_BLOTS = [
    (r'("Timestamp": ?)\d+', r"\g<1>0"),
    (r'("(?:Pid|t)": ?)\d+', r"\g<1>0"),
    (r'("Hostname": ?)"[^"]*"', r'\1""'),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "UUID"),
    (r"\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "DATE"),
    (r"\bcurl/[\d.]+", "curl/8"),
]


def blotted(text: str) -> str:
    """Blot out moments, processes, hosts, generated ids and the version of curl."""
    for pattern, replacement in _BLOTS:
        text = re.sub(pattern, replacement, text)
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def matches(expected: str, got: str) -> bool:
    """Tell whether a text is as the page says, where ``...`` stands for any text."""
    pattern = ".*?".join(re.escape(part) for part in blotted(expected).split("..."))
    return re.fullmatch(pattern, blotted(got), re.DOTALL) is not None


def difference(expected: str, got: str) -> str:
    """Say line by line how a text differs from what the page says."""
    said, printed = blotted(expected).splitlines(), blotted(got).splitlines()
    return "\n".join(difflib.unified_diff(said, printed, "the page says", "printed", "", "", 3, ""))


def canonical(text: str) -> str:
    """Write JSON in one way, whatever its order of keys and its white space.

    :raises Wrong: it is not JSON.
    """
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError as error:
        raise Wrong(f"not JSON: {error}") from None


def json_lines(output: str) -> list[str]:
    """List the lines of an output that are JSON objects, each written in one way."""
    found: list[str] = []
    for line in output.splitlines():
        if line.startswith("{"):
            try:
                found.append(canonical(line))
            except Wrong:
                continue
    return found


def nearest(expected: str, candidates: list[str]) -> str:
    """Choose what is most like the expected text, to be shown in a failure."""
    near = difflib.get_close_matches(expected, candidates, 1, 0.0)
    return near[0] if near else ""


def pretty(text: str) -> str:
    """Spread JSON over lines, so that a difference shows one field."""
    return json.dumps(json.loads(text), indent=1)
