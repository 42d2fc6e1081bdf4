"""Cheap ways to tell that nobody has changed a class or an object since it was looked at."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Python marks a class on which something is looked up, since it may keep what it has found, and
# takes the mark away when that class or one above it is changed. On a class that nobody else knows,
# the mark tells that nothing has changed: one look in place of twenty. Python 3.13 has none.
# https://docs.python.org/3/c-api/typeobj.html#c.Py_TPFLAGS_VALID_VERSION_TAG
_VALID_VERSION_TAG = 1 << 19


def _marked_below(*classes: type) -> type:
    """Return a new class below all of these, which bears the mark until one of them is changed."""
    made = type("_Watched", classes, {"__slots__": ()})
    getattr(made, "anything", None)
    return made


def _mark() -> int:
    class Above:
        pass

    below = _marked_below(Above)
    before = below.__flags__
    Above.changed = True  # type: ignore[attr-defined] # a change, to see what it does
    return before & ~below.__flags__ & _VALID_VERSION_TAG


#: The mark, as a flag of classes; 0 where Python has none.
MARK = _mark()


class WatchedClasses:
    """Tells whether classes are as they were found.

    Whoever needs it often asks first whether ``below.__flags__ == flags``.

    :param holds: looks whether all that matters of the classes is as it was found. It compares the
        very objects: a wrapper may say that it equals what it wraps.
    :param classes: the classes.
    """

    __slots__ = ("_classes", "_holds", "below", "flags")

    def __init__(self, holds: Callable[[], bool], *classes: type) -> None:
        self._holds = holds
        self._classes = classes
        self.below = _marked_below(*classes) if MARK else object
        self.flags = self.below.__flags__ | MARK if MARK else -1  # as long as it bears the mark

    def are_as_found(self) -> bool:
        """Look; if all is as it was found, the mark holds from now on."""
        # First of all: while something is patched, to make a class each time would take long.
        if not self._holds():
            return False
        if MARK:
            # Another thread must not take the mark for an answer before all has been looked at.
            below = _marked_below(*self._classes)
            if not self._holds():
                return False
            self.below = below
        return True


#: A new object after each change of any :class:`Noted` object.
latest_change = object()


class Noted:
    """An object that notes when an attribute is set or deleted: one look in place of one at each.

    That is as everybody does it; who writes into its ``__dict__``, or calls ``object.__setattr__``,
    goes unnoticed.

    :ivar _plain_class: its class, if that has said so and if none of what the class has was
        replaced on the object.
    """

    __slots__ = ()

    _plain_class: type | None = None

    if not TYPE_CHECKING:  # or a type checker would let anybody set anything

        def __setattr__(self, name: str, value: Any) -> None:
            global latest_change
            cls = type(self)
            try:
                super().__setattr__(name, value)
            finally:
                if self._plain_class is not None and (name == "__dict__" or _hides(cls, name)):
                    object.__setattr__(self, "_plain_class", None)
                latest_change = object()

        def __delattr__(self, name: str) -> None:
            global latest_change
            try:
                super().__delattr__(name)
            finally:
                latest_change = object()


def _hides(cls: type, name: str) -> bool:
    """Tell whether an attribute of an object takes the place of one of its class."""
    if name != "_plain_class":
        for one in cls.__mro__:
            if name in one.__dict__:
                known: object = one.__dict__[name]
                return not hasattr(type(known), "__set__")
    return False
