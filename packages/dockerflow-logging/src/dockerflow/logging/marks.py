"""A cheap way to tell that nobody has changed a class since it was looked at."""

from __future__ import annotations

# Python marks a class on which something is looked up, since it may keep what it has found, and
# takes the mark away when that class or one above it is changed. On a class that nobody else knows,
# the mark tells that nothing has changed: one look in place of twenty. Python 3.13 has none.
# https://docs.python.org/3/c-api/typeobj.html#c.Py_TPFLAGS_VALID_VERSION_TAG
_VALID_VERSION_TAG = 1 << 19


def marked_below(*classes: type) -> type:
    """Return a new class below all of these, which bears the mark until one of them is changed."""
    made = type("_Watched", classes, {"__slots__": ()})
    getattr(made, "anything", None)
    return made


def _mark() -> int:
    class Above:
        pass

    below = marked_below(Above)
    before = below.__flags__
    Above.changed = True  # type: ignore[attr-defined]
    return before & ~below.__flags__ & _VALID_VERSION_TAG


#: The mark, as a flag of classes; 0 where Python has none.
MARK = _mark()
