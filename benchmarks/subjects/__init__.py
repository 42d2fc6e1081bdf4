"""What is measured: each subject is one piece of work, in a process of its own.

The modules here run in two environments, with these packages and with the existing one, so they use
only the API that both have.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

# The module for the part of a subject's name before the first dot, where they differ.
_MODULES = {"django_wsgi": "django", "django_asgi": "django"}


class Unavailable(Exception):
    """Raised by the factory of a subject that the installed package cannot run; says why."""


class Subject(Protocol):
    """One piece of work."""

    @property
    def clock(self) -> str:
        """Say which time counts: "cpu" (of the process), "wall", or "own" (see `SelfTimed`)."""
        ...

    def run(self, count: int) -> None:
        """Do the work `count` times: this is what is timed."""
        ...

    def check(self) -> None:
        """Do the work once and look at all that it gives: before the first block, after the last.

        :raises AssertionError: The output is not what it has to be.
        """
        ...


class Prepared(Subject, Protocol):
    """A subject that has something to put in order before each block, untimed."""

    def prepare(self, count: int) -> None:
        """Get ready for `run(count)`."""
        ...


class SelfTimed(Subject, Protocol):
    """A subject whose work is done by other processes, which say what it took them; clock "own"."""

    def spent(self) -> int:
        """Return the nanoseconds that the last `run` took."""
        ...


def make(name: str) -> Subject:
    """Make the subject of this name, `<module>.<what>`.

    :raises Unavailable: The installed package cannot do this.
    :raises LookupError: There is no subject of that name.
    """
    prefix = name.partition(".")[0]
    module = f"{__name__}.{_MODULES.get(prefix, prefix)}"
    try:
        subjects: dict[str, Callable[[], Subject]] = import_module(module).SUBJECTS
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise LookupError(name) from None
    if name not in subjects:
        raise LookupError(name)
    return subjects[name]()
