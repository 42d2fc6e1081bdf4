"""What strangers say, fit to be printed: responses, files, archives and logs may be hostile."""

from __future__ import annotations

MOST_SHOWN = 100
"""Characters that are shown of what a stranger says."""


def printable(text: str) -> str:
    """Escape what is not printable: control characters, line ends, changes of direction."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def shown(value: object, limit: int = MOST_SHOWN) -> str:
    """Return the beginning of a text, printable.

    :param value: the text, or what has one.
    :param limit: how many of its characters are shown; ``…`` stands for the others.
    """
    text = str(value)
    return printable(text[:limit]) + ("…" if len(text) > limit else "")


def quoted(text: str) -> str:
    """Return the beginning of a text in quotes, printable."""
    return repr(text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…")
