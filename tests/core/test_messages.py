"""Messages, a port of Django's."""

from __future__ import annotations

from typing import Any

import pytest

from dockerflow import checks
from dockerflow.checks import CheckMessage, Error


@pytest.mark.parametrize(
    ("level", "text"),
    [
        *[(-1, "ok"), (0, "ok"), (9, "ok"), (10, "debug"), (20, "info"), (30, "warning")],
        *[(35, "warning"), (40, "error"), (49, "error"), (50, "critical"), (10**9, "critical")],
    ],
)
def test_level_to_text(level: int, text: str) -> None:
    """A level between two names reads as the lower one."""
    assert checks.level_to_text(level) == text


def test_str() -> None:
    """A message's text names its object, its id and its hint."""
    assert str(CheckMessage("m")) == "?: m"
    assert str(Error("m", hint="h", obj="o", id="i")) == "o: (i) m\n\tHINT: h"


def test_equality() -> None:
    """Messages are equal by class and all five parts, and equal ones have one hash."""
    parts: dict[str, Any] = {"msg": "m", "level": 40, "hint": "h", "obj": [], "id": "i"}
    one = CheckMessage(**parts)
    assert one == CheckMessage(**parts)
    assert hash(one) == hash(CheckMessage(**parts))
    others: dict[str, Any] = {"msg": "n", "level": 50, "hint": None, "obj": None, "id": None}
    for name, other in others.items():
        assert one != CheckMessage(**{**parts, name: other}), name
    assert one != Error("m", hint="h", obj=[], id="i")
    assert one != "m"


def test_is_serious() -> None:
    """A message is serious from ERROR on, or from a given level on."""
    assert Error("m").is_serious()
    assert not checks.Warning("m").is_serious()
    assert checks.Warning("m").is_serious(checks.WARNING)
    assert not CheckMessage("m").is_serious()


def test_repr() -> None:
    """A message's repr shows all its parts."""
    assert repr(Error("m", id="i")) == "<Error: level=40, msg='m', hint=None, obj=None, id='i'>"
