"""Levels and messages: what a check says, in the terms of Django's check framework.

The levels are those of :mod:`logging`, so that a message can be logged at its own level.
:class:`CheckMessage` is a port of `Django's
<https://docs.djangoproject.com/en/stable/ref/checks/#messages>`_, which needs no Django.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

DEBUG: Final = 10
"""For those who look into a check."""

INFO: Final = 20
"""Worth knowing, and nothing to be done."""

WARNING: Final = 30
"""Something is to be done; the heartbeat passes."""

ERROR: Final = 40
"""The service can't do its work; the heartbeat fails."""

CRITICAL: Final = 50
"""As :data:`ERROR`, and worse."""

STATUSES: dict[int, str] = {
    0: "ok",
    DEBUG: "debug",
    INFO: "info",
    WARNING: "warning",
    ERROR: "error",
    CRITICAL: "critical",
}
"""The names of the levels, as the heartbeat says them."""


def level_to_text(level: int) -> str:
    """Return the name of a level; one between two names reads as the lower (35 is ``"warning"``).

    :param level: a number on the scale of :mod:`logging`'s levels; 0 and less is ``"ok"``.
    """
    text = STATUSES[0]
    for value, name in STATUSES.items():
        if value <= level:
            text = name
    return text


class CheckMessage:
    """One thing that a check has to say.

    :param msg: a short text for the person who looks at the heartbeat.
    :param level: one of :data:`DEBUG` to :data:`CRITICAL` or a number between them; the
        subclasses bring their own.
    :param hint: what to do about it.
    :param obj: what the message is about; part of ``str(message)``.
    :param id: the stable id by which the message can be silenced, such as ``"acme.health.E001"``.
    """

    level: int | None = None

    def __init__(
        self,
        msg: str,
        level: int | None = None,
        hint: str | None = None,
        obj: Any = None,
        id: str | None = None,
    ) -> None:
        self.msg = msg
        if level is not None:
            self.level = int(level)
        self.hint = hint
        self.obj = obj
        self.id = id

    def _parts(self) -> tuple[Any, ...]:
        return (self.level, self.msg, self.hint, self.obj, self.id)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        assert isinstance(other, CheckMessage)
        return self._parts() == other._parts()

    def __hash__(self) -> int:
        # without `obj`, which may be a thing that has no hash
        return hash((type(self), self.level, self.msg, self.hint, self.id))

    def __str__(self) -> str:
        obj = "?" if self.obj is None else str(self.obj)
        id = f"({self.id}) " if self.id else ""
        hint = f"\n\tHINT: {self.hint}" if self.hint else ""
        return f"{obj}: {id}{self.msg}{hint}"

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: level={self.level!r}, msg={self.msg!r}, "
            f"hint={self.hint!r}, obj={self.obj!r}, id={self.id!r}>"
        )

    def is_serious(self, level: int = ERROR) -> bool:
        """Say whether the message is at least as bad as ``level``, by default :data:`ERROR`."""
        return self.level is not None and self.level >= level


class Debug(CheckMessage):
    """A message of level :data:`DEBUG`."""

    level = DEBUG


class Info(CheckMessage):
    """A message of level :data:`INFO`."""

    level = INFO


class Warning(CheckMessage):
    """A message of level :data:`WARNING`: shown, and the heartbeat still passes."""

    level = WARNING


class Error(CheckMessage):
    """A message of level :data:`ERROR`: the heartbeat fails."""

    level = ERROR


class Critical(CheckMessage):
    """A message of level :data:`CRITICAL`: the heartbeat fails."""

    level = CRITICAL
