"""The messages that checks return, and their levels, as in Django's check framework.

The levels are those of :mod:`logging`, so that a message can be logged at its own level.
:class:`CheckMessage` is a port of `Django's
<https://docs.djangoproject.com/en/stable/ref/checks/#messages>`_ that does not need Django.
"""

from __future__ import annotations

from typing import Any, Final

DEBUG: Final = 10
"""A detail that helps to debug a check."""

INFO: Final = 20
"""Worth knowing; nothing needs to be done."""

WARNING: Final = 30
"""Something needs to be done; the heartbeat passes."""

ERROR: Final = 40
"""The service can't do its work; the heartbeat fails."""

CRITICAL: Final = 50
"""Worse than :data:`ERROR`; the heartbeat fails."""

STATUSES: dict[int, str] = {
    0: "ok",
    DEBUG: "debug",
    INFO: "info",
    WARNING: "warning",
    ERROR: "error",
    CRITICAL: "critical",
}
"""The names of the levels in the heartbeat."""


def level_to_text(level: int) -> str:
    """Return the name of a level; between two levels, that of the lower (35 is ``"warning"``).

    :param level: a number on the scale of :mod:`logging`'s levels; 0 or less is ``"ok"``.
    """
    return STATUSES[max((known for known in STATUSES if known <= level), default=0)]


class CheckMessage:
    """A message that a check returns.

    :param msg: a short text for the person who reads the heartbeat.
    :param level: one of :data:`DEBUG` to :data:`CRITICAL` or a number between them; each
        subclass has its own default.
    :param hint: what to do about it.
    :param obj: what the message is about; part of ``str(message)``. If it is an exception, its text
        and traceback are logged, but the heartbeat does not show them.
    :param id: a stable id, such as ``"acme.health.E001"``, by which the message can be silenced.
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
        if not isinstance(other, CheckMessage) or type(self) is not type(other):
            return NotImplemented
        return self._parts() == other._parts()

    def __hash__(self) -> int:
        # Without `obj`, which may not be hashable.
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
        """Return whether the message is at least as bad as ``level``, by default :data:`ERROR`."""
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
