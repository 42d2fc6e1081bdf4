"""What any object says of itself, whatever its own methods do.

It is all that the summary of a request needs to know of how values are written.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: ``type``, with a result that type checkers take as it is. Not ``__class__``, which may lie.
class_of: Callable[[object], type] = type

# Read through the descriptors of `type` and not by name: a metaclass can answer anything to a name.
_qualname: Callable[[type], str] = type.__dict__["__qualname__"].__get__

# Where a record is formatted; the rest of the standard library runs for the values only.
_OWN_MODULES = ("dockerflow.logging", "logging", "json", "traceback", "linecache", "tokenize")
_OWN_PREFIXES = tuple(f"{module}." for module in _OWN_MODULES)


def is_interrupt(error: BaseException) -> bool:
    """Tell a real interrupt from one that a value's own method has raised.

    A Ctrl-C that strikes while a record is formatted belongs to the application; an exception that
    some ``__repr__`` raises, whichever it is, is only a fault of that value.

    :param error: what has just been caught.
    :returns: True where *error* is no :class:`Exception` and was raised in this package's code.
    """
    if isinstance(error, Exception):
        return False
    trace = error.__traceback__
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__")
    return isinstance(module, str) and f"{module}.".startswith(_OWN_PREFIXES)


def type_name(cls: type) -> str:
    """Return the qualified name of *cls*, whatever its metaclass says."""
    return str.__str__(_qualname(cls))


def safe_repr(value: object) -> str:
    """Return ``repr(value)``, or a text that says which exception it raised."""
    try:
        return str.__str__(repr(value))
    except BaseException as error:
        if is_interrupt(error):
            raise
        return f"<{type_name(type(value))} object, its repr raised {type_name(type(error))}>"


def safe_text(value: object) -> str:
    """Return ``str(value)``, or its :func:`safe_repr` where that raises."""
    try:
        return str.__str__(str(value))
    except BaseException as error:
        if is_interrupt(error):
            raise
        return safe_repr(value)
